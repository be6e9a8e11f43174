"""otlp_grpc against a server that answers by a script: what is on the wire, and what each answer means."""

import asyncio
import base64
import gzip
import ssl
from pathlib import Path

import pytest
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import BadRequest, RetryInfo
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from collector.api import Fatal, Permanent, Retryable, Signal
from collector.testing import FakeClock, RecordingLog, RecordingMetrics, sample_batch, sample_request, settings
from exporters.otlp.factory import GRPC
from exporters.otlp.partial import PARTIAL_SUCCESS
from tests.live.certificates import Authority
from tests.live.otlp_exporter.exporting import exporting, failure, push, running
from tests.live.otlp_exporter.scripted import DROP, HANG, GrpcAnswer, GrpcSink

METHODS = {
    Signal.TRACES: "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
    Signal.METRICS: "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
    Signal.LOGS: "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
}


def message_of(call):
    """Return the message of a call, unpacked, and whether it was packed."""
    packed, body = call.body[0], call.body[5:]
    assert len(body) == int.from_bytes(call.body[1:5], "big")
    return (gzip.decompress(body) if packed else body), bool(packed)


@pytest.mark.parametrize("signal", list(Signal), ids=str)
@pytest.mark.parametrize(("compression", "packed"), [("gzip", True), ("none", False)])
async def test_the_bytes_of_a_batch_arrive_at_the_method_of_its_signal(grpc_sink, signal, compression, packed):
    async with exporting(GRPC, endpoint=grpc_sink.endpoint, compression=compression) as exporter:
        await push(exporter, sample_batch(signal, 100))
    (call,) = grpc_sink.calls
    assert (call.path, message_of(call)) == (METHODS[signal], (sample_request(signal, 100), packed))
    assert (call.headers["te"], call.headers["content-type"]) == ("trailers", "application/grpc")
    assert call.headers.get("grpc-encoding", "none") == ("gzip" if packed else "none")


async def test_headers_timeout_and_authority_are_sent(grpc_sink):
    config = {"headers": {"X-Tenant": "a", "authorization": "Bearer t"}, "authority": "gateway", "timeout": "7s"}
    async with exporting(GRPC, endpoint=grpc_sink.endpoint, **config) as exporter:
        await push(exporter, sample_batch(Signal.TRACES))
    headers = grpc_sink.calls[0].headers
    assert (headers["x-tenant"], headers["authorization"], headers[":authority"]) == ("a", "Bearer t", "gateway")
    assert 6 < int(headers["grpc-timeout"][:-1]) / {"m": 1000, "u": 1_000_000, "S": 1}[headers["grpc-timeout"][-1]] <= 7


def status_with(*details):
    status = Status(code=8, message="x")
    for detail in details:
        packed = AnyMessage()
        packed.Pack(detail)
        status.details.append(packed)
    return {"grpc-status-details-bin": _base64(status.SerializeToString())}


def _base64(data):
    return base64.b64encode(data).decode().rstrip("=")


def retry_info(seconds, nanos=0):
    return RetryInfo(retry_delay=Duration(seconds=seconds, nanos=nanos))


CODES = {
    1: ("CANCELLED", Retryable, None),
    2: ("UNKNOWN", Permanent, True),
    3: ("INVALID_ARGUMENT", Permanent, False),
    4: ("DEADLINE_EXCEEDED", Retryable, None),
    5: ("NOT_FOUND", Permanent, True),
    6: ("ALREADY_EXISTS", Permanent, True),
    7: ("PERMISSION_DENIED", Permanent, True),
    8: ("RESOURCE_EXHAUSTED", Permanent, False),
    9: ("FAILED_PRECONDITION", Permanent, True),
    10: ("ABORTED", Retryable, None),
    11: ("OUT_OF_RANGE", Retryable, None),
    12: ("UNIMPLEMENTED", Permanent, True),
    13: ("INTERNAL", Permanent, True),
    14: ("UNAVAILABLE", Retryable, None),
    15: ("DATA_LOSS", Retryable, None),
    16: ("UNAUTHENTICATED", Permanent, True),
}


