//! Attributes and bodies: type, text and raw bytes to `AnyValue`.

use std::str::{self, FromStr};

use arrow_array::ListArray;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bumpalo::Bump;

use super::view::{Blobs, Columns, Lists, Texts, structs};
use super::{Invalid, Result};
use crate::columns::kind as kind_of;
use crate::context::{Context, Limits};
use crate::value::{Any, tags, value_of};
use crate::wire::Reader;
use crate::writer::Writer;

/// A column of attribute lists.
pub struct Attributes<'a>(Lists<'a, Pairs<'a>>);

struct Pairs<'a> {
    key: Texts<'a>,
    values: Values<'a>,
}

impl<'a> Attributes<'a> {
    pub fn new(array: &'a ListArray) -> Result<Self> {
        structs(array, |columns| {
            Ok(Pairs { key: columns.texts("key")?, values: Values::new(columns, ["type", "value", "raw"])? })
        })
        .map(Self)
    }

    /// Writes the list of a row as fields `number`.
    pub fn write(&self, writer: &mut Writer, number: u32, row: usize) -> Result<()> {
        let Pairs { key, values } = &self.0.items;
        for index in self.0.range(row) {
            writer.message(number, |pair| {
                pair.bytes(tags::KEY >> 3, key.at(index));
                values.write(pair, tags::VALUE >> 3, index)
            })?;
        }
        Ok(())
    }
}

/// Values in three columns.
pub struct Values<'a> {
    kind: &'a [u8],
    text: Texts<'a>,
    raw: Blobs<'a>,
}

impl<'a> Values<'a> {
    pub fn new(columns: &Columns<'a>, [kind, text, raw]: [&str; 3]) -> Result<Self> {
        Ok(Self { kind: columns.u8s(kind), text: columns.texts(text)?, raw: columns.blobs(raw)? })
    }

    /// Writes the value of a row as field `number`, unless it is absent.
    pub fn write(&self, writer: &mut Writer, number: u32, row: usize) -> Result<()> {
        let (kind, text) = (self.kind[row], self.text.at(row));
        match kind {
            0 => writer.message(number, |_| {}),
            1 => writer.message(number, |any| any.bytes_always(tags::STRING >> 3, text)),
            2 => {
                let value = parse::<bool>(text, "a bool")?;
                writer.message(number, |any| any.any(&Any::Bool(value)));
            }
            3 => {
                let value = parse::<i64>(text, "an int")?;
                writer.message(number, |any| any.any(&Any::Int(value)));
            }
            4 => {
                let value = parse::<f64>(text, "a double")?;
                writer.message(number, |any| any.any(&Any::Double(value)));
            }
            5 | 6 => nested(writer, number, kind, self.raw.at(row))?,
            7 => {
                let value = STANDARD.decode(text).map_err(|_| not("bytes"))?;
                writer.message(number, |any| any.any(&Any::Bytes(&value)));
            }
            8 => {}
            other => return Err(Invalid(format!("{other} is not the type of an attribute"))),
        }
        Ok(())
    }
}

fn parse<T: FromStr>(text: &[u8], expected: &str) -> Result<T> {
    str::from_utf8(text).ok().and_then(|text| text.parse().ok()).ok_or_else(|| not(expected))
}

fn not(expected: &str) -> Invalid {
    Invalid(format!("the text of an attribute is not {expected}, as its type says"))
}

/// The serialized value is read before it is written: somebody else may have made it.
fn nested(writer: &mut Writer, number: u32, kind: u8, raw: Option<&[u8]>) -> Result<()> {
    let Some(raw) = raw else {
        return Err(Invalid(format!("an attribute of type {kind} without raw bytes cannot be encoded")));
    };
    let arena = Bump::new();
    let mut cx = Context::new(Limits::NONE, &arena);
    let value = value_of(&mut cx, Reader::new(raw));
    match value {
        Ok(value) if kind_of(Some(&value)) == kind && cx.counts.replaced == 0 => {
            writer.message(number, |any| any.any(&value));
            Ok(())
        }
        _ => Err(Invalid(format!("the raw bytes of an attribute of type {kind} are not an AnyValue of that type"))),
    }
}
