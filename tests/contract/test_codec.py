"""What both twins of the codec promise about OTLP protobuf and columns."""

import math

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue, KeyValueList
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from collector.api import Rejected, Signal
from collector.storage import arrow
from collector.wire.types import Limits, Scan
from tests.contract.strategies import (
    REQUESTS,
    delimited,
    messages,
    mutated_requests,
    requests,
    signals,
    varint,
)

LIMITS = Limits()
TRACE_ID, SPAN_ID = bytes(range(16)), bytes(range(8))

thorough = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])


def trace(*spans, **scope):
    request = REQUESTS[Signal.TRACES]()
    request.resource_spans.add().scope_spans.add(spans=spans, **scope)
    return request.SerializeToString()


def span(**fields):
    return Span(**{"trace_id": TRACE_ID, "span_id": SPAN_ID, **fields})


def logs(*records):
    request = REQUESTS[Signal.LOGS]()
    request.resource_logs.add().scope_logs.add(log_records=records)
    return request.SerializeToString()


def log_of(value):
    return logs(LogRecord(attributes=[KeyValue(key="k", value=value)]))


def attribute_of(twin, request, signal=Signal.LOGS):
    columns, _ = twin.decode(signal, [request], LIMITS)
    return columns.column("attributes").to_pylist()[0]


def rows(columns):
    """Every value of every row as text in which NaN equals NaN and -0.0 differs from 0.0."""
    return [repr(row) for row in columns.to_pylist()]


# Round trips


@thorough
@given(request=requests())
def test_decode_then_encode_gives_the_same_request(twin, request):
    signal, body = request
    columns, scan = twin.decode(signal, [body], LIMITS)
    assert columns.schema.equals(arrow.SCHEMAS[signal])
    columns.validate(full=True)
    assert scan == Scan(columns.num_rows) == twin.scan(signal, body, LIMITS)
    assert twin.encode(signal, columns) == body


@thorough
@given(data=st.data())
def test_requests_decoded_together_keep_order_and_envelopes(twin, data):
    signal = data.draw(signals)
    bodies = data.draw(st.lists(messages(signal).map(lambda m: m.SerializeToString()), max_size=3))
    columns, scan = twin.decode(signal, bodies, LIMITS)
    assert scan == Scan(columns.num_rows)
    assert twin.encode(signal, columns) == b"".join(bodies)
    for name in {"resource", "scope", "metric"} & set(columns.schema.names):
        column = columns.column(name)
        assert sorted(set(column.indices.to_pylist())) == list(range(len(column.dictionary)))


@thorough
@given(data=st.data())
def test_some_rows_of_a_batch_are_encoded_alone(twin, data):
    signal, body = data.draw(requests())
    columns, _ = twin.decode(signal, [body, body], LIMITS)
    start = data.draw(st.integers(0, columns.num_rows))
    part = columns.slice(start, data.draw(st.integers(0, columns.num_rows)))
    kept = part.filter(pa.array(data.draw(st.lists(st.booleans(), min_size=len(part), max_size=len(part))), pa.bool_()))
    assert rows(twin.decode(signal, [twin.encode(signal, kept)], LIMITS)[0]) == rows(kept)


@thorough
@given(request=mutated_requests())
def test_damaged_bytes_are_rejected_or_read_to_a_stable_result(twin, request):
    signal, body = request
    try:
        columns, scan = twin.decode(signal, [body], LIMITS)
    except Rejected:
        with pytest.raises(Rejected):
            twin.scan(signal, body, LIMITS)
        return
    assert twin.scan(signal, body, LIMITS) == scan
    assert (scan.items, bool(scan.message)) == (columns.num_rows, bool(scan.rejected))
    columns.validate(full=True)
    assert rows(twin.decode(signal, [twin.encode(signal, columns)], LIMITS)[0]) == rows(columns)


@pytest.mark.parametrize("signal", Signal)
def test_nothing_decodes_to_no_rows_and_back(twin, signal):
    columns, scan = twin.decode(signal, [], LIMITS)
    assert (columns.num_rows, scan) == (0, Scan(0))
    assert columns.schema.equals(arrow.SCHEMAS[signal])
    assert twin.encode(signal, columns) == b""
    assert twin.scan(signal, b"", LIMITS) == Scan(0)


