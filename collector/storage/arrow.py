r"""Arrow schemas of the columnar face of OTLP: one row a span, a log record or a data point.

Every value that OTLP allows survives decode and encode. What an envelope says once (resource, scope, metric)
is a dictionary whose index numbers the envelope within the batch, in order from 0, so equal neighbours stay apart
and a value that a thousand rows share is stored once. Envelopes without rows have no entry. A scope's entry belongs
to one ResourceSpans, a metric's to one ScopeMetrics.

An attribute is `{key, type, value, raw}`. `type` is one of the `TYPE_*` numbers, `value` the text that ClickHouse
stores. `raw` holds the serialized AnyValue of arrays and maps, whose text is not lossless, and is null for the rest:
what changes one of them must change both. It is what protobuf writes for the value, without unknown fields and
`strindex` fields and with duplicate keys dropped as in any list of attributes. A log body is the same in columns.

The text of a value
    empty, absent   no characters
    string          as it is
    bool            `true` or `false`
    int             decimal, `-` before a negative one
    double          `NaN`, `Infinity`, `-Infinity`; else the fewest digits that read back equal, `-0` for minus zero.
                    From 1e-6 up to, not including, 1e21 (by absolute value) plain: `1`, `0.000001`, `123.5`. Else with
                    an exponent that has a sign and no leading zero: `1e+21`, `-2.5e-7`
    bytes           base64, standard alphabet, padded
    array, map      JSON without blanks: `[...]`, `{"key":...}` with keys in the order of their code points. Inside:
                    empty and absent values are `null`, bools and ints as above, doubles as above but `"NaN"`,
                    `"Infinity"` and `"-Infinity"` are strings, bytes are a string of base64. Strings and keys escape
                    only `\"`, `\\`, `\n`, `\r`, `\t`, `\b`, `\f` and the rest below U+0020 as `\u001f` in lower-case
                    hex; everything else, also `/`, `<`, U+007F and U+2028, stands as it is

An id is null where it is absent or invalid (wrong length or all zero). Times are nanoseconds since the epoch. A field
that the message does not have (`scale` of a gauge) is 0, empty or, where the column allows it, null; the `sum` of a
summary is never null. `entity_refs` are serialized EntityRefs without unknown fields.
"""

import pyarrow as pa

from collector.api import Signal

TYPE_EMPTY = 0
TYPE_STRING = 1
TYPE_BOOL = 2
TYPE_INT = 3
TYPE_DOUBLE = 4
TYPE_ARRAY = 5
TYPE_KVLIST = 6
TYPE_BYTES = 7
TYPE_ABSENT = 8
"""The KeyValue (or log record) had no AnyValue at all; TYPE_EMPTY is an AnyValue with nothing set."""

GAUGE, SUM, HISTOGRAM, EXPONENTIAL_HISTOGRAM, SUMMARY = 1, 2, 3, 4, 5
"""Values of `metric.kind`; 0 is a metric without data, which has no rows."""


def _field(name: str, kind: pa.DataType, *, nullable: bool = False) -> pa.Field:
    return pa.field(name, kind, nullable=nullable)


def _list(kind: pa.DataType) -> pa.ListType:
    return pa.list_(pa.field("item", kind, nullable=False))


def _struct(*fields: pa.Field) -> pa.StructType:
    return pa.struct(fields)


U8, U32, U64, I32, I64, F64 = pa.uint8(), pa.uint32(), pa.uint64(), pa.int32(), pa.int64(), pa.float64()
TEXT, BYTES, BOOL = pa.string(), pa.binary(), pa.bool_()
TRACE_ID, SPAN_ID = pa.binary(16), pa.binary(8)

ATTRIBUTE = _struct(
    _field("key", TEXT),
    _field("type", U8),
    _field("value", TEXT),
    _field("raw", BYTES, nullable=True),
)
ATTRIBUTES = _list(ATTRIBUTE)

