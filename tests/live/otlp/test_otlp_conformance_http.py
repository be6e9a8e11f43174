"""OTLP over HTTP, one row a rule of the specification (the comment of each table names it)."""

import gzip
import json
import zlib
from dataclasses import dataclass, field

import cramjam
import lz4.frame
import pytest
from google.protobuf import json_format
from google.rpc.error_details_pb2 import BadRequest, RetryInfo
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest, ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from collector.api import Overloaded, Rejected, Signal, TooLarge
from collector.receivers.inflate import zstd
from collector.testing import RecordingConsumer, sample_request

PROTO, JSON = "application/x-protobuf", "application/json"
RESPONSES = {
    Signal.TRACES: ExportTraceServiceResponse,
    Signal.METRICS: ExportMetricsServiceResponse,
    Signal.LOGS: ExportLogsServiceResponse,
}
SIGNALS = [pytest.param(signal, id=signal.value) for signal in Signal]
TYPES = [pytest.param(PROTO, id="protobuf"), pytest.param(JSON, id="JSON")]
EMPTY = {PROTO: b"", JSON: b"{}"}


def status_of(answer, media):
    """Return the google.rpc.Status of an answer, which must be in the request's encoding."""
    assert answer.headers["content-type"] == media
    if media == PROTO:
        return Status.FromString(answer.content)
    return json_format.Parse(answer.content, Status())


def response_of(signal, answer, media):
    if media == PROTO:
        return RESPONSES[signal].FromString(answer.content)
    return json_format.Parse(answer.content, RESPONSES[signal]())


def as_json(signal, request):
    from collector.wire.codec import codec

    return codec().to_json(signal, request)


def body_of(signal, media, items=3):
    request = sample_request(signal, items)
    return request if media == PROTO else as_json(signal, request)


@pytest.mark.parametrize("media", TYPES)
@pytest.mark.parametrize("signal", SIGNALS)
async def test_a_full_success_is_an_empty_response_of_the_requests_type(otlp, signal, media):
    async with otlp.client() as client:
        answer = await client.post(f"/v1/{signal}", content=body_of(signal, media), headers={"content-type": media})
    assert (answer.status_code, answer.headers["content-type"], answer.content) == (200, media, EMPTY[media])
    assert [batch.otlp for batch in otlp.consumers[signal].batches] == [sample_request(signal)]
    assert otlp.items("http", signal) == (3, 0, 0)
    assert otlp.requests("http", "success") == 1


@pytest.mark.parametrize("media", TYPES)
@pytest.mark.parametrize("signal", SIGNALS)
async def test_an_empty_request_succeeds_without_reaching_a_pipeline(otlp, signal, media):
    async with otlp.client() as client:
        answer = await client.post(f"/v1/{signal}", content=EMPTY[media], headers={"content-type": media})
    assert (answer.status_code, answer.content) == (200, EMPTY[media])
    assert otlp.consumers[signal].batches == []


def bare_deflate(body):
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(body) + packer.flush()


# Compression: none and gzip are mandatory; the rest are the names that the OpenTelemetry Collector has.
ENCODED = [
    pytest.param("identity", lambda body: body, id="identity"),
    pytest.param("gzip", gzip.compress, id="gzip"),
    pytest.param("GZIP", gzip.compress, id="gzip in capitals"),
    pytest.param("zstd", zstd.compress, id="zstd"),
    pytest.param("zlib", zlib.compress, id="zlib"),
    pytest.param("deflate", zlib.compress, id="deflate"),
    pytest.param("deflate", bare_deflate, id="bare deflate"),
    pytest.param("snappy", lambda body: bytes(cramjam.snappy.compress_raw(body)), id="snappy"),
    pytest.param("snappy", lambda body: bytes(cramjam.snappy.compress(body)), id="framed under the name snappy"),
    pytest.param("x-snappy-framed", lambda body: bytes(cramjam.snappy.compress(body)), id="x-snappy-framed"),
    pytest.param("lz4", lz4.frame.compress, id="lz4"),
]