def test_rows_under_one_envelope_share_it_only_where_they_stand_together(twin):
    columns, _ = twin.decode(Signal.TRACES, [trace(*(span(name=n) for n in "abc")), trace(span(name="d"))], LIMITS)
    order = columns.take(pa.array([0, 1, 3, 2]))
    request = REQUESTS[Signal.TRACES].FromString(twin.encode(Signal.TRACES, order))
    names = [[s.name for s in outer.scope_spans[0].spans] for outer in request.resource_spans]
    assert names == [["a", "b"], ["d"], ["c"]]


def test_envelopes_without_rows_have_no_entry(twin):
    request = REQUESTS[Signal.METRICS]()
    request.resource_metrics.add(schema_url="no scopes")
    empty = request.resource_metrics.add(schema_url="used").scope_metrics
    empty.add(schema_url="no metrics")
    metrics = empty.add(schema_url="used").metrics
    metrics.add(name="no data")
    metrics.add(name="no points").gauge.SetInParent()
    metrics.add(name="used").gauge.data_points.add(as_int=1)
    columns, scan = twin.decode(Signal.METRICS, [request.SerializeToString()], LIMITS)
    assert scan == Scan(1)
    assert columns.column("resource").dictionary.field("schema_url").to_pylist() == ["used"]
    assert columns.column("scope").dictionary.field("schema_url").to_pylist() == ["used"]
    assert columns.column("metric").dictionary.field("name").to_pylist() == ["used"]


# The text of values


def _list(*values):
    return AnyValue(array_value=ArrayValue(values=values))


def _map(**values):
    return AnyValue(kvlist_value=KeyValueList(values=[KeyValue(key=k, value=v) for k, v in values.items()]))


VALUES = {
    "absent": (None, arrow.TYPE_ABSENT, ""),
    "empty": (AnyValue(), arrow.TYPE_EMPTY, ""),
    "empty string": (AnyValue(string_value=""), arrow.TYPE_STRING, ""),
    "string": (AnyValue(string_value='<a href="x">\n\0é'), arrow.TYPE_STRING, '<a href="x">\n\0é'),
    "false": (AnyValue(bool_value=False), arrow.TYPE_BOOL, "false"),
    "true": (AnyValue(bool_value=True), arrow.TYPE_BOOL, "true"),
    "int": (AnyValue(int_value=-(2**63)), arrow.TYPE_INT, "-9223372036854775808"),
    "bytes": (AnyValue(bytes_value=b"\xfb\xff\x00\x01"), arrow.TYPE_BYTES, "+/8AAQ=="),
    "no bytes": (AnyValue(bytes_value=b""), arrow.TYPE_BYTES, ""),
    "array": (_list(AnyValue(int_value=1), AnyValue(), AnyValue(string_value="a")), arrow.TYPE_ARRAY, '[1,null,"a"]'),
    "empty array": (_list(), arrow.TYPE_ARRAY, "[]"),
    "empty map": (_map(), arrow.TYPE_KVLIST, "{}"),
    "sorted map": (
        _map(**{"b": AnyValue(bool_value=True), "a": None, "\U0001f600": AnyValue(), "\uff5e": _list(_map())}),
        arrow.TYPE_KVLIST,
        '{"a":null,"b":true,"\uff5e":[{}],"\U0001f600":null}',
    ),
    "nested doubles": (
        _list(*(AnyValue(double_value=d) for d in (1, 1e21, math.nan, math.inf, -math.inf, -0.0))),
        arrow.TYPE_ARRAY,
        '[1,1e+21,"NaN","Infinity","-Infinity",-0]',
    ),
    "nested bytes": (_map(k=AnyValue(bytes_value=b"\xff")), arrow.TYPE_KVLIST, '{"k":"/w=="}'),
    "escapes": (
        _map(**{'"\\': AnyValue(string_value='/<>&\b\f\n\r\t\0\x1b\x1f\x7f\u2028"\\')}),
        arrow.TYPE_KVLIST,
        r'{"\"\\":"/<>&\b\f\n\r\t\u0000\u001b\u001f' + "\x7f\u2028" + r'\"\\"}',
    ),
}


