//! Metrics and their data points.

use std::ops::Range;

use arrow_array::types::{Float64Type, Int32Type, Int64Type, UInt64Type};
use arrow_array::{BooleanArray, StructArray};

use super::value::Attributes;
use super::view::{Columns, Dictionary, Ids, Lists, Optional, Texts, structs};
use super::{Result, Rows, Unfit};
use crate::context::Context;
use crate::metrics::{self, Data, Metric, MetricItems};
use crate::points::{self, Exemplar, Kind, Number, Point};

/// The columns of `schema::METRICS`.
pub struct Metrics<'a> {
    keys: Dictionary<'a>,
    told: Told<'a>,
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
    /// Looks at the columns.
    pub fn new(columns: &Columns<'a>) -> Result<Self> {
        let keys = columns.dictionary("metric")?;
        Ok(Self {
            told: Told::new(keys.values)?,
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

    /// The number of each metric in turn, with those of `rows` that stand together under it.
    pub fn runs(&self, rows: Range<usize>) -> impl Iterator<Item = (usize, Range<usize>)> + '_ {
        self.keys.runs(rows)
    }

    /// The metric of that number, without its data points, and what it measures.
    pub fn metric(&self, cx: &mut Context<'a>, index: usize) -> Result<(Metric<'a>, Kind)> {
        self.told.read(cx, index)
    }

    /// Reads the data point of a row, which belongs to a metric of `kind`.
    pub fn read(&self, cx: &mut Context<'a>, kind: Kind, row: usize, point: &mut Point<'a>) -> Result<()> {
        point.clear(kind);
        self.attributes.push(cx, row, &mut point.attributes)?;
        point.start = self.start[row];
        point.time = self.time[row];
        point.flags = self.flags[row];
        match kind {
            Kind::Gauge | Kind::Sum => point.number = self.number.at(row),
            Kind::Histogram => {
                self.summed(point, row);
                point.bucket_counts.extend_from_slice(self.bucket_counts.at(row));
                point.explicit_bounds.extend_from_slice(self.explicit_bounds.at(row));
            }
            Kind::Exponential => {
                self.summed(point, row);
                point.scale = self.scale[row];
                point.zero_count = self.zero_count[row];
                point.zero_threshold = self.zero_threshold[row];
                self.positive.read(row, &mut point.positive);
                self.negative.read(row, &mut point.negative);
            }
            Kind::Summary => self.summary(point, row),
        }
        if kind != Kind::Summary {
            for exemplar in self.exemplars.range(row) {
                self.exemplars.items.read(cx, exemplar, point)?;
            }
        }
        Ok(())
    }

    fn summed(&self, point: &mut Point<'a>, row: usize) {
        point.count = self.count[row];
        point.sum = self.sum.at(row);
        point.min = self.min.at(row);
        point.max = self.max.at(row);
    }

    fn summary(&self, point: &mut Point<'a>, row: usize) {
        point.count = self.count[row];
        point.sum = Some(self.sum.at(row).unwrap_or_default());
        let (quantiles, values) = self.quantiles.items;
        point.quantiles.extend(self.quantiles.range(row).map(|index| (quantiles[index], values[index])));
    }
}

impl<'a, S: metrics::Metrics> Rows<'a> for MetricItems<'a, S> {
    type Columns = Metrics<'a>;

    fn look(columns: &Columns<'a>) -> Result<Metrics<'a>> {
        Metrics::new(columns)
    }

    fn rows(&mut self, cx: &mut Context<'a>, metrics: &Metrics<'a>, rows: Range<usize>) -> Result<()> {
        for (index, members) in metrics.runs(rows) {
            let (metric, kind) = metrics.metric(cx, index)?;
            for row in members {
                metrics.read(cx, kind, row, &mut self.point)?;
                self.sink.point(&self.point);
            }
            self.sink.metric(&metric);
        }
        Ok(())
    }
}

/// What a metric says once for all its points.
struct Told<'a> {
    name: Texts<'a>,
    description: Texts<'a>,
    unit: Texts<'a>,
    kind: &'a [u8],
    temporality: &'a [i32],
    monotonic: &'a BooleanArray,
    metadata: Attributes<'a>,
}

impl<'a> Told<'a> {
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

    fn read(&self, cx: &mut Context<'a>, index: usize) -> Result<(Metric<'a>, Kind)> {
        let kind = self.kind(index)?;
        let temporal = !matches!(kind, Kind::Gauge | Kind::Summary);
        let mut metric = Metric {
            name: self.name.at(index),
            description: self.description.at(index),
            unit: self.unit.at(index),
            metadata: Vec::new(),
            data: Some(Data {
                kind,
                temporality: if temporal { self.temporality[index] } else { 0 },
                monotonic: kind == Kind::Sum && self.monotonic.value(index),
                points: Vec::new(),
            }),
        };
        self.metadata.push(cx, index, &mut metric.metadata)?;
        Ok((metric, kind))
    }

    fn kind(&self, index: usize) -> Result<Kind> {
        match self.kind[index] {
            1 => Ok(Kind::Gauge),
            2 => Ok(Kind::Sum),
            3 => Ok(Kind::Histogram),
            4 => Ok(Kind::Exponential),
            5 => Ok(Kind::Summary),
            other => Unfit::invalid(format!("metric.kind is {other}, which no metric with data points has")),
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

    fn at(&self, row: usize) -> Number {
        let double = || self.doubles.at(row).map_or(Number::None, Number::Double);
        self.ints.at(row).map_or_else(double, Number::Int)
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

    fn read(&self, row: usize, buckets: &mut points::Buckets) {
        buckets.offset = self.offset.at(row);
        if buckets.offset.is_some() {
            buckets.counts.extend_from_slice(self.counts.at(row));
        }
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

    fn read(&self, cx: &mut Context<'a>, index: usize, point: &mut Point<'a>) -> Result<()> {
        let start = point.filtered.len();
        self.attributes.push(cx, index, &mut point.filtered)?;
        point.exemplars.push(Exemplar {
            attributes: start..point.filtered.len(),
            time: self.time[index],
            number: self.number.at(index),
            span_id: self.span_id.at(index),
            trace_id: self.trace_id.at(index),
        });
        Ok(())
    }
}
