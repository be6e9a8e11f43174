//! The protobuf wire format, read as upb reads it: hostile until shown otherwise.

use crate::fault::{Fault, Result};

/// Wire types, the low three bits of a tag.
pub const VARINT: u32 = 0;
/// Eight little-endian bytes.
pub const FIXED64: u32 = 1;
/// A length and that many bytes.
pub const LEN: u32 = 2;
/// The fields of a group follow.
pub const START_GROUP: u32 = 3;
/// A group ends.
pub const END_GROUP: u32 = 4;
/// Four little-endian bytes.
pub const FIXED32: u32 = 5;

/// How deep messages and groups may be nested below the request, as upb has it.
pub const MAX_NESTING: u32 = 100;

/// The tag of field `number` with wire type `kind`.
#[must_use]
pub const fn tag(number: u32, kind: u32) -> u32 {
    number << 3 | kind
}

const TOO_DEEP: &str = "messages and groups nested more than 100 deep";

/// Reads one message. What is not yet read is `rest`.
#[derive(Clone, Copy)]
pub struct Reader<'a> {
    rest: &'a [u8],
    /// How many messages and groups may be opened inside of each other.
    room: u32,
}

impl<'a> Reader<'a> {
    /// A reader of the outermost message.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, room: MAX_NESTING }
    }

    /// What is not yet read.
    #[must_use]
    pub const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// A length and a message of that many bytes.
    #[inline]
    pub fn message(&mut self) -> Result<Self> {
        let rest = self.bytes()?;
        match self.room.checked_sub(1) {
            Some(room) => Ok(Self { rest, room }),
            None => Err(Fault::at(rest, TOO_DEEP)),
        }
    }

    /// Whether everything is read.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The next tag, or None at the end of the message.
    #[inline]
    pub fn tag(&mut self) -> Result<Option<u32>> {
        let Some((&first, rest)) = self.rest.split_first() else { return Ok(None) };
        if first < 0x80 {
            if first < 8 {
                return Err(Fault::at(self.rest, "field number 0"));
            }
            self.rest = rest;
            return Ok(Some(u32::from(first)));
        }
        self.long_tag().map(Some)
    }

    /// Goes past `tag`, of a field number below 16, where it comes next: a quick way through repeated fields.
    #[inline]
    pub fn again(&mut self, tag: u32) -> bool {
        match self.rest.split_first() {
            Some((&first, rest)) if u32::from(first) == tag => {
                self.rest = rest;
                true
            }
            _ => false,
        }
    }

    fn long_tag(&mut self) -> Result<u32> {
        let start = self.rest;
        let value = self.short_varint(u64::from(u32::MAX), "tag of more than 32 bits")? as u32;
        if value < 8 {
            return Err(Fault::at(start, "field number 0"));
        }
        Ok(value)
    }

    /// A varint of at most five bytes and `max`: tags and lengths.
    fn short_varint(&mut self, max: u64, reason: &'static str) -> Result<u64> {
        let start = self.rest;
        let mut value = 0;
        for shift in (0..35).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                if value > max {
                    break;
                }
                return Ok(value);
            }
        }
        Err(Fault::at(start, reason))
    }

    #[inline]
    fn byte(&mut self) -> Result<u8> {
        let Some((&byte, rest)) = self.rest.split_first() else {
            return Err(Fault::at(self.rest, "the message ends inside a number"));
        };
        self.rest = rest;
        Ok(byte)
    }

    /// A varint of at most ten bytes; bits beyond 64 are dropped.
    #[inline]
    pub fn varint(&mut self) -> Result<u64> {
        let first = self.byte()?;
        if first < 0x80 { Ok(u64::from(first)) } else { self.long_varint(first) }
    }

    fn long_varint(&mut self, first: u8) -> Result<u64> {
        let mut value = u64::from(first & 0x7f);
        for shift in (7..70).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(Fault::at(self.rest, "a number of more than ten bytes"))
    }

    /// A length and that many bytes.
    #[inline]
    pub fn bytes(&mut self) -> Result<&'a [u8]> {
        let length = match self.rest.split_first() {
            Some((&byte, rest)) if byte < 0x80 => {
                self.rest = rest;
                usize::from(byte)
            }
            _ => self.short_varint(i32::MAX as u64, "a length of more than 31 bits")? as usize,
        };
        let Some((bytes, rest)) = self.rest.split_at_checked(length) else {
            return Err(self.overrun(length));
        };
        self.rest = rest;
        Ok(bytes)
    }

    #[cold]
    fn overrun(&self, length: usize) -> Fault {
        Fault::at(self.rest, format!("a length of {length} where {} bytes are left", self.rest.len()))
    }

    /// Eight little-endian bytes.
    #[inline]
    pub fn fixed64(&mut self) -> Result<u64> {
        let Some((bytes, rest)) = self.rest.split_first_chunk() else { return Err(self.overrun(8)) };
        self.rest = rest;
        Ok(u64::from_le_bytes(*bytes))
    }

    /// A double.
    #[inline]
    pub fn double(&mut self) -> Result<f64> {
        self.fixed64().map(f64::from_bits)
    }

    /// Four little-endian bytes.
    #[inline]
    pub fn fixed32(&mut self) -> Result<u32> {
        let Some((bytes, rest)) = self.rest.split_first_chunk() else { return Err(self.overrun(4)) };
        self.rest = rest;
        Ok(u32::from_le_bytes(*bytes))
    }

    /// Goes past the value of a field that is unknown or has an unexpected wire type.
    #[cold]
    pub fn skip(&mut self, tag: u32) -> Result<()> {
        self.skip_nested(tag, self.room)
    }

    fn skip_nested(&mut self, tag: u32, depth: u32) -> Result<()> {
        let start = self.rest;
        match tag & 7 {
            VARINT => self.varint().map(drop),
            FIXED64 => self.fixed64().map(drop),
            LEN => self.bytes().map(drop),
            FIXED32 => self.fixed32().map(drop),
            START_GROUP if depth == 0 => Err(Fault::at(start, TOO_DEEP)),
            START_GROUP => self.skip_group(tag, depth - 1),
            END_GROUP => Err(Fault::at(start, "the end of a group that did not begin")),
            kind => Err(Fault::at(start, format!("wire type {kind}"))),
        }
    }

    fn skip_group(&mut self, start: u32, depth: u32) -> Result<()> {
        let end = start - START_GROUP + END_GROUP;
        loop {
            match self.tag()? {
                None => return Err(Fault::at(self.rest, "the message ends inside a group")),
                Some(tag) if tag == end => return Ok(()),
                Some(tag) => self.skip_nested(tag, depth)?,
            }
        }
    }
}

/// The 32-bit number in a varint: the low bits, as protobuf truncates it.
#[must_use]
pub const fn low_u32(value: u64) -> u32 {
    value as u32
}

/// The enum or int32 in a varint.
#[must_use]
pub const fn low_i32(value: u64) -> i32 {
    value as u32 as i32
}

/// The sint32 in a varint.
#[must_use]
pub const fn zigzag32(value: u64) -> i32 {
    let value = value as u32;
    (value >> 1) as i32 ^ -((value & 1) as i32)
}
