//! Attributes and bodies: type, text and raw bytes to `AnyValue`.

use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::view::{Blobs, Columns, List, Lists, Texts, structs};
use super::{Result, Unfit};
use crate::columns::kind as kind_of;
use crate::context::{Context, Limits};
use crate::fault::Fault;
use crate::value::{Any, Attribute, bounded, drop_duplicates, value_of};
use crate::wire::Reader;

/// A column of attribute lists.
pub struct Attributes<'a>(Lists<'a, Pairs<'a>>);

struct Pairs<'a> {
    key: Texts<'a>,
    values: Values<'a>,
}

impl<'a> Attributes<'a> {
    pub fn new(list: List<'a>) -> Result<Self> {
        structs(list, |columns| {
            Ok(Pairs { key: columns.texts("key")?, values: Values::new(columns, ["type", "value", "raw"])? })
        })
        .map(Self)
    }

    /// Appends the list of a row to `list`.
    #[inline]
    pub fn push(&self, cx: &mut Context<'a>, row: usize, list: &mut Vec<Attribute<'a>>) -> Result<()> {
        let (range, start) = (self.0.range(row), list.len());
        if range.len() > cx.limits.attributes {
            return Err(Fault::whole(format!("more than {} attributes", cx.limits.attributes)).into());
        }
        let Pairs { key, values } = &self.0.items;
        list.reserve(range.len());
        let kinds = range.clone().zip(&values.kind[range.clone()]);
        for ((key, text), (index, kind)) in key.each(range.clone()).zip(values.text.each(range)).zip(kinds) {
            // What nearly all are is pushed at once: put together first it would be copied, which stalls.
            match kind {
                1 => list.push(Attribute { key, value: Some(Any::Text(text)) }),
                3 => list.push(Attribute { key, value: Some(Any::Int(parse(text, "an int")?)) }),
                _ => list.push(Attribute { key, value: values.value(cx, *kind, text, index)? }),
            }
        }
        if !cx.keeps_duplicates {
            drop_duplicates(cx, list, start);
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

    /// The value of a row, None where it is absent.
    #[inline]
    pub fn at(&self, cx: &mut Context<'a>, row: usize) -> Result<Option<Any<'a>>> {
        self.value(cx, self.kind[row], self.text.at(row), row)
    }

    #[inline(never)]
    fn value(&self, cx: &mut Context<'a>, kind: u8, text: &'a str, row: usize) -> Result<Option<Any<'a>>> {
        Ok(Some(match kind {
            0 => Any::Empty,
            1 => Any::Text(text),
            2 => Any::Bool(parse(text, "a bool")?),
            3 => Any::Int(parse(text, "an int")?),
            4 => Any::Double(parse(text, "a double")?),
            5 | 6 => nested(cx, kind, self.raw.at(row))?,
            7 => match STANDARD.decode(text) {
                Ok(value) => Any::Bytes(cx.arena.alloc_slice_copy(&value)),
                Err(_) => return not("bytes"),
            },
            8 => return Ok(None),
            other => return Unfit::invalid(format!("{other} is not the type of an attribute")),
        }))
    }
}

fn parse<T: FromStr>(text: &str, expected: &str) -> Result<T> {
    text.parse().or_else(|_| not(expected))
}

#[cold]
fn not<T>(expected: &str) -> Result<T> {
    Unfit::invalid(format!("the text of an attribute is not {expected}, as its type says"))
}

/// A serialized value. Whether it is one is looked at before limits are: somebody else may have made it.
fn nested<'a>(cx: &mut Context<'a>, kind: u8, raw: Option<&'a [u8]>) -> Result<Any<'a>> {
    let Some(raw) = raw else {
        return Unfit::invalid(format!("an attribute of type {kind} without raw bytes cannot be encoded"));
    };
    let (limits, replaced) = (std::mem::replace(&mut cx.limits, Limits::NONE), cx.counts.replaced);
    let value = value_of(cx, Reader::new(raw));
    cx.limits = limits;
    match value {
        Ok(value) if kind_of(Some(&value)) == kind && cx.counts.replaced == replaced => Ok(bounded(cx, value, raw)?),
        _ => Unfit::invalid(format!("the raw bytes of an attribute of type {kind} are not an AnyValue of that type")),
    }
}
