//! JSON values to protobuf, message by message.

use std::ops::Range;
use std::ptr;

use bumpalo::Bump;

use super::parse::{Json, parse};
use super::scalar::{boolean, bytes, double, enumerated, id, integer, text, unexpected};
use crate::decode::Signal;
use crate::descriptor::{ANY_VALUE, ARRAY_VALUE, Field, KEY_VALUE_LIST, Kind, Label, Message};
use crate::fault::{Fault, Result, Within};
use crate::wire::LEN;
use crate::writer::Writer;

/// The request that a JSON document says.
pub fn to_proto(signal: Signal, document: &[u8], depth: u32) -> Result<Vec<u8>> {
    let arena = Bump::new();
    let value = parse(document, &arena)?;
    let mut writer = Writer::default();
    Reading { limit: depth }.message(&mut writer, Message::request(signal), &value, 0)?;
    Ok(writer.out)
}

struct Reading {
    /// Bounds the nesting of `AnyValue`.
    limit: u32,
}

/// More fields than any message has.
const MOST_FIELDS: usize = 16;

impl Reading {
    /// Writes the fields of `message` that `value` has. `depth` is the nesting of `AnyValue` around it.
    fn message(&self, writer: &mut Writer, message: &'static Message, value: &Json<'_>, depth: u32) -> Result<()> {
        let depth = depth + u32::from(ptr::eq(message, &raw const ANY_VALUE));
        if depth > self.limit {
            return Err(Fault::whole(format!("a value nested more than {} deep", self.limit)));
        }
        let members = match value {
            Json::Object(members) => *members,
            Json::List(_) if is_list(message) => &[("values", *value)],
            _ => return Err(unexpected("an object", value)),
        };
        let mut oneof = None;
        for (field, value) in message.0.iter().zip(given(message, members)) {
            let Some(value) = value.filter(|_| !matches!(field.kind, Kind::Unused)) else { continue };
            let start = writer.out.len();
            self.field(writer, field, value, depth).within(field.json)?;
            if field.label == Label::Oneof {
                replace(writer, &mut oneof, start);
            }
        }
        Ok(())
    }

    fn field(&self, writer: &mut Writer, field: &Field, value: &Json<'_>, depth: u32) -> Result<()> {
        if field.label != Label::Repeated {
            return self.single(writer, field, value, depth);
        }
        let Json::List(items) = value else { return Err(unexpected("an array", value)) };
        if field.kind.wire() == LEN {
            for (index, item) in items.iter().enumerate() {
                self.single(writer, field, item, depth).within_item("", index)?;
            }
        } else if !items.is_empty() {
            writer.message(field.number, |packed| {
                let mut items = items.iter().enumerate();
                items.try_for_each(|(index, item)| -> Result<()> {
                    packed_scalar(packed, field.kind, item).map(drop).within_item("", index)
                })
            })?;
        }
        Ok(())
    }

    fn single(&self, writer: &mut Writer, field: &Field, value: &Json<'_>, depth: u32) -> Result<()> {
        match field.kind {
            Kind::Nested(message) => {
                return writer.message(field.number, |nested| self.message(nested, message, value, depth));
            }
            Kind::Text => blob(writer, field, text(value)?.as_bytes()),
            Kind::Bytes => blob(writer, field, &bytes(value)?),
            Kind::Id => {
                let mut found = Vec::new();
                id(value, &mut found)?;
                blob(writer, field, &found);
            }
            kind => {
                let start = writer.out.len();
                writer.tag(field.number, kind.wire());
                let set = packed_scalar(writer, kind, value)?;
                if !set && field.label == Label::Plain {
                    writer.out.truncate(start);
                }
            }
        }
        Ok(())
    }
}

fn is_list(message: &'static Message) -> bool {
    ptr::eq(message, &raw const ARRAY_VALUE) || ptr::eq(message, &raw const KEY_VALUE_LIST)
}

/// For each field of the message, what the object says of it: by its lowerCamelCase name, else by its other name.
fn given<'a, 'v>(
    message: &Message,
    members: &'v [(&'a str, Json<'a>)],
) -> impl Iterator<Item = Option<&'v Json<'a>>> + use<'a, 'v> {
    let (mut camel, mut snake) = ([None; MOST_FIELDS], [None; MOST_FIELDS]);
    for (name, value) in members {
        if let Some(index) = message.0.iter().position(|field| field.json == *name) {
            camel[index] = Some(value);
        } else if let Some(index) = message.0.iter().position(|field| field.name == *name) {
            snake[index] = Some(value);
        }
    }
    camel.into_iter().zip(snake).map(|(camel, snake)| camel.filter(is_there).or(snake.filter(is_there)))
}

fn is_there(value: &&Json<'_>) -> bool {
    !matches!(value, Json::Null)
}

/// Takes away the member of a oneof that was written before the one that begins at `start`.
fn replace(writer: &mut Writer, before: &mut Option<Range<usize>>, mut start: usize) {
    if let Some(range) = before.take() {
        start -= range.len();
        writer.out.drain(range);
    }
    *before = Some(start..writer.out.len());
}

fn blob(writer: &mut Writer, field: &Field, value: &[u8]) {
    if field.label == Label::Plain {
        writer.bytes(field.number, value);
    } else {
        writer.bytes_always(field.number, value);
    }
}

/// Writes a value without its tag and tells whether it is other than the default.
fn packed_scalar(writer: &mut Writer, kind: Kind, value: &Json<'_>) -> Result<bool> {
    let fits = |low: i128, high: i128| integer(value, low, high);
    let varint = match kind {
        Kind::Bool => u64::from(boolean(value)?),
        Kind::Uint32 => fits(0, u32::MAX.into())? as u64,
        Kind::Uint64 => fits(0, u64::MAX.into())? as u64,
        Kind::Int64 => fits(i64::MIN.into(), i64::MAX.into())? as u64,
        Kind::Enum(names) => i64::from(enumerated(value, names)?).cast_unsigned(),
        Kind::Sint32 => {
            let number = fits(i32::MIN.into(), i32::MAX.into())? as i32;
            u64::from((number << 1 ^ number >> 31).cast_unsigned())
        }
        Kind::Double => return Ok(fixed(writer, double(value)?.to_bits().to_le_bytes())),
        Kind::Fixed64 => return Ok(fixed(writer, (fits(0, u64::MAX.into())? as u64).to_le_bytes())),
        Kind::Sfixed64 => {
            return Ok(fixed(writer, (fits(i64::MIN.into(), i64::MAX.into())? as i64).to_le_bytes()));
        }
        Kind::Fixed32 => return Ok(fixed(writer, (fits(0, u32::MAX.into())? as u32).to_le_bytes())),
        Kind::Text | Kind::Bytes | Kind::Id | Kind::Nested(_) | Kind::Unused => {
            unreachable!("written with their length")
        }
    };
    writer.varint(varint);
    Ok(varint != 0)
}

fn fixed<const N: usize>(writer: &mut Writer, bytes: [u8; N]) -> bool {
    writer.out.extend_from_slice(&bytes);
    bytes != [0; N]
}
