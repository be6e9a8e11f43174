//! Arrow arrays as slices, checked once, so that reading a row cannot fail.

use std::ops::Range;
use std::str;

use arrow_array::cast::AsArray as _;
use arrow_array::types::{ArrowPrimitiveType, Float64Type, Int32Type, UInt8Type, UInt32Type, UInt64Type};
use arrow_array::{
    Array, ArrayRef, BooleanArray, FixedSizeBinaryArray, ListArray, PrimitiveArray, RecordBatch, StructArray,
};
use arrow_buffer::{ArrowNativeType, NullBuffer};
use arrow_schema::Fields;

use super::{Result, Unfit};

/// Columns of one length, by name. The schema was compared before, so names and types are known to be there.
pub struct Columns<'a> {
    fields: &'a Fields,
    arrays: &'a [ArrayRef],
    /// The rows that are read: not all of them where lists were sliced.
    pub rows: Range<usize>,
}

impl<'a> Columns<'a> {
    pub fn of_batch(batch: &'a RecordBatch) -> Self {
        Self { fields: batch.schema_ref().fields(), arrays: batch.columns(), rows: 0..batch.num_rows() }
    }

    pub fn of_struct(array: &'a StructArray) -> Self {
        Self::of_items(array, 0..array.len())
    }

    fn of_items(array: &'a StructArray, rows: Range<usize>) -> Self {
        Self { fields: array.fields(), arrays: array.columns(), rows }
    }

    fn array(&self, name: &str) -> &'a dyn Array {
        let (index, _) = self.fields.find(name).expect("the schema was checked");
        &self.arrays[index]
    }

    fn numbers<T: ArrowPrimitiveType>(&self, name: &str) -> &'a PrimitiveArray<T> {
        self.array(name).as_primitive()
    }

    pub fn u8s(&self, name: &str) -> &'a [u8] {
        self.numbers::<UInt8Type>(name).values()
    }

    pub fn u32s(&self, name: &str) -> &'a [u32] {
        self.numbers::<UInt32Type>(name).values()
    }

    pub fn i32s(&self, name: &str) -> &'a [i32] {
        self.numbers::<Int32Type>(name).values()
    }

    pub fn u64s(&self, name: &str) -> &'a [u64] {
        self.numbers::<UInt64Type>(name).values()
    }

    pub fn f64s(&self, name: &str) -> &'a [f64] {
        self.numbers::<Float64Type>(name).values()
    }

    pub fn optional<T: ArrowPrimitiveType>(&self, name: &str) -> Optional<'a, T> {
        let array = self.numbers::<T>(name);
        Optional { values: array.values(), nulls: array.nulls() }
    }

    pub fn booleans(&self, name: &str) -> &'a BooleanArray {
        self.array(name).as_boolean()
    }

    pub fn texts(&self, name: &str) -> Result<Texts<'a>> {
        let array = self.array(name).as_string::<i32>();
        let (offsets, values) = (array.value_offsets(), array.value_data());
        let read = within(offsets, &self.rows);
        let range = checked(read, values.len())?;
        let first = range.start;
        match str::from_utf8(&values[range]) {
            Ok(text) if text.is_ascii() || at_boundaries(text, read, first) => Ok(Texts { offsets, first, text }),
            _ => Unfit::invalid(format!("the columns hold text that is not UTF-8 in {name}")),
        }
    }

    pub fn blobs(&self, name: &str) -> Result<Blobs<'a>> {
        Blobs::new(self.array(name), self.rows.clone())
    }

    pub fn ids(&self, name: &str) -> Ids<'a> {
        Ids(self.array(name).as_fixed_size_binary())
    }

    pub fn list(&self, name: &str) -> List<'a> {
        List { array: self.array(name).as_list(), rows: self.rows.clone() }
    }

    pub fn dictionary(&self, name: &str) -> Result<Dictionary<'a>> {
        let array = self.array(name).as_dictionary::<Int32Type>();
        let (keys, values) = (array.keys().values(), array.values().as_struct());
        if keys.iter().any(|key| usize::try_from(*key).map_or(true, |key| key >= values.len())) {
            return Unfit::invalid(format!("the columns number an envelope in {name} that is not there"));
        }
        Ok(Dictionary { keys, values })
    }
}

/// A column of lists, and the rows of it that are read.
pub struct List<'a> {
    array: &'a ListArray,
    rows: Range<usize>,
}

/// The envelope of each row; every key is the index of a value.
pub struct Dictionary<'a> {
    pub keys: &'a [i32],
    pub values: &'a StructArray,
}

/// The offsets of `rows`.
fn within<'a>(offsets: &'a [i32], rows: &Range<usize>) -> &'a [i32] {
    offsets.get(rows.start..=rows.end).unwrap_or_default()
}

