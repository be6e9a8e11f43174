"""What both twins of the codec promise about OTLP JSON."""

import json
from pathlib import Path

import pytest
from google.protobuf import text_format
from hypothesis import HealthCheck, given, settings

from collector.api import Rejected, Signal
from collector.wire.types import Limits
from tests.contract.strategies import REQUESTS, requests

LIMITS = Limits()
GOLDEN = Path(__file__).parents[1] / "golden" / "otlp"
EXAMPLES = {
    "traces": Signal.TRACES,
    "metrics": Signal.METRICS,
    "logs": Signal.LOGS,
    "events": Signal.LOGS,
}


def read(twin, signal, document):
    data = document if isinstance(document, bytes) else json.dumps(document).encode()
    return REQUESTS[signal].FromString(twin.json_to_proto(signal, data, LIMITS))


def log(twin, **fields):
    document = {"resourceLogs": [{"scopeLogs": [{"logRecords": [fields]}]}]}
    return read(twin, Signal.LOGS, document).resource_logs[0].scope_logs[0].log_records[0]


def number_point(twin, **fields):
    points = {"metrics": [{"gauge": {"dataPoints": [fields]}}]}
    request = read(twin, Signal.METRICS, {"resourceMetrics": [{"scopeMetrics": [points]}]})
    return request.resource_metrics[0].scope_metrics[0].metrics[0].gauge.data_points[0]


@pytest.mark.parametrize(("name", "signal"), EXAMPLES.items(), ids=EXAMPLES)
def test_the_official_examples_are_read(twin, name, signal):
    expected = text_format.Parse((GOLDEN / f"{name}.textproto").read_text(), REQUESTS[signal]())
    assert read(twin, signal, (GOLDEN / f"{name}.json").read_bytes()) == expected


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(request=requests())
def test_a_request_written_as_json_reads_back_equal(twin, request):
    signal, body = request
    assert twin.json_to_proto(signal, twin.proto_to_json(signal, body), LIMITS) == body


def test_json_is_compact_with_camel_case_hex_ids_and_strings_for_large_numbers(twin):
    request = REQUESTS[Signal.LOGS]()
    record = request.resource_logs.add().scope_logs.add().log_records.add()
    record.trace_id, record.severity_number, record.time_unix_nano = b"\xab" * 16, 9, 2**63
    record.body.bytes_value = b"\xfb\xff"
    record.attributes.add(key="n").value.int_value = -5
    record.attributes.add(key="d").value.double_value = float("-inf")
    assert twin.proto_to_json(Signal.LOGS, request.SerializeToString()) == (
        b'{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"timeUnixNano":"9223372036854775808","severityNumber":9,'
        b'"body":{"bytesValue":"+/8="},"attributes":[{"key":"n","value":{"intValue":"-5"}},'
        b'{"key":"d","value":{"doubleValue":"-Infinity"}}],"traceId":"' + b"ab" * 16 + b'"}]}]}]}'
    )


@pytest.mark.parametrize("value", [1.5e18, "1500000000000000000", "1.5e18", 15 * 10**17, "0001500000000000000000"])
def test_times_are_numbers_or_strings_of_any_form(twin, value):
    assert log(twin, timeUnixNano=value).time_unix_nano == 15 * 10**17


@pytest.mark.parametrize("value", [17, "SEVERITY_NUMBER_ERROR", "17", 17.0])
def test_enums_are_numbers_or_names(twin, value):
    assert log(twin, severityNumber=value).severity_number == 17


@pytest.mark.parametrize("value", ["ABCDEF0123456789", "abcdef0123456789", "aBcDeF0123456789"])
def test_ids_are_hex_of_any_case(twin, value):
    assert log(twin, spanId=value).span_id == bytes.fromhex("abcdef0123456789")


@pytest.mark.parametrize("value", ["-_8", "+/8=", "-/8=", "+_8"])
def test_bytes_are_base64_of_either_alphabet(twin, value):
    assert log(twin, body={"bytesValue": value}).body.bytes_value == b"\xfb\xff"


def test_an_id_that_is_not_hex_rejects_its_span_alone(twin):
    spans = [{"traceId": "zz", "spanId": "01" * 8}, {"traceId": "ab" * 16, "spanId": "01" * 8}]
    document = json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]}).encode()
    scan = twin.scan(Signal.TRACES, twin.json_to_proto(Signal.TRACES, document, LIMITS), LIMITS)
    assert (scan.items, scan.rejected) == (1, 1)
    assert scan.message.endswith("got 1, or text that is not hex")


