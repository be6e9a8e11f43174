//! Metrics: read from requests, and the columns of their data points.

use std::sync::Arc;

use arrow_array::types::{Float64Type, Int32Type, Int64Type, UInt8Type, UInt32Type, UInt64Type};
use arrow_array::{ArrayRef, RecordBatch, StructArray};

use crate::columns::{self, Attributes, Ids, Lists, NumberLists, Optional, Text};
use crate::context::{Context, Limits};
use crate::envelope::{Discard, Envelopes, Items, Names, Resource, Scope, Sink};
use crate::fault::{Result, Within};
use crate::points::{Buckets, Exemplar, Kind, Number, Point};
use crate::schema;
use crate::value::{Attribute, drop_duplicates, push_attribute};
use crate::wire::{LEN, Reader, VARINT, low_i32, tag};

/// A metric, as views of the request.
#[derive(Default)]
pub struct Metric<'a> {
    pub(crate) name: &'a str,
    pub(crate) description: &'a str,
    pub(crate) unit: &'a str,
    pub(crate) metadata: Vec<Attribute<'a>>,
    pub(crate) data: Option<Data<'a>>,
}

pub(crate) struct Data<'a> {
    pub(crate) kind: Kind,
    pub(crate) temporality: i32,
    pub(crate) monotonic: bool,
    /// The messages of its data points.
    pub(crate) points: Vec<Reader<'a>>,
}

mod tags {
    use super::{LEN, VARINT, tag};

    pub const NAME: u32 = tag(1, LEN);
    pub const DESCRIPTION: u32 = tag(2, LEN);
    pub const UNIT: u32 = tag(3, LEN);
    pub const GAUGE: u32 = tag(5, LEN);
    pub const SUM: u32 = tag(7, LEN);
    pub const HISTOGRAM: u32 = tag(9, LEN);
    pub const EXPONENTIAL: u32 = tag(10, LEN);
    pub const SUMMARY: u32 = tag(11, LEN);
    pub const METADATA: u32 = tag(12, LEN);
    pub const POINTS: u32 = tag(1, LEN);
    pub const TEMPORALITY: u32 = tag(2, VARINT);
    pub const MONOTONIC: u32 = tag(3, VARINT);
}

const fn kind_of(tag: u32) -> Option<Kind> {
    match tag {
        tags::GAUGE => Some(Kind::Gauge),
        tags::SUM => Some(Kind::Sum),
        tags::HISTOGRAM => Some(Kind::Histogram),
        tags::EXPONENTIAL => Some(Kind::Exponential),
        tags::SUMMARY => Some(Kind::Summary),
        _ => None,
    }
}

const fn field_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Gauge => "gauge",
        Kind::Sum => "sum",
        Kind::Histogram => "histogram",
        Kind::Exponential => "exponential_histogram",
        Kind::Summary => "summary",
    }
}

impl<'a> Metric<'a> {
    /// Reads all but the data points. Data of a kind that gives way to another is returned in `replaced`.
    fn read(&mut self, cx: &mut Context<'a>, mut reader: Reader<'a>, replaced: &mut Vec<Data<'a>>) -> Result<()> {
        while let Some(tag) = reader.tag()? {
            match tag {
                tags::NAME => self.name = cx.text(reader.bytes()?),
                tags::DESCRIPTION => self.description = cx.text(reader.bytes()?),
                tags::UNIT => self.unit = cx.text(reader.bytes()?),
                tags::METADATA => push_attribute(cx, reader.message()?, "metadata", &mut self.metadata, 0)?,
                _ => match kind_of(tag) {
                    Some(kind) => self.data(kind, reader.message()?, replaced).within(field_name(kind))?,
                    None => reader.skip(tag)?,
                },
            }
        }
        drop_duplicates(cx, &mut self.metadata, 0);
        Ok(())
    }

    fn data(&mut self, kind: Kind, reader: Reader<'a>, replaced: &mut Vec<Data<'a>>) -> Result<()> {
        replaced.extend(self.data.take_if(|data| data.kind != kind));
        let fresh = || Data { kind, temporality: 0, monotonic: false, points: Vec::new() };
        self.data.get_or_insert_with(fresh).merge(reader)
    }
}

impl<'a> Data<'a> {
    fn merge(&mut self, mut reader: Reader<'a>) -> Result<()> {
        let temporal = !matches!(self.kind, Kind::Gauge | Kind::Summary);
        while let Some(tag) = reader.tag()? {
            match tag {
                tags::POINTS => self.points.push(reader.message()?),
                tags::TEMPORALITY if temporal => self.temporality = low_i32(reader.varint()?),
                tags::MONOTONIC if self.kind == Kind::Sum => self.monotonic = reader.varint()? != 0,
                _ => reader.skip(tag)?,
            }
        }
        Ok(())
    }
}