/// The range of values that `offsets` cut up, where they ascend and end within `length`.
fn checked(offsets: &[i32], length: usize) -> Result<Range<usize>> {
    let (Some(first), Some(last)) = (offsets.first(), offsets.last()) else { return Ok(0..0) };
    if *first < 0 || *last as usize > length || !offsets.is_sorted() {
        return Unfit::invalid("the columns have offsets that do not ascend");
    }
    Ok(*first as usize..*last as usize)
}

#[inline]
fn cut(offsets: &[i32], row: usize) -> Range<usize> {
    offsets[row] as usize..offsets[row + 1] as usize
}

/// Whether every value begins and ends between two characters.
fn at_boundaries(text: &str, offsets: &[i32], first: usize) -> bool {
    offsets.iter().all(|offset| text.is_char_boundary(*offset as usize - first))
}

/// Strings.
pub struct Texts<'a> {
    offsets: &'a [i32],
    /// Where `text` begins.
    first: usize,
    text: &'a str,
}

impl<'a> Texts<'a> {
    #[inline]
    pub fn at(&self, row: usize) -> &'a str {
        let range = cut(self.offsets, row);
        &self.text[range.start - self.first..range.end - self.first]
    }

    /// The values of rows that stand together.
    #[inline]
    pub fn each(&self, rows: Range<usize>) -> impl Iterator<Item = &'a str> + use<'a> {
        let (text, first) = (self.text, self.first);
        let offsets = self.offsets.get(rows.start..=rows.end).unwrap_or_default();
        offsets.windows(2).map(move |ends| &text[ends[0] as usize - first..ends[1] as usize - first])
    }
}

/// Bytes that may be null.
pub struct Blobs<'a> {
    offsets: &'a [i32],
    values: &'a [u8],
    nulls: Option<&'a NullBuffer>,
}

impl<'a> Blobs<'a> {
    /// Looks at `rows` of the array.
    pub fn new(array: &'a dyn Array, rows: Range<usize>) -> Result<Self> {
        let array = array.as_binary::<i32>();
        let (offsets, values) = (array.value_offsets(), array.value_data());
        checked(within(offsets, &rows), values.len())?;
        Ok(Self { offsets, values, nulls: array.nulls() })
    }

    #[inline]
    pub fn at(&self, row: usize) -> Option<&'a [u8]> {
        is_valid(self.nulls, row).then(|| &self.values[cut(self.offsets, row)])
    }
}

#[inline]
fn is_valid(nulls: Option<&NullBuffer>, row: usize) -> bool {
    nulls.is_none_or(|nulls| nulls.is_valid(row))
}

/// Trace or span ids.
pub struct Ids<'a>(&'a FixedSizeBinaryArray);

impl<'a> Ids<'a> {
    /// The id, no bytes where it is null.
    #[inline]
    pub fn at(&self, row: usize) -> &'a [u8] {
        if is_valid(self.0.nulls(), row) { self.0.value(row) } else { &[] }
    }
}

/// Numbers that may be null.
pub struct Optional<'a, T: ArrowPrimitiveType> {
    values: &'a [T::Native],
    nulls: Option<&'a NullBuffer>,
}

impl<T: ArrowPrimitiveType> Optional<'_, T> {
    #[inline]
    pub fn at(&self, row: usize) -> Option<T::Native> {
        is_valid(self.nulls, row).then(|| self.values[row])
    }
}

/// Lists whose items are read through `T`.
pub struct Lists<'a, T> {
    offsets: &'a [i32],
    /// The items of all lists.
    pub items: T,
}

impl<'a, T> Lists<'a, T> {
    /// `items` looks at the items in a range.
    pub fn new(list: List<'a>, items: impl FnOnce(&'a dyn Array, Range<usize>) -> Result<T>) -> Result<Self> {
        let offsets = list.array.value_offsets();
        let range = checked(within(offsets, &list.rows), list.array.values().len())?;
        Ok(Self { offsets, items: items(list.array.values(), range)? })
    }

    /// Where the items of a row's list stand.
    #[inline]
    pub fn range(&self, row: usize) -> Range<usize> {
        cut(self.offsets, row)
    }
}

impl<'a, T: ArrowNativeType> Lists<'a, &'a [T]> {
    /// Lists of numbers.
    pub fn of_numbers<P: ArrowPrimitiveType<Native = T>>(list: List<'a>) -> Result<Self> {
        Self::new(list, |items, _| Ok(items.as_primitive::<P>().values().as_ref()))
    }

    /// The numbers of a row.
    #[inline]
    pub fn at(&self, row: usize) -> &'a [T] {
        &self.items[self.range(row)]
    }
}

/// Lists of structs: `build` reads the columns of the structs.
pub fn structs<'a, T>(list: List<'a>, build: impl FnOnce(&Columns<'a>) -> Result<T>) -> Result<Lists<'a, T>> {
    Lists::new(list, |items, rows| build(&Columns::of_items(items.as_struct(), rows)))
}
