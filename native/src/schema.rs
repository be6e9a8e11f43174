//! The Arrow types of `collector/storage/arrow.py`. A test compares the two.

use std::sync::{Arc, LazyLock};

use arrow_schema::{DataType, Field, Fields, Schema, SchemaRef};

use crate::decode::Signal;

fn field(name: &str, kind: DataType) -> Field {
    Field::new(name, kind, false)
}

fn nullable(name: &str, kind: DataType) -> Field {
    Field::new(name, kind, true)
}

/// The one field of a list of `kind`.
#[must_use]
pub fn item(kind: DataType) -> Arc<Field> {
    Arc::new(field("item", kind))
}

fn list(kind: DataType) -> DataType {
    DataType::List(item(kind))
}

fn structure(fields: &Fields) -> DataType {
    DataType::Struct(fields.clone())
}

fn dictionary(fields: &Fields) -> DataType {
    DataType::Dictionary(Box::new(DataType::Int32), Box::new(structure(fields)))
}

fn attributes(name: &str) -> Field {
    field(name, list(structure(&ATTRIBUTE)))
}

const TRACE_ID: DataType = DataType::FixedSizeBinary(16);
const SPAN_ID: DataType = DataType::FixedSizeBinary(8);

/// Fields of one attribute.
pub static ATTRIBUTE: LazyLock<Fields> = LazyLock::new(|| {
    Fields::from(vec![
        field("key", DataType::Utf8),
        field("type", DataType::UInt8),
        field("value", DataType::Utf8),
        nullable("raw", DataType::Binary),
    ])
});

/// Fields of one resource.
pub static RESOURCE: LazyLock<Fields> = LazyLock::new(|| {
    Fields::from(vec![
        field("present", DataType::Boolean),
        attributes("attributes"),
        field("dropped_attributes_count", DataType::UInt32),
        field("entity_refs", list(DataType::Binary)),
        field("schema_url", DataType::Utf8),
    ])
});

/// Fields of one instrumentation scope.
pub static SCOPE: LazyLock<Fields> = LazyLock::new(|| {
    Fields::from(vec![
        field("present", DataType::Boolean),
        field("name", DataType::Utf8),
        field("version", DataType::Utf8),
        attributes("attributes"),
        field("dropped_attributes_count", DataType::UInt32),
        field("schema_url", DataType::Utf8),
    ])
});

/// Fields of one metric.
pub static METRIC: LazyLock<Fields> = LazyLock::new(|| {
    Fields::from(vec![
        field("name", DataType::Utf8),
        field("description", DataType::Utf8),
        field("unit", DataType::Utf8),
        field("kind", DataType::UInt8),
        field("aggregation_temporality", DataType::Int32),
        field("is_monotonic", DataType::Boolean),
        attributes("metadata"),
    ])
});

/// Fields of one span event.
pub static EVENT: LazyLock<Fields> = LazyLock::new(|| {
    Fields::from(vec![
        field("time_unix_nano", DataType::UInt64),
        field("name", DataType::Utf8),
        attributes("attributes"),
        field("dropped_attributes_count", DataType::UInt32),
    ])
});

/// Fields of one span link.
pub static LINK: LazyLock<Fields> = LazyLock::new(|| {
    Fields::from(vec![
        nullable("trace_id", TRACE_ID),
        nullable("span_id", SPAN_ID),
        field("trace_state", DataType::Utf8),
        attributes("attributes"),
        field("dropped_attributes_count", DataType::UInt32),
        field("flags", DataType::UInt32),
    ])
});

/// Fields of one exemplar.
pub static EXEMPLAR: LazyLock<Fields> = LazyLock::new(|| {
    Fields::from(vec![
        attributes("filtered_attributes"),
        field("time_unix_nano", DataType::UInt64),
        nullable("int_value", DataType::Int64),
        nullable("double_value", DataType::Float64),
        nullable("span_id", SPAN_ID),
        nullable("trace_id", TRACE_ID),
    ])
});

/// Fields of one quantile of a summary.
pub static QUANTILE: LazyLock<Fields> =
    LazyLock::new(|| Fields::from(vec![field("quantile", DataType::Float64), field("value", DataType::Float64)]));

fn envelope() -> [Field; 2] {
    [field("resource", dictionary(&RESOURCE)), field("scope", dictionary(&SCOPE))]
}

fn schema(fields: impl IntoIterator<Item = Field>) -> SchemaRef {
    Arc::new(Schema::new(envelope().into_iter().chain(fields).collect::<Vec<_>>()))
}

/// One row a span.
pub static SPANS: LazyLock<SchemaRef> = LazyLock::new(|| {
    schema([
        field("trace_id", TRACE_ID),
        field("span_id", SPAN_ID),
        field("trace_state", DataType::Utf8),
        nullable("parent_span_id", SPAN_ID),
        field("flags", DataType::UInt32),
        field("name", DataType::Utf8),
        field("kind", DataType::Int32),
        field("start_time_unix_nano", DataType::UInt64),
        field("end_time_unix_nano", DataType::UInt64),
        attributes("attributes"),
        field("dropped_attributes_count", DataType::UInt32),
        field("events", list(structure(&EVENT))),
        field("dropped_events_count", DataType::UInt32),
        field("links", list(structure(&LINK))),
        field("dropped_links_count", DataType::UInt32),
        nullable("status_code", DataType::Int32),
        field("status_message", DataType::Utf8),
    ])
});

/// One row a log record.
pub static LOGS: LazyLock<SchemaRef> = LazyLock::new(|| {
    schema([
        field("time_unix_nano", DataType::UInt64),
        field("observed_time_unix_nano", DataType::UInt64),
        field("severity_number", DataType::Int32),
        field("severity_text", DataType::Utf8),
        field("body_type", DataType::UInt8),
        field("body", DataType::Utf8),
        nullable("body_raw", DataType::Binary),
        attributes("attributes"),
        field("dropped_attributes_count", DataType::UInt32),
        field("flags", DataType::UInt32),
        nullable("trace_id", TRACE_ID),
        nullable("span_id", SPAN_ID),
        field("event_name", DataType::Utf8),
    ])
});

/// One row a data point.
pub static METRICS: LazyLock<SchemaRef> = LazyLock::new(|| {
    schema([
        field("metric", dictionary(&METRIC)),
        attributes("attributes"),
        field("start_time_unix_nano", DataType::UInt64),
        field("time_unix_nano", DataType::UInt64),
        field("flags", DataType::UInt32),
        nullable("int_value", DataType::Int64),
        nullable("double_value", DataType::Float64),
        field("count", DataType::UInt64),
        nullable("sum", DataType::Float64),
        nullable("min", DataType::Float64),
        nullable("max", DataType::Float64),
        field("bucket_counts", list(DataType::UInt64)),
        field("explicit_bounds", list(DataType::Float64)),
        field("scale", DataType::Int32),
        field("zero_count", DataType::UInt64),
        field("zero_threshold", DataType::Float64),
        nullable("positive_offset", DataType::Int32),
        field("positive_bucket_counts", list(DataType::UInt64)),
        nullable("negative_offset", DataType::Int32),
        field("negative_bucket_counts", list(DataType::UInt64)),
        field("quantiles", list(structure(&QUANTILE))),
        field("exemplars", list(structure(&EXEMPLAR))),
    ])
});

/// The schema of a signal.
#[must_use]
pub fn of(signal: Signal) -> &'static SchemaRef {
    match signal {
        Signal::Traces => &SPANS,
        Signal::Metrics => &METRICS,
        Signal::Logs => &LOGS,
    }
}
