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

/// What may still be opened below the message at hand.
#[derive(Clone, Copy)]
struct Room {
    /// Levels of `AnyValue`, as configured.
    values: u32,
    /// Levels of messages. upb stops at `MAX_MESSAGES`, and both twins refuse the same requests.
    messages: u32,
}

/// How deep messages may be nested below the request.
const MAX_MESSAGES: u32 = 100;

impl Room {
    /// Room below a message that is itself `level` messages below the request.
    fn below(cx: &Context<'_>, level: u32) -> Self {
        Self { values: cx.limits.depth, messages: MAX_MESSAGES - level }
    }

    #[inline]
    fn message(self, bytes: &[u8]) -> Result<Self> {
        let Some(messages) = self.messages.checked_sub(1) else {
            return Err(Fault::at(bytes, format!("messages nested deeper than {MAX_MESSAGES}")));
        };
        Ok(Self { messages, ..self })
    }

    #[inline]
    fn value(self, bytes: &[u8]) -> Result<Self> {
        let Some(values) = self.values.checked_sub(1) else {
            return Err(Fault::at(bytes, "values nested deeper than is allowed"));
        };
        Self { values, ..self }.message(bytes)
    }
}

/// Reads the `AnyValue` in `bytes` into `value`, a field of a message `level` messages below the request.
pub fn value_of<'a>(cx: &mut Context<'a>, bytes: &'a [u8], level: u32, value: &mut Any<'a>) -> Result<()> {
    let room = Room::below(cx, level);
    merge_any(cx, bytes, room, value)
}

/// Merges the `AnyValue` in `bytes` into `value`, as protobuf does when a message field comes again.
#[inline]
fn merge_any<'a>(cx: &mut Context<'a>, bytes: &'a [u8], room: Room, value: &mut Any<'a>) -> Result<()> {
    let room = room.value(bytes)?;
    let mut reader = Reader::new(bytes);
    while let Some(tag) = reader.tag()? {
        match tag {
            tags::STRING => *value = Any::Text(cx.text(reader.bytes()?)),
            tags::INT => *value = Any::Int(reader.varint()?.cast_signed()),
            tags::BOOL => *value = Any::Bool(reader.varint()? != 0),
            tags::DOUBLE => *value = Any::Double(reader.double()?),
            tags::ARRAY => merge_array(cx, reader.bytes()?, room, value).within("array_value")?,
            tags::KVLIST => merge_map(cx, reader.bytes()?, room, value).within("kvlist_value")?,
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

#[inline(never)]
fn merge_array<'a>(cx: &mut Context<'a>, bytes: &'a [u8], room: Room, value: &mut Any<'a>) -> Result<()> {
    let room = room.message(bytes)?;
    let mut items = match value {
        Any::Array(items) => items.to_vec(),
        _ => Vec::new(),
    };
    let mut reader = Reader::new(bytes);
    while let Some(tag) = reader.tag()? {
        if tag == tags::VALUES {
            let mut item = Any::Empty;
            merge_any(cx, reader.bytes()?, room, &mut item).within_item("values", items.len())?;
            items.push(item);
        } else {
            reader.skip(tag)?;
        }
    }
    *value = Any::Array(cx.arena.alloc_slice_copy(&items));
    Ok(())
}

#[inline(never)]
fn merge_map<'a>(cx: &mut Context<'a>, bytes: &'a [u8], room: Room, value: &mut Any<'a>) -> Result<()> {
    let room = room.message(bytes)?;
    let mut items = match value {
        Any::Map(items) => items.to_vec(),
        _ => Vec::new(),
    };
    let mut reader = Reader::new(bytes);
    while let Some(tag) = reader.tag()? {
        if tag == tags::VALUES {
            let mut item = Attribute::default();
            pair(cx, reader.bytes()?, room, &mut item).within_item("values", items.len())?;
            items.push(item);
        } else {
            reader.skip(tag)?;
        }
    }
    *value = Any::Map(cx.arena.alloc_slice_copy(&items));
    Ok(())
}

fn pair<'a>(cx: &mut Context<'a>, bytes: &'a [u8], room: Room, found: &mut Attribute<'a>) -> Result<()> {
    let room = room.message(bytes)?;
    let mut reader = Reader::new(bytes);
    while let Some(tag) = reader.tag()? {
        match tag {
            tags::KEY => found.key = cx.text(reader.bytes()?),
            tags::VALUE => {
                let value = found.value.get_or_insert_default();
                merge_any(cx, reader.bytes()?, room, value).within("value")?;
            }
            _ => reader.skip(tag)?,
        }
    }
    Ok(())
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

/// A field that holds an attribute list.
#[derive(Clone, Copy)]
pub struct Field {
    /// Its name.
    pub name: &'static str,
    /// How many messages below the request the message is that has the field.
    pub level: u32,
}

impl Field {
    /// The field that most messages have.
    #[must_use]
    pub const fn attributes(level: u32) -> Self {
        Self { name: "attributes", level }
    }
}

/// Appends the `KeyValue` in `bytes` to the list that begins at `start`.
#[inline]
pub fn push_attribute<'a>(
    cx: &mut Context<'a>,
    bytes: &'a [u8],
    field: Field,
    list: &mut Vec<Attribute<'a>>,
    start: usize,
) -> Result<()> {
    let index = list.len() - start;
    if index >= cx.limits.attributes {
        let reason = format!("more than {} attributes", cx.limits.attributes);
        return Err(Fault::at(bytes, reason)).within(field.name);
    }
    if let Some((key, value)) = plain_pair(bytes) {
        let value = match value {
            Plain::Text(text) => Any::Text(cx.text(text)),
            Plain::Int(value) => Any::Int(value),
        };
        list.push(Attribute { key: cx.text(key), value: Some(value) });
        return Ok(());
    }
    list.push(any_pair(cx, bytes, field.level).within_item(field.name, index)?);
    Ok(())
}

#[inline(never)]
fn any_pair<'a>(cx: &mut Context<'a>, bytes: &'a [u8], level: u32) -> Result<Attribute<'a>> {
    let mut found = Attribute::default();
    let room = Room::below(cx, level);
    pair(cx, bytes, room, &mut found)?;
    if let Some(value) = &mut found.value {
        settle(cx, value);
    }
    Ok(found)
}

/// Drops duplicate keys inside of a value that is read to its end.
pub fn settle<'a>(cx: &mut Context<'a>, value: &mut Any<'a>) {
    match value {
        Any::Array(items) if items.iter().any(is_nested) => {
            let items = cx.arena.alloc_slice_copy(items);
            items.iter_mut().for_each(|item| settle(cx, item));
            *value = Any::Array(items);
        }
        Any::Map(items) => {
            let mut items = items.to_vec();
            items.iter_mut().filter_map(|item| item.value.as_mut()).for_each(|item| settle(cx, item));
            drop_duplicates(cx, &mut items, 0);
            *value = Any::Map(cx.arena.alloc_slice_copy(&items));
        }
        _ => {}
    }
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
