//! `AnyValue` and `KeyValue`, read into views of the request.

use std::collections::HashMap;

use crate::context::Context;
use crate::fault::{Fault, Result, Within};
use crate::wire::{FIXED64, LEN, Reader, VARINT, tag};

/// One `AnyValue`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Any<'a> {
    /// Nothing is set, or a string table index, which only profiles may use.
    #[default]
    Empty,
    /// `string_value`
    Text(&'a str),
    /// `bool_value`
    Bool(bool),
    /// `int_value`
    Int(i64),
    /// `double_value`
    Double(f64),
    /// `array_value`
    Array(&'a [Any<'a>]),
    /// `kvlist_value`
    Map(&'a [Attribute<'a>]),
    /// `bytes_value`
    Bytes(&'a [u8]),
}

/// One `KeyValue`; the value is None when the message has none.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Attribute<'a> {
    /// Its key.
    pub key: &'a str,
    /// Its value.
    pub value: Option<Any<'a>>,
}

/// Field tags of the messages in `opentelemetry/proto/common/v1/common.proto`.
#[allow(missing_docs, reason = "the names are those of the fields")]
pub mod tags {
    use super::{FIXED64, LEN, VARINT, tag};

    pub const KEY: u32 = tag(1, LEN);
    pub const VALUE: u32 = tag(2, LEN);
    pub const STRING: u32 = tag(1, LEN);
    pub const BOOL: u32 = tag(2, VARINT);
    pub const INT: u32 = tag(3, VARINT);
    pub const DOUBLE: u32 = tag(4, FIXED64);
    pub const ARRAY: u32 = tag(5, LEN);
    pub const KVLIST: u32 = tag(6, LEN);
    pub const BYTES: u32 = tag(7, LEN);
    pub const STRINDEX: u32 = tag(8, VARINT);
    pub const VALUES: u32 = tag(1, LEN);
}

/// Reads one whole `AnyValue` and settles it.
pub fn value_of<'a>(cx: &mut Context<'a>, reader: Reader<'a>) -> Result<Any<'a>> {
    let mut value = Partial::default();
    value.merge(cx, reader)?;
    value.finish(cx, reader.rest()).map(Option::unwrap_or_default)
}

/// The value without duplicate keys, where it is not too deep. Faults are told to be at `at`.
pub fn bounded<'a>(cx: &mut Context<'a>, mut value: Any<'a>, at: &[u8]) -> Result<Any<'a>> {
    settle(cx, &mut value, 1, at)?;
    Ok(value)
}

/// An `AnyValue` that is being read. Its message, and the lists in it, may come in parts, which protobuf merges.
#[derive(Default)]
pub struct Partial<'a> {
    value: Option<Any<'a>>,
    /// Elements, where the value is an array.
    elements: Vec<Any<'a>>,
    /// Pairs, where the value is a map.
    pairs: Vec<Attribute<'a>>,
}

impl<'a> Partial<'a> {
    /// Reads a part.
    pub fn merge(&mut self, cx: &mut Context<'a>, mut reader: Reader<'a>) -> Result<()> {
        let value = self.value.get_or_insert_default();
        while let Some(tag) = reader.tag()? {
            match tag {
                tags::STRING => *value = Any::Text(cx.text(reader.bytes()?)),
                tags::INT => *value = Any::Int(reader.varint()?.cast_signed()),
                tags::BOOL => *value = Any::Bool(reader.varint()? != 0),
                tags::DOUBLE => *value = Any::Double(reader.double()?),
                tags::ARRAY => {
                    if !matches!(value, Any::Array(_)) {
                        *value = Any::Array(&[]);
                        self.elements.clear();
                    }
                    elements(cx, reader.message()?, &mut self.elements).within("array_value")?;
                }
                tags::KVLIST => {
                    if !matches!(value, Any::Map(_)) {
                        *value = Any::Map(&[]);
                        self.pairs.clear();
                    }
                    pairs(cx, reader.message()?, &mut self.pairs).within("kvlist_value")?;
                }
                tags::BYTES => *value = Any::Bytes(reader.bytes()?),
                tags::STRINDEX => {
                    reader.varint()?;
                    *value = Any::Empty;
                }
                _ => reader.skip(tag)?,
            }
        }
        Ok(())
    }

