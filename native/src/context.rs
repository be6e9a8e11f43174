//! What is carried along while requests are read: limits and counts.

use std::str;

use bumpalo::Bump;

use crate::fault::{Fault, Result};

/// Bounds on what one request may hold; see `collector.wire.types.Limits`.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Nesting of `AnyValue`.
    pub depth: u32,
    /// Spans, log records or data points.
    pub items: usize,
    /// Attributes of one resource, scope, item, event or link.
    pub attributes: usize,
}

impl Limits {
    /// For what cannot reach a column.
    pub const NONE: Self = Self { depth: u32::MAX, items: usize::MAX, attributes: usize::MAX };
}

impl Default for Limits {
    fn default() -> Self {
        Self { depth: 30, items: 1_000_000, attributes: 4096 }
    }
}

/// What was counted; see `collector.wire.types.Scan`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Items that are accepted.
    pub items: usize,
    /// Items that are refused one by one.
    pub rejected: usize,
    /// Why the first of them was refused.
    pub message: String,
    /// Strings that were not UTF-8.
    pub replaced: usize,
    /// Attributes whose key came again.
    pub duplicates: usize,
}

/// State of reading; `'a` outlives every string that is handed out.
pub struct Context<'a> {
    /// Bounds that hold for each request.
    pub limits: Limits,
    /// Counts over all requests.
    pub counts: Counts,
    items_of_request: usize,
    /// Whether lists of attributes in columns are left as they are where a key comes again.
    pub keeps_duplicates: bool,
    /// Memory for what is not in the requests: repaired strings and nested values.
    pub arena: &'a Bump,
}

impl<'a> Context<'a> {
    /// A context that keeps what is not in the requests in `arena`.
    #[must_use]
    pub fn new(limits: Limits, arena: &'a Bump) -> Self {
        Self { limits, counts: Counts::default(), items_of_request: 0, keeps_duplicates: false, arena }
    }

    /// A context for columns that are written again as they are.
    #[must_use]
    pub fn as_is(arena: &'a Bump) -> Self {
        Self { keeps_duplicates: true, ..Self::new(Limits::NONE, arena) }
    }

    /// Begins another request.
    pub fn begin(&mut self) {
        self.items_of_request = 0;
    }

    /// The text in `bytes`, with U+FFFD in place of what is not UTF-8.
    #[inline]
    pub fn text(&mut self, bytes: &'a [u8]) -> &'a str {
        if is_ascii(bytes) {
            // SAFETY: ASCII is UTF-8. The checked conversion costs a third of the time of a scan.
            return unsafe { str::from_utf8_unchecked(bytes) };
        }
        str::from_utf8(bytes).unwrap_or_else(|_| self.repair(bytes))
    }

    #[cold]
    fn repair(&mut self, bytes: &'a [u8]) -> &'a str {
        self.counts.replaced += 1;
        self.arena.alloc_str(&String::from_utf8_lossy(bytes))
    }

    /// Counts items, before they are known to be accepted.
    #[inline]
    pub fn take(&mut self, items: usize, at: &[u8]) -> Result<()> {
        self.items_of_request += items;
        if self.items_of_request > self.limits.items {
            return Err(Fault::at(at, format!("more than {} items", self.limits.items)));
        }
        Ok(())
    }

    /// Counts one item as refused. Only the first reason is told.
    #[cold]
    pub fn reject(&mut self, reason: impl FnOnce() -> String) {
        self.counts.rejected += 1;
        if self.counts.message.is_empty() {
            self.counts.message = reason();
        }
    }
}

/// As `[u8]::is_ascii`, but inlined for the lengths that names, keys and values have.
#[inline]
fn is_ascii(bytes: &[u8]) -> bool {
    if let (Some(head), Some(tail)) = (bytes.first_chunk(), bytes.last_chunk()) {
        let both = u128::from_le_bytes(*head) | u128::from_le_bytes(*tail);
        return both & (u128::MAX / 255 * 128) == 0 && (bytes.len() <= 32 || bytes.is_ascii());
    }
    if let (Some(head), Some(tail)) = (bytes.first_chunk(), bytes.last_chunk()) {
        let both = u64::from_le_bytes(*head) | u64::from_le_bytes(*tail);
        return both & (u64::MAX / 255 * 128) == 0;
    }
    bytes.iter().fold(0, |all, byte| all | byte) < 0x80
}

#[cfg(test)]
mod tests {
    use super::is_ascii;

    #[test]
    fn every_position_of_a_byte_beyond_ascii_is_seen() {
        for length in 0..70 {
            let mut bytes = vec![b'a'; length];
            assert!(is_ascii(&bytes));
            for index in 0..length {
                bytes[index] = 0x80;
                assert!(!is_ascii(&bytes), "{length} {index}");
                bytes[index] = 0x7f;
                assert!(is_ascii(&bytes));
            }
        }
    }
}