@pytest.mark.parametrize("items", [pytest.param(3, id="small"), pytest.param(400, id="large")])
@pytest.mark.parametrize("media", TYPES)
@pytest.mark.parametrize(("encoding", "pack"), ENCODED)
async def test_a_compressed_request_is_taken(otlp, encoding, pack, media, items):
    body = pack(body_of(Signal.LOGS, media, items))
    async with otlp.client() as client:
        answer = await client.post(
            "/v1/logs", content=body, headers={"content-type": media, "content-encoding": encoding}
        )
    assert (answer.status_code, answer.content) == (200, EMPTY[media])
    assert [batch.otlp for batch in otlp.consumers[Signal.LOGS].batches] == [sample_request(Signal.LOGS, items)]


@dataclass
class Refused:
    """A request that is refused, and how."""

    status: int
    code: int
    message: str
    method: str = "POST"
    path: str = "/v1/traces"
    body: bytes = b"\xff\xff\xff"
    headers: dict[str, str] = field(default_factory=dict)
    answer: dict[str, str] = field(default_factory=dict)


TOO_LARGE = bytes(2000)
# Every 4xx and 5xx has a google.rpc.Status in the request's encoding.
REFUSED = [
    pytest.param(Refused(400, 3, ""), id="400: what cannot be decoded"),
    pytest.param(
        Refused(400, 3, "the body is not valid gzip", headers={"content-encoding": "gzip"}), id="400: bad compression"
    ),
    pytest.param(Refused(404, 12, "nothing takes requests", path="/v1/unknown"), id="404: unknown path"),
    pytest.param(Refused(404, 12, "nothing takes requests", path="/v1development/profiles"), id="404: no profiles"),
    pytest.param(Refused(405, 12, "are POST", method="GET", body=b"", answer={"allow": "POST"}), id="405: GET"),
    pytest.param(Refused(405, 12, "are POST", method="PUT", answer={"allow": "POST"}), id="405: PUT"),
    pytest.param(Refused(413, 8, "larger than the 1000 bytes accepted", body=TOO_LARGE), id="413: too large"),
    pytest.param(
        Refused(
            413,
            8,
            "larger than the 1000 bytes accepted once it is decompressed",
            body=gzip.compress(bytes(100_000)),
            headers={"content-encoding": "gzip"},
        ),
        id="413: too large once decompressed",
    ),
    pytest.param(
        Refused(
            415,
            3,
            "Content-Encoding must be none or one of gzip, ",
            headers={"content-encoding": "br"},
            answer={"accept-encoding": "gzip, zlib, deflate, zstd, lz4, snappy, x-snappy-framed"},
        ),
        id="415: unknown encoding",
    ),
    pytest.param(
        Refused(415, 3, "Content-Encoding must be", headers={"content-encoding": "gzip, gzip"}), id="415: two encodings"
    ),
]


@pytest.mark.parametrize("media", TYPES)
@pytest.mark.parametrize("row", REFUSED)
async def test_a_refusal_has_its_status_and_its_reason_in_the_requests_encoding(start_otlp, row, media):
    async with start_otlp(http={"max_request_body_size": 1000}) as otlp, otlp.client() as client:
        headers = {"content-type": media, **row.headers}
        answer = await client.request(row.method, row.path, content=row.body, headers=headers)
        status = status_of(answer, media)
        assert (answer.status_code, status.code) == (row.status, row.code)
        assert status.message
        assert row.message in status.message
        assert {name: answer.headers.get(name) for name in row.answer} == row.answer
        assert "retry-after" not in answer.headers
        assert otlp.requests("http", "refused") == 1
        good = await client.post("/v1/traces", content=EMPTY[media], headers={"content-type": media})
        assert good.status_code == 200


@pytest.mark.parametrize(
    "content_type",
    [
        pytest.param("text/plain", id="another type"),
        pytest.param("application/grpc", id="gRPC"),
        pytest.param("", id="no characters"),
        pytest.param(None, id="no header"),
    ],
)
async def test_a_type_that_is_not_understood_is_415_with_a_status_in_json(otlp, content_type):
    headers = {} if content_type is None else {"content-type": content_type}
    async with otlp.client() as client:
        answer = await client.post("/v1/traces", content=b"", headers=headers)
    assert answer.status_code == 415
    assert status_of(answer, JSON).message == "Content-Type must be one of application/x-protobuf, application/json"
    assert answer.headers["accept"] == "application/x-protobuf, application/json"


