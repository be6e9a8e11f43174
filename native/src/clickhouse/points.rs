//! The tables of data points, one for each kind of metric.

use super::days::clamped;
use super::maps::{MAP, Maps};
use super::rows::Rows;
use super::strings::Strings;
use super::table::{Column, EnvelopeRuns, Part, numbers};
use crate::metrics::{Metric, Metrics};
use crate::points::{Buckets, Number, Point};

/// The tables, in the order of `points::Kind`.
pub const KINDS: [&str; 5] = ["gauge", "sum", "histogram", "exponential_histogram", "summary"];

/// Lists of numbers.
#[derive(Default)]
struct NumberLists<T> {
    ends: Vec<u64>,
    values: Vec<T>,
}

impl<T: Copy> NumberLists<T> {
    fn push(&mut self, values: impl Iterator<Item = T>) {
        self.values.extend(values);
        self.ends.push(self.values.len() as u64);
    }
}

/// Rows of one of the tables; columns that the table lacks stay empty where they would cost something.
#[derive(Default)]
pub struct PointPart {
    runs: EnvelopeRuns,
    attributes: Maps,
    start: Vec<u64>,
    time: Vec<u64>,
    flags: Vec<u32>,
    value: Vec<f64>,
    count: Vec<u64>,
    sum: Vec<f64>,
    min: Vec<f64>,
    max: Vec<f64>,
    bucket_counts: NumberLists<u64>,
    explicit_bounds: NumberLists<f64>,
    scale: Vec<i32>,
    zero_count: Vec<u64>,
    positive: BucketColumns,
    negative: BucketColumns,
    quantiles: NumberLists<f64>,
    quantile_values: NumberLists<f64>,
    exemplars: Exemplars,
}

#[derive(Default)]
struct BucketColumns {
    offset: Vec<i32>,
    counts: NumberLists<u64>,
}

impl BucketColumns {
    fn push(&mut self, buckets: &Buckets) {
        self.offset.push(buckets.offset.unwrap_or(0));
        self.counts.push(buckets.counts.iter().copied());
    }
}

#[derive(Default)]
struct Exemplars {
    ends: Vec<u64>,
    attributes: Maps,
    time: Vec<u64>,
    value: Vec<f64>,
    span_id: Strings,
    trace_id: Strings,
}

impl Exemplars {
    fn push(&mut self, point: &Point<'_>) {
        for exemplar in &point.exemplars {
            self.attributes.push(&point.filtered[exemplar.attributes.clone()]);
            self.time.push(clamped(exemplar.time));
            self.value.push(float(exemplar.number));
            self.span_id.push_id::<8>(exemplar.span_id);
            self.trace_id.push_id::<16>(exemplar.trace_id);
        }
        self.ends.push(self.time.len() as u64);
    }
}

fn float(number: Number) -> f64 {
    match number {
        Number::None => 0.0,
        Number::Int(value) => value as f64,
        Number::Double(value) => value,
    }
}

impl Metrics for Rows<PointPart, 5> {
    fn point(&mut self, point: &Point<'_>) {
        let Some((time, part)) = self.place(point.kind as usize - 1, [point.time]) else { return };
        part.attributes.push(&point.attributes);
        part.start.push(clamped(point.start));
        part.time.push(time);
        part.flags.push(point.flags);
        part.value.push(float(point.number));
        part.count.push(point.count);
        part.sum.push(point.sum.unwrap_or(0.0));
        part.min.push(point.min.unwrap_or(0.0));
        part.max.push(point.max.unwrap_or(0.0));
        part.bucket_counts.push(point.bucket_counts.iter().copied());
        part.explicit_bounds.push(point.explicit_bounds.iter().copied());
        part.scale.push(point.scale);
        part.zero_count.push(point.zero_count);
        part.positive.push(&point.positive);
        part.negative.push(&point.negative);
        part.quantiles.push(point.quantiles.iter().map(|(quantile, _)| *quantile));
        part.quantile_values.push(point.quantiles.iter().map(|(_, value)| *value));
        part.exemplars.push(point);
    }

    fn metric(&mut self, metric: &Metric<'_>) {
        self.tell_metric(metric);
    }
}

impl Part for PointPart {
    fn rows(&self) -> usize {
        self.time.len()
    }

    fn runs(&self) -> &EnvelopeRuns {
        &self.runs
    }

    fn runs_mut(&mut self) -> &mut EnvelopeRuns {
        &mut self.runs
    }

    fn column(&self, name: &str, column: &mut Column<'_>) -> bool {
        match name {
            "Attributes" => column.maps(&self.attributes),
            "StartTimeUnix" => column.times(&self.start),
            "TimeUnix" => column.times(&self.time),
            "Flags" => column.numbers("UInt32", &self.flags),
            "Value" => column.numbers("Float64", &self.value),
            "Count" => column.numbers("UInt64", &self.count),
            "Sum" => column.numbers("Float64", &self.sum),
            "Min" => column.numbers("Float64", &self.min),
            "Max" => column.numbers("Float64", &self.max),
            "Scale" => column.numbers("Int32", &self.scale),
            "ZeroCount" => column.numbers("UInt64", &self.zero_count),
            "PositiveOffset" => column.numbers("Int32", &self.positive.offset),
            "NegativeOffset" => column.numbers("Int32", &self.negative.offset),
            _ => return self.list_column(name, column) || self.exemplars.column(name, column),
        }
        true
    }
}

impl PointPart {
    fn list_column(&self, name: &str, column: &mut Column<'_>) -> bool {
        let integers = |column: &mut Column<'_>, lists: &NumberLists<u64>| {
            column.lists("UInt64", &lists.ends, |out| numbers(out, &lists.values));
        };
        let floats = |column: &mut Column<'_>, lists: &NumberLists<f64>| {
            column.lists("Float64", &lists.ends, |out| numbers(out, &lists.values));
        };
        match name {
            "BucketCounts" => integers(column, &self.bucket_counts),
            "PositiveBucketCounts" => integers(column, &self.positive.counts),
            "NegativeBucketCounts" => integers(column, &self.negative.counts),
            "ExplicitBounds" => floats(column, &self.explicit_bounds),
            "ValueAtQuantiles.Quantile" => floats(column, &self.quantiles),
            "ValueAtQuantiles.Value" => floats(column, &self.quantile_values),
            _ => return false,
        }
        true
    }
}

impl Exemplars {
    fn column(&self, name: &str, column: &mut Column<'_>) -> bool {
        match name {
            "Exemplars.FilteredAttributes" => column.low_lists(MAP, &self.ends, |out| self.attributes.write(out)),
            "Exemplars.TimeUnix" => column.time_lists(&self.ends, &self.time),
            "Exemplars.Value" => column.lists("Float64", &self.ends, |out| numbers(out, &self.value)),
            "Exemplars.SpanId" => column.string_lists(&self.ends, &self.span_id),
            "Exemplars.TraceId" => column.string_lists(&self.ends, &self.trace_id),
            _ => return false,
        }
        true
    }
}
