//! Metrics and their data points.

use std::ops::Range;

use super::{CONTENT, Items, list};
use crate::context::Context;
use crate::face::{Columns, Metrics, Result};
use crate::metrics::Metric;
use crate::points::{Buckets, Exemplar, Kind, Number, Point};
use crate::writer::Writer;

pub struct Rows<'a> {
    columns: Metrics<'a>,
    point: Point<'a>,
}

impl<'a> Rows<'a> {
    pub fn new(columns: &Columns<'a>) -> Result<Self> {
        Ok(Self { columns: Metrics::new(columns)?, point: Point::default() })
    }

    fn metric(&mut self, cx: &mut Context<'a>, writer: &mut Writer, index: usize, rows: Range<usize>) -> Result<()> {
        let (metric, kind) = self.columns.metric(cx, index)?;
        writer.bytes(1, metric.name.as_bytes());
        writer.bytes(2, metric.description.as_bytes());
        writer.bytes(3, metric.unit.as_bytes());
        writer.message(field(kind), |data| -> Result<()> {
            for row in rows {
                self.columns.read(cx, kind, row, &mut self.point)?;
                data.message(1, |message| point_fields(message, &self.point));
            }
            about_data(data, &metric);
            Ok(())
        })?;
        list(writer, 12, &metric.metadata);
        Ok(())
    }
}

impl<'a> Items<'a> for Rows<'a> {
    fn write(&mut self, cx: &mut Context<'a>, writer: &mut Writer, rows: Range<usize>) -> Result<()> {
        let runs: Vec<_> = self.columns.runs(rows).collect();
        runs.into_iter()
            .try_for_each(|(index, rows)| writer.message(CONTENT, |metric| self.metric(cx, metric, index, rows)))
    }
}

/// The field of a metric's data.
const fn field(kind: Kind) -> u32 {
    match kind {
        Kind::Gauge => 5,
        Kind::Sum => 7,
        Kind::Histogram => 9,
        Kind::Exponential => 10,
        Kind::Summary => 11,
    }
}

fn about_data(writer: &mut Writer, metric: &Metric<'_>) {
    if let Some(data) = &metric.data {
        writer.int32(2, data.temporality);
        writer.uint(3, u64::from(data.monotonic));
    }
}

fn point_fields(writer: &mut Writer, point: &Point<'_>) {
    if point.kind == Kind::Exponential {
        list(writer, 1, &point.attributes);
    }
    writer.fixed64(2, point.start);
    writer.fixed64(3, point.time);
    match point.kind {
        Kind::Gauge | Kind::Sum => number_fields(writer, point),
        Kind::Histogram => histogram_fields(writer, point),
        Kind::Exponential => exponential_fields(writer, point),
        Kind::Summary => summary_fields(writer, point),
    }
}

fn number_fields(writer: &mut Writer, point: &Point<'_>) {
    double(writer, 4, point.number);
    exemplars(writer, 5, point);
    int(writer, 6, point.number);
    list(writer, 7, &point.attributes);
    writer.uint(8, u64::from(point.flags));
}

fn histogram_fields(writer: &mut Writer, point: &Point<'_>) {
    writer.fixed64(4, point.count);
    writer.optional_double(5, point.sum);
    writer.packed(6, point.bucket_counts.iter().map(|count| count.to_le_bytes()));
    writer.packed(7, point.explicit_bounds.iter().map(|bound| bound.to_le_bytes()));
    exemplars(writer, 8, point);
    list(writer, 9, &point.attributes);
    writer.uint(10, u64::from(point.flags));
    writer.optional_double(11, point.min);
    writer.optional_double(12, point.max);
}

fn exponential_fields(writer: &mut Writer, point: &Point<'_>) {
    writer.fixed64(4, point.count);
    writer.optional_double(5, point.sum);
    writer.sint32(6, point.scale);
    writer.fixed64(7, point.zero_count);
    buckets(writer, 8, &point.positive);
    buckets(writer, 9, &point.negative);
    writer.uint(10, u64::from(point.flags));
    exemplars(writer, 11, point);
    writer.optional_double(12, point.min);
    writer.optional_double(13, point.max);
    writer.double(14, point.zero_threshold);
}

fn summary_fields(writer: &mut Writer, point: &Point<'_>) {
    writer.fixed64(4, point.count);
    writer.double(5, point.sum.unwrap_or_default());
    for (quantile, value) in &point.quantiles {
        writer.message(6, |message| {
            message.double(1, *quantile);
            message.double(2, *value);
        });
    }
    list(writer, 7, &point.attributes);
    writer.uint(8, u64::from(point.flags));
}

fn buckets(writer: &mut Writer, number: u32, buckets: &Buckets) {
    let Some(offset) = buckets.offset else { return };
    writer.message(number, |message| {
        message.sint32(1, offset);
        if !buckets.counts.is_empty() {
            message.message(2, |packed| buckets.counts.iter().for_each(|count| packed.varint(*count)));
        }
    });
}

fn exemplars(writer: &mut Writer, number: u32, point: &Point<'_>) {
    for exemplar in &point.exemplars {
        writer.message(number, |message| exemplar_fields(message, point, exemplar));
    }
}

fn exemplar_fields(writer: &mut Writer, point: &Point<'_>, exemplar: &Exemplar<'_>) {
    writer.fixed64(2, exemplar.time);
    double(writer, 3, exemplar.number);
    writer.bytes(4, exemplar.span_id);
    writer.bytes(5, exemplar.trace_id);
    int(writer, 6, exemplar.number);
    list(writer, 7, &point.filtered[exemplar.attributes.clone()]);
}

fn int(writer: &mut Writer, number: u32, value: Number) {
    if let Number::Int(value) = value {
        writer.fixed64_always(number, value.cast_unsigned());
    }
}

fn double(writer: &mut Writer, number: u32, value: Number) {
    if let Number::Double(value) = value {
        writer.fixed64_always(number, value.to_bits());
    }
}