    /// The value, None where no part came.
    fn whole(self, cx: &Context<'a>) -> Option<Any<'a>> {
        self.value.map(|value| match value {
            Any::Array(_) => Any::Array(cx.arena.alloc_slice_copy(&self.elements)),
            Any::Map(_) => Any::Map(cx.arena.alloc_slice_copy(&self.pairs)),
            plain => plain,
        })
    }

    /// The value without duplicate keys, where it is not too deep. Faults are told to be at `at`.
    pub fn finish(self, cx: &mut Context<'a>, at: &[u8]) -> Result<Option<Any<'a>>> {
        let mut value = self.whole(cx);
        settle(cx, value.as_mut().unwrap_or(&mut Any::Empty), 1, at)?;
        Ok(value)
    }
}

fn elements<'a>(cx: &mut Context<'a>, mut reader: Reader<'a>, list: &mut Vec<Any<'a>>) -> Result<()> {
    while let Some(tag) = reader.tag()? {
        if tag == tags::VALUES {
            let mut value = Partial::default();
            value.merge(cx, reader.message()?).within_item("values", list.len())?;
            list.extend(value.whole(cx));
        } else {
            reader.skip(tag)?;
        }
    }
    Ok(())
}

fn pairs<'a>(cx: &mut Context<'a>, mut reader: Reader<'a>, list: &mut Vec<Attribute<'a>>) -> Result<()> {
    while let Some(tag) = reader.tag()? {
        if tag == tags::VALUES {
            let (key, value) = pair(cx, reader.message()?).within_item("values", list.len())?;
            list.push(Attribute { key, value: value.whole(cx) });
        } else {
            reader.skip(tag)?;
        }
    }
    Ok(())
}

fn pair<'a>(cx: &mut Context<'a>, mut reader: Reader<'a>) -> Result<(&'a str, Partial<'a>)> {
    let (mut key, mut value) = ("", Partial::default());
    while let Some(tag) = reader.tag()? {
        match tag {
            tags::KEY => key = cx.text(reader.bytes()?),
            tags::VALUE => value.merge(cx, reader.message()?).within("value")?,
            _ => reader.skip(tag)?,
        }
    }
    Ok((key, value))
}

/// Key and value of a `KeyValue` as nearly every sender writes it: short, in order, a string or a small number.
/// None is no refusal: the message is then read field by field.
#[inline]
fn plain_pair(bytes: &[u8]) -> Option<(&[u8], Plain<'_>)> {
    let [0x0a, length, rest @ ..] = bytes else { return None };
    let (key, rest) = rest.split_at_checked(usize::from(*length))?;
    let [0x12, value_length, 0x0a, length, text @ ..] = rest else { return plain_int(key, rest) };
    let exact = usize::from(*value_length) == text.len() + 2 && usize::from(*length) == text.len();
    (exact && bytes.len() < 0x80).then_some((key, Plain::Text(text)))
}

#[inline]
fn plain_int<'a>(key: &'a [u8], rest: &'a [u8]) -> Option<(&'a [u8], Plain<'a>)> {
    let [0x12, length, 0x18, number @ ..] = rest else { return None };
    let value = match number {
        [low] if *low < 0x80 => i64::from(*low),
        [low, high] if *low >= 0x80 && *high < 0x80 => i64::from(*low & 0x7f) | i64::from(*high) << 7,
        _ => return None,
    };
    (usize::from(*length) == number.len() + 1 && key.len() < 0x80).then_some((key, Plain::Int(value)))
}

enum Plain<'a> {
    Text(&'a [u8]),
    Int(i64),
}

/// Appends a `KeyValue` of the field `name` to the list that begins at `start`.
#[inline]
pub fn push_attribute<'a>(
    cx: &mut Context<'a>,
    reader: Reader<'a>,
    name: &'static str,
    list: &mut Vec<Attribute<'a>>,
    start: usize,
) -> Result<()> {
    let index = list.len() - start;
    if index >= cx.limits.attributes {
        let reason = format!("more than {} attributes", cx.limits.attributes);
        return Err(Fault::at(reader.rest(), reason)).within(name);
    }
    if let Some((key, value)) = plain_pair(reader.rest()) {
        let key = cx.text(key);
        match value {
            Plain::Text(text) => list.push(Attribute { key, value: Some(Any::Text(cx.text(text))) }),
            Plain::Int(value) => list.push(Attribute { key, value: Some(Any::Int(value)) }),
        }
        return Ok(());
    }
    list.push(any_pair(cx, reader).within_item(name, index)?);
    Ok(())
}