RESOURCE = _struct(
    _field("present", BOOL),
    _field("attributes", ATTRIBUTES),
    _field("dropped_attributes_count", U32),
    _field("entity_refs", _list(BYTES)),
    _field("schema_url", TEXT),
)
SCOPE = _struct(
    _field("present", BOOL),
    _field("name", TEXT),
    _field("version", TEXT),
    _field("attributes", ATTRIBUTES),
    _field("dropped_attributes_count", U32),
    _field("schema_url", TEXT),
)
METRIC = _struct(
    _field("name", TEXT),
    _field("description", TEXT),
    _field("unit", TEXT),
    _field("kind", U8),
    _field("aggregation_temporality", I32),
    _field("is_monotonic", BOOL),
    _field("metadata", ATTRIBUTES),
)
EVENT = _struct(
    _field("time_unix_nano", U64),
    _field("name", TEXT),
    _field("attributes", ATTRIBUTES),
    _field("dropped_attributes_count", U32),
)
LINK = _struct(
    _field("trace_id", TRACE_ID, nullable=True),
    _field("span_id", SPAN_ID, nullable=True),
    _field("trace_state", TEXT),
    _field("attributes", ATTRIBUTES),
    _field("dropped_attributes_count", U32),
    _field("flags", U32),
)
EXEMPLAR = _struct(
    _field("filtered_attributes", ATTRIBUTES),
    _field("time_unix_nano", U64),
    _field("int_value", I64, nullable=True),
    _field("double_value", F64, nullable=True),
    _field("span_id", SPAN_ID, nullable=True),
    _field("trace_id", TRACE_ID, nullable=True),
)
QUANTILE = _struct(_field("quantile", F64), _field("value", F64))

_ENVELOPE = (
    _field("resource", pa.dictionary(I32, RESOURCE)),
    _field("scope", pa.dictionary(I32, SCOPE)),
)

SPANS = pa.schema(
    [
        *_ENVELOPE,
        _field("trace_id", TRACE_ID),
        _field("span_id", SPAN_ID),
        _field("trace_state", TEXT),
        _field("parent_span_id", SPAN_ID, nullable=True),
        _field("flags", U32),
        _field("name", TEXT),
        _field("kind", I32),
        _field("start_time_unix_nano", U64),
        _field("end_time_unix_nano", U64),
        _field("attributes", ATTRIBUTES),
        _field("dropped_attributes_count", U32),
        _field("events", _list(EVENT)),
        _field("dropped_events_count", U32),
        _field("links", _list(LINK)),
        _field("dropped_links_count", U32),
        _field("status_code", I32, nullable=True),  # null: the span has no status message at all
        _field("status_message", TEXT),
    ]
)

LOGS = pa.schema(
    [
        *_ENVELOPE,
        _field("time_unix_nano", U64),
        _field("observed_time_unix_nano", U64),
        _field("severity_number", I32),
        _field("severity_text", TEXT),
        _field("body_type", U8),
        _field("body", TEXT),
        _field("body_raw", BYTES, nullable=True),
        _field("attributes", ATTRIBUTES),
        _field("dropped_attributes_count", U32),
        _field("flags", U32),
        _field("trace_id", TRACE_ID, nullable=True),
        _field("span_id", SPAN_ID, nullable=True),
        _field("event_name", TEXT),
    ]
)

METRICS = pa.schema(
    [
        *_ENVELOPE,
        _field("metric", pa.dictionary(I32, METRIC)),
        _field("attributes", ATTRIBUTES),
        _field("start_time_unix_nano", U64),
        _field("time_unix_nano", U64),
        _field("flags", U32),
        _field("int_value", I64, nullable=True),  # of a gauge or sum point whose value is as_int
        _field("double_value", F64, nullable=True),  # of a gauge or sum point whose value is as_double
        _field("count", U64),
        _field("sum", F64, nullable=True),
        _field("min", F64, nullable=True),
        _field("max", F64, nullable=True),
        _field("bucket_counts", _list(U64)),
        _field("explicit_bounds", _list(F64)),
        _field("scale", I32),
        _field("zero_count", U64),
        _field("zero_threshold", F64),
        _field("positive_offset", I32, nullable=True),  # null: the point has no positive buckets message
        _field("positive_bucket_counts", _list(U64)),
        _field("negative_offset", I32, nullable=True),
        _field("negative_bucket_counts", _list(U64)),
        _field("quantiles", _list(QUANTILE)),
        _field("exemplars", _list(EXEMPLAR)),
    ]
)

SCHEMAS: dict[Signal, pa.Schema] = {Signal.TRACES: SPANS, Signal.METRICS: METRICS, Signal.LOGS: LOGS}
