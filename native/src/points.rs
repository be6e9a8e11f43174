//! Data points of every kind of metric, read into one shape.

use std::ops::Range;

use crate::context::Context;
use crate::fault::{Fault, Result, Within};
use crate::value::{Attribute, drop_duplicates, push_attribute};
use crate::wire::{FIXED64, LEN, Reader, VARINT, low_u32, tag, zigzag32};

/// What a metric measures; the numbers are those of `metric.kind`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    /// Field `gauge`.
    #[default]
    Gauge = 1,
    /// Field `sum`.
    Sum,
    /// Field `histogram`.
    Histogram,
    /// Field `exponential_histogram`.
    Exponential,
    /// Field `summary`.
    Summary,
}

/// One data point. Fields that a kind lacks keep their default.
#[derive(Default)]
pub struct Point<'a> {
    /// What its metric measures.
    pub kind: Kind,
    /// Its attributes.
    pub attributes: Vec<Attribute<'a>>,
    /// Start of the interval.
    pub start: u64,
    /// End of the interval.
    pub time: u64,
    /// Bit 0: no recorded value.
    pub flags: u32,
    /// Value of a gauge or sum.
    pub number: Number,
    /// How many measurements were made.
    pub count: u64,
    /// Their sum.
    pub sum: Option<f64>,
    /// The least.
    pub min: Option<f64>,
    /// The greatest.
    pub max: Option<f64>,
    /// Counts of a histogram.
    pub bucket_counts: Vec<u64>,
    /// Bounds of a histogram.
    pub explicit_bounds: Vec<f64>,
    /// Resolution of an exponential histogram.
    pub scale: i32,
    /// Measurements near zero.
    pub zero_count: u64,
    /// How near that is.
    pub zero_threshold: f64,
    /// Buckets above zero.
    pub positive: Buckets,
    /// Buckets below zero.
    pub negative: Buckets,
    /// Quantiles of a summary, and their values.
    pub quantiles: Vec<(f64, f64)>,
    /// Measurements with their trace.
    pub exemplars: Vec<Exemplar<'a>>,
    /// Attributes of all exemplars, one after the other.
    pub filtered: Vec<Attribute<'a>>,
}

/// The oneof of number points and exemplars.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Number {
    /// Nothing is set.
    #[default]
    None,
    /// `as_int`
    Int(i64),
    /// `as_double`
    Double(f64),
}

/// Buckets of an exponential histogram.
#[derive(Default)]
pub struct Buckets {
    /// Index of the first; None where there is no message.
    pub offset: Option<i32>,
    /// Their counts.
    pub counts: Vec<u64>,
}

/// One exemplar.
#[derive(Default)]
pub struct Exemplar<'a> {
    /// Where its attributes stand in `filtered`.
    pub attributes: Range<usize>,
    /// When it was measured.
    pub time: u64,
    /// What was measured.
    pub number: Number,
    /// The span it was measured in.
    pub span_id: &'a [u8],
    /// The trace of that span.
    pub trace_id: &'a [u8],
}

const START: u32 = tag(2, FIXED64);
const TIME: u32 = tag(3, FIXED64);
const COUNT: u32 = tag(4, FIXED64);
const SUM: u32 = tag(5, FIXED64);

impl<'a> Point<'a> {
    /// Makes it the empty point of `kind`, keeping the memory of attributes.
    pub(crate) fn clear(&mut self, kind: Kind) {
        let (mut attributes, mut filtered) = (std::mem::take(&mut self.attributes), std::mem::take(&mut self.filtered));
        attributes.clear();
        filtered.clear();
        let sum = (kind == Kind::Summary).then_some(0.0);
        *self = Self { kind, attributes, filtered, sum, ..Self::default() };
    }

    /// Reads a data point of a metric of `kind`.
    pub fn read(&mut self, cx: &mut Context<'a>, kind: Kind, reader: Reader<'a>) -> Result<()> {
        self.clear(kind);
        match kind {
            Kind::Gauge | Kind::Sum => self.number(cx, reader),
            Kind::Histogram => self.histogram(cx, reader),
            Kind::Exponential => self.exponential(cx, reader),
            Kind::Summary => self.summary(cx, reader),
        }?;
        drop_duplicates(cx, &mut self.attributes, 0);
        Ok(())
    }

