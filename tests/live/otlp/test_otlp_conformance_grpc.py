"""OTLP over gRPC, one row a rule of the specification (the comment of each table names it)."""

import asyncio
import gzip
import zlib

import cramjam
import grpc
import httpx2
import pytest
import snappy
from google.rpc.error_details_pb2 import BadRequest, RetryInfo
from google.rpc.status_pb2 import Status
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from h2.events import RemoteSettingsChanged
from h2.settings import SettingCodes
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest, ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from collector.api import Overloaded, Rejected, Signal, TooLarge
from collector.receivers.inflate import zstd
from collector.testing import RecordingConsumer, sample_request
from tests.live.otlp.frames import grpc_message, http2

METHODS = {
    Signal.TRACES: "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
    Signal.METRICS: "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
    Signal.LOGS: "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
}
RESPONSES = {
    Signal.TRACES: ExportTraceServiceResponse,
    Signal.METRICS: ExportMetricsServiceResponse,
    Signal.LOGS: ExportLogsServiceResponse,
}
SIGNALS = [pytest.param(signal, id=signal.value) for signal in Signal]
MEBIBYTE = 1 << 20


def framed_snappy(data):
    return bytes(cramjam.snappy.compress(data))


class StuckConsumer:
    """Keeps a batch until it is cancelled."""

    def __init__(self):
        self.reached, self.cancelled = asyncio.Event(), asyncio.Event()

    async def __call__(self, batch):
        self.reached.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.cancelled.set()


async def export(channel, signal, body, **options):
    """Send bytes and return the bytes of the answer."""
    return await channel.unary_unary(METHODS[signal])(body, **options)