@pytest.mark.parametrize(("value", "kind", "text"), VALUES.values(), ids=VALUES)
def test_a_value_has_its_text_as_attribute_and_as_body(twin, value, kind, text):
    raw = value.SerializeToString() if kind in {arrow.TYPE_ARRAY, arrow.TYPE_KVLIST} else None
    request = logs(LogRecord(body=value, attributes=[KeyValue(key="k", value=value)]))
    columns, _ = twin.decode(Signal.LOGS, [request], LIMITS)
    row = columns.to_pylist()[0]
    assert row["attributes"] == [{"key": "k", "type": kind, "value": text, "raw": raw}]
    assert (row["body_type"], row["body"], row["body_raw"]) == (kind, text, raw)


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0.0, "0"),
        (-0.0, "-0"),
        (1.0, "1"),
        (-2.5, "-2.5"),
        (0.1, "0.1"),
        (1e-6, "0.000001"),
        (1.5e-6, "0.0000015"),
        (9.99e-7, "9.99e-7"),
        (1e-7, "1e-7"),
        (-1e-10, "-1e-10"),
        (1e15, "1000000000000000"),
        (1e16, "10000000000000000"),
        (123456789012345680000.0, "123456789012345680000"),
        (999999999999999900000.0, "999999999999999900000"),
        (1e21, "1e+21"),
        (1.5e300, "1.5e+300"),
        (5e-324, "5e-324"),
        (1.7976931348623157e308, "1.7976931348623157e+308"),
        (math.nan, "NaN"),
        (math.inf, "Infinity"),
        (-math.inf, "-Infinity"),
    ],
)
def test_a_double_is_written_in_its_shortest_form(twin, number, text):
    assert attribute_of(twin, log_of(AnyValue(double_value=number)))[0]["value"] == text


# Data that is not quite right


def test_a_span_without_valid_ids_is_rejected_alone_and_the_first_reason_is_told(twin):
    good = trace(span(name="a"))
    bad = trace(
        span(name="b"),
        span(trace_id=bytes(12)),
        span(span_id=b""),
        span(trace_id=bytes(16)),
        span(span_id=bytes(8)),
        span(name="c", parent_span_id=b"123"),
    )
    columns, scan = twin.decode(Signal.TRACES, [good, bad], LIMITS)
    message = "span 2: trace_id must be 16 bytes that are not all zero, got 12"
    assert scan == Scan(3, rejected=4, message=message)
    assert columns.column("name").to_pylist() == ["a", "b", "c"]
    assert columns.column("parent_span_id").null_count == 3


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        ({"trace_id": b""}, "span 0: trace_id must be 16 bytes that are not all zero, got 0"),
        ({"trace_id": bytes(16)}, "span 0: trace_id must be 16 bytes that are not all zero, got zeros"),
        ({"span_id": bytes(8)}, "span 0: span_id must be 8 bytes that are not all zero, got zeros"),
        ({"span_id": b"a" * 16}, "span 0: span_id must be 8 bytes that are not all zero, got 16"),
        (
            {"trace_id": b"\0", "span_id": b""},
            "span 0: trace_id must be 16 bytes that are not all zero, got 1, or text that is not hex",
        ),
    ],
)
def test_the_reason_names_the_id_and_what_came(twin, ids, message):
    assert twin.scan(Signal.TRACES, trace(span(**ids)), LIMITS) == Scan(0, rejected=1, message=message)


@pytest.mark.parametrize(("trace_id", "span_id"), [(b"", b""), (bytes(16), bytes(8)), (b"1", b"a" * 9)])
def test_invalid_ids_outside_of_spans_are_read_as_absent(twin, trace_id, span_id):
    ids = {"trace_id": trace_id, "span_id": span_id}
    columns, scan = twin.decode(Signal.LOGS, [logs(LogRecord(**ids))], LIMITS)
    assert (scan, columns.column("trace_id").to_pylist(), columns.column("span_id").to_pylist()) == (
        Scan(1),
        [None],
        [None],
    )
    columns, scan = twin.decode(Signal.TRACES, [trace(span(links=[Span.Link(**ids)]))], LIMITS)
    link = columns.column("links").to_pylist()[0][0]
    assert (scan, link["trace_id"], link["span_id"]) == (Scan(1), None, None)
    request = REQUESTS[Signal.METRICS]()
    metric = request.resource_metrics.add().scope_metrics.add().metrics.add()
    metric.gauge.data_points.add().exemplars.add(**ids)
    columns, scan = twin.decode(Signal.METRICS, [request.SerializeToString()], LIMITS)
    exemplar = columns.column("exemplars").to_pylist()[0][0]
    assert (scan, exemplar["trace_id"], exemplar["span_id"]) == (Scan(1), None, None)