@pytest.mark.parametrize(
    ("content_type", "media"),
    [
        pytest.param("application/json; charset=utf-8", JSON, id="charset"),
        pytest.param("Application/JSON", JSON, id="capitals"),
        pytest.param("application/x-protobuf ;messageType=x", PROTO, id="blanks"),
    ],
)
async def test_parameters_and_case_of_the_type_do_not_matter(otlp, content_type, media):
    async with otlp.client() as client:
        answer = await client.post("/v1/traces", content=EMPTY[media], headers={"content-type": content_type})
    assert (answer.status_code, answer.headers["content-type"]) == (200, media)


async def test_a_signal_that_no_pipeline_takes_is_not_found(start_otlp):
    async with start_otlp(consumers={Signal.TRACES: RecordingConsumer()}) as otlp, otlp.client() as client:
        answer = await client.post("/v1/logs", content=b"{}", headers={"content-type": JSON})
        assert (answer.status_code, status_of(answer, JSON).code) == (404, 12)


# What the pipeline says, as clients must read it: only 429, 502, 503 and 504 are tried again.
VERDICTS = [
    pytest.param(Overloaded("the log is full", 2.0), (503, 14, "the log is full", "2"), id="overloaded"),
    pytest.param(Overloaded("the log is full", 1.2), (503, 14, "the log is full", "2"), id="whole seconds"),
    pytest.param(Overloaded("the log is full", 0.0), (503, 14, "the log is full", "1"), id="never 0 seconds"),
    pytest.param(Rejected("no such tenant", "resource"), (400, 3, "no such tenant", None), id="rejected"),
    pytest.param(TooLarge("too many spans"), (413, 8, "too many spans", None), id="too large"),
    pytest.param(
        ValueError("SECRET"), (500, 13, "internal error; the server's log says more", None), id="our own fault"
    ),
]


@pytest.mark.parametrize("media", TYPES)
@pytest.mark.parametrize(("error", "verdict"), VERDICTS)
async def test_the_pipelines_refusal_reaches_the_client(start_otlp, error, verdict, media):
    status, code, message, retry_after = verdict
    consumers = {Signal.TRACES: RecordingConsumer([error])}
    async with start_otlp(consumers=consumers) as otlp, otlp.client() as client:
        body, headers = body_of(Signal.TRACES, media), {"content-type": media}
        answer = await client.post("/v1/traces", content=body, headers=headers)
        again = await client.post("/v1/traces", content=body, headers=headers)
    told = status_of(answer, media)
    assert (answer.status_code, told.code, told.message) == (status, code, message)
    assert answer.headers.get("retry-after") == retry_after
    assert again.status_code == 200
    fault = status == 500
    assert otlp.items("http", Signal.TRACES) == ((3, 0, 3) if fault else (3, 3, 0))
    assert otlp.requests("http", "failure" if fault else "refused") == 1
    assert "SECRET" not in str(otlp.log.lines)


async def test_details_name_the_field_and_the_delay(start_otlp):
    errors = [Rejected("no such tenant", "resource"), Overloaded("full", 1.5)]
    async with start_otlp(consumers={Signal.TRACES: RecordingConsumer(errors)}) as otlp, otlp.client() as client:
        for media in (PROTO, JSON):
            otlp.consumers[Signal.TRACES].errors.extend(errors if media == JSON else [])
            body, headers = body_of(Signal.TRACES, media), {"content-type": media}
            bad, delay = BadRequest(), RetryInfo()
            told = status_of(await client.post("/v1/traces", content=body, headers=headers), media)
            assert told.details[0].Unpack(bad)
            assert [(v.field, v.description) for v in bad.field_violations] == [("resource", "no such tenant")]
            told = status_of(await client.post("/v1/traces", content=body, headers=headers), media)
            assert told.details[0].Unpack(delay)
            assert (delay.retry_delay.seconds, delay.retry_delay.nanos) == (1, 500_000_000)


def partly_bad_traces():
    request = ExportTraceServiceRequest.FromString(sample_request(Signal.TRACES, 3))
    request.resource_spans[0].scope_spans[0].spans[1].trace_id = b"short"
    return request


@pytest.mark.parametrize("media", TYPES)
async def test_rejected_items_are_counted_in_a_partial_success_and_the_rest_is_kept(otlp, media):
    body = partly_bad_traces().SerializeToString()
    body = body if media == PROTO else as_json(Signal.TRACES, body)
    async with otlp.client() as client:
        answer = await client.post("/v1/traces", content=body, headers={"content-type": media})
    partial = response_of(Signal.TRACES, answer, media).partial_success
    assert (answer.status_code, partial.rejected_spans) == (200, 1)
    assert partial.error_message.startswith("span 1: trace_id must be 16 bytes that are not all zero")
    assert [batch.items for batch in otlp.consumers[Signal.TRACES].batches] == [2]
    assert otlp.items("http", Signal.TRACES) == (2, 0, 0)


