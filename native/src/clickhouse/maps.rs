//! Map columns: those of every row, and those that rows share with their resource or scope.

use super::order::KeyOrder;
use super::strings::{Dictionary, NONE, Strings, low_prefix};
use super::table::numbers;
use crate::value::{Any, Attribute};

/// A column of type `Map(LowCardinality(String), String)`.
#[derive(Default)]
pub struct Maps {
    ends: Vec<u64>,
    keys: Dictionary,
    key_rows: Vec<u32>,
    values: Strings,
    order: KeyOrder,
    scratch: String,
}

/// The type of [`Maps`].
pub const MAP: &str = "Map(LowCardinality(String), String)";

impl Maps {
    /// How many maps there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Appends one map.
    #[inline]
    pub fn push(&mut self, list: &[Attribute<'_>]) {
        for (key, position) in self.order.sorted(list, &mut self.keys) {
            self.key_rows.push(key);
            self.values.push_any(list[position].value.as_ref(), &mut self.scratch);
        }
        self.ends.push(self.key_rows.len() as u64);
    }

    /// Writes the column behind its prefix.
    pub fn write(&self, out: &mut Vec<u8>) {
        numbers(out, &self.ends);
        self.keys.write(out, &self.key_rows);
        out.extend_from_slice(&self.values.out);
    }
}

/// Attribute lists that are told once and repeated for many rows.
#[derive(Default)]
pub struct SharedMaps {
    ends: Vec<usize>,
    keys: Dictionary,
    key_rows: Vec<u32>,
    values: Dictionary,
    value_rows: Vec<u32>,
    order: KeyOrder,
    text: String,
}

/// The type of [`SharedMaps`]: values are a dictionary too, which ClickHouse turns into the strings of the table.
pub const SHARED_MAP: &str = "Map(LowCardinality(String), LowCardinality(String))";

impl SharedMaps {
    /// Appends a list, numbered from 0.
    pub fn push(&mut self, list: &[Attribute<'_>]) {
        let mut value = NONE;
        for (key, position) in self.order.sorted(list, &mut self.keys) {
            self.key_rows.push(key);
            value = self.values.number(value, text(list[position].value.as_ref(), &mut self.text));
            self.value_rows.push(value);
        }
        self.ends.push(self.key_rows.len());
    }

    /// Writes a column in which each list stands as often as `runs` say.
    pub fn write(&self, out: &mut Vec<u8>, runs: &Runs) {
        low_prefix(out);
        low_prefix(out);
        let mut end = 0;
        let mut ends = Vec::with_capacity(runs.rows());
        for (list, count) in runs.each() {
            let length = self.range(list).len() as u64;
            ends.extend((1..=count as u64).map(|nth| end + nth * length));
            end += count as u64 * length;
        }
        numbers(out, &ends);
        self.keys.write(out, &self.repeated(&self.key_rows, runs, end));
        self.values.write(out, &self.repeated(&self.value_rows, runs, end));
    }

    fn range(&self, list: usize) -> std::ops::Range<usize> {
        let start = list.checked_sub(1).map_or(0, |before| self.ends[before]);
        start..self.ends[list]
    }

    fn repeated(&self, rows: &[u32], runs: &Runs, total: u64) -> Vec<u32> {
        let mut repeated = Vec::with_capacity(total as usize);
        for (list, count) in runs.each() {
            let one = &rows[self.range(list)];
            (0..count).for_each(|_| repeated.extend_from_slice(one));
        }
        repeated
    }
}

fn text<'t>(value: Option<&Any<'t>>, scratch: &'t mut String) -> &'t [u8] {
    match value {
        Some(Any::Text(text)) => text.as_bytes(),
        None | Some(Any::Empty) => b"",
        Some(other) => {
            scratch.clear();
            crate::render::text(scratch, other);
            scratch.as_bytes()
        }
    }
}

/// Texts that are told once and repeated for many rows, as a LowCardinality column.
#[derive(Default)]
pub struct SharedTexts {
    dictionary: Dictionary,
    told: Vec<u32>,
}

impl SharedTexts {
    /// Appends a text, numbered from 0.
    pub fn push(&mut self, value: &[u8]) {
        let before = self.told.last().copied().unwrap_or(NONE);
        let number = self.dictionary.number(before, value);
        self.told.push(number);
    }

    /// Writes a column in which each text stands as often as `runs` say.
    pub fn write(&self, out: &mut Vec<u8>, runs: &Runs) {
        low_prefix(out);
        self.dictionary.write(out, &runs.spread(&self.told));
    }
}

/// Which of the told values each row has: values come in order, each for a run of rows.
#[derive(Default)]
pub struct Runs {
    /// A value's number, and the row before which its run ends.
    ends: Vec<(usize, usize)>,
}

impl Runs {
    /// Gives the rows from the last call up to `rows` the value numbered `value`.
    #[inline]
    pub fn extend(&mut self, value: usize, rows: usize) {
        if rows > self.rows() {
            self.ends.push((value, rows));
        }
    }

    /// How many rows there are.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.ends.last().map_or(0, |(_, end)| *end)
    }

    /// Values and how many rows have each of them.
    fn each(&self) -> impl Iterator<Item = (usize, usize)> {
        let starts = std::iter::once(0).chain(self.ends.iter().map(|(_, end)| *end));
        self.ends.iter().zip(starts).map(|((value, end), start)| (*value, end - start))
    }

    /// `told` by row.
    #[must_use]
    pub fn spread<T: Copy>(&self, told: &[T]) -> Vec<T> {
        let mut rows = Vec::with_capacity(self.rows());
        for (value, end) in &self.ends {
            rows.resize(*end, told[*value]);
        }
        rows
    }
}