def test_bytes_that_are_not_utf8_are_replaced_and_counted(twin):
    bad = b"a\xff\xe2\x82b"
    record = delimited(3, bad) + delimited(6, delimited(1, bad) + delimited(2, delimited(1, bad)))
    resource = delimited(1, delimited(3, delimited(3, bad)))
    body = delimited(1, resource + delimited(2, delimited(2, record)))
    columns, scan = twin.decode(Signal.LOGS, [body, logs(LogRecord(severity_text="é"))], LIMITS)
    good = "a\ufffd\ufffdb"
    assert scan == Scan(2, replaced=4)
    assert twin.scan(Signal.LOGS, body, LIMITS) == Scan(1, replaced=4)
    assert columns.column("severity_text").to_pylist() == [good, "é"]
    assert columns.column("attributes").to_pylist()[0] == [
        {"key": good, "type": arrow.TYPE_STRING, "value": good, "raw": None}
    ]
    assert columns.column("resource").to_pylist()[0]["entity_refs"] == [delimited(3, good.encode())]


def test_bad_text_in_unknown_fields_is_not_counted(twin):
    group = bytes([15 << 3 | 3]) + delimited(3, b"\xff") + bytes([15 << 3 | 4])
    body = delimited(1, delimited(2, delimited(2, delimited(3, b"\xff") + group + delimited(100, b"\xff"))))
    columns, scan = twin.decode(Signal.LOGS, [body], LIMITS)
    assert (scan, columns.column("severity_text").to_pylist()) == (Scan(1, replaced=1), ["\ufffd"])


def test_the_last_of_duplicate_keys_is_kept_at_the_place_of_the_first(twin):
    def pairs(*values):
        return [KeyValue(key=key, value=AnyValue(string_value=value)) for key, value in values]

    twice = pairs(("a", "1"), ("b", "2"), ("a", "3"))
    nested = KeyValue(key="m", value=AnyValue(kvlist_value=KeyValueList(values=twice)))
    columns, scan = twin.decode(Signal.LOGS, [logs(LogRecord(attributes=[*twice, nested]))], LIMITS)
    attributes = columns.column("attributes").to_pylist()[0]
    kept = AnyValue(kvlist_value=KeyValueList(values=pairs(("a", "3"), ("b", "2"))))
    assert scan == Scan(1, duplicates=2)
    assert [(a["key"], a["value"]) for a in attributes] == [("a", "3"), ("b", "2"), ("m", '{"a":"3","b":"2"}')]
    assert attributes[2]["raw"] == kept.SerializeToString()


def test_duplicate_keys_count_wherever_they_stand(twin):
    twice = [KeyValue(key="a"), KeyValue(key="a")]
    inside = KeyValue(key="a", value=AnyValue(array_value=ArrayValue(values=[_twice(twice)])))
    request = REQUESTS[Signal.TRACES]()
    outer = request.resource_spans.add()
    outer.resource.attributes.extend(twice)
    outer.scope_spans.add().scope.attributes.extend(twice)
    outer.scope_spans[0].spans.add(attributes=twice, events=[Span.Event(attributes=twice)])
    outer.scope_spans[0].spans.add(links=[Span.Link(attributes=[inside, *twice])])
    assert twin.scan(Signal.TRACES, request.SerializeToString(), LIMITS).duplicates == 7


def _twice(pairs):
    return AnyValue(kvlist_value=KeyValueList(values=pairs))


def test_references_into_a_string_table_are_absent(twin):
    pairs = [
        KeyValue(key="a", key_strindex=3, value=AnyValue(string_value_strindex=1)),
        KeyValue(key="b", value=_list(AnyValue(string_value_strindex=1))),
    ]
    attributes = attribute_of(twin, logs(LogRecord(attributes=pairs)))
    assert [(a["type"], a["value"], a["raw"]) for a in attributes] == [
        (arrow.TYPE_EMPTY, "", None),
        (arrow.TYPE_ARRAY, "[null]", _list(AnyValue()).SerializeToString()),
    ]


def test_unknown_fields_are_skipped(twin):
    fixed = varint(29 << 3 | 1) + bytes(8) + varint(28 << 3 | 5) + bytes(4)
    unknown = varint(31 << 3) + varint(2**64 - 1) + delimited(30, b"x") + fixed
    value = delimited(5, delimited(1, delimited(1, b"v") + unknown) + unknown) + unknown
    body = delimited(1, delimited(2, delimited(2, delimited(6, delimited(1, b"k") + delimited(2, value)) + unknown)))
    kept = _list(AnyValue(string_value="v"))
    assert attribute_of(twin, body) == [
        {"key": "k", "type": arrow.TYPE_ARRAY, "value": '["v"]', "raw": kept.SerializeToString()}
    ]


