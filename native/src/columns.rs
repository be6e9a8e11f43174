//! Buffers that grow while requests are read and become Arrow arrays at the end.
//!
//! Offsets are 32 bits: `decode` refuses requests that are together so large that one could overflow.

use std::sync::Arc;

use arrow_array::types::{ArrowPrimitiveType, Int32Type};
use arrow_array::{
    Array as _, ArrayRef, BinaryArray, BooleanArray, DictionaryArray, FixedSizeBinaryArray, ListArray, PrimitiveArray,
    RecordBatch, StringArray, StructArray, UInt8Array,
};
use arrow_buffer::{ArrowNativeType, Buffer, NullBuffer, NullBufferBuilder, OffsetBuffer, ScalarBuffer};
use arrow_schema::{Fields, SchemaRef};

use crate::value::{Any, Attribute};
use crate::writer::Writer;
use crate::{render, schema};

/// Ends of the values or lists in a buffer.
struct Offsets(Vec<i32>);

impl Default for Offsets {
    fn default() -> Self {
        Self(vec![0])
    }
}

impl Offsets {
    #[inline]
    fn push(&mut self, end: usize) {
        self.0.push(end as i32);
    }

    fn finish(self) -> OffsetBuffer<i32> {
        OffsetBuffer::new(ScalarBuffer::from(self.0))
    }
}

/// A column of strings.
#[derive(Default)]
pub struct Text {
    offsets: Offsets,
    values: String,
}

impl Text {
    /// Appends one value.
    #[inline]
    pub fn push(&mut self, value: &str) {
        self.values.push_str(value);
        self.offsets.push(self.values.len());
    }

    /// Appends the text of `value`.
    #[inline]
    pub fn push_any(&mut self, value: &Any<'_>) {
        render::text(&mut self.values, value);
        self.offsets.push(self.values.len());
    }

    /// Makes room for `rows` values.
    pub fn reserve(&mut self, rows: usize) {
        self.offsets.0.reserve(rows);
    }

    /// The array.
    pub fn finish(self) -> ArrayRef {
        let values = Buffer::from_vec(self.values.into_bytes());
        // SAFETY: The values were a string, and every offset is the length that it had between two values, so it is at
        // a boundary of characters and not beyond the end. Checking that again takes a tenth of the time of decoding.
        Arc::new(unsafe { StringArray::new_unchecked(self.offsets.finish(), values, None) })
    }
}

/// A column of bytes without nulls.
#[derive(Default)]
pub struct Bytes {
    offsets: Offsets,
    values: Vec<u8>,
}

impl Bytes {
    /// Appends one value.
    pub fn push(&mut self, value: &[u8]) {
        self.values.extend_from_slice(value);
        self.offsets.push(self.values.len());
    }

    /// How many values there are.
    pub fn count(&self) -> usize {
        self.offsets.0.len() - 1
    }

    /// The array.
    pub fn finish(self) -> ArrayRef {
        Arc::new(BinaryArray::new(self.offsets.finish(), Buffer::from_vec(self.values), None))
    }
}

/// The serialized `AnyValue` of arrays and maps; null, and free, for the rest.
#[derive(Default)]
pub struct Raw {
    writer: Writer,
    /// Rows that have a value, and where it ends.
    ends: Vec<(usize, usize)>,
}

impl Raw {
    /// Sets the value of row `row`, where `value` is one that needs it. Rows come in ascending order.
    #[inline]
    pub fn set(&mut self, row: usize, value: &Any<'_>) {
        if matches!(value, Any::Array(_) | Any::Map(_)) {
            self.writer.any(value);
            self.ends.push((row, self.writer.out.len()));
        }
    }

    /// The array of `rows` values.
    pub fn finish(self, rows: usize) -> ArrayRef {
        if self.ends.is_empty() {
            return Arc::new(BinaryArray::new_null(rows));
        }
        let mut offsets = Vec::with_capacity(rows + 1);
        let mut valid = vec![false; rows];
        let mut end_before = 0;
        for (row, end) in self.ends {
            offsets.resize(row + 1, end_before as i32);
            valid[row] = true;
            end_before = end;
        }
        offsets.resize(rows + 1, end_before as i32);
        let offsets = OffsetBuffer::new(ScalarBuffer::from(offsets));
        Arc::new(BinaryArray::new(offsets, Buffer::from_vec(self.writer.out), Some(NullBuffer::from(valid))))
    }
}

/// Which values are null; free as long as none is.
struct Nulls(NullBufferBuilder);

impl Default for Nulls {
    fn default() -> Self {
        Self(NullBufferBuilder::new(0))
    }
}

/// A column of trace ids (16 bytes) or span ids (8 bytes), null where absent or invalid.
#[derive(Default)]
pub struct Ids<const N: usize> {
    values: Vec<u8>,
    nulls: Nulls,
}

impl<const N: usize> Ids<N> {
    /// Appends an id.
    #[inline]
    pub fn push(&mut self, id: &[u8]) {
        let id = valid_id::<N>(id);
        self.values.extend_from_slice(id.unwrap_or(&[0; N]));
        self.nulls.0.append(id.is_some());
    }

    /// Makes room for `rows` ids.
    pub fn reserve(&mut self, rows: usize) {
        self.values.reserve(rows * N);
    }

    /// The array. The validity map is left out where every id is valid.
    pub fn finish(self) -> ArrayRef {
        Arc::new(FixedSizeBinaryArray::new(N as i32, Buffer::from_vec(self.values), self.nulls.0.build()))
    }
}

/// The id, where it has the right length and is not all zero.
#[inline]
#[must_use]
pub fn valid_id<const N: usize>(id: &[u8]) -> Option<&[u8; N]> {
    <&[u8; N]>::try_from(id).ok().filter(|id| **id != [0; N])
}