/// Takes data points.
pub trait Metrics: Sink {
    /// Takes one data point.
    fn point(&mut self, point: &Point<'_>);
    /// Takes the metric of all data points that came since the last call. Nothing is kept of one without points.
    fn metric(&mut self, metric: &Metric<'_>);
}

impl Metrics for Discard {
    fn point(&mut self, _: &Point<'_>) {}
    fn metric(&mut self, _: &Metric<'_>) {}
}

/// Reads metric requests into `sink`.
pub struct MetricItems<'a, S> {
    /// The one that is being read.
    pub(crate) point: Point<'a>,
    /// Where data points go.
    pub sink: S,
}

impl<'a, S: Metrics> MetricItems<'a, S> {
    /// A reader into `sink`.
    pub fn new(sink: S) -> Self {
        Self { point: Point::default(), sink }
    }

    fn points(&mut self, cx: &mut Context<'a>, data: &Data<'a>) -> Result<()> {
        for (index, reader) in data.points.iter().enumerate() {
            let read = self.point.read(cx, data.kind, *reader);
            read.within_item("data_points", index).within(field_name(data.kind))?;
            self.sink.point(&self.point);
        }
        Ok(())
    }

    /// Data that gave way must still be well-formed, as it is for upb, but is free of limits and its duplicates do not
    /// count.
    #[cold]
    fn validate(&mut self, cx: &mut Context<'a>, replaced: &[Data<'a>]) -> Result<()> {
        let (limits, duplicates) = (std::mem::replace(&mut cx.limits, Limits::NONE), cx.counts.duplicates);
        for data in replaced {
            data.points.iter().try_for_each(|reader| self.point.read(cx, data.kind, *reader))?;
        }
        (cx.limits, cx.counts.duplicates) = (limits, duplicates);
        Ok(())
    }
}

impl<'a, S: Metrics> Items<'a> for MetricItems<'a, S> {
    const NAMES: Names = Names { groups: "resource_metrics", scopes: "scope_metrics", items: "metrics" };
    type Sink = S;

    fn sink(&mut self) -> &mut S {
        &mut self.sink
    }

    fn item(&mut self, cx: &mut Context<'a>, reader: Reader<'a>) -> Result<()> {
        let (mut metric, mut replaced) = (Metric::default(), Vec::new());
        metric.read(cx, reader, &mut replaced)?;
        if !replaced.is_empty() {
            self.validate(cx, &replaced)?;
        }
        if let Some(data) = &metric.data {
            cx.take(data.points.len(), reader.rest())?;
            self.points(cx, data)?;
            cx.counts.items += data.points.len();
        }
        self.sink.metric(&metric);
        Ok(())
    }
}

/// The columns of `schema::METRICS`.
#[derive(Default)]
pub struct PointColumns {
    envelopes: Envelopes,
    metrics: MetricColumns,
    metric_keys: Vec<i32>,
    attributes: Attributes,
    start: Vec<u64>,
    time: Vec<u64>,
    flags: Vec<u32>,
    numbers: NumberColumns,
    count: Vec<u64>,
    sum: Optional<Float64Type>,
    min: Optional<Float64Type>,
    max: Optional<Float64Type>,
    bucket_counts: NumberLists<UInt64Type>,
    explicit_bounds: NumberLists<Float64Type>,
    scale: Vec<i32>,
    zero_count: Vec<u64>,
    zero_threshold: Vec<f64>,
    positive: BucketColumns,
    negative: BucketColumns,
    quantile_lists: Lists,
    quantiles: Vec<f64>,
    quantile_values: Vec<f64>,
    exemplar_lists: Lists,
    exemplars: ExemplarColumns,
}

impl Sink for PointColumns {
    fn scope(&mut self, scope: &Scope<'_>) {
        self.envelopes.scope(scope, self.start.len());
    }

    fn resource(&mut self, resource: &Resource<'_>) {
        self.envelopes.resource(resource, self.start.len());
    }
}

impl Metrics for PointColumns {
    fn metric(&mut self, metric: &Metric<'_>) {
        if self.start.len() > self.metric_keys.len() {
            self.metric_keys.resize(self.start.len(), self.metrics.kind.len() as i32);
            self.metrics.push(metric);
        }
    }