NOT_PROTOBUF = {
    "text": b"hello",
    "JSON": b'{"resourceSpans": []}',
    "truncated": trace(span(name="abc"))[:-1],
    "field number 0": b"\x02\x00",
    "wire type 7": b"\x0f",
    "end of no group": b"\x0c",
    "open group": b"\x0b",
    "endless varint": b"\x08" + b"\xff" * 11,
    "length beyond the end": b"\x0a\xff\xff\xff\xff\x07",
    "bad text in a truncated message": delimited(1, delimited(3, b"\xff")) + b"\x0a\x05",
}


@pytest.mark.parametrize("body", NOT_PROTOBUF.values(), ids=NOT_PROTOBUF)
@pytest.mark.parametrize("door", ["scan", "decode", "proto_to_json"])
def test_bytes_that_are_not_protobuf_are_rejected(twin, body, door):
    calls = {
        "scan": lambda: twin.scan(Signal.TRACES, body, LIMITS),
        "decode": lambda: twin.decode(Signal.TRACES, [body], LIMITS),
        "proto_to_json": lambda: twin.proto_to_json(Signal.TRACES, body),
    }
    with pytest.raises(Rejected):
        calls[door]()


# Limits


def _nested(depth, kind):
    """The bytes of an AnyValue around others."""
    value = delimited(1, b"x")
    for _ in range(depth - 1):
        value = (
            delimited(5, delimited(1, value))
            if kind == "array"
            else delimited(6, delimited(1, delimited(1, b"k") + delimited(2, value)))
        )
    return value


def _log_with(number, value):
    return delimited(1, delimited(2, delimited(2, delimited(number, value))))


@pytest.mark.parametrize("kind", ["array", "map"])
def test_values_nest_as_deep_as_the_limit_and_no_deeper(twin, kind):
    limit = _log_with(5, _nested(30, kind))
    columns, _ = twin.decode(Signal.LOGS, [limit], LIMITS)
    assert twin.encode(Signal.LOGS, columns) == limit
    for depth in (31, 33, 60, 2000):
        as_body, as_attribute = _log_with(5, _nested(depth, kind)), _log_with(6, delimited(2, _nested(depth, kind)))
        with pytest.raises(Rejected):
            twin.scan(Signal.LOGS, as_body, LIMITS)
        with pytest.raises(Rejected):
            twin.decode(Signal.LOGS, [as_attribute], LIMITS)


def test_groups_nested_without_end_are_rejected(twin):
    start, end = varint(15 << 3 | 3), varint(15 << 3 | 4)
    assert twin.scan(Signal.LOGS, start * 50 + end * 50, LIMITS) == Scan(0)
    for body in (start * 50_000, start * 50_000 + end * 50_000):
        with pytest.raises(Rejected):
            twin.scan(Signal.LOGS, body, LIMITS)


def _keys(count):
    return [KeyValue(key=str(n)) for n in range(count)]


def _limit_cases():
    many = {"attributes": _keys(3)}
    request = REQUESTS[Signal.TRACES]()
    request.resource_spans.add().resource.attributes.extend(_keys(3))
    yield "resource", Signal.TRACES, request, "resource_spans[0].resource.attributes"
    request = REQUESTS[Signal.TRACES]()
    request.resource_spans.add().scope_spans.add().scope.attributes.extend(_keys(3))
    yield "scope", Signal.TRACES, request, "resource_spans[0].scope_spans[0].scope.attributes"
    for name, part, path in (
        ("span", Span(**many), "spans[0].attributes"),
        ("event", Span(events=[Span.Event(), Span.Event(**many)]), "spans[0].events[1].attributes"),
        ("link", Span(links=[Span.Link(**many)]), "spans[0].links[0].attributes"),
    ):
        request = REQUESTS[Signal.TRACES]()
        request.resource_spans.add().scope_spans.add(spans=[part])
        yield name, Signal.TRACES, request, f"resource_spans[0].scope_spans[0].{path}"
    request = REQUESTS[Signal.METRICS]()
    metric = request.resource_metrics.add().scope_metrics.add().metrics.add()
    metric.exponential_histogram.data_points.add().exemplars.add(filtered_attributes=_keys(3))
    path = "resource_metrics[0].scope_metrics[0].metrics[0]"
    point = f"{path}.exponential_histogram.data_points[0]"
    yield "exemplar", Signal.METRICS, request, f"{point}.exemplars[0].filtered_attributes"
    request = REQUESTS[Signal.METRICS]()
    request.resource_metrics.add().scope_metrics.add().metrics.add(metadata=_keys(3))
    yield "metadata", Signal.METRICS, request, f"{path}.metadata"


