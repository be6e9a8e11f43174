//! The messages of OTLP, for what is done to every field alike. Fields that only profiles may use are left
//! out, but for the one that may displace another.

use Kind::{
    Bool, Bytes, Double, Enum, Fixed32, Fixed64, Id, Int64, Nested, Sfixed64, Sint32, Text, Uint32, Uint64, Unused,
};
use Label::{Oneof, Optional, Plain, Repeated};

use crate::decode::Signal;
use crate::wire::{FIXED32, FIXED64, LEN, VARINT};

/// The fields of a message, by number.
pub struct Message(pub &'static [Field]);

/// A field.
pub struct Field {
    /// Its number.
    pub number: u32,
    /// Its name in protobuf.
    pub name: &'static str,
    /// Its name in JSON.
    pub json: &'static str,
    /// How often it may be there.
    pub label: Label,
    /// What it holds.
    pub kind: Kind,
}

/// How often a field may be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Label {
    /// Once; a default value is the same as none.
    Plain,
    /// Once; a default value is there.
    Optional,
    /// As `Optional`, and of all such fields of a message only one. No message has two oneofs.
    Oneof,
    /// Any number of times.
    Repeated,
}

/// What a field holds.
#[derive(Clone, Copy)]
#[expect(missing_docs, reason = "most are the types of protobuf")]
pub enum Kind {
    Text,
    Bytes,
    /// Bytes that JSON writes in hexadecimal.
    Id,
    Bool,
    Double,
    Uint32,
    Uint64,
    Int64,
    Sint32,
    Fixed32,
    Fixed64,
    Sfixed64,
    /// An open enum, and the names of its numbers from 0 on.
    Enum(&'static [&'static str]),
    /// A message.
    Nested(&'static Message),
    /// A number that is not read.
    Unused,
}

impl Kind {
    /// The wire type of a single value.
    #[must_use]
    pub const fn wire(self) -> u32 {
        match self {
            Text | Bytes | Id | Nested(_) => LEN,
            Bool | Uint32 | Uint64 | Int64 | Sint32 | Enum(_) | Unused => VARINT,
            Double | Fixed64 | Sfixed64 => FIXED64,
            Fixed32 => FIXED32,
        }
    }
}

impl Message {
    /// The export request of a signal.
    #[must_use]
    pub const fn request(signal: Signal) -> &'static Self {
        match signal {
            Signal::Traces => &TRACES,
            Signal::Metrics => &METRICS,
            Signal::Logs => &LOGS,
        }
    }
}

const fn field(number: u32, name: &'static str, json: &'static str, label: Label, kind: Kind) -> Field {
    Field { number, name, json, label, kind }
}

/// `ExportTraceServiceRequest`
pub static TRACES: Message = Message(&[field(1, "resource_spans", "resourceSpans", Repeated, Nested(&RESOURCE_SPANS))]);

/// `ResourceSpans`
pub static RESOURCE_SPANS: Message = Message(&[
    field(1, "resource", "resource", Optional, Nested(&RESOURCE)),
    field(2, "scope_spans", "scopeSpans", Repeated, Nested(&SCOPE_SPANS)),
    field(3, "schema_url", "schemaUrl", Plain, Text),
]);

/// `Resource`
pub static RESOURCE: Message = Message(&[
    field(1, "attributes", "attributes", Repeated, Nested(&KEY_VALUE)),
    field(2, "dropped_attributes_count", "droppedAttributesCount", Plain, Uint32),
    field(3, "entity_refs", "entityRefs", Repeated, Nested(&ENTITY_REF)),
]);

/// `KeyValue`
pub static KEY_VALUE: Message =
    Message(&[field(1, "key", "key", Plain, Text), field(2, "value", "value", Optional, Nested(&ANY_VALUE))]);

