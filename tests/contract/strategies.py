"""Hypothesis strategies for valid OTLP requests of every signal, and for what hostile senders make of them."""

import math

from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import (
    AnyValue,
    ArrayValue,
    EntityRef,
    InstrumentationScope,
    KeyValue,
    KeyValueList,
)
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, ResourceLogs, ScopeLogs
from opentelemetry.proto.metrics.v1.metrics_pb2 import (
    Exemplar,
    ExponentialHistogram,
    ExponentialHistogramDataPoint,
    Gauge,
    Histogram,
    HistogramDataPoint,
    Metric,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
    Summary,
    SummaryDataPoint,
)
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span, Status

from collector.api import Signal

REQUESTS = {
    Signal.TRACES: ExportTraceServiceRequest,
    Signal.METRICS: ExportMetricsServiceRequest,
    Signal.LOGS: ExportLogsServiceRequest,
}

texts = st.text(max_size=8)
u32 = st.just(0) | st.integers(0, 2**32 - 1)
u64 = st.just(0) | st.integers(0, 2**64 - 1)
i32 = st.just(0) | st.integers(-(2**31), 2**31 - 1)
i64 = st.integers(-(2**63), 2**63 - 1)
doubles = st.floats().map(lambda number: math.nan if math.isnan(number) else number)  # the payload of a NaN is no data
span_ids = st.binary(min_size=8, max_size=8).filter(any)
trace_ids = st.binary(min_size=16, max_size=16).filter(any)


def few(elements, *, least=0):
    return st.lists(elements, min_size=least, max_size=2)


def maybe(elements):
    return st.none() | elements


def _pairs(values):
    pair = st.builds(KeyValue, key=texts, value=maybe(values))
    return st.lists(pair, max_size=3, unique_by=lambda pair: pair.key)


_scalars = st.one_of(
    st.builds(AnyValue),
    st.builds(AnyValue, string_value=texts),
    st.builds(AnyValue, bool_value=st.booleans()),
    st.builds(AnyValue, int_value=i64),
    st.builds(AnyValue, double_value=doubles),
    st.builds(AnyValue, bytes_value=st.binary(max_size=5)),
)
values = st.recursive(
    _scalars,
    lambda inner: (
        st.builds(AnyValue, array_value=st.builds(ArrayValue, values=few(inner)))
        | st.builds(AnyValue, kvlist_value=st.builds(KeyValueList, values=_pairs(inner)))
    ),
    max_leaves=5,
)
attributes = _pairs(values)

entity_refs = st.builds(EntityRef, schema_url=texts, type=texts, id_keys=few(texts), description_keys=few(texts))
resources = st.builds(Resource, attributes=attributes, dropped_attributes_count=u32, entity_refs=few(entity_refs))
scopes = st.builds(InstrumentationScope, name=texts, version=texts, attributes=attributes, dropped_attributes_count=u32)

events = st.builds(Span.Event, time_unix_nano=u64, name=texts, attributes=attributes, dropped_attributes_count=u32)
links = st.builds(
    Span.Link,
    trace_id=maybe(trace_ids),
    span_id=maybe(span_ids),
    trace_state=texts,
    attributes=attributes,
    dropped_attributes_count=u32,
    flags=u32,
)
spans = st.builds(
    Span,
    trace_id=trace_ids,
    span_id=span_ids,
    trace_state=texts,
    parent_span_id=maybe(span_ids),
    flags=u32,
    name=texts,
    kind=i32,
    start_time_unix_nano=u64,
    end_time_unix_nano=u64,
    attributes=attributes,
    dropped_attributes_count=u32,
    events=few(events),
    dropped_events_count=u32,
    links=few(links),
    dropped_links_count=u32,
    status=maybe(st.builds(Status, code=i32, message=texts)),
)
log_records = st.builds(
    LogRecord,
    time_unix_nano=u64,
    observed_time_unix_nano=u64,
    severity_number=i32,
    severity_text=texts,
    body=maybe(values),
    attributes=attributes,
    dropped_attributes_count=u32,
    flags=u32,
    trace_id=maybe(trace_ids),
    span_id=maybe(span_ids),
    event_name=texts,
)

_numbers = st.one_of(st.just({}), st.fixed_dictionaries({"as_int": i64}), st.fixed_dictionaries({"as_double": doubles}))


def _numbered(kind, **fields):
    return st.builds(lambda number, rest: kind(**number, **rest), _numbers, st.fixed_dictionaries(fields))


_exemplars = few(
    _numbered(
        Exemplar,
        filtered_attributes=attributes,
        time_unix_nano=u64,
        span_id=maybe(span_ids),
        trace_id=maybe(trace_ids),
    )
)
_point = {"attributes": attributes, "start_time_unix_nano": u64, "time_unix_nano": u64, "flags": u32}
_range = {"count": u64, "sum": maybe(doubles), "min": maybe(doubles), "max": maybe(doubles), "exemplars": _exemplars}
_number_points = few(_numbered(NumberDataPoint, **_point, exemplars=_exemplars), least=1)
_histogram_points = few(
    st.builds(HistogramDataPoint, **_point, **_range, bucket_counts=few(u64), explicit_bounds=few(doubles)), least=1
)
_buckets = st.builds(ExponentialHistogramDataPoint.Buckets, offset=i32, bucket_counts=few(u64))
_exponential_points = few(
    st.builds(
        ExponentialHistogramDataPoint,
        **_point,
        **_range,
        scale=i32,
        zero_count=u64,
        zero_threshold=doubles,
        positive=maybe(_buckets),
        negative=maybe(_buckets),
    ),
    least=1,
)
_quantiles = few(st.builds(SummaryDataPoint.ValueAtQuantile, quantile=doubles, value=doubles))
_summary_points = few(
    st.builds(SummaryDataPoint, **_point, count=u64, sum=doubles, quantile_values=_quantiles), least=1
)
_data = st.one_of(
    st.fixed_dictionaries({"gauge": st.builds(Gauge, data_points=_number_points)}),
    st.fixed_dictionaries(
        {"sum": st.builds(Sum, data_points=_number_points, aggregation_temporality=i32, is_monotonic=st.booleans())}
    ),
    st.fixed_dictionaries(
        {"histogram": st.builds(Histogram, data_points=_histogram_points, aggregation_temporality=i32)}
    ),
    st.fixed_dictionaries(
        {
            "exponential_histogram": st.builds(
                ExponentialHistogram, data_points=_exponential_points, aggregation_temporality=i32
            )
        }
    ),
    st.fixed_dictionaries({"summary": st.builds(Summary, data_points=_summary_points)}),
)
metrics = st.builds(
    lambda data, fields: Metric(**data, **fields),
    _data,
    st.fixed_dictionaries({"name": texts, "description": texts, "unit": texts, "metadata": attributes}),
)


