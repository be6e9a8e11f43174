//! Protobuf to JSON, message by message, merging what came in parts.

use std::ops::Range;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bumpalo::Bump;

use crate::context::{Context, Limits};
use crate::decode::{self, Refused, Signal};
use crate::descriptor::{Field, Kind, Label, Message};
use crate::fault::{Fault, Result};
use crate::render;
use crate::wire::{FIXED32, FIXED64, LEN, Reader, VARINT, low_i32, low_u32, zigzag32};

/// Compact JSON of a request.
pub fn to_json(signal: Signal, request: &[u8]) -> std::result::Result<Vec<u8>, Refused> {
    decode::scan(signal, request, Limits::NONE)?;
    let arena = Bump::new();
    let entries = vec![Entry { field: 0, value: Value::Message(Reader::new(request)) }];
    let mut writing = Writing { cx: Context::new(Limits::NONE, &arena), out: String::new(), entries };
    writing.object(Message::request(signal), 0..1).map_err(|fault| (0, fault))?;
    Ok(writing.out.into_bytes())
}

/// One value of a field as it stands on the wire.
#[derive(Clone, Copy)]
struct Entry<'a> {
    /// Index of its field in the message.
    field: usize,
    value: Value<'a>,
}

#[derive(Clone, Copy)]
enum Value<'a> {
    Number(u64),
    Bytes(&'a [u8]),
    Message(Reader<'a>),
}

/// The member of a oneof that came last, and how many entries there were when it took over.
#[derive(Default)]
struct Member {
    field: Option<usize>,
    since: usize,
}

struct Writing<'a> {
    cx: Context<'a>,
    out: String,
    /// Entries of the messages that are being written, innermost last.
    entries: Vec<Entry<'a>>,
}

impl<'a> Writing<'a> {
    /// Writes the message that the entries in `parts` say together.
    fn object(&mut self, message: &'static Message, parts: Range<usize>) -> Result<()> {
        let start = self.entries.len();
        let mut member = Member::default();
        for index in parts {
            if let Value::Message(reader) = self.entries[index].value {
                self.collect(message, reader, &mut member)?;
            }
        }
        self.drop_members(message, start, &member);
        self.entries[start..].sort_by_key(|entry| entry.field);
        self.out.push('{');
        self.fields(message, start..self.entries.len())?;
        self.out.push('}');
        self.entries.truncate(start);
        Ok(())
    }

    fn fields(&mut self, message: &'static Message, mut entries: Range<usize>) -> Result<()> {
        let before = self.out.len();
        while let Some(first) = self.entries[entries.clone()].first().copied() {
            let same = self.entries[entries.clone()].iter().take_while(|entry| entry.field == first.field).count();
            let end = entries.start + same;
            self.field(&message.0[first.field], entries.start..end, before)?;
            entries.start = end;
        }
        Ok(())
    }

    fn collect(&mut self, message: &'static Message, mut reader: Reader<'a>, member: &mut Member) -> Result<()> {
        while let Some(tag) = reader.tag()? {
            let Some(field) = message.0.iter().position(|field| field.number == tag >> 3) else {
                reader.skip(tag)?;
                continue;
            };
            let Field { label, kind, .. } = message.0[field];
            if label == Label::Oneof && is_wire(kind, tag & 7) && member.field != Some(field) {
                *member = Member { field: Some(field), since: self.entries.len() };
            }
            self.entry(field, label, kind, tag, &mut reader)?;
        }
        Ok(())
    }

    /// Of a oneof, only the member that came last is there, and of it only what came since.
    fn drop_members(&mut self, message: &'static Message, start: usize, member: &Member) {
        if member.since > start {
            let mut kept = start;
            for index in start..self.entries.len() {
                if message.0[self.entries[index].field].label != Label::Oneof || index >= member.since {
                    self.entries[kept] = self.entries[index];
                    kept += 1;
                }
            }
            self.entries.truncate(kept);
        }
    }