@pytest.mark.parametrize(
    ("signal", "request_", "path"), [pytest.param(*case[1:], id=case[0]) for case in _limit_cases()]
)
def test_too_many_attributes_reject_the_request_and_tell_where(twin, signal, request_, path):
    body = request_.SerializeToString()
    for call in (twin.scan, lambda signal, body, limits: twin.decode(signal, [body], limits)):
        call(signal, body, Limits(attributes=3))
        with pytest.raises(Rejected) as caught:
            call(signal, body, Limits(attributes=2))
        assert caught.value.field == path


def test_entries_inside_a_value_are_not_attributes(twin):
    value = KeyValue(key="m", value=AnyValue(kvlist_value=KeyValueList(values=_keys(9))))
    assert twin.scan(Signal.LOGS, logs(LogRecord(attributes=[value])), Limits(attributes=1)) == Scan(1)


def test_too_many_items_reject_the_request(twin):
    body = trace(span(), span(trace_id=b""), span())
    assert twin.scan(Signal.TRACES, body, Limits(items=3)).items == 2
    with pytest.raises(Rejected):
        twin.scan(Signal.TRACES, body, Limits(items=2))
    assert twin.decode(Signal.TRACES, [body, body], Limits(items=3))[1].items == 4
    request = REQUESTS[Signal.METRICS]()
    metrics = request.resource_metrics.add().scope_metrics.add().metrics
    for _ in range(4):
        (metrics[-1] if len(metrics) == 2 else metrics.add()).summary.data_points.add()
    assert twin.scan(Signal.METRICS, request.SerializeToString(), Limits(items=4)) == Scan(4)
    with pytest.raises(Rejected):
        twin.scan(Signal.METRICS, request.SerializeToString(), Limits(items=3))


# Columns that nobody decoded


def test_columns_of_another_schema_are_refused(twin):
    columns, _ = twin.decode(Signal.LOGS, [logs(LogRecord())], LIMITS)
    with pytest.raises(ValueError, match="columns"):
        twin.encode(Signal.TRACES, columns)
    with pytest.raises(ValueError, match="columns"):
        twin.encode(Signal.LOGS, columns.drop_columns(["event_name"]))


@pytest.mark.parametrize(
    ("kind", "text", "raw"),
    [
        (arrow.TYPE_INT, "one", None),
        (arrow.TYPE_INT, str(2**63), None),
        (arrow.TYPE_BOOL, "yes", None),
        (arrow.TYPE_DOUBLE, "", None),
        (arrow.TYPE_BYTES, "*", None),
        (arrow.TYPE_ARRAY, "[]", None),
        (arrow.TYPE_ARRAY, "[]", b"\xff"),
        (arrow.TYPE_ARRAY, "{}", _map().SerializeToString()),
        (99, "", None),
    ],
)
def test_values_that_are_not_of_their_type_are_refused(twin, kind, text, raw):
    columns, _ = twin.decode(Signal.LOGS, [logs(LogRecord())], LIMITS)
    changed = {"body_type": [kind], "body": [text], "body_raw": [raw]}
    for name, values in changed.items():
        index = columns.schema.get_field_index(name)
        field = columns.schema.field(index)
        columns = columns.set_column(index, field, pa.array(values, field.type))
    with pytest.raises(ValueError, match=r"\w"):
        twin.encode(Signal.LOGS, columns)


def test_changed_columns_are_encoded(twin):
    columns, _ = twin.decode(Signal.TRACES, [trace(span(name="a"), span(name="b"))], LIMITS)
    index = columns.schema.get_field_index("name")
    columns = columns.set_column(index, columns.schema.field(index), pc.utf8_upper(columns.column(index)))
    assert twin.encode(Signal.TRACES, columns) == trace(span(name="A"), span(name="B"))
