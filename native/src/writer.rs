//! Writes protobuf messages: minimal varints, fields in the order of the calls.

use crate::value::{Any, Attribute, tags};
use crate::wire::{FIXED32, FIXED64, LEN, VARINT, tag};

/// Appends fields to a buffer. Fields that equal their default are left out, as proto3 does.
#[derive(Default)]
pub struct Writer {
    /// What was written.
    pub out: Vec<u8>,
}

impl Writer {
    /// Writes a varint.
    #[inline]
    pub fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.out.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.out.push(value as u8);
    }

    /// Writes a tag.
    #[inline]
    pub fn tag(&mut self, number: u32, kind: u32) {
        self.varint(u64::from(tag(number, kind)));
    }

    /// Writes a bytes or string field, also when it is empty.
    #[inline]
    pub fn bytes_always(&mut self, number: u32, value: &[u8]) {
        self.tag(number, LEN);
        self.varint(value.len() as u64);
        self.out.extend_from_slice(value);
    }

    /// Writes a bytes or string field.
    #[inline]
    pub fn bytes(&mut self, number: u32, value: &[u8]) {
        if !value.is_empty() {
            self.bytes_always(number, value);
        }
    }

    /// Writes a varint field, also when it is 0.
    #[inline]
    pub fn uint_always(&mut self, number: u32, value: u64) {
        self.tag(number, VARINT);
        self.varint(value);
    }

    /// Writes an unsigned, bool or int64 field.
    #[inline]
    pub fn uint(&mut self, number: u32, value: u64) {
        if value != 0 {
            self.uint_always(number, value);
        }
    }

    /// Writes an enum or int32 field: negative numbers take ten bytes.
    #[inline]
    pub fn int32(&mut self, number: u32, value: i32) {
        self.uint(number, i64::from(value).cast_unsigned());
    }

    /// Writes a sint32 field.
    #[inline]
    pub fn sint32(&mut self, number: u32, value: i32) {
        self.uint(number, u64::from((value << 1 ^ value >> 31).cast_unsigned()));
    }

    /// Writes a fixed64 field, also when it is 0.
    #[inline]
    pub fn fixed64_always(&mut self, number: u32, value: u64) {
        self.tag(number, FIXED64);
        self.out.extend_from_slice(&value.to_le_bytes());
    }

    /// Writes a fixed64 field.
    #[inline]
    pub fn fixed64(&mut self, number: u32, value: u64) {
        if value != 0 {
            self.fixed64_always(number, value);
        }
    }

    /// Writes a double field; -0.0 is not the default.
    #[inline]
    pub fn double(&mut self, number: u32, value: f64) {
        self.fixed64(number, value.to_bits());
    }

    /// Writes a fixed32 field.
    #[inline]
    pub fn fixed32(&mut self, number: u32, value: u32) {
        if value != 0 {
            self.tag(number, FIXED32);
            self.out.extend_from_slice(&value.to_le_bytes());
        }
    }

    /// Writes a double field that has presence: also when it is 0.
    #[inline]
    pub fn optional_double(&mut self, number: u32, value: Option<f64>) {
        if let Some(value) = value {
            self.fixed64_always(number, value.to_bits());
        }
    }

    /// Writes a packed field of eight-byte numbers.
    pub fn packed(&mut self, number: u32, values: impl ExactSizeIterator<Item = [u8; 8]>) {
        if values.len() > 0 {
            self.tag(number, LEN);
            self.varint(values.len() as u64 * 8);
            values.for_each(|value| self.out.extend_from_slice(&value));
        }
    }

    /// Writes the message field `number` with what `write` writes, and returns what that returns.
    #[inline]
    pub fn message<R>(&mut self, number: u32, write: impl FnOnce(&mut Self) -> R) -> R {
        self.tag(number, LEN);
        self.out.push(0);
        let start = self.out.len();
        let result = write(self);
        self.close(start);
        result
    }

    /// Puts the length of what stands from `start` on into the byte before it, moving it where one byte is too few.
    #[inline]
    fn close(&mut self, start: usize) {
        let length = self.out.len() - start;
        if length < 0x80 {
            self.out[start - 1] = length as u8;
        } else {
            self.close_long(start, length);
        }
    }

    fn close_long(&mut self, start: usize, length: usize) {
        let more = (length.ilog2() / 7) as usize;
        self.out.extend_from_slice(&[0; 9][..more]);
        self.out.copy_within(start..start + length, start + more);
        let mut rest = length;
        for byte in &mut self.out[start - 1..start + more] {
            *byte = rest as u8 | 0x80;
            rest >>= 7;
        }
        self.out[start - 1 + more] &= 0x7f;
    }

    /// Writes the fields of an `AnyValue`.
    pub fn any(&mut self, value: &Any<'_>) {
        match value {
            Any::Empty => {}
            Any::Text(text) => self.bytes_always(tags::STRING >> 3, text.as_bytes()),
            Any::Bool(value) => self.uint_always(tags::BOOL >> 3, u64::from(*value)),
            Any::Int(value) => self.uint_always(tags::INT >> 3, value.cast_unsigned()),
            Any::Double(value) => self.fixed64_always(tags::DOUBLE >> 3, value.to_bits()),
            Any::Bytes(bytes) => self.bytes_always(tags::BYTES >> 3, bytes),
            Any::Array(items) => self.message(tags::ARRAY >> 3, |array| {
                for item in *items {
                    array.message(tags::VALUES >> 3, |message| message.any(item));
                }
            }),
            Any::Map(items) => self.message(tags::KVLIST >> 3, |map| {
                for item in *items {
                    map.message(tags::VALUES >> 3, |message| message.attribute(item));
                }
            }),
        }
    }

    /// Writes the fields of a `KeyValue`.
    pub fn attribute(&mut self, attribute: &Attribute<'_>) {
        self.bytes(tags::KEY >> 3, attribute.key.as_bytes());
        if let Some(value) = &attribute.value {
            self.message(tags::VALUE >> 3, |message| message.any(value));
        }
    }
}