/// `AnyValue`
pub static ANY_VALUE: Message = Message(&[
    field(1, "string_value", "stringValue", Oneof, Text),
    field(2, "bool_value", "boolValue", Oneof, Bool),
    field(3, "int_value", "intValue", Oneof, Int64),
    field(4, "double_value", "doubleValue", Oneof, Double),
    field(5, "array_value", "arrayValue", Oneof, Nested(&ARRAY_VALUE)),
    field(6, "kvlist_value", "kvlistValue", Oneof, Nested(&KEY_VALUE_LIST)),
    field(7, "bytes_value", "bytesValue", Oneof, Bytes),
    field(8, "string_value_strindex", "stringValueStrindex", Oneof, Unused),
]);

/// `ArrayValue`
pub static ARRAY_VALUE: Message = Message(&[field(1, "values", "values", Repeated, Nested(&ANY_VALUE))]);

/// `KeyValueList`
pub static KEY_VALUE_LIST: Message = Message(&[field(1, "values", "values", Repeated, Nested(&KEY_VALUE))]);

/// `EntityRef`
pub static ENTITY_REF: Message = Message(&[
    field(1, "schema_url", "schemaUrl", Plain, Text),
    field(2, "type", "type", Plain, Text),
    field(3, "id_keys", "idKeys", Repeated, Text),
    field(4, "description_keys", "descriptionKeys", Repeated, Text),
]);

/// `ScopeSpans`
pub static SCOPE_SPANS: Message = Message(&[
    field(1, "scope", "scope", Optional, Nested(&INSTRUMENTATION_SCOPE)),
    field(2, "spans", "spans", Repeated, Nested(&SPAN)),
    field(3, "schema_url", "schemaUrl", Plain, Text),
]);

/// `InstrumentationScope`
pub static INSTRUMENTATION_SCOPE: Message = Message(&[
    field(1, "name", "name", Plain, Text),
    field(2, "version", "version", Plain, Text),
    field(3, "attributes", "attributes", Repeated, Nested(&KEY_VALUE)),
    field(4, "dropped_attributes_count", "droppedAttributesCount", Plain, Uint32),
]);

/// `Span`
pub static SPAN: Message = Message(&[
    field(1, "trace_id", "traceId", Plain, Id),
    field(2, "span_id", "spanId", Plain, Id),
    field(3, "trace_state", "traceState", Plain, Text),
    field(4, "parent_span_id", "parentSpanId", Plain, Id),
    field(5, "name", "name", Plain, Text),
    field(6, "kind", "kind", Plain, Enum(SPAN_KIND)),
    field(7, "start_time_unix_nano", "startTimeUnixNano", Plain, Fixed64),
    field(8, "end_time_unix_nano", "endTimeUnixNano", Plain, Fixed64),
    field(9, "attributes", "attributes", Repeated, Nested(&KEY_VALUE)),
    field(10, "dropped_attributes_count", "droppedAttributesCount", Plain, Uint32),
    field(11, "events", "events", Repeated, Nested(&EVENT)),
    field(12, "dropped_events_count", "droppedEventsCount", Plain, Uint32),
    field(13, "links", "links", Repeated, Nested(&LINK)),
    field(14, "dropped_links_count", "droppedLinksCount", Plain, Uint32),
    field(15, "status", "status", Optional, Nested(&STATUS)),
    field(16, "flags", "flags", Plain, Fixed32),
]);

/// `Span.Event`
pub static EVENT: Message = Message(&[
    field(1, "time_unix_nano", "timeUnixNano", Plain, Fixed64),
    field(2, "name", "name", Plain, Text),
    field(3, "attributes", "attributes", Repeated, Nested(&KEY_VALUE)),
    field(4, "dropped_attributes_count", "droppedAttributesCount", Plain, Uint32),
]);

/// `Span.Link`
pub static LINK: Message = Message(&[
    field(1, "trace_id", "traceId", Plain, Id),
    field(2, "span_id", "spanId", Plain, Id),
    field(3, "trace_state", "traceState", Plain, Text),
    field(4, "attributes", "attributes", Repeated, Nested(&KEY_VALUE)),
    field(5, "dropped_attributes_count", "droppedAttributesCount", Plain, Uint32),
    field(6, "flags", "flags", Plain, Fixed32),
]);