    fn entry(&mut self, field: usize, label: Label, kind: Kind, tag: u32, reader: &mut Reader<'a>) -> Result<()> {
        let value = match tag & 7 {
            LEN if matches!(kind, Kind::Nested(_)) => Value::Message(reader.message()?),
            LEN if is_wire(kind, LEN) => Value::Bytes(reader.bytes()?),
            LEN if label == Label::Repeated => {
                let mut packed = Reader::new(reader.bytes()?);
                while !packed.is_empty() {
                    let value = Value::Number(number(&mut packed, kind)?);
                    self.entries.push(Entry { field, value });
                }
                return Ok(());
            }
            wire if is_wire(kind, wire) => Value::Number(number(reader, kind)?),
            _ => return reader.skip(tag),
        };
        self.entries.push(Entry { field, value });
        Ok(())
    }

    fn field(&mut self, field: &'static Field, found: Range<usize>, before: usize) -> Result<()> {
        let last = found.end - 1;
        let default = matches!(self.entries[last].value, Value::Number(0) | Value::Bytes([]));
        if (field.label == Label::Plain && default) || matches!(field.kind, Kind::Unused) {
            return Ok(());
        }
        if self.out.len() > before {
            self.out.push(',');
        }
        self.out.push('"');
        self.out.push_str(field.json);
        self.out.push_str("\":");
        match (field.label, field.kind) {
            (Label::Repeated, kind) => self.list(kind, found),
            (_, Kind::Nested(message)) => self.object(message, found),
            (_, kind) => self.value(kind, last),
        }
    }

    fn list(&mut self, kind: Kind, found: Range<usize>) -> Result<()> {
        self.out.push('[');
        let first = found.start;
        for index in found {
            if index > first {
                self.out.push(',');
            }
            self.value(kind, index)?;
        }
        self.out.push(']');
        Ok(())
    }

    fn value(&mut self, kind: Kind, index: usize) -> Result<()> {
        match (kind, self.entries[index].value) {
            (Kind::Nested(message), Value::Message(_)) => return self.object(message, index..index + 1),
            (Kind::Text, Value::Bytes(bytes)) => render::quoted(&mut self.out, self.cx.text(bytes)),
            (Kind::Bytes, Value::Bytes(bytes)) => self.quoted(|out| STANDARD.encode_string(bytes, out)),
            (Kind::Id, Value::Bytes(bytes)) => self.quoted(|out| hex(out, bytes)),
            (_, Value::Number(value)) => self.number(kind, value),
            _ => return Err(Fault::whole("a field without a value")),
        }
        Ok(())
    }

    fn number(&mut self, kind: Kind, value: u64) {
        match kind {
            Kind::Bool => self.out.push_str(if value == 0 { "false" } else { "true" }),
            Kind::Double => {
                let value = f64::from_bits(value);
                if value == 0.0 && value.is_sign_negative() {
                    self.out.push_str("-0.0"); // many parsers take -0 for the integer 0
                } else if value.is_finite() {
                    render::double(&mut self.out, value);
                } else {
                    self.quoted(|out| render::double(out, value));
                }
            }
            Kind::Uint64 | Kind::Fixed64 => self.quoted(|out| out.push_str(itoa::Buffer::new().format(value))),
            Kind::Int64 | Kind::Sfixed64 => self.quoted(|out| render::integer(out, value.cast_signed())),
            Kind::Uint32 | Kind::Fixed32 => render::integer(&mut self.out, i64::from(low_u32(value))),
            Kind::Sint32 => render::integer(&mut self.out, i64::from(zigzag32(value))),
            _ => render::integer(&mut self.out, i64::from(low_i32(value))),
        }
    }

    fn quoted(&mut self, write: impl FnOnce(&mut String)) {
        self.out.push('"');
        write(&mut self.out);
        self.out.push('"');
    }
}

fn is_wire(kind: Kind, wire: u32) -> bool {
    kind.wire() == wire
}

/// A number with the bits that its field has.
fn number(reader: &mut Reader<'_>, kind: Kind) -> Result<u64> {
    let narrow = matches!(kind, Kind::Uint32 | Kind::Sint32 | Kind::Enum(_));
    match kind.wire() {
        VARINT if narrow => reader.varint().map(|value| u64::from(low_u32(value))),
        VARINT => reader.varint(),
        FIXED64 => reader.fixed64(),
        FIXED32 => reader.fixed32().map(u64::from),
        other => Err(Fault::at(reader.rest(), format!("wire type {other} has no number"))),
    }
}

fn hex(out: &mut String, bytes: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    out.extend(
        bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]).map(|digit| char::from(DIGITS[usize::from(digit)])),
    );
}