    fn number(&mut self, cx: &mut Context<'a>, mut reader: Reader<'a>) -> Result<()> {
        const AS_DOUBLE: u32 = tag(4, FIXED64);
        const EXEMPLARS: u32 = tag(5, LEN);
        const AS_INT: u32 = tag(6, FIXED64);
        const LIST: u32 = tag(7, LEN);
        const FLAGS: u32 = tag(8, VARINT);
        while let Some(tag) = reader.tag()? {
            match tag {
                LIST => push_attribute(cx, reader.message()?, "attributes", &mut self.attributes, 0)?,
                START => self.start = reader.fixed64()?,
                TIME => self.time = reader.fixed64()?,
                AS_DOUBLE => self.number = Number::Double(reader.double()?),
                AS_INT => self.number = Number::Int(reader.fixed64()?.cast_signed()),
                EXEMPLARS => self.exemplar(cx, reader.message()?).within_item("exemplars", self.exemplars.len())?,
                FLAGS => self.flags = low_u32(reader.varint()?),
                _ => reader.skip(tag)?,
            }
        }
        Ok(())
    }

    fn histogram(&mut self, cx: &mut Context<'a>, mut reader: Reader<'a>) -> Result<()> {
        const BUCKETS: u32 = tag(6, LEN);
        const BUCKET: u32 = tag(6, FIXED64);
        const BOUNDS: u32 = tag(7, LEN);
        const BOUND: u32 = tag(7, FIXED64);
        const EXEMPLARS: u32 = tag(8, LEN);
        const LIST: u32 = tag(9, LEN);
        const FLAGS: u32 = tag(10, VARINT);
        const MIN: u32 = tag(11, FIXED64);
        const MAX: u32 = tag(12, FIXED64);
        while let Some(tag) = reader.tag()? {
            match tag {
                LIST => push_attribute(cx, reader.message()?, "attributes", &mut self.attributes, 0)?,
                START => self.start = reader.fixed64()?,
                TIME => self.time = reader.fixed64()?,
                COUNT => self.count = reader.fixed64()?,
                SUM => self.sum = Some(reader.double()?),
                BUCKETS => self.bucket_counts.extend(packed(reader.bytes()?)?),
                BUCKET => self.bucket_counts.push(reader.fixed64()?),
                BOUNDS => self.explicit_bounds.extend(packed(reader.bytes()?)?.map(f64::from_bits)),
                BOUND => self.explicit_bounds.push(reader.double()?),
                EXEMPLARS => self.exemplar(cx, reader.message()?).within_item("exemplars", self.exemplars.len())?,
                FLAGS => self.flags = low_u32(reader.varint()?),
                MIN => self.min = Some(reader.double()?),
                MAX => self.max = Some(reader.double()?),
                _ => reader.skip(tag)?,
            }
        }
        Ok(())
    }

    fn exponential(&mut self, cx: &mut Context<'a>, mut reader: Reader<'a>) -> Result<()> {
        const LIST: u32 = tag(1, LEN);
        const SCALE: u32 = tag(6, VARINT);
        const ZERO_COUNT: u32 = tag(7, FIXED64);
        const POSITIVE: u32 = tag(8, LEN);
        const NEGATIVE: u32 = tag(9, LEN);
        const FLAGS: u32 = tag(10, VARINT);
        const EXEMPLARS: u32 = tag(11, LEN);
        const MIN: u32 = tag(12, FIXED64);
        const MAX: u32 = tag(13, FIXED64);
        const ZERO_THRESHOLD: u32 = tag(14, FIXED64);
        while let Some(tag) = reader.tag()? {
            match tag {
                LIST => push_attribute(cx, reader.message()?, "attributes", &mut self.attributes, 0)?,
                START => self.start = reader.fixed64()?,
                TIME => self.time = reader.fixed64()?,
                COUNT => self.count = reader.fixed64()?,
                SUM => self.sum = Some(reader.double()?),
                SCALE => self.scale = zigzag32(reader.varint()?),
                ZERO_COUNT => self.zero_count = reader.fixed64()?,
                POSITIVE => self.positive.merge(reader.message()?).within("positive")?,
                NEGATIVE => self.negative.merge(reader.message()?).within("negative")?,
                FLAGS => self.flags = low_u32(reader.varint()?),
                EXEMPLARS => self.exemplar(cx, reader.message()?).within_item("exemplars", self.exemplars.len())?,
                MIN => self.min = Some(reader.double()?),
                MAX => self.max = Some(reader.double()?),
                ZERO_THRESHOLD => self.zero_threshold = reader.double()?,
                _ => reader.skip(tag)?,
            }
        }
        Ok(())
    }