/// `Status`
pub static STATUS: Message =
    Message(&[field(2, "message", "message", Plain, Text), field(3, "code", "code", Plain, Enum(STATUS_CODE))]);

/// `ExportMetricsServiceRequest`
pub static METRICS: Message =
    Message(&[field(1, "resource_metrics", "resourceMetrics", Repeated, Nested(&RESOURCE_METRICS))]);

/// `ResourceMetrics`
pub static RESOURCE_METRICS: Message = Message(&[
    field(1, "resource", "resource", Optional, Nested(&RESOURCE)),
    field(2, "scope_metrics", "scopeMetrics", Repeated, Nested(&SCOPE_METRICS)),
    field(3, "schema_url", "schemaUrl", Plain, Text),
]);

/// `ScopeMetrics`
pub static SCOPE_METRICS: Message = Message(&[
    field(1, "scope", "scope", Optional, Nested(&INSTRUMENTATION_SCOPE)),
    field(2, "metrics", "metrics", Repeated, Nested(&METRIC)),
    field(3, "schema_url", "schemaUrl", Plain, Text),
]);

/// `Metric`
pub static METRIC: Message = Message(&[
    field(1, "name", "name", Plain, Text),
    field(2, "description", "description", Plain, Text),
    field(3, "unit", "unit", Plain, Text),
    field(5, "gauge", "gauge", Oneof, Nested(&GAUGE)),
    field(7, "sum", "sum", Oneof, Nested(&SUM)),
    field(9, "histogram", "histogram", Oneof, Nested(&HISTOGRAM)),
    field(10, "exponential_histogram", "exponentialHistogram", Oneof, Nested(&EXPONENTIAL_HISTOGRAM)),
    field(11, "summary", "summary", Oneof, Nested(&SUMMARY)),
    field(12, "metadata", "metadata", Repeated, Nested(&KEY_VALUE)),
]);

/// `Gauge`
pub static GAUGE: Message = Message(&[field(1, "data_points", "dataPoints", Repeated, Nested(&NUMBER_DATA_POINT))]);

/// `NumberDataPoint`
pub static NUMBER_DATA_POINT: Message = Message(&[
    field(2, "start_time_unix_nano", "startTimeUnixNano", Plain, Fixed64),
    field(3, "time_unix_nano", "timeUnixNano", Plain, Fixed64),
    field(4, "as_double", "asDouble", Oneof, Double),
    field(5, "exemplars", "exemplars", Repeated, Nested(&EXEMPLAR)),
    field(6, "as_int", "asInt", Oneof, Sfixed64),
    field(7, "attributes", "attributes", Repeated, Nested(&KEY_VALUE)),
    field(8, "flags", "flags", Plain, Uint32),
]);

/// `Exemplar`
pub static EXEMPLAR: Message = Message(&[
    field(2, "time_unix_nano", "timeUnixNano", Plain, Fixed64),
    field(3, "as_double", "asDouble", Oneof, Double),
    field(4, "span_id", "spanId", Plain, Id),
    field(5, "trace_id", "traceId", Plain, Id),
    field(6, "as_int", "asInt", Oneof, Sfixed64),
    field(7, "filtered_attributes", "filteredAttributes", Repeated, Nested(&KEY_VALUE)),
]);

/// `Sum`
pub static SUM: Message = Message(&[
    field(1, "data_points", "dataPoints", Repeated, Nested(&NUMBER_DATA_POINT)),
    field(2, "aggregation_temporality", "aggregationTemporality", Plain, Enum(AGGREGATION_TEMPORALITY)),
    field(3, "is_monotonic", "isMonotonic", Plain, Bool),
]);

/// `Histogram`
pub static HISTOGRAM: Message = Message(&[
    field(1, "data_points", "dataPoints", Repeated, Nested(&HISTOGRAM_DATA_POINT)),
    field(2, "aggregation_temporality", "aggregationTemporality", Plain, Enum(AGGREGATION_TEMPORALITY)),
]);

