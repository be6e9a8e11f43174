//! Metrics and their data points.

use std::ops::Range;

use arrow_array::types::{Float64Type, Int32Type, Int64Type, UInt64Type};
use arrow_array::{BooleanArray, StructArray};

use super::value::Attributes;
use super::view::{Columns, Dictionary, Ids, Lists, Optional, Texts, structs};
use super::{CONTENT, Invalid, Result, Rows};
use crate::points::Kind;
use crate::writer::Writer;

/// The columns of `schema::METRICS`.
pub struct Metrics<'a> {
    keys: Dictionary<'a>,
    envelopes: Envelopes<'a>,
    attributes: Attributes<'a>,
    start: &'a [u64],
    time: &'a [u64],
    flags: &'a [u32],
    number: Numbers<'a>,
    count: &'a [u64],
    sum: Optional<'a, Float64Type>,
    min: Optional<'a, Float64Type>,
    max: Optional<'a, Float64Type>,
    bucket_counts: Lists<'a, &'a [u64]>,
    explicit_bounds: Lists<'a, &'a [f64]>,
    scale: &'a [i32],
    zero_count: &'a [u64],
    zero_threshold: &'a [f64],
    positive: Buckets<'a>,
    negative: Buckets<'a>,
    quantiles: Lists<'a, (&'a [f64], &'a [f64])>,
    exemplars: Lists<'a, Exemplars<'a>>,
}

impl<'a> Metrics<'a> {
    pub fn new(columns: &Columns<'a>) -> Result<Self> {
        let keys = columns.dictionary("metric")?;
        Ok(Self {
            envelopes: Envelopes::new(keys.values)?,
            keys,
            attributes: Attributes::new(columns.list("attributes"))?,
            start: columns.u64s("start_time_unix_nano"),
            time: columns.u64s("time_unix_nano"),
            flags: columns.u32s("flags"),
            number: Numbers::new(columns),
            count: columns.u64s("count"),
            sum: columns.optional("sum"),
            min: columns.optional("min"),
            max: columns.optional("max"),
            bucket_counts: Lists::of_numbers::<UInt64Type>(columns.list("bucket_counts"))?,
            explicit_bounds: Lists::of_numbers::<Float64Type>(columns.list("explicit_bounds"))?,
            scale: columns.i32s("scale"),
            zero_count: columns.u64s("zero_count"),
            zero_threshold: columns.f64s("zero_threshold"),
            positive: Buckets::new(columns, ["positive_offset", "positive_bucket_counts"])?,
            negative: Buckets::new(columns, ["negative_offset", "negative_bucket_counts"])?,
            quantiles: structs(columns.list("quantiles"), |items| Ok((items.f64s("quantile"), items.f64s("value"))))?,
            exemplars: structs(columns.list("exemplars"), Exemplars::new)?,
        })
    }

    fn metric(&self, writer: &mut Writer, index: usize, mut rows: Range<usize>) -> Result<()> {
        let envelopes = &self.envelopes;
        let (number, kind) = envelopes.kind(index)?;
        writer.bytes(1, envelopes.name.at(index));
        writer.bytes(2, envelopes.description.at(index));
        writer.bytes(3, envelopes.unit.at(index));
        writer.message(number, |data| {
            rows.try_for_each(|row| data.message(1, |point| self.point(point, kind, row)))?;
            if !matches!(kind, Kind::Gauge | Kind::Summary) {
                data.int32(2, envelopes.temporality[index]);
            }
            if kind == Kind::Sum {
                data.uint(3, u64::from(envelopes.monotonic.value(index)));
            }
            Ok(())
        })?;
        envelopes.metadata.write(writer, 12, index)
    }

    fn point(&self, writer: &mut Writer, kind: Kind, row: usize) -> Result<()> {
        if kind == Kind::Exponential {
            self.attributes.write(writer, 1, row)?;
        }
        writer.fixed64(2, self.start[row]);
        writer.fixed64(3, self.time[row]);
        match kind {
            Kind::Gauge | Kind::Sum => self.number(writer, row),
            Kind::Histogram => self.histogram(writer, row),
            Kind::Exponential => self.exponential(writer, row),
            Kind::Summary => self.summary(writer, row),
        }
    }

    fn number(&self, writer: &mut Writer, row: usize) -> Result<()> {
        self.number.double(writer, 4, row);
        self.write_exemplars(writer, 5, row)?;
        self.number.int(writer, 6, row);
        self.attributes.write(writer, 7, row)?;
        writer.uint(8, u64::from(self.flags[row]));
        Ok(())
    }

    fn histogram(&self, writer: &mut Writer, row: usize) -> Result<()> {
        writer.fixed64(4, self.count[row]);
        writer.optional_double(5, self.sum.at(row));
        writer.packed(6, self.bucket_counts.at(row).iter().map(|count| count.to_le_bytes()));
        writer.packed(7, self.explicit_bounds.at(row).iter().map(|bound| bound.to_le_bytes()));
        self.write_exemplars(writer, 8, row)?;
        self.attributes.write(writer, 9, row)?;
        writer.uint(10, u64::from(self.flags[row]));
        writer.optional_double(11, self.min.at(row));
        writer.optional_double(12, self.max.at(row));
        Ok(())
    }