#[inline(never)]
fn any_pair<'a>(cx: &mut Context<'a>, reader: Reader<'a>) -> Result<Attribute<'a>> {
    let (key, value) = pair(cx, reader)?;
    Ok(Attribute { key, value: value.finish(cx, reader.rest()).within("value")? })
}

/// Refuses a value of `depth` that is, or holds, too deep a value, and drops duplicate keys inside of it.
fn settle<'a>(cx: &mut Context<'a>, value: &mut Any<'a>, depth: u32, at: &[u8]) -> Result<()> {
    if depth > cx.limits.depth {
        return Err(Fault::at(at, format!("a value nested more than {} deep", cx.limits.depth)));
    }
    match value {
        Any::Array(items) if depth == cx.limits.depth || items.iter().any(is_nested) => {
            let items = cx.arena.alloc_slice_copy(items);
            for (index, item) in items.iter_mut().enumerate() {
                settle(cx, item, depth + 1, at).within_item("values", index).within("array_value")?;
            }
            *value = Any::Array(items);
        }
        Any::Map(items) => {
            let mut items = items.to_vec();
            for (index, item) in items.iter_mut().enumerate() {
                let mut absent = Any::Empty;
                let value = item.value.as_mut().unwrap_or(&mut absent);
                settle(cx, value, depth + 1, at).within_item("values", index).within("kvlist_value")?;
            }
            drop_duplicates(cx, &mut items, 0);
            *value = Any::Map(cx.arena.alloc_slice_copy(&items));
        }
        _ => {}
    }
    Ok(())
}

const fn is_nested(value: &Any<'_>) -> bool {
    matches!(value, Any::Array(_) | Any::Map(_))
}

/// Lists up to this length are searched for repeated keys without a hash table.
const SMALL_LIST: usize = 64;

/// Drops each attribute of the list from `start` on whose key came before, where its value takes the place of the
/// one before, and counts it.
#[inline]
pub fn drop_duplicates(cx: &mut Context<'_>, list: &mut Vec<Attribute<'_>>, start: usize) {
    if list.len() > start + 1 && (list.len() - start > SMALL_LIST || repeats(&list[start..])) {
        drop_repeated(cx, list, start);
    }
}

/// Whether two keys are equal. A small Bloom filter spares most comparisons.
fn repeats(list: &[Attribute<'_>]) -> bool {
    let mut seen = [0u64; 4];
    list.iter().enumerate().any(|(index, attribute)| {
        let hash = signature(attribute.key.as_bytes());
        let (word, bit) = ((hash >> 6 & 3) as usize, 1 << (hash & 63));
        let hit = seen[word] & bit != 0;
        seen[word] |= bit;
        hit && list[..index].iter().any(|earlier| earlier.key == attribute.key)
    })
}

/// Eight well-mixed bits of a key's length and ends.
#[inline]
fn signature(key: &[u8]) -> u64 {
    let tail = key.last_chunk::<8>().map_or_else(|| short(key), |chunk| u64::from_le_bytes(*chunk));
    let head = key.first_chunk::<8>().map_or(0, |chunk| u64::from_le_bytes(*chunk));
    let mixed = (tail ^ head.rotate_left(23) ^ key.len() as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed >> 56
}

#[inline]
fn short(key: &[u8]) -> u64 {
    key.iter().fold(0, |hash, byte| hash << 8 | u64::from(*byte))
}

#[cold]
fn drop_repeated(cx: &mut Context<'_>, list: &mut Vec<Attribute<'_>>, start: usize) {
    let mut first = HashMap::with_capacity(list.len() - start);
    let mut kept = start;
    for index in start..list.len() {
        let place = *first.entry(list[index].key).or_insert(kept);
        if place < kept {
            list[place].value = list[index].value.take();
        } else {
            list.swap(kept, index);
            kept += 1;
        }
    }
    cx.counts.duplicates += list.len() - kept;
    list.truncate(kept);
}
