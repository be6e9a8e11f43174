//! A column of attribute lists, as it is and as it is made.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::cast::AsArray as _;
use arrow_array::types::UInt8Type;
use arrow_array::{Array as _, ArrayRef, BinaryArray, ListArray, StringArray, StructArray, UInt8Array};
use arrow_buffer::{Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow_schema::DataType;

use crate::schema;

/// The `TYPE_*` number of a string.
pub const STRING: u8 = 1;

/// Parts of a column of attribute lists.
pub struct Lists<'a> {
    /// Where each list begins, and the last one ends.
    pub offsets: &'a [i32],
    /// Keys of all attributes.
    pub keys: &'a StringArray,
    /// Their `TYPE_*` numbers.
    pub kinds: &'a UInt8Array,
    /// Their texts.
    pub values: &'a StringArray,
    /// The serialized values of arrays and maps.
    pub raw: &'a BinaryArray,
}

impl<'a> Lists<'a> {
    /// The parts of `array`. None where it is no column of attribute lists.
    #[must_use]
    pub fn of(array: &'a ListArray) -> Option<Self> {
        let items = array.values().as_struct_opt()?;
        let field = |name| items.column_by_name(name);
        Some(Self {
            offsets: array.value_offsets(),
            keys: field("key")?.as_string_opt()?,
            kinds: field("type")?.as_primitive_opt::<UInt8Type>()?,
            values: field("value")?.as_string_opt()?,
            raw: field("raw")?.as_binary_opt()?,
        })
    }

    /// How many lists there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.offsets.len() - 1
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Where the attributes of all lists are.
    #[must_use]
    pub fn all(&self) -> Range<usize> {
        self.offsets[0] as usize..self.offsets[self.len()] as usize
    }

    /// Where the attributes of one list are.
    #[must_use]
    pub fn list(&self, row: usize) -> Range<usize> {
        self.offsets[row] as usize..self.offsets[row + 1] as usize
    }
}

/// Attribute lists that are being made.
pub struct Builder {
    ends: Vec<i32>,
    keys: Texts,
    kinds: Vec<u8>,
    values: Texts,
    raw: Texts,
    raw_valid: Vec<bool>,
}

/// Texts or bytes behind each other, and where they end.
#[derive(Default)]
struct Texts {
    ends: Vec<i32>,
    bytes: Vec<u8>,
}

impl Texts {
    fn with_room(texts: usize, bytes: usize) -> Self {
        Self { ends: Vec::with_capacity(texts), bytes: Vec::with_capacity(bytes) }
    }

    fn push(&mut self, value: &[u8]) {
        self.bytes.extend_from_slice(value);
        self.ends.push(self.bytes.len() as i32);
    }

    fn finish(self) -> (OffsetBuffer<i32>, Buffer) {
        (offsets(self.ends), Buffer::from_vec(self.bytes))
    }
}

fn offsets(ends: Vec<i32>) -> OffsetBuffer<i32> {
    let all: Vec<i32> = std::iter::once(0).chain(ends).collect();
    OffsetBuffer::new(ScalarBuffer::from(all))
}

impl Builder {
    /// A builder with room for what `lists` holds.
    #[must_use]
    pub fn like(lists: &Lists<'_>) -> Self {
        let all = lists.all();
        let room = |texts: &StringArray| {
            let ends = texts.value_offsets();
            Texts::with_room(all.len(), (ends[all.end] - ends[all.start]) as usize)
        };
        Self {
            ends: Vec::with_capacity(lists.len() + 1),
            keys: room(lists.keys),
            kinds: Vec::with_capacity(all.len() + lists.len()),
            values: room(lists.values),
            raw: Texts::with_room(all.len(), 0),
            raw_valid: Vec::with_capacity(all.len()),
        }
    }

    /// Appends an attribute of `lists` to the list that is being made.
    pub fn copy(&mut self, lists: &Lists<'_>, index: usize) {
        self.keys.push(lists.keys.value(index).as_bytes());
        self.copy_value(lists, index);
    }

    /// Appends an attribute without its key, for a column of values.
    pub fn copy_value(&mut self, lists: &Lists<'_>, index: usize) {
        self.kinds.push(lists.kinds.value(index));
        self.values.push(lists.values.value(index).as_bytes());
        let raw = lists.raw.is_valid(index).then(|| lists.raw.value(index));
        self.raw.push(raw.unwrap_or_default());
        self.raw_valid.push(raw.is_some());
    }

    /// Appends an attribute.
    pub fn push(&mut self, key: &str, kind: u8, value: &str) {
        self.keys.push(key.as_bytes());
        self.push_value(kind, value);
    }

    /// Appends an attribute without its key.
    pub fn push_value(&mut self, kind: u8, value: &str) {
        self.kinds.push(kind);
        self.values.push(value.as_bytes());
        self.raw.push(b"");
        self.raw_valid.push(false);
    }

    /// Ends the list that is being made.
    pub fn end(&mut self) {
        self.ends.push(self.kinds.len() as i32);
    }

    /// The column.
    #[must_use]
    pub fn finish(mut self) -> ListArray {
        let (ends, values) = std::mem::take(&mut self.keys).finish();
        let keys: ArrayRef = Arc::new(StringArray::new(ends, values, None));
        let ends = offsets(std::mem::take(&mut self.ends));
        self.finish_with(ends, keys)
    }

    /// The column with the lists and keys that `lists` has, of all its attributes.
    #[must_use]
    pub fn finish_values(self, lists: &Lists<'_>) -> ListArray {
        let all = lists.all();
        let shifted: Vec<i32> = lists.offsets.iter().map(|offset| offset - lists.offsets[0]).collect();
        let keys: ArrayRef = Arc::new(lists.keys.slice(all.start, all.len()));
        self.finish_with(OffsetBuffer::new(ScalarBuffer::from(shifted)), keys)
    }

    fn finish_with(self, ends: OffsetBuffer<i32>, keys: ArrayRef) -> ListArray {
        let (value_ends, values) = self.values.finish();
        let (raw_ends, raw) = self.raw.finish();
        let valid = NullBuffer::from(self.raw_valid);
        let columns: Vec<ArrayRef> = vec![
            keys,
            Arc::new(UInt8Array::from(self.kinds)),
            Arc::new(StringArray::new(value_ends, values, None)),
            Arc::new(BinaryArray::new(raw_ends, raw, Some(valid))),
        ];
        let items = StructArray::new(schema::ATTRIBUTE.clone(), columns, None);
        let item = schema::item(DataType::Struct(schema::ATTRIBUTE.clone()));
        ListArray::new(item, ends, Arc::new(items), None)
    }
}