async def test_a_request_whose_items_are_all_rejected_is_a_success_of_nothing(otlp):
    request = partly_bad_traces()
    for span in request.resource_spans[0].scope_spans[0].spans:
        span.span_id = bytes(8)
    async with otlp.client() as client:
        body = request.SerializeToString()
        answer = await client.post("/v1/traces", content=body, headers={"content-type": PROTO})
    assert response_of(Signal.TRACES, answer, PROTO).partial_success.rejected_spans == 3
    assert otlp.consumers[Signal.TRACES].batches == []


@pytest.mark.parametrize("media", TYPES)
async def test_lossy_input_is_taken_with_a_warning_and_no_rejected_items(otlp, media):
    request = ExportLogsServiceRequest.FromString(sample_request(Signal.LOGS, 1))
    record = request.resource_logs[0].scope_logs[0].log_records[0]
    record.attributes.append(record.attributes[0])
    body = request.SerializeToString() if media == PROTO else json_format.MessageToJson(request).encode()
    async with otlp.client() as client:
        answer = await client.post("/v1/logs", content=body, headers={"content-type": media})
    partial = response_of(Signal.LOGS, answer, media).partial_success
    assert (answer.status_code, partial.rejected_log_records) == (200, 0)
    assert "1 attributes had a key that came again; the last one was kept" in partial.error_message
    assert otlp.consumers[Signal.LOGS].items == 1


async def test_a_string_that_is_not_utf8_is_replaced_and_told(otlp):
    body = sample_request(Signal.LOGS, 1).replace(b"order 0 placed", b"order \xff placed")
    async with otlp.client() as client:
        answer = await client.post("/v1/logs", content=body, headers={"content-type": PROTO})
    partial = response_of(Signal.LOGS, answer, PROTO).partial_success
    assert "1 strings were not UTF-8" in partial.error_message
    assert otlp.consumers[Signal.LOGS].items == 1


SPAN = {"traceId": "5B8EFFF798038103D269B633813FC60C", "spanId": "EEE19B7EC3C1B174", "name": "s", "kind": 2}


def span_json(**fields):
    return json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [{**SPAN, **fields}]}]}]}).encode()


# JSON: hex ids of any case, integers as text or number, enums by name, unknown fields and null ignored.
JSON_ROWS = [
    pytest.param({}, id="upper case hex"),
    pytest.param({"traceId": SPAN["traceId"].lower(), "spanId": "eee19B7EC3c1b174"}, id="lower and mixed case hex"),
    pytest.param({"startTimeUnixNano": "1544712660000000000"}, id="integers as text"),
    pytest.param({"startTimeUnixNano": 1544712660000000000}, id="integers as numbers"),
    pytest.param({"startTimeUnixNano": 1.5e18}, id="integers with an exponent"),
    pytest.param({"kind": "SPAN_KIND_SERVER"}, id="enums by name"),
    pytest.param({"unheardOf": {"a": [1]}}, id="unknown fields"),
    pytest.param({"parentSpanId": None, "attributes": None, "startTimeUnixNano": None}, id="null is absent"),
    pytest.param({"parentSpanId": ""}, id="an empty id is none"),
    pytest.param({"start_time_unix_nano": "1544712660000000000"}, id="snake case"),
]


@pytest.mark.parametrize("fields", JSON_ROWS)
async def test_json_is_read_as_otlp_says(otlp, fields):
    async with otlp.client() as client:
        answer = await client.post("/v1/traces", content=span_json(**fields), headers={"content-type": JSON})
    assert (answer.status_code, answer.content) == (200, b"{}")
    sent = ExportTraceServiceRequest.FromString(otlp.consumers[Signal.TRACES].batches[0].otlp)
    span = sent.resource_spans[0].scope_spans[0].spans[0]
    assert (span.trace_id.hex().upper(), span.span_id.hex().upper(), span.kind) == (SPAN["traceId"], SPAN["spanId"], 2)


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"traceId": "5B8EFFF7"}, id="short"),
        pytest.param({"traceId": "W47/95gDgQPSabYzgT/GDA=="}, id="base64"),
        pytest.param({"spanId": "0000000000000000"}, id="zeros"),
    ],
)
async def test_a_span_with_a_wrong_id_is_rejected_alone(otlp, fields):
    async with otlp.client() as client:
        answer = await client.post("/v1/traces", content=span_json(**fields), headers={"content-type": JSON})
    assert answer.status_code == 200
    assert answer.json()["partialSuccess"]["rejectedSpans"] == "1"