    fn summary(&mut self, cx: &mut Context<'a>, mut reader: Reader<'a>) -> Result<()> {
        const QUANTILES: u32 = tag(6, LEN);
        const LIST: u32 = tag(7, LEN);
        const FLAGS: u32 = tag(8, VARINT);
        while let Some(tag) = reader.tag()? {
            match tag {
                LIST => push_attribute(cx, reader.message()?, "attributes", &mut self.attributes, 0)?,
                START => self.start = reader.fixed64()?,
                TIME => self.time = reader.fixed64()?,
                COUNT => self.count = reader.fixed64()?,
                SUM => self.sum = Some(reader.double()?),
                QUANTILES => {
                    let index = self.quantiles.len();
                    self.quantiles.push(quantile(reader.message()?).within_item("quantile_values", index)?);
                }
                FLAGS => self.flags = low_u32(reader.varint()?),
                _ => reader.skip(tag)?,
            }
        }
        Ok(())
    }

    fn exemplar(&mut self, cx: &mut Context<'a>, mut reader: Reader<'a>) -> Result<()> {
        const TIME: u32 = tag(2, FIXED64);
        const AS_DOUBLE: u32 = tag(3, FIXED64);
        const SPAN_ID: u32 = tag(4, LEN);
        const TRACE_ID: u32 = tag(5, LEN);
        const AS_INT: u32 = tag(6, FIXED64);
        const LIST: u32 = tag(7, LEN);
        let mut exemplar = Exemplar::default();
        let start = self.filtered.len();
        while let Some(tag) = reader.tag()? {
            match tag {
                LIST => push_attribute(cx, reader.message()?, "filtered_attributes", &mut self.filtered, start)?,
                TIME => exemplar.time = reader.fixed64()?,
                AS_DOUBLE => exemplar.number = Number::Double(reader.double()?),
                AS_INT => exemplar.number = Number::Int(reader.fixed64()?.cast_signed()),
                SPAN_ID => exemplar.span_id = reader.bytes()?,
                TRACE_ID => exemplar.trace_id = reader.bytes()?,
                _ => reader.skip(tag)?,
            }
        }
        drop_duplicates(cx, &mut self.filtered, start);
        exemplar.attributes = start..self.filtered.len();
        self.exemplars.push(exemplar);
        Ok(())
    }
}

impl Buckets {
    fn merge(&mut self, mut reader: Reader<'_>) -> Result<()> {
        const OFFSET: u32 = tag(1, VARINT);
        const COUNTS: u32 = tag(2, LEN);
        const COUNT: u32 = tag(2, VARINT);
        self.offset.get_or_insert_default();
        while let Some(tag) = reader.tag()? {
            match tag {
                OFFSET => self.offset = Some(zigzag32(reader.varint()?)),
                COUNTS => {
                    let mut counts = Reader::new(reader.bytes()?);
                    while !counts.is_empty() {
                        self.counts.push(counts.varint()?);
                    }
                }
                COUNT => self.counts.push(reader.varint()?),
                _ => reader.skip(tag)?,
            }
        }
        Ok(())
    }
}

/// The numbers of a packed field of eight-byte numbers.
fn packed(bytes: &[u8]) -> Result<impl Iterator<Item = u64>> {
    let (chunks, rest) = bytes.as_chunks();
    if !rest.is_empty() {
        return Err(Fault::at(rest, "packed numbers that are not a multiple of 8 bytes"));
    }
    Ok(chunks.iter().map(|chunk| u64::from_le_bytes(*chunk)))
}

fn quantile(mut reader: Reader<'_>) -> Result<(f64, f64)> {
    let (mut quantile, mut value) = (0.0, 0.0);
    while let Some(field) = reader.tag()? {
        match field {
            _ if field == tag(1, FIXED64) => quantile = reader.double()?,
            _ if field == tag(2, FIXED64) => value = reader.double()?,
            _ => reader.skip(field)?,
        }
    }
    Ok((quantile, value))
}