    fn point(&mut self, point: &Point<'_>) {
        self.attributes.push(&point.attributes);
        self.start.push(point.start);
        self.time.push(point.time);
        self.flags.push(point.flags);
        self.numbers.push(point.number);
        self.count.push(point.count);
        self.sum.push(point.sum);
        self.min.push(point.min);
        self.max.push(point.max);
        self.bucket_counts.push(&point.bucket_counts);
        self.explicit_bounds.push(&point.explicit_bounds);
        self.scale.push(point.scale);
        self.zero_count.push(point.zero_count);
        self.zero_threshold.push(point.zero_threshold);
        self.positive.push(&point.positive);
        self.negative.push(&point.negative);
        self.quantiles.extend(point.quantiles.iter().map(|(quantile, _)| quantile));
        self.quantile_values.extend(point.quantiles.iter().map(|(_, value)| value));
        self.quantile_lists.push(self.quantiles.len());
        point.exemplars.iter().for_each(|exemplar| self.exemplars.push(exemplar, &point.filtered));
        self.exemplar_lists.push(self.exemplars.time.len());
    }
}

impl PointColumns {
    /// The record batch.
    pub fn finish(self) -> RecordBatch {
        let [resource, scope] = self.envelopes.finish();
        let [ints, doubles] = self.numbers.finish();
        let [positive_offset, positive_counts] = self.positive.finish();
        let [negative_offset, negative_counts] = self.negative.finish();
        let quantiles = vec![
            columns::numbers::<Float64Type>(self.quantiles),
            columns::numbers::<Float64Type>(self.quantile_values),
        ];
        let columns = vec![
            resource,
            scope,
            columns::dictionary(self.metric_keys, self.metrics.finish()),
            self.attributes.finish(),
            columns::numbers::<UInt64Type>(self.start),
            columns::numbers::<UInt64Type>(self.time),
            columns::numbers::<UInt32Type>(self.flags),
            ints,
            doubles,
            columns::numbers::<UInt64Type>(self.count),
            self.sum.finish(),
            self.min.finish(),
            self.max.finish(),
            self.bucket_counts.finish(),
            self.explicit_bounds.finish(),
            columns::numbers::<Int32Type>(self.scale),
            columns::numbers::<UInt64Type>(self.zero_count),
            columns::numbers::<Float64Type>(self.zero_threshold),
            positive_offset,
            positive_counts,
            negative_offset,
            negative_counts,
            self.quantile_lists.finish(Arc::new(columns::structs(&schema::QUANTILE, quantiles))),
            self.exemplar_lists.finish(self.exemplars.finish()),
        ];
        columns::batch(&schema::METRICS, columns)
    }
}

#[derive(Default)]
struct NumberColumns {
    ints: Optional<Int64Type>,
    doubles: Optional<Float64Type>,
}

impl NumberColumns {
    fn push(&mut self, number: Number) {
        let (int, double) = match number {
            Number::None => (None, None),
            Number::Int(value) => (Some(value), None),
            Number::Double(value) => (None, Some(value)),
        };
        self.ints.push(int);
        self.doubles.push(double);
    }

    fn finish(self) -> [ArrayRef; 2] {
        [self.ints.finish(), self.doubles.finish()]
    }
}

#[derive(Default)]
struct BucketColumns {
    offset: Optional<Int32Type>,
    counts: NumberLists<UInt64Type>,
}

impl BucketColumns {
    fn push(&mut self, buckets: &Buckets) {
        self.offset.push(buckets.offset);
        self.counts.push(&buckets.counts);
    }

    fn finish(self) -> [ArrayRef; 2] {
        [self.offset.finish(), self.counts.finish()]
    }
}

#[derive(Default)]
struct MetricColumns {
    name: Text,
    description: Text,
    unit: Text,
    kind: Vec<u8>,
    temporality: Vec<i32>,
    monotonic: Vec<bool>,
    metadata: Attributes,
}

impl MetricColumns {
    fn push(&mut self, metric: &Metric<'_>) {
        let data = metric.data.as_ref();
        self.name.push(metric.name);
        self.description.push(metric.description);
        self.unit.push(metric.unit);
        self.kind.push(data.map_or(0, |data| data.kind as u8));
        self.temporality.push(data.map_or(0, |data| data.temporality));
        self.monotonic.push(data.is_some_and(|data| data.monotonic));
        self.metadata.push(&metric.metadata);
    }

    fn finish(self) -> StructArray {
        let columns = vec![
            self.name.finish(),
            self.description.finish(),
            self.unit.finish(),
            columns::numbers::<UInt8Type>(self.kind),
            columns::numbers::<Int32Type>(self.temporality),
            columns::booleans(self.monotonic),
            self.metadata.finish(),
        ];
        columns::structs(&schema::METRIC, columns)
    }
}

#[derive(Default)]
struct ExemplarColumns {
    attributes: Attributes,
    time: Vec<u64>,
    numbers: NumberColumns,
    span_id: Ids<8>,
    trace_id: Ids<16>,
}

impl ExemplarColumns {
    fn push(&mut self, exemplar: &Exemplar<'_>, attributes: &[Attribute<'_>]) {
        self.attributes.push(&attributes[exemplar.attributes.clone()]);
        self.time.push(exemplar.time);
        self.numbers.push(exemplar.number);
        self.span_id.push(exemplar.span_id);
        self.trace_id.push(exemplar.trace_id);
    }

    fn finish(self) -> ArrayRef {
        let [ints, doubles] = self.numbers.finish();
        let columns = vec![
            self.attributes.finish(),
            columns::numbers::<UInt64Type>(self.time),
            ints,
            doubles,
            self.span_id.finish(),
            self.trace_id.finish(),
        ];
        Arc::new(columns::structs(&schema::EXEMPLAR, columns))
    }
}