/// A column of numbers.
pub fn numbers<T: ArrowPrimitiveType>(values: Vec<T::Native>) -> ArrayRef {
    Arc::new(PrimitiveArray::<T>::new(ScalarBuffer::from(values), None))
}

/// A column of optional numbers.
pub struct Optional<T: ArrowPrimitiveType> {
    values: Vec<T::Native>,
    nulls: Nulls,
}

impl<T: ArrowPrimitiveType> Default for Optional<T> {
    fn default() -> Self {
        Self { values: Vec::new(), nulls: Nulls::default() }
    }
}

impl<T: ArrowPrimitiveType> Optional<T> {
    /// Appends one value.
    #[inline]
    pub fn push(&mut self, value: Option<T::Native>) {
        self.values.push(value.unwrap_or_default());
        self.nulls.0.append(value.is_some());
    }

    /// Makes room for `rows` values.
    pub fn reserve(&mut self, rows: usize) {
        self.values.reserve(rows);
    }

    /// The array. The validity map is left out where every value is there.
    pub fn finish(self) -> ArrayRef {
        Arc::new(PrimitiveArray::<T>::new(ScalarBuffer::from(self.values), self.nulls.0.build()))
    }
}

/// A column of booleans.
pub fn booleans(values: Vec<bool>) -> ArrayRef {
    Arc::new(BooleanArray::from(values))
}

/// A column of structs.
pub fn structs(fields: &Fields, columns: Vec<ArrayRef>) -> StructArray {
    StructArray::new(fields.clone(), columns, None)
}

/// Values of an envelope, told once, and for each row the envelope it is in.
pub fn dictionary(keys: Vec<i32>, values: StructArray) -> ArrayRef {
    let keys = PrimitiveArray::<Int32Type>::new(ScalarBuffer::from(keys), None);
    Arc::new(DictionaryArray::new(keys, Arc::new(values)))
}

/// Ends of lists whose items lie in columns of their own.
#[derive(Default)]
pub struct Lists(Offsets);

impl Lists {
    /// Ends a list before the item numbered `end`.
    #[inline]
    pub fn push(&mut self, end: usize) {
        self.0.push(end);
    }

    /// Makes room for `rows` lists.
    pub fn reserve(&mut self, rows: usize) {
        self.0.0.reserve(rows);
    }

    /// The array of lists of `items`.
    pub fn finish(self, items: ArrayRef) -> ArrayRef {
        let item = schema::item(items.data_type().clone());
        Arc::new(ListArray::new(item, self.0.finish(), items, None))
    }
}

/// A column of lists of numbers.
pub struct NumberLists<T: ArrowPrimitiveType> {
    lists: Lists,
    values: Vec<T::Native>,
}

impl<T: ArrowPrimitiveType> Default for NumberLists<T> {
    fn default() -> Self {
        Self { lists: Lists::default(), values: Vec::new() }
    }
}

impl<T: ArrowPrimitiveType> NumberLists<T>
where
    T::Native: ArrowNativeType,
{
    /// Appends one list.
    pub fn push(&mut self, values: &[T::Native]) {
        self.values.extend_from_slice(values);
        self.lists.push(self.values.len());
    }

    /// The array.
    pub fn finish(self) -> ArrayRef {
        self.lists.finish(numbers::<T>(self.values))
    }
}

/// A column of attribute lists.
#[derive(Default)]
pub struct Attributes {
    lists: Lists,
    keys: Text,
    kinds: Vec<u8>,
    values: Text,
    raw: Raw,
}

impl Attributes {
    /// Appends one list.
    pub fn push(&mut self, list: &[Attribute<'_>]) {
        for attribute in list {
            self.keys.push(attribute.key);
            let value = attribute.value.as_ref();
            self.raw.set(self.kinds.len(), value.unwrap_or(&Any::Empty));
            self.kinds.push(kind(value));
            self.values.push_any(value.unwrap_or(&Any::Empty));
        }
        self.lists.push(self.kinds.len());
    }

    /// Makes room for `rows` lists of `attributes` with `bytes` of text between them.
    pub fn reserve(&mut self, rows: usize, attributes: usize, bytes: usize) {
        self.lists.0.0.reserve(rows);
        self.kinds.reserve(attributes);
        self.keys.offsets.0.reserve(attributes);
        self.values.offsets.0.reserve(attributes);
        self.keys.values.reserve(bytes);
        self.values.values.reserve(bytes);
    }

    /// The array.
    pub fn finish(self) -> ArrayRef {
        let rows = self.kinds.len();
        let kinds: ArrayRef = Arc::new(UInt8Array::new(ScalarBuffer::from(self.kinds), None));
        let columns = vec![self.keys.finish(), kinds, self.values.finish(), self.raw.finish(rows)];
        self.lists.finish(Arc::new(structs(&schema::ATTRIBUTE, columns)))
    }
}

/// The `TYPE_*` number of a value.
#[must_use]
pub const fn kind(value: Option<&Any<'_>>) -> u8 {
    match value {
        Some(Any::Empty) => 0,
        Some(Any::Text(_)) => 1,
        Some(Any::Bool(_)) => 2,
        Some(Any::Int(_)) => 3,
        Some(Any::Double(_)) => 4,
        Some(Any::Array(_)) => 5,
        Some(Any::Map(_)) => 6,
        Some(Any::Bytes(_)) => 7,
        None => 8,
    }
}

/// A record batch of `schema`.
///
/// # Panics
/// If the columns are not those of the schema, which the builders rule out.
pub fn batch(schema: &SchemaRef, columns: Vec<ArrayRef>) -> RecordBatch {
    RecordBatch::try_new(Arc::clone(schema), columns).expect("builders follow their schema")
}