@pytest.mark.parametrize("body", [b"[]", b"", b"nul", b'{"resourceSpans":[{"scopeSpans":7}]}', b'{"resourceSpans":['])
async def test_json_that_is_no_request_is_400(otlp, body):
    async with otlp.client() as client:
        answer = await client.post("/v1/traces", content=body, headers={"content-type": JSON})
    assert (answer.status_code, status_of(answer, JSON).code) == (400, 3)


async def test_paths_are_configurable(start_otlp):
    async with start_otlp(http={"traces_url_path": "in/spans"}) as otlp, otlp.client() as client:
        assert (await client.post("/in/spans", content=b"", headers={"content-type": PROTO})).status_code == 200
        assert (await client.post("/v1/traces", content=b"", headers={"content-type": PROTO})).status_code == 404


async def test_headers_are_kept_for_processors_where_that_is_asked_for(start_otlp):
    headers = [("content-type", PROTO), ("X-Tenant", "a"), ("x-tenant", "b")]
    body = sample_request(Signal.TRACES)
    async with start_otlp(http={"include_metadata": True}) as otlp, otlp.client() as client:
        await client.post("/v1/traces", content=body, headers=headers)
        kept = otlp.consumers[Signal.TRACES].batches[0].context.metadata
    assert (kept["x-tenant"], kept["content-type"]) == (("a", "b"), (PROTO,))


async def test_headers_are_not_kept_otherwise(otlp):
    async with otlp.client() as client:
        body, headers = sample_request(Signal.TRACES), {"content-type": PROTO, "x-tenant": "a"}
        await client.post("/v1/traces", content=body, headers=headers)
    assert dict(otlp.consumers[Signal.TRACES].batches[0].context.metadata) == {}


async def test_response_headers_are_on_every_answer(start_otlp):
    async with start_otlp(http={"response_headers": {"X-Served-By": "ottery"}}) as otlp, otlp.client() as client:
        good = await client.post("/v1/traces", content=b"", headers={"content-type": PROTO})
        bad = await client.get("/")
        assert (good.headers["x-served-by"], bad.headers["x-served-by"]) == ("ottery", "ottery")


@pytest.mark.parametrize(
    ("enabled", "connection"), [pytest.param(True, None, id="kept"), pytest.param(False, "close", id="closed")]
)
async def test_connections_are_kept_or_closed_as_configured(start_otlp, enabled, connection):
    async with start_otlp(http={"keep_alives_enabled": enabled}) as otlp, otlp.client() as client:
        answer = await client.post("/v1/traces", content=b"", headers={"content-type": PROTO})
        assert (answer.status_code, answer.headers.get("connection")) == (200, connection)


async def test_encodings_can_be_restricted(start_otlp):
    headers = {"content-type": PROTO, "content-encoding": "zstd"}
    async with start_otlp(http={"compression_algorithms": ["", "gzip"]}) as otlp, otlp.client() as client:
        answer = await client.post("/v1/traces", content=zstd.compress(b"x"), headers=headers)
        assert (answer.status_code, answer.headers["accept-encoding"]) == (415, "gzip")


# Size: 64 MiB unless configured, before and after decompression.
@pytest.mark.parametrize("encoding", ["identity", "gzip"])
async def test_a_body_of_64_mebibytes_is_read_and_a_larger_one_is_413(otlp, encoding):
    pack = (lambda body: gzip.compress(body, 1)) if encoding == "gzip" else bytes
    headers = {"content-type": PROTO, "content-encoding": encoding}
    async with otlp.client() as client:
        read = await client.post("/v1/traces", content=pack(b"\xff" * (64 << 20)), headers=headers)
        refused = await client.post("/v1/traces", content=pack(b"\xff" * ((64 << 20) + 1)), headers=headers)
    assert (read.status_code, refused.status_code) == (400, 413)
