//! Values replaced by their hash.

use std::collections::HashSet;
use std::sync::LazyLock;

use arrow_array::ListArray;
use regex::Regex;
use sha2::{Digest as _, Sha256};
use xxhash_rust::xxh64::xxh64;

use super::lists::{Builder, Lists, STRING};
use crate::clickhouse::strings::HEX;

/// How values are hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// SHA-256, 64 hexadecimal digits.
    Sha256,
    /// XXH64 with seed 0, 16 hexadecimal digits.
    Xxh64,
}

impl Algorithm {
    /// The algorithm of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "sha256" => Some(Self::Sha256),
            "xxh64" => Some(Self::Xxh64),
            _ => None,
        }
    }

    fn hex(self, bytes: &[u8]) -> String {
        match self {
            Self::Sha256 => hex(&Sha256::digest(bytes)),
            Self::Xxh64 => hex(&xxh64(bytes, 0).to_be_bytes()),
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().flat_map(|byte| HEX[usize::from(*byte)]).map(char::from).collect()
}

/// The lists with the values of `keys` replaced by their hash. None where no list has any of them.
///
/// A value is hashed as the attributes processor of the OpenTelemetry Collector does it: the text of a string, one
/// byte of a boolean, eight little-endian bytes of a number; the text of the rest. Nothing stays nothing.
#[must_use]
pub fn digest(lists: &Lists<'_>, keys: &HashSet<&str>, algorithm: Algorithm) -> Option<ListArray> {
    let chosen: Vec<bool> = lists.all().map(|index| keys.contains(lists.keys.value(index))).collect();
    if !chosen.contains(&true) {
        return None;
    }
    let mut built = Builder::like(lists);
    for (index, chosen) in lists.all().zip(chosen) {
        let (kind, value) = (lists.kinds.value(index), lists.values.value(index));
        match subject(kind, value) {
            Some(bytes) if chosen => built.push_value(STRING, &algorithm.hex(&bytes)),
            None if chosen => built.push_value(STRING, ""),
            _ => built.copy_value(lists, index),
        }
    }
    Some(built.finish_values(lists))
}

/// The numbers that a decoder writes; text of any other form is hashed as it is.
static INT: LazyLock<Regex> = LazyLock::new(|| fixed("^-?[0-9]{1,20}$"));
static DOUBLE: LazyLock<Regex> =
    LazyLock::new(|| fixed(r"^(?:-?(?:[0-9]+(?:\.[0-9]+)?(?:e[+-]?[0-9]+)?|Infinity)|NaN)$"));

fn fixed(pattern: &str) -> Regex {
    Regex::new(pattern).expect("the pattern is a constant")
}

fn subject(kind: u8, value: &str) -> Option<Vec<u8>> {
    let number = match kind {
        2 => Some(vec![u8::from(value == "true")]),
        3 if INT.is_match(value) => value.parse::<i64>().ok().map(|number| number.to_le_bytes().to_vec()),
        4 if DOUBLE.is_match(value) => value.parse::<f64>().ok().map(|number| number.to_le_bytes().to_vec()),
        _ => None,
    };
    number.or_else(|| (!value.is_empty()).then(|| value.as_bytes().to_vec()))
}