    fn exponential(&self, writer: &mut Writer, row: usize) -> Result<()> {
        writer.fixed64(4, self.count[row]);
        writer.optional_double(5, self.sum.at(row));
        writer.sint32(6, self.scale[row]);
        writer.fixed64(7, self.zero_count[row]);
        self.positive.write(writer, 8, row);
        self.negative.write(writer, 9, row);
        writer.uint(10, u64::from(self.flags[row]));
        self.write_exemplars(writer, 11, row)?;
        writer.optional_double(12, self.min.at(row));
        writer.optional_double(13, self.max.at(row));
        writer.double(14, self.zero_threshold[row]);
        Ok(())
    }

    fn summary(&self, writer: &mut Writer, row: usize) -> Result<()> {
        writer.fixed64(4, self.count[row]);
        writer.double(5, self.sum.at(row).unwrap_or_default());
        let (quantiles, values) = self.quantiles.items;
        for index in self.quantiles.range(row) {
            writer.message(6, |quantile| {
                quantile.double(1, quantiles[index]);
                quantile.double(2, values[index]);
            });
        }
        self.attributes.write(writer, 7, row)?;
        writer.uint(8, u64::from(self.flags[row]));
        Ok(())
    }

    fn write_exemplars(&self, writer: &mut Writer, number: u32, row: usize) -> Result<()> {
        let exemplars = &self.exemplars;
        exemplars.range(row).try_for_each(|index| writer.message(number, |one| exemplars.items.write(one, index)))
    }
}

impl Rows for Metrics<'_> {
    fn write(&self, writer: &mut Writer, rows: Range<usize>) -> Result<()> {
        let mut runs = self.keys.runs(rows);
        runs.try_for_each(|(index, rows)| writer.message(CONTENT, |metric| self.metric(metric, index, rows)))
    }
}

/// What a metric says once for all its points.
struct Envelopes<'a> {
    name: Texts<'a>,
    description: Texts<'a>,
    unit: Texts<'a>,
    kind: &'a [u8],
    temporality: &'a [i32],
    monotonic: &'a BooleanArray,
    metadata: Attributes<'a>,
}

impl<'a> Envelopes<'a> {
    fn new(array: &'a StructArray) -> Result<Self> {
        let columns = Columns::of_struct(array);
        Ok(Self {
            name: columns.texts("name")?,
            description: columns.texts("description")?,
            unit: columns.texts("unit")?,
            kind: columns.u8s("kind"),
            temporality: columns.i32s("aggregation_temporality"),
            monotonic: columns.booleans("is_monotonic"),
            metadata: Attributes::new(columns.list("metadata"))?,
        })
    }

    /// The field of the metric's data, and what kind it is.
    fn kind(&self, index: usize) -> Result<(u32, Kind)> {
        match self.kind[index] {
            1 => Ok((5, Kind::Gauge)),
            2 => Ok((7, Kind::Sum)),
            3 => Ok((9, Kind::Histogram)),
            4 => Ok((10, Kind::Exponential)),
            5 => Ok((11, Kind::Summary)),
            other => Err(Invalid(format!("metric.kind is {other}, which no metric with data points has"))),
        }
    }
}

/// The oneof of number points and exemplars. The integer counts where both are there.
struct Numbers<'a> {
    ints: Optional<'a, Int64Type>,
    doubles: Optional<'a, Float64Type>,
}

impl<'a> Numbers<'a> {
    fn new(columns: &Columns<'a>) -> Self {
        Self { ints: columns.optional("int_value"), doubles: columns.optional("double_value") }
    }

    fn int(&self, writer: &mut Writer, number: u32, row: usize) {
        if let Some(value) = self.ints.at(row) {
            writer.fixed64_always(number, value.cast_unsigned());
        }
    }

    fn double(&self, writer: &mut Writer, number: u32, row: usize) {
        if self.ints.at(row).is_none() {
            writer.optional_double(number, self.doubles.at(row));
        }
    }
}

struct Buckets<'a> {
    offset: Optional<'a, Int32Type>,
    counts: Lists<'a, &'a [u64]>,
}

impl<'a> Buckets<'a> {
    fn new(columns: &Columns<'a>, [offset, counts]: [&str; 2]) -> Result<Self> {
        Ok(Self { offset: columns.optional(offset), counts: Lists::of_numbers::<UInt64Type>(columns.list(counts))? })
    }

    fn write(&self, writer: &mut Writer, number: u32, row: usize) {
        let Some(offset) = self.offset.at(row) else { return };
        let counts = self.counts.at(row);
        writer.message(number, |buckets| {
            buckets.sint32(1, offset);
            if !counts.is_empty() {
                buckets.message(2, |packed| counts.iter().for_each(|count| packed.varint(*count)));
            }
        });
    }
}

struct Exemplars<'a> {
    attributes: Attributes<'a>,
    time: &'a [u64],
    number: Numbers<'a>,
    span_id: Ids<'a>,
    trace_id: Ids<'a>,
}

impl<'a> Exemplars<'a> {
    fn new(columns: &Columns<'a>) -> Result<Self> {
        Ok(Self {
            attributes: Attributes::new(columns.list("filtered_attributes"))?,
            time: columns.u64s("time_unix_nano"),
            number: Numbers::new(columns),
            span_id: columns.ids("span_id"),
            trace_id: columns.ids("trace_id"),
        })
    }

    fn write(&self, writer: &mut Writer, index: usize) -> Result<()> {
        writer.fixed64(2, self.time[index]);
        self.number.double(writer, 3, index);
        writer.bytes(4, self.span_id.at(index));
        writer.bytes(5, self.trace_id.at(index));
        self.number.int(writer, 6, index);
        self.attributes.write(writer, 7, index)
    }
}