def _envelopes(request, outer, inner, items, names):
    outer_name, inner_name, item_name = names
    inners = st.builds(inner, scope=maybe(scopes), schema_url=texts, **{item_name: few(items, least=1)})
    outers = st.builds(outer, resource=maybe(resources), schema_url=texts, **{inner_name: few(inners, least=1)})
    return st.builds(request, **{outer_name: few(outers, least=1)})


_requests = {
    Signal.TRACES: _envelopes(
        ExportTraceServiceRequest, ResourceSpans, ScopeSpans, spans, ("resource_spans", "scope_spans", "spans")
    ),
    Signal.METRICS: _envelopes(
        ExportMetricsServiceRequest,
        ResourceMetrics,
        ScopeMetrics,
        metrics,
        ("resource_metrics", "scope_metrics", "metrics"),
    ),
    Signal.LOGS: _envelopes(
        ExportLogsServiceRequest, ResourceLogs, ScopeLogs, log_records, ("resource_logs", "scope_logs", "log_records")
    ),
}

signals = st.sampled_from(list(Signal))


def messages(signal):
    """Requests that every rule of OTLP allows: valid ids, no duplicate keys, no envelope without items."""
    return _requests[signal]


@st.composite
def requests(draw):
    """A signal and the bytes of a valid request."""
    signal = draw(signals)
    return signal, draw(messages(signal)).SerializeToString()


@st.composite
def mutated(draw, originals):
    """Bytes that were cut, doubled, overwritten or filled up in a few places."""
    data = bytearray(draw(originals))
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(data)))
        end = draw(st.integers(start, min(len(data), start + 8)))
        data[start:end] = draw(st.binary(max_size=4) | st.just(bytes(data[start:end] * 2)))
    return bytes(data)


@st.composite
def mutated_requests(draw):
    """A signal and bytes near those of a valid request."""
    signal = draw(signals)
    return signal, draw(mutated(messages(signal).map(lambda message: message.SerializeToString())))


_TYPICAL = 9
"""How often of ten a field is what its message says it is."""


@st.composite
def hostile_requests(draw):
    """A signal and bytes with repeated, merged, unknown and mistyped fields in any order and at every level."""
    signal = draw(signals)
    return signal, draw(_hostile(REQUESTS[signal].DESCRIPTOR, 12))


@st.composite
def _hostile(draw, kind, depth):
    out = b""
    for _ in range(draw(st.integers(0, 4))):
        field = draw(st.sampled_from(list(kind.fields)))
        if draw(st.integers(1, 10)) > _TYPICAL:
            out += draw(_strange(field.number))
        elif field.message_type:
            out += delimited(field.number, draw(_hostile(field.message_type, depth - 1)) if depth else b"")
        else:
            out += draw(_scalar(field))
    return out


def _scalar(field):
    number = field.number
    if field.type in {field.TYPE_STRING, field.TYPE_BYTES}:
        contents = st.sampled_from(
            [b"", b"a", b"b", b"\xff", "\xe9".encode(), bytes(8), bytes(range(8)), bytes(range(16))]
        )
        return contents.map(lambda content: delimited(number, content))
    if field.type in {field.TYPE_DOUBLE, field.TYPE_FIXED64, field.TYPE_SFIXED64}:
        return st.binary(min_size=8, max_size=8).map(lambda content: varint(number << 3 | 1) + content)
    if field.type == field.TYPE_FIXED32:
        return st.binary(min_size=4, max_size=4).map(lambda content: varint(number << 3 | 5) + content)
    return (u64 | st.integers(0, 3)).map(lambda value: varint(number << 3) + varint(value))


def _strange(number):
    """A field, known or not, of any wire type."""
    numbers = st.sampled_from([number, number, 2000])
    return st.one_of(
        st.builds(lambda n, value: varint(n << 3) + varint(value), numbers, u64),
        st.builds(lambda n, content: varint(n << 3 | 1) + content, numbers, st.binary(min_size=8, max_size=8)),
        st.builds(lambda n, content: varint(n << 3 | 5) + content, numbers, st.binary(min_size=4, max_size=4)),
        st.builds(delimited, numbers, st.binary(max_size=17)),
        st.builds(lambda n, inner: varint(n << 3 | 3) + inner + varint(n << 3 | 4), numbers, st.just(b"\x08\x01")),
    )


def varint(value):
    """A number as protobuf writes it."""
    out = b""
    while value > 127:
        out += bytes([value & 127 | 128])
        value >>= 7
    return out + bytes([value])


def delimited(number, value):
    """A length-delimited protobuf field."""
    return varint(number << 3 | 2) + varint(len(value)) + value