def test_null_is_absent_and_snake_case_stands_in(twin):
    record = log(twin, severityText=None, severity_text="warn", event_name="a", eventName="b", flags=None)
    assert (record.severity_text, record.event_name, record.flags) == ("warn", "b", 0)


def test_of_a_key_given_twice_the_last_one_counts(twin):
    assert read(twin, Signal.LOGS, b'{"resourceLogs": 1, "resourceLogs": []}') == REQUESTS[Signal.LOGS]()


def test_of_a_oneof_the_member_with_the_highest_number_counts(twin):
    point = number_point(twin, asInt="3", exemplars=[{}], asDouble=2.5)
    assert (point.WhichOneof("value"), point.as_int, len(point.exemplars)) == ("as_int", 3, 1)


def test_lists_stand_for_array_and_map_values(twin):
    value = log(twin, body={"arrayValue": [{"kvlistValue": [{"key": "k"}]}]}).body
    assert value.array_value.values[0].kvlist_value.values[0].key == "k"


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        (rb'"\ud800"', "\ufffd"),
        (rb'"\udc00\ud800x"', "\ufffd\ufffdx"),
        (rb'"\ud83d\ude00"', "\U0001f600"),
        (rb'"\ud83d\ud83d\ude00"', "\ufffd\U0001f600"),
        (b'"a\xff\xe2\x82b"', "a\ufffd\ufffdb"),
        (rb'"\\ud800\/\b\f\n\r\t\u00e9"', "\\ud800/\b\f\n\r\t\u00e9"),
    ],
)
def test_text_that_is_no_unicode_is_repaired(twin, text, meaning):
    document = b'{"resourceLogs": [{"schemaUrl": ' + text + b"}]}"
    assert read(twin, Signal.LOGS, document).resource_logs[0].schema_url == meaning


@pytest.mark.parametrize(
    ("fields", "place"),
    [
        ({"timeUnixNano": -1}, "timeUnixNano"),
        ({"timeUnixNano": 2**64}, "timeUnixNano"),
        ({"timeUnixNano": 0.5}, "timeUnixNano"),
        ({"timeUnixNano": " 1"}, "timeUnixNano"),
        ({"timeUnixNano": True}, "timeUnixNano"),
        ({"severityText": 1}, "severityText"),
        ({"severityNumber": "LOUD"}, "severityNumber"),
        ({"traceId": 1}, "traceId"),
        ({"attributes": {}}, "attributes"),
        ({"attributes": [None]}, "attributes[0]"),
        ({"attributes": [{}, {"value": {"doubleValue": "1e999"}}]}, "attributes[1].value.doubleValue"),
        ({"body": {"bytesValue": "a"}}, "body.bytesValue"),
        ({"body": {"arrayValue": {"values": [{"boolValue": "true"}]}}}, "body.arrayValue.values[0].boolValue"),
    ],
    ids=str,
)
def test_a_value_of_the_wrong_type_is_refused_and_its_place_is_told(twin, fields, place):
    with pytest.raises(Rejected) as caught:
        log(twin, **fields)
    assert caught.value.field == f"resourceLogs[0].scopeLogs[0].logRecords[0].{place}"


@pytest.mark.parametrize(
    "document", [b"", b"[]", b"1", b"null", b"{", b'{"a":1,}', b"\xef\xbb\xbf{}", b'{"a":01}', b'{"a":"\n"}', b"{}{}"]
)
def test_what_is_no_json_object_is_refused(twin, document):
    with pytest.raises(Rejected):
        twin.json_to_proto(Signal.LOGS, document, LIMITS)


def test_documents_and_values_nest_as_deep_as_their_limits(twin):
    def body(depth):
        value = {"stringValue": "x"}
        for _ in range(depth - 1):
            value = {"arrayValue": {"values": [value]}}
        return value

    log(twin, body=body(LIMITS.depth))
    with pytest.raises(Rejected):
        log(twin, body=body(LIMITS.depth + 1))
    read(twin, Signal.LOGS, b'{"x":' + b"[" * 1023 + b"]" * 1023 + b"}")
    with pytest.raises(Rejected):
        read(twin, Signal.LOGS, b'{"x":' + b"[" * 1024 + b"]" * 1024 + b"}")