async def refusal(channel, signal, body, **options):
    """Send bytes that are refused and return the error, its Status and its trailers."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await export(channel, signal, body, **options)
    trailers = dict(caught.value.trailing_metadata())
    return caught.value, Status.FromString(trailers.get("grpc-status-details-bin", b"")), trailers


@pytest.mark.parametrize("signal", SIGNALS)
async def test_a_full_success_is_an_empty_response(otlp, signal):
    async with otlp.channel() as channel:
        assert await export(channel, signal, sample_request(signal)) == b""
    assert [batch.otlp for batch in otlp.consumers[signal].batches] == [sample_request(signal)]
    assert otlp.items("grpc", signal) == (3, 0, 0)
    assert otlp.requests("grpc", "success") == 1


@pytest.mark.parametrize("signal", SIGNALS)
async def test_an_empty_request_succeeds_without_reaching_a_pipeline(otlp, signal):
    async with otlp.channel() as channel:
        assert await export(channel, signal, b"") == b""
    assert otlp.consumers[signal].batches == []


# Compression: none and gzip are mandatory, others are what Collectors can be told to use.
@pytest.mark.parametrize("items", [pytest.param(3, id="small"), pytest.param(400, id="large")])
@pytest.mark.parametrize("compression", list(grpc.Compression), ids=lambda compression: compression.name)
async def test_a_compressed_request_is_taken(otlp, compression, items):
    request = sample_request(Signal.LOGS, items)
    async with otlp.channel(compression=compression) as channel:
        assert await export(channel, Signal.LOGS, request) == b""
    assert [batch.otlp for batch in otlp.consumers[Signal.LOGS].batches] == [request]


@pytest.mark.parametrize(
    ("encoding", "pack"),
    [
        pytest.param("identity", bytes, id="identity"),
        pytest.param("gzip", gzip.compress, id="gzip"),
        pytest.param("deflate", zlib.compress, id="deflate"),
        pytest.param("zstd", zstd.compress, id="zstd"),
        pytest.param("snappy", snappy.compress, id="snappy"),
        pytest.param("snappy", framed_snappy, id="snappy in frames"),
    ],
)
async def test_other_libraries_compression_is_understood(otlp, encoding, pack):
    message = grpc_message(pack(sample_request(Signal.TRACES)), compressed=encoding != "identity")
    async with http2(otlp.grpc_target) as client:
        answer = await client.call(message, grpc_encoding=encoding)
    assert (answer[":status"], answer["grpc-status"]) == ("200", "0")
    assert otlp.consumers[Signal.TRACES].items == 3


async def test_an_encoding_that_nobody_knows_is_refused_with_those_that_are_known(otlp):
    async with http2(otlp.grpc_target) as client:
        answer = await client.call(grpc_message(b"packed", compressed=True), grpc_encoding="br")
        again = await client.call(grpc_message(sample_request(Signal.TRACES)))
    assert (answer["grpc-status"], again["grpc-status"]) == ("12", "0")
    assert answer["grpc-accept-encoding"] == "identity,gzip,deflate,zstd,snappy"
    assert answer["grpc-message"] == "grpc-encoding must be none or one of gzip, deflate, zstd, snappy"
    assert otlp.consumers[Signal.TRACES].items == 3


# Requests that are none of gRPC have a status of HTTP.
@pytest.mark.parametrize(
    ("change", "status"),
    [
        pytest.param({":method": "GET"}, "405", id="method"),
        pytest.param({"content-type": "application/json"}, "415", id="content type"),
        pytest.param({"content-type": "application/grpc-web+proto"}, "415", id="gRPC-Web"),
    ],
)
async def test_a_request_that_is_none_of_grpc_has_a_status_of_http(otlp, change, status):
    async with http2(otlp.grpc_target) as client:
        answer = await client.call(b"", change=change)
        assert answer[":status"] == status
        assert (await client.call(grpc_message(b"")))["grpc-status"] == "0"


async def test_a_client_of_http_1_is_told_which_port_this_is(otlp):
    host, _, port = otlp.grpc_target.rpartition(":")
    async with httpx2.AsyncClient(trust_env=False) as client:
        answer = await client.post(f"http://{host}:{port}/v1/traces", content=b"")
    assert (answer.status_code, "this port speaks gRPC" in answer.text) == (400, True)


# Deadlines and cancellation: who gives up leaves nothing behind.
@pytest.mark.parametrize("left", ["200m", "0n"], ids=["soon", "passed before it came"])
async def test_a_call_whose_deadline_passes_is_answered_so(start_otlp, left):
    consumer = StuckConsumer()
    async with start_otlp(consumers={Signal.TRACES: consumer}) as otlp, http2(otlp.grpc_target) as client:
        answer = await client.call(grpc_message(sample_request(Signal.TRACES)), grpc_timeout=left)
        assert (answer["grpc-status"], answer["grpc-message"]) == ("4", "the deadline of the call has passed")
        if consumer.reached.is_set():
            await asyncio.wait_for(consumer.cancelled.wait(), 10)
        assert otlp.requests("grpc", "refused") == 1


@pytest.mark.parametrize("given", ["1", "S", "-1S", "123456789S", "1x", ""])
async def test_a_timeout_that_is_none_is_refused(otlp, given):
    async with http2(otlp.grpc_target) as client:
        answer = await client.call(grpc_message(b""), grpc_timeout=given)
        assert (answer["grpc-status"], answer["grpc-message"][:12]) == ("3", "grpc-timeout")


async def test_a_call_that_its_client_gives_up_is_not_gone_on_with(start_otlp):
    consumer = StuckConsumer()
    async with start_otlp(consumers={Signal.TRACES: consumer}) as otlp, otlp.channel() as channel:
        call = channel.unary_unary(METHODS[Signal.TRACES])(sample_request(Signal.TRACES))
        await asyncio.wait_for(consumer.reached.wait(), 10)
        call.cancel()
        await asyncio.wait_for(consumer.cancelled.wait(), 10)


# Size: RESOURCE_EXHAUSTED without RetryInfo, before and after decompression.
@pytest.mark.parametrize("compression", [grpc.Compression.NoCompression, grpc.Compression.Gzip], ids=["plain", "bomb"])
async def test_a_request_over_the_limit_is_resource_exhausted_for_good(start_otlp, compression):
    async with start_otlp(grpc={"max_recv_msg_size_mib": 1}) as otlp, otlp.channel(compression=compression) as channel:
        error, status, trailers = await refusal(channel, Signal.TRACES, bytes(MEBIBYTE + 1))
        assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert (list(status.details), "google.rpc.retryinfo-bin" in trailers) == ([], False)
        assert await export(channel, Signal.TRACES, sample_request(Signal.TRACES)) == b""


async def test_a_request_of_64_mebibytes_is_read(otlp):
    async with otlp.channel(options=[("grpc.max_send_message_length", -1)]) as channel:
        error, _, _ = await refusal(channel, Signal.TRACES, b"\xff" * (64 * MEBIBYTE))
        assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
        error, _, _ = await refusal(channel, Signal.TRACES, b"\xff" * (64 * MEBIBYTE + 1))
        assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_what_cannot_be_decoded_is_invalid_argument_with_the_reason(otlp):
    async with otlp.channel() as channel:
        error, status, trailers = await refusal(channel, Signal.TRACES, b"\xff\xff\xff")
    bad = BadRequest()
    assert (error.code(), status.code) == (grpc.StatusCode.INVALID_ARGUMENT, 3)
    assert status.details[0].Unpack(bad)
    assert [violation.description for violation in bad.field_violations] == [error.details()] == [status.message]
    assert "google.rpc.retryinfo-bin" not in trailers
    assert otlp.requests("grpc", "refused") == 1


# What the pipeline says. Only UNAVAILABLE is tried again, and the delay travels twice: for the specification and for
# the Python SDK.
VERDICTS = [
    pytest.param(Overloaded("the log is full", 2.5), (grpc.StatusCode.UNAVAILABLE, "the log is full", 2.5), id="full"),
    pytest.param(Overloaded("the log is full", 0.1), (grpc.StatusCode.UNAVAILABLE, "the log is full", 1), id="wait 1"),
    pytest.param(Rejected("no such tenant"), (grpc.StatusCode.INVALID_ARGUMENT, "no such tenant", None), id="rejected"),
    pytest.param(
        TooLarge("too many spans"), (grpc.StatusCode.RESOURCE_EXHAUSTED, "too many spans", None), id="too large"
    ),
    pytest.param(
        ValueError("SECRET"),
        (grpc.StatusCode.INTERNAL, "internal error; the server's log says more", None),
        id="our own fault",
    ),
]


def delay_of(message):
    return RetryInfo.FromString(message).retry_delay.ToTimedelta().total_seconds()


@pytest.mark.parametrize(("raised", "verdict"), VERDICTS)
async def test_the_pipelines_refusal_reaches_the_client(start_otlp, raised, verdict):
    code, message, delay = verdict
    consumers = {Signal.TRACES: RecordingConsumer([raised])}
    async with start_otlp(consumers=consumers) as otlp, otlp.channel() as channel:
        error, status, trailers = await refusal(channel, Signal.TRACES, sample_request(Signal.TRACES))
        assert await export(channel, Signal.TRACES, sample_request(Signal.TRACES)) == b""
    infos = [detail.value for detail in status.details if detail.Is(RetryInfo.DESCRIPTOR)]
    assert (error.code(), error.details(), status.message, status.code) == (code, message, message, code.value[0])
    assert [delay_of(info) for info in infos] == ([] if delay is None else [delay])
    assert trailers.get("google.rpc.retryinfo-bin") == (infos[0] if infos else None)
    fault = code is grpc.StatusCode.INTERNAL
    assert otlp.items("grpc", Signal.TRACES) == ((3, 0, 3) if fault else (3, 3, 0))
    assert otlp.requests("grpc", "failure" if fault else "refused") == 1
    assert "SECRET" not in str(otlp.log.lines)


@pytest.mark.parametrize(
    "method",
    [
        pytest.param("/opentelemetry.proto.collector.trace.v1.TraceService/Import", id="method"),
        pytest.param("/opentelemetry.proto.collector.profiles.v1development.ProfilesService/Export", id="service"),
        pytest.param("/", id="nothing"),
    ],
)
async def test_what_is_not_served_is_unimplemented(otlp, method):
    async with otlp.channel() as channel:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await channel.unary_unary(method)(b"")
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_a_signal_that_no_pipeline_takes_is_unimplemented(start_otlp):
    async with start_otlp(consumers={Signal.TRACES: RecordingConsumer()}) as otlp, otlp.channel() as channel:
        error, _, _ = await refusal(channel, Signal.LOGS, b"")
        assert error.code() is grpc.StatusCode.UNIMPLEMENTED


# Partial success: rejected items are counted and never come again; a message alone is a warning.
async def test_rejected_spans_are_counted_in_a_partial_success_and_the_rest_is_kept(otlp):
    request = ExportTraceServiceRequest.FromString(sample_request(Signal.TRACES, 3))
    request.resource_spans[0].scope_spans[0].spans[1].trace_id = b"short"
    async with otlp.channel() as channel:
        answer = await export(channel, Signal.TRACES, request.SerializeToString())
    partial = ExportTraceServiceResponse.FromString(answer).partial_success
    assert partial.rejected_spans == 1
    assert partial.error_message.startswith("span 1: trace_id must be 16 bytes that are not all zero")
    assert otlp.consumers[Signal.TRACES].items == 2
    assert otlp.items("grpc", Signal.TRACES) == (2, 0, 0)


async def test_lossy_input_is_taken_with_a_warning_and_no_rejected_items(otlp):
    request = ExportLogsServiceRequest.FromString(sample_request(Signal.LOGS, 1))
    record = request.resource_logs[0].scope_logs[0].log_records[0]
    record.attributes.append(record.attributes[0])
    async with otlp.channel() as channel:
        answer = await export(channel, Signal.LOGS, request.SerializeToString())
    partial = ExportLogsServiceResponse.FromString(answer).partial_success
    assert (partial.rejected_log_records, partial.error_message) == (
        0,
        "1 attributes had a key that came again; the last one was kept",
    )
    assert otlp.consumers[Signal.LOGS].items == 1


async def test_unknown_fields_are_kept_where_bytes_pass_through(otlp):
    request = sample_request(Signal.TRACES) + bytes([15 << 3 | 2, 3]) + b"new"
    async with otlp.channel() as channel:
        assert await export(channel, Signal.TRACES, request) == b""
    assert otlp.consumers[Signal.TRACES].batches[0].otlp == request


async def test_metadata_is_kept_for_processors_where_that_is_asked_for(start_otlp):
    metadata = (("x-tenant", "a"), ("x-tenant", "b"), ("x-key-bin", b"\x00\xff"))
    async with start_otlp(grpc={"include_metadata": True}) as otlp, otlp.channel() as channel:
        await export(channel, Signal.TRACES, sample_request(Signal.TRACES), metadata=metadata)
        kept = otlp.consumers[Signal.TRACES].batches[0].context.metadata
    assert (kept["x-tenant"], kept["x-key-bin"]) == (("a", "b"), ("AP8=",))


async def test_metadata_is_not_kept_otherwise(otlp):
    async with otlp.channel() as channel:
        await export(channel, Signal.TRACES, sample_request(Signal.TRACES), metadata=(("x-tenant", "a"),))
    assert dict(otlp.consumers[Signal.TRACES].batches[0].context.metadata) == {}


# Services beside OTLP: health by service, and reflection.
@pytest.mark.parametrize("service", ["", *(method.split("/")[1] for method in METHODS.values())])
async def test_every_service_is_healthy(otlp, service):
    async with otlp.channel() as channel:
        answer = await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(service=service))
    assert answer.status == health_pb2.HealthCheckResponse.SERVING


async def test_a_watcher_of_health_sees_the_end(start_otlp):
    async with start_otlp() as otlp, otlp.channel() as channel:
        watching = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest())
        states = [(await watching.read()).status]
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(otlp.receiver.stop())
            states.append((await watching.read()).status)
            watching.cancel()
    serving = health_pb2.HealthCheckResponse
    assert states == [serving.SERVING, serving.NOT_SERVING]


async def test_reflection_lists_the_services_and_describes_them(otlp):
    asked = [
        reflection_pb2.ServerReflectionRequest(list_services=""),
        reflection_pb2.ServerReflectionRequest(
            file_containing_symbol="opentelemetry.proto.collector.trace.v1.TraceService"
        ),
    ]
    async with otlp.channel() as channel:
        answers = reflection_pb2_grpc.ServerReflectionStub(channel).ServerReflectionInfo(iter(asked))
        listed, described = [answer async for answer in answers]
    assert {service.name for service in listed.list_services_response.service} == {
        *(method.split("/")[1] for method in METHODS.values()),
        "grpc.health.v1.Health",
        "grpc.reflection.v1.ServerReflection",
        "grpc.reflection.v1alpha.ServerReflection",
    }
    assert b"ExportTraceServiceRequest" in described.file_descriptor_response.file_descriptor_proto[0]


# Keepalive: parameters of the server, and what it demands of clients.
async def test_an_old_connection_is_closed_and_the_client_goes_on_over_a_new_one(start_otlp):
    parameters = {"server_parameters": {"max_connection_age": "200ms", "max_connection_age_grace": "1s"}}
    async with start_otlp(grpc={"keepalive": parameters}) as otlp:
        async with http2(otlp.grpc_target) as old:
            assert (await old.call(grpc_message(b"")))["grpc-status"] == "0"
            goaway = await old.closed()
        async with http2(otlp.grpc_target) as new:
            assert (await new.call(grpc_message(b"")))["grpc-status"] == "0"
    assert (goaway.error_code, goaway.additional_data) == (0, b"max_age")


async def test_an_idle_connection_is_closed(start_otlp):
    parameters = {"server_parameters": {"max_connection_idle": "200ms"}}
    async with start_otlp(grpc={"keepalive": parameters}) as otlp, http2(otlp.grpc_target) as client:
        assert (await client.call(grpc_message(b"")))["grpc-status"] == "0"
        assert (await client.closed()).additional_data == b"connection idle"


async def test_a_client_that_pings_too_often_is_disconnected(start_otlp):
    policy = {"enforcement_policy": {"min_time": "1h"}}
    async with start_otlp(grpc={"keepalive": policy}) as otlp, http2(otlp.grpc_target) as client:
        assert (await client.call(grpc_message(b"")))["grpc-status"] == "0"
        for number in range(5):
            client.h2.ping(number.to_bytes(8, "big"))
        await client.flush()
        goaway = await client.closed()
        assert (goaway.error_code, goaway.additional_data) == (11, b"too_many_pings")
        async with otlp.channel() as channel:
            assert await export(channel, Signal.TRACES, b"") == b""


async def test_pings_beside_refused_calls_are_as_free_as_beside_answers(otlp):
    async with http2(otlp.grpc_target) as client:
        for number in range(10):
            client.h2.ping(number.to_bytes(8, "big"))
            assert (await client.call(b"", path="/a.B/C"))["grpc-status"] == "12"
        assert (await client.call(grpc_message(b"")))["grpc-status"] == "0"


async def test_a_deadline_in_ten_thousand_years_is_none(otlp):
    async with http2(otlp.grpc_target) as client:
        assert (await client.call(grpc_message(b""), grpc_timeout="99999999H"))["grpc-status"] == "0"


@pytest.mark.parametrize(("streams", "told"), [pytest.param(7, 7, id="7"), pytest.param(0, 100, id="the default")])
async def test_the_limit_of_concurrent_streams_is_told_to_clients(start_otlp, streams, told):
    async with start_otlp(grpc={"max_concurrent_streams": streams}) as otlp, http2(otlp.grpc_target) as client:
        changed = (await client.until(lambda event: True, RemoteSettingsChanged)).changed_settings
    assert changed[SettingCodes.MAX_CONCURRENT_STREAMS].new_value == told