/// `HistogramDataPoint`
pub static HISTOGRAM_DATA_POINT: Message = Message(&[
    field(2, "start_time_unix_nano", "startTimeUnixNano", Plain, Fixed64),
    field(3, "time_unix_nano", "timeUnixNano", Plain, Fixed64),
    field(4, "count", "count", Plain, Fixed64),
    field(5, "sum", "sum", Optional, Double),
    field(6, "bucket_counts", "bucketCounts", Repeated, Fixed64),
    field(7, "explicit_bounds", "explicitBounds", Repeated, Double),
    field(8, "exemplars", "exemplars", Repeated, Nested(&EXEMPLAR)),
    field(9, "attributes", "attributes", Repeated, Nested(&KEY_VALUE)),
    field(10, "flags", "flags", Plain, Uint32),
    field(11, "min", "min", Optional, Double),
    field(12, "max", "max", Optional, Double),
]);

/// `ExponentialHistogram`
pub static EXPONENTIAL_HISTOGRAM: Message = Message(&[
    field(1, "data_points", "dataPoints", Repeated, Nested(&EXPONENTIAL_HISTOGRAM_DATA_POINT)),
    field(2, "aggregation_temporality", "aggregationTemporality", Plain, Enum(AGGREGATION_TEMPORALITY)),
]);

/// `ExponentialHistogramDataPoint`
pub static EXPONENTIAL_HISTOGRAM_DATA_POINT: Message = Message(&[
    field(1, "attributes", "attributes", Repeated, Nested(&KEY_VALUE)),
    field(2, "start_time_unix_nano", "startTimeUnixNano", Plain, Fixed64),
    field(3, "time_unix_nano", "timeUnixNano", Plain, Fixed64),
    field(4, "count", "count", Plain, Fixed64),
    field(5, "sum", "sum", Optional, Double),
    field(6, "scale", "scale", Plain, Sint32),
    field(7, "zero_count", "zeroCount", Plain, Fixed64),
    field(8, "positive", "positive", Optional, Nested(&BUCKETS)),
    field(9, "negative", "negative", Optional, Nested(&BUCKETS)),
    field(10, "flags", "flags", Plain, Uint32),
    field(11, "exemplars", "exemplars", Repeated, Nested(&EXEMPLAR)),
    field(12, "min", "min", Optional, Double),
    field(13, "max", "max", Optional, Double),
    field(14, "zero_threshold", "zeroThreshold", Plain, Double),
]);

/// `ExponentialHistogramDataPoint.Buckets`
pub static BUCKETS: Message = Message(&[
    field(1, "offset", "offset", Plain, Sint32),
    field(2, "bucket_counts", "bucketCounts", Repeated, Uint64),
]);

/// `Summary`
pub static SUMMARY: Message = Message(&[field(1, "data_points", "dataPoints", Repeated, Nested(&SUMMARY_DATA_POINT))]);

/// `SummaryDataPoint`
pub static SUMMARY_DATA_POINT: Message = Message(&[
    field(2, "start_time_unix_nano", "startTimeUnixNano", Plain, Fixed64),
    field(3, "time_unix_nano", "timeUnixNano", Plain, Fixed64),
    field(4, "count", "count", Plain, Fixed64),
    field(5, "sum", "sum", Plain, Double),
    field(6, "quantile_values", "quantileValues", Repeated, Nested(&VALUE_AT_QUANTILE)),
    field(7, "attributes", "attributes", Repeated, Nested(&KEY_VALUE)),
    field(8, "flags", "flags", Plain, Uint32),
]);

/// `SummaryDataPoint.ValueAtQuantile`
pub static VALUE_AT_QUANTILE: Message =
    Message(&[field(1, "quantile", "quantile", Plain, Double), field(2, "value", "value", Plain, Double)]);