@pytest.mark.parametrize(
    ("code", "expected"), [pytest.param(code, expected, id=expected[0]) for code, expected in CODES.items()]
)
async def test_every_code_means_what_the_specification_says(grpc_sink, code, expected):
    name, kind, whole = expected
    grpc_sink.answers.append(GrpcAnswer(code, "the server's words"))
    async with exporting(GRPC, endpoint=grpc_sink.endpoint) as exporter:
        error = await failure(exporter, sample_batch(Signal.TRACES))
    assert (type(error), str(error), error.kind) == (kind, f"{name}: the server's words", name.lower())
    assert getattr(error, "whole", None) is whole
    assert len(grpc_sink.calls) == 1


@pytest.mark.parametrize("code", [8, 14], ids=["RESOURCE_EXHAUSTED", "UNAVAILABLE"])
@pytest.mark.parametrize(
    ("details", "delay"),
    [
        pytest.param([retry_info(3, 500_000_000)], 3.5, id="alone"),
        pytest.param([BadRequest(), retry_info(2)], 2.0, id="behind another detail"),
        pytest.param([retry_info(10**9)], 3600.0, id="far too long"),
    ],
)
async def test_retry_info_makes_a_refusal_retryable_and_tells_when(grpc_sink, code, details, delay):
    grpc_sink.answers.append(GrpcAnswer(code, "later", trailers=status_with(*details)))
    async with exporting(GRPC, endpoint=grpc_sink.endpoint) as exporter:
        error = await failure(exporter, sample_batch(Signal.TRACES))
    assert (type(error), error.retry_after) == (Retryable, delay)


async def test_details_that_cannot_be_read_are_none(grpc_sink):
    grpc_sink.answers.append(GrpcAnswer(8, "x", trailers={"grpc-status-details-bin": _base64(b"\xff\xff")}))
    async with exporting(GRPC, endpoint=grpc_sink.endpoint) as exporter:
        assert type(await failure(exporter, sample_batch(Signal.TRACES))) is Permanent


async def test_a_partial_success_is_delivered_counted_and_logged(grpc_sink):
    partial = {"rejected_spans": 2, "error_message": "too old"}
    grpc_sink.answers.append(
        GrpcAnswer(message=ExportTraceServiceResponse(partial_success=partial).SerializeToString())
    )
    metrics, log = RecordingMetrics(), RecordingLog()
    async with exporting(GRPC, settings("otlp", metrics=metrics, log=log), endpoint=grpc_sink.endpoint) as exporter:
        await push(exporter, sample_batch(Signal.TRACES))
    assert metrics.value(PARTIAL_SUCCESS, exporter="otlp", signal="traces") == 2
    assert [(line[0], line[2]["items"], line[2]["reason"]) for line in log.lines] == [("warning", 2, "too old")]


async def test_an_answer_that_cannot_be_read_is_a_success(grpc_sink):
    grpc_sink.answers.append(GrpcAnswer(message=b"\xff\xff\xff"))
    async with exporting(GRPC, endpoint=grpc_sink.endpoint) as exporter:
        await push(exporter, sample_batch(Signal.TRACES))
    assert len(grpc_sink.calls) == 1


async def test_a_connection_that_ends_within_a_call_is_retryable_and_the_next_call_connects_anew(grpc_sink):
    grpc_sink.answers.append(DROP)
    async with exporting(GRPC, endpoint=grpc_sink.endpoint) as exporter:
        error = await failure(exporter, sample_batch(Signal.TRACES))
        assert (type(error), error.kind) == (Retryable, "unavailable")
        async with asyncio.timeout(10):
            while await failure(exporter, sample_batch(Signal.TRACES)):
                """The channel has not noticed yet that its connection is gone."""
    assert len({call.client for call in grpc_sink.calls}) == 2


async def test_a_server_that_does_not_answer_in_time_is_retryable(grpc_sink):
    grpc_sink.answers.append(HANG)
    async with exporting(GRPC, endpoint=grpc_sink.endpoint, timeout="200ms") as exporter:
        error = await failure(exporter, sample_batch(Signal.TRACES))
    assert (type(error), error.kind) == (Retryable, "deadline_exceeded")


async def test_a_server_that_is_not_there_is_retryable_and_found_when_it_comes():
    sink = GrpcSink()
    async with running(sink):
        pass
    async with exporting(GRPC, endpoint=sink.endpoint) as exporter:
        error = await failure(exporter, sample_batch(Signal.TRACES))
        assert (type(error), error.kind) == (Retryable, "unavailable")
    async with running(sink), exporting(GRPC, endpoint=sink.endpoint, wait_for_ready=True, timeout="10s") as exporter:
        await push(exporter, sample_batch(Signal.TRACES))
        assert len(sink.calls) == 1


