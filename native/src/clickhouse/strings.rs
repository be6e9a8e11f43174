//! Columns of ClickHouse's Native format that hold text: plain strings, ids, and dictionaries.

use std::hash::{BuildHasher as _, RandomState};

use hashbrown::HashTable;

use crate::columns::valid_id;
use crate::render;
use crate::value::Any;

/// Appends a length as ClickHouse writes it.
#[inline]
pub fn varint(out: &mut Vec<u8>, mut value: usize) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// A column of strings, each behind its length.
#[derive(Default)]
pub struct Strings {
    /// What ClickHouse reads.
    pub out: Vec<u8>,
}

impl Strings {
    /// Appends one value.
    #[inline]
    pub fn push(&mut self, value: &[u8]) {
        self.out.reserve(value.len() + 10);
        varint(&mut self.out, value.len());
        self.out.extend_from_slice(value);
    }

    /// Appends the text of an attribute's value.
    #[inline]
    pub fn push_any(&mut self, value: Option<&Any<'_>>, scratch: &mut String) {
        match value {
            Some(Any::Text(text)) => self.push(text.as_bytes()),
            None | Some(Any::Empty) => self.out.push(0),
            Some(Any::Int(value)) => self.push(itoa::Buffer::new().format(*value).as_bytes()),
            Some(other) => {
                scratch.clear();
                render::text(scratch, other);
                self.push(scratch.as_bytes());
            }
        }
    }

    /// Appends an id in hexadecimal; an absent or invalid one is empty.
    #[inline]
    pub fn push_id<const N: usize>(&mut self, id: &[u8]) {
        let Some(id) = valid_id::<N>(id) else { return self.out.push(0) };
        self.out.reserve(1 + 2 * N);
        self.out.push(2 * N as u8);
        for byte in id {
            self.out.extend_from_slice(&HEX[usize::from(*byte)]);
        }
    }
}

/// The hexadecimal digits of each byte.
pub const HEX: [[u8; 2]; 256] = {
    let digits = b"0123456789abcdef";
    let mut table = [[0; 2]; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = [digits[byte >> 4], digits[byte & 15]];
        byte += 1;
    }
    table
};

/// Distinct values, numbered in the order in which they first came.
#[derive(Default)]
pub struct Dictionary {
    values: Strings,
    /// Where each value lies in `values`.
    places: Vec<(usize, usize)>,
    numbers: HashTable<u32>,
    hasher: RandomState,
    /// For each value, and first for none, the one that followed it the last time. Telemetry repeats itself, so that
    /// most values are found by one comparison, without a hash.
    followers: Vec<u32>,
}

/// The number before the first one, for [`Dictionary::number`].
pub const NONE: u32 = u32::MAX;

impl Dictionary {
    /// How many values there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// The number of `value`, which came after the one numbered `before`.
    #[inline]
    pub fn number(&mut self, before: u32, value: &[u8]) -> u32 {
        let slot = before.wrapping_add(1) as usize;
        if let Some(guess) = self.followers.get(slot)
            && self.get(*guess) == Some(value)
        {
            return *guess;
        }
        let number = self.find(value);
        self.followers.resize(self.places.len() + 1, NONE);
        self.followers[slot] = number;
        number
    }

    #[inline]
    fn get(&self, number: u32) -> Option<&[u8]> {
        let (start, end) = *self.places.get(number as usize)?;
        Some(&self.values.out[start..end])
    }

    #[inline(never)]
    fn find(&mut self, value: &[u8]) -> u32 {
        let (places, values, hasher) = (&mut self.places, &mut self.values, &self.hasher);
        let text = |number: &u32| {
            let (start, end) = places[*number as usize];
            &values.out[start..end]
        };
        let hash = hasher.hash_one(value);
        if let Some(number) = self.numbers.find(hash, |number| text(number) == value) {
            return *number;
        }
        let number = places.len() as u32;
        self.numbers.insert_unique(hash, number, |number| hasher.hash_one(text(number)));
        values.push(value);
        places.push((values.out.len() - value.len(), values.out.len()));
        number
    }

    /// Writes the values and the numbers of rows, as one LowCardinality column behind its prefix.
    pub fn write(&self, out: &mut Vec<u8>, rows: &[u32]) {
        const ADDITIONAL_KEYS: u64 = 1 << 9;
        const UPDATE_DICTIONARY: u64 = 1 << 10;
        if rows.is_empty() {
            return;
        }
        let width = match self.places.len() {
            0..=0x100 => 0,
            0x101..=0x1_0000 => 1,
            _ => 2,
        };
        put(out, width | ADDITIONAL_KEYS | UPDATE_DICTIONARY);
        put(out, self.places.len() as u64);
        out.extend_from_slice(&self.values.out);
        put(out, rows.len() as u64);
        match width {
            0 => out.extend(rows.iter().map(|number| *number as u8)),
            1 => out.extend(rows.iter().flat_map(|number| (*number as u16).to_le_bytes())),
            _ => out.extend(rows.iter().flat_map(|number| number.to_le_bytes())),
        }
    }
}

/// Appends a 64-bit number.
pub fn put(out: &mut Vec<u8>, value: u64) {
    out.extend_from_slice(&value.to_le_bytes());
}

/// What stands before the data of each LowCardinality column: how its dictionary is kept.
pub fn low_prefix(out: &mut Vec<u8>) {
    put(out, 1);
}

/// A LowCardinality column.
#[derive(Default)]
pub struct Low {
    dictionary: Dictionary,
    rows: Vec<u32>,
}

impl Low {
    /// Appends one value.
    #[inline]
    pub fn push(&mut self, value: &[u8]) {
        let before = self.rows.last().copied().unwrap_or(NONE);
        let number = self.dictionary.number(before, value);
        self.rows.push(number);
    }

    /// Writes the column behind its prefix.
    pub fn write(&self, out: &mut Vec<u8>) {
        self.dictionary.write(out, &self.rows);
    }
}