/// `ExportLogsServiceRequest`
pub static LOGS: Message = Message(&[field(1, "resource_logs", "resourceLogs", Repeated, Nested(&RESOURCE_LOGS))]);

/// `ResourceLogs`
pub static RESOURCE_LOGS: Message = Message(&[
    field(1, "resource", "resource", Optional, Nested(&RESOURCE)),
    field(2, "scope_logs", "scopeLogs", Repeated, Nested(&SCOPE_LOGS)),
    field(3, "schema_url", "schemaUrl", Plain, Text),
]);

/// `ScopeLogs`
pub static SCOPE_LOGS: Message = Message(&[
    field(1, "scope", "scope", Optional, Nested(&INSTRUMENTATION_SCOPE)),
    field(2, "log_records", "logRecords", Repeated, Nested(&LOG_RECORD)),
    field(3, "schema_url", "schemaUrl", Plain, Text),
]);

/// `LogRecord`
pub static LOG_RECORD: Message = Message(&[
    field(1, "time_unix_nano", "timeUnixNano", Plain, Fixed64),
    field(2, "severity_number", "severityNumber", Plain, Enum(SEVERITY_NUMBER)),
    field(3, "severity_text", "severityText", Plain, Text),
    field(5, "body", "body", Optional, Nested(&ANY_VALUE)),
    field(6, "attributes", "attributes", Repeated, Nested(&KEY_VALUE)),
    field(7, "dropped_attributes_count", "droppedAttributesCount", Plain, Uint32),
    field(8, "flags", "flags", Plain, Fixed32),
    field(9, "trace_id", "traceId", Plain, Id),
    field(10, "span_id", "spanId", Plain, Id),
    field(11, "observed_time_unix_nano", "observedTimeUnixNano", Plain, Fixed64),
    field(12, "event_name", "eventName", Plain, Text),
]);

const SPAN_KIND: &[&str] = &[
    "SPAN_KIND_UNSPECIFIED",
    "SPAN_KIND_INTERNAL",
    "SPAN_KIND_SERVER",
    "SPAN_KIND_CLIENT",
    "SPAN_KIND_PRODUCER",
    "SPAN_KIND_CONSUMER",
];

const STATUS_CODE: &[&str] = &["STATUS_CODE_UNSET", "STATUS_CODE_OK", "STATUS_CODE_ERROR"];

const AGGREGATION_TEMPORALITY: &[&str] =
    &["AGGREGATION_TEMPORALITY_UNSPECIFIED", "AGGREGATION_TEMPORALITY_DELTA", "AGGREGATION_TEMPORALITY_CUMULATIVE"];

const SEVERITY_NUMBER: &[&str] = &[
    "SEVERITY_NUMBER_UNSPECIFIED",
    "SEVERITY_NUMBER_TRACE",
    "SEVERITY_NUMBER_TRACE2",
    "SEVERITY_NUMBER_TRACE3",
    "SEVERITY_NUMBER_TRACE4",
    "SEVERITY_NUMBER_DEBUG",
    "SEVERITY_NUMBER_DEBUG2",
    "SEVERITY_NUMBER_DEBUG3",
    "SEVERITY_NUMBER_DEBUG4",
    "SEVERITY_NUMBER_INFO",
    "SEVERITY_NUMBER_INFO2",
    "SEVERITY_NUMBER_INFO3",
    "SEVERITY_NUMBER_INFO4",
    "SEVERITY_NUMBER_WARN",
    "SEVERITY_NUMBER_WARN2",
    "SEVERITY_NUMBER_WARN3",
    "SEVERITY_NUMBER_WARN4",
    "SEVERITY_NUMBER_ERROR",
    "SEVERITY_NUMBER_ERROR2",
    "SEVERITY_NUMBER_ERROR3",
    "SEVERITY_NUMBER_ERROR4",
    "SEVERITY_NUMBER_FATAL",
    "SEVERITY_NUMBER_FATAL2",
    "SEVERITY_NUMBER_FATAL3",
    "SEVERITY_NUMBER_FATAL4",
];