# Several endpoints take turns; one that fails is passed over at once.
async def test_requests_take_turns_over_several_endpoints(grpc_sink):
    async with running(GrpcSink()) as other:
        async with exporting(GRPC, endpoint=f"{grpc_sink.endpoint}, {other.endpoint}") as exporter:
            for _ in range(6):
                await push(exporter, sample_batch(Signal.TRACES))
        assert (len(grpc_sink.calls), len(other.calls)) == (3, 3)


@pytest.mark.parametrize("trouble", [GrpcAnswer(14, "busy"), DROP], ids=["busy", "gone"])
async def test_another_endpoint_takes_over_at_once_and_the_first_rests_for_a_while(grpc_sink, trouble):
    clock = FakeClock()
    async with running(GrpcSink()) as other:
        grpc_sink.answers.append(trouble)
        endpoints = f"{grpc_sink.endpoint},{other.endpoint}"
        async with exporting(GRPC, settings("otlp", clock=clock), endpoint=endpoints) as exporter:
            for _ in range(4):
                await push(exporter, sample_batch(Signal.TRACES))
            assert (len(grpc_sink.calls), len(other.calls)) == (1, 4)
            await clock.advance(5)
            for _ in range(2):
                await push(exporter, sample_batch(Signal.TRACES))
            assert (len(grpc_sink.calls), len(other.calls)) == (2, 5)


async def test_when_no_endpoint_takes_it_the_push_fails_after_each_was_asked_once(grpc_sink):
    async with running(GrpcSink()) as other:
        grpc_sink.default = other.default = GrpcAnswer(14, "busy")
        async with exporting(GRPC, endpoint=f"{grpc_sink.endpoint},{other.endpoint}") as exporter:
            assert type(await failure(exporter, sample_batch(Signal.TRACES))) is Retryable
        assert (len(grpc_sink.calls), len(other.calls)) == (1, 1)


async def test_a_refusal_for_good_is_not_shown_to_other_endpoints(grpc_sink):
    async with running(GrpcSink()) as other:
        grpc_sink.answers.append(GrpcAnswer(3, "bad"))
        async with exporting(GRPC, endpoint=f"{grpc_sink.endpoint},{other.endpoint}") as exporter:
            assert type(await failure(exporter, sample_batch(Signal.TRACES))) is Permanent
        assert (len(grpc_sink.calls), len(other.calls)) == (1, 0)


def server_context(authority, *, clients=False):
    pair = authority.pair("server")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pair["cert_file"], pair["key_file"])
    context.set_alpn_protocols(["h2"])
    if clients:
        context.load_verify_locations(authority.ca)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


async def test_the_server_is_verified(tmp_path):
    authority = Authority(tmp_path)
    async with running(GrpcSink(server_context(authority))) as sink:
        for tls in ({"ca_file": str(authority.ca)}, {"ca_pem": authority.ca.read_text()}):
            async with exporting(GRPC, endpoint=sink.endpoint, tls=tls) as exporter:
                await push(exporter, sample_batch(Signal.TRACES))
        async with exporting(GRPC, endpoint=sink.endpoint) as exporter:
            assert type(await failure(exporter, sample_batch(Signal.TRACES))) is Retryable
        assert len(sink.calls) == 2


async def test_the_exporter_shows_its_certificate(tmp_path):
    authority = Authority(tmp_path)
    tls = {"ca_file": str(authority.ca), **authority.pair("client")}
    async with running(GrpcSink(server_context(authority, clients=True))) as sink:
        async with exporting(GRPC, endpoint=sink.endpoint, tls=tls) as exporter:
            await push(exporter, sample_batch(Signal.TRACES))
        async with exporting(GRPC, endpoint=sink.endpoint, tls={"ca_file": str(authority.ca)}) as exporter:
            assert type(await failure(exporter, sample_batch(Signal.TRACES))) is Retryable
        assert len(sink.calls) == 1


async def test_a_certificate_that_cannot_be_read_is_an_error_at_start(tmp_path):
    missing = str(Path(tmp_path, "missing.pem"))
    with pytest.raises(Fatal, match=r"tls: .*missing\.pem"):
        async with exporting(GRPC, endpoint="localhost:1", tls={"ca_file": missing}):
            pytest.fail("it started")
