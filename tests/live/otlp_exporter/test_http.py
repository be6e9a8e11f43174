"""otlp_http against a server that answers by a script: what is on the wire, and what each answer means."""

import asyncio
import gzip
import json
import ssl
import time
from email.utils import formatdate
from pathlib import Path

import pytest
import zstandard
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse

from collector.api import Fatal, Permanent, Retryable, Signal
from collector.testing import FakeClock, RecordingLog, RecordingMetrics, sample_batch, sample_request, settings
from collector.wire.codec import codec
from exporters.otlp.factory import HTTP
from exporters.otlp.partial import PARTIAL_SUCCESS
from tests.live.certificates import Authority
from tests.live.otlp_exporter.exporting import exporting, failure, push, running
from tests.live.otlp_exporter.scripted import DROP, HANG, HttpAnswer, HttpSink

PROTO, JSON = "application/x-protobuf", "application/json"
UNPACK = {
    "gzip": gzip.decompress,
    "zstd": lambda body: zstandard.ZstdDecompressor().decompressobj().decompress(body),
    "none": bytes,
}


@pytest.mark.parametrize("signal", list(Signal), ids=str)
@pytest.mark.parametrize("compression", list(UNPACK))
async def test_the_bytes_of_a_batch_arrive_at_the_path_of_its_signal(http_sink, signal, compression):
    async with exporting(HTTP, endpoint=http_sink.endpoint, compression=compression) as exporter:
        await push(exporter, sample_batch(signal, 100))
    (call,) = http_sink.calls
    assert (call.path, UNPACK[compression](call.body)) == (f"/v1/{signal}", sample_request(signal, 100))
    assert call.headers["content-type"] == PROTO
    assert call.headers.get("content-encoding", "none") == compression
    assert call.headers["user-agent"].startswith("ottery/")
    assert call.headers["accept-encoding"] == "identity"


@pytest.mark.parametrize("signal", list(Signal), ids=str)
async def test_json_is_sent_where_that_is_asked_for(http_sink, signal):
    async with exporting(HTTP, endpoint=http_sink.endpoint, encoding="json", compression="none") as exporter:
        await push(exporter, sample_batch(signal))
    (call,) = http_sink.calls
    assert call.headers["content-type"] == JSON
    assert json.loads(call.body) == json.loads(codec().to_json(signal, sample_request(signal)))


async def test_a_level_of_compression_can_be_chosen(http_sink):
    for level in (1, 9):
        config = {"endpoint": http_sink.endpoint, "compression_params": {"level": level}}
        async with exporting(HTTP, **config) as exporter:
            await push(exporter, sample_batch(Signal.LOGS, 500))
    fast, small = (len(call.body) for call in http_sink.calls)
    assert small < fast


@pytest.mark.parametrize("path", ["", "/", "/base", "/base/"])
async def test_the_path_of_otlp_is_appended_to_the_endpoint(http_sink, path):
    async with exporting(HTTP, endpoint=http_sink.endpoint + path) as exporter:
        await push(exporter, sample_batch(Signal.METRICS))
    assert http_sink.calls[0].path == f"{path.rstrip('/')}/v1/metrics"


async def test_an_endpoint_of_one_signal_is_used_as_it_is(http_sink):
    config = {"endpoint": http_sink.endpoint, "traces_endpoint": f"{http_sink.endpoint}/in?kind=spans"}
    async with exporting(HTTP, **config) as exporter:
        await push(exporter, sample_batch(Signal.TRACES))
        await push(exporter, sample_batch(Signal.LOGS))
    assert [call.path for call in http_sink.calls] == ["/in", "/v1/logs"]


async def test_a_signal_without_an_endpoint_is_what_an_operator_must_repair(http_sink):
    async with exporting(HTTP, traces_endpoint=http_sink.endpoint) as exporter:
        error = await failure(exporter, sample_batch(Signal.LOGS))
    assert (type(error), str(error)) == (Fatal, "no endpoint for logs: set endpoint or logs_endpoint")


async def test_headers_are_sent_and_none_can_say_what_the_body_is_not(http_sink):
    headers = {"X-Tenant": "a", "Authorization": "Bearer t", "Content-Type": "text/plain"}
    async with exporting(HTTP, endpoint=http_sink.endpoint, headers=headers) as exporter:
        await push(exporter, sample_batch(Signal.TRACES))
    sent = http_sink.calls[0].headers
    assert (sent["x-tenant"], sent["authorization"], sent["content-type"]) == ("a", "Bearer t", PROTO)


@pytest.mark.parametrize(
    ("config", "connections", "cookies"),
    [
        pytest.param({}, 1, [None, None], id="by default"),
        pytest.param({"cookies": {"enabled": True}}, 1, [None, "session=1"], id="with cookies"),
        pytest.param({"disable_keep_alives": True}, 2, [None, None], id="without keep-alive"),
    ],
)
async def test_connections_are_kept_and_cookies_are_not(http_sink, config, connections, cookies):
    http_sink.default = HttpAnswer(headers={"set-cookie": "session=1; Path=/"})
    async with exporting(HTTP, endpoint=http_sink.endpoint, **config) as exporter:
        for _ in range(2):
            await push(exporter, sample_batch(Signal.TRACES))
    assert len({call.client for call in http_sink.calls}) == connections
    assert [call.headers.get("cookie") for call in http_sink.calls] == cookies


RETRYABLE = (429, 502, 503, 504)
ABOUT_ROWS = (400, 413)
FINAL = (301, 308, 401, 403, 404, 405, 408, 409, 415, 422, 431, 500, 501, 505)


@pytest.mark.parametrize("status", [*RETRYABLE, *ABOUT_ROWS, *FINAL])
async def test_every_status_means_what_the_specification_says(http_sink, status):
    body = Status(code=2, message="the server's words").SerializeToString()
    headers = {"content-type": PROTO, "location": "/elsewhere"}
    http_sink.answers.append(HttpAnswer(status, body, headers))
    async with exporting(HTTP, endpoint=http_sink.endpoint) as exporter:
        error = await failure(exporter, sample_batch(Signal.TRACES))
    kind = Retryable if status in RETRYABLE else Permanent
    assert (type(error), str(error), error.kind) == (kind, f"HTTP {status}: the server's words", f"http_{status}")
    assert getattr(error, "whole", None) is (None if kind is Retryable else status not in ABOUT_ROWS)
    assert len(http_sink.calls) == 1


@pytest.mark.parametrize("status", RETRYABLE)
@pytest.mark.parametrize(
    ("retry_after", "shortest", "longest"),
    [
        pytest.param(lambda: "7", 7, 7, id="seconds"),
        pytest.param(lambda: " 7 ", 7, 7, id="seconds between blanks"),
        pytest.param(lambda: formatdate(time.time() + 100, usegmt=True), 90, 100, id="date"),
        pytest.param(lambda: "Sun, 06 Nov 1994 08:49:37 GMT", 0, 0, id="a date that has passed"),
        pytest.param(lambda: "99999999999999999999", 3600, 3600, id="seconds: far too long"),
        pytest.param(lambda: "Fri, 31 Dec 9999 23:59:59 GMT", 3600, 3600, id="date: far too long"),
    ],
)
async def test_retry_after_tells_when(http_sink, status, retry_after, shortest, longest):
    http_sink.answers.append(HttpAnswer(status, headers={"retry-after": retry_after()}))
    async with exporting(HTTP, endpoint=http_sink.endpoint) as exporter:
        error = await failure(exporter, sample_batch(Signal.TRACES))
    assert type(error) is Retryable
    assert shortest <= error.retry_after <= longest


@pytest.mark.parametrize("nonsense", ["soon", "-1", "\xb2", "1.5", "Mon, 99 Foo 2026"])
async def test_a_delay_that_is_none_is_ignored(http_sink, nonsense):
    http_sink.answers.append(HttpAnswer(503, headers={"retry-after": nonsense}))
    async with exporting(HTTP, endpoint=http_sink.endpoint) as exporter:
        error = await failure(exporter, sample_batch(Signal.TRACES))
    assert (type(error), error.retry_after) == (Retryable, None)


PARTIAL = ExportLogsServiceResponse(partial_success={"rejected_log_records": 2, "error_message": "too old"})
PARTIAL_JSON = b'{"partialSuccess": {"rejectedLogRecords": "2", "errorMessage": "too old"}}'


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        pytest.param("proto", PARTIAL.SerializeToString(), id="protobuf"),
        pytest.param("json", PARTIAL_JSON, id="JSON"),
    ],
)
async def test_a_partial_success_is_delivered_counted_and_logged(http_sink, encoding, body):
    http_sink.answers.append(HttpAnswer(body=body))
    metrics, log = RecordingMetrics(), RecordingLog()
    surroundings = settings("otlp", metrics=metrics, log=log)
    async with exporting(HTTP, surroundings, endpoint=http_sink.endpoint, encoding=encoding) as exporter:
        await push(exporter, sample_batch(Signal.LOGS))
    assert metrics.value(PARTIAL_SUCCESS, exporter="otlp", signal="logs") == 2
    assert [(line[0], line[2]["items"], line[2]["reason"]) for line in log.lines] == [("warning", 2, "too old")]


BOMB = gzip.compress(bytes(1 << 24))


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(HttpAnswer(200, b"\xff\xff\xff"), id="noise"),
        pytest.param(HttpAnswer(200, b"<html>"), id="a page"),
        pytest.param(HttpAnswer(200, bytes(1 << 20)), id="a mebibyte"),
        pytest.param(HttpAnswer(200, BOMB, {"content-encoding": "gzip"}), id="a zip bomb"),
        pytest.param(HttpAnswer(202), id="202"),
    ],
)
async def test_an_answer_that_cannot_be_read_is_a_success(http_sink, answer):
    http_sink.answers.append(answer)
    async with exporting(HTTP, endpoint=http_sink.endpoint) as exporter:
        await push(exporter, sample_batch(Signal.TRACES))
        await push(exporter, sample_batch(Signal.TRACES))
    assert len(http_sink.calls) == 2


async def test_signals_share_the_connections_of_a_host(http_sink):
    endpoints = {"endpoint": http_sink.endpoint, "logs_endpoint": f"{http_sink.endpoint}/logs"}
    async with exporting(HTTP, **endpoints, max_conns_per_host=1) as exporter, asyncio.TaskGroup() as group:
        for signal in [Signal.TRACES, Signal.LOGS] * 3:
            group.create_task(push(exporter, sample_batch(signal)))
    assert (len(http_sink.calls), len({call.client for call in http_sink.calls})) == (6, 1)


async def test_hosts_do_not_share_their_connections(http_sink):
    async with running(HttpSink()) as other:
        http_sink.default = other.default = HANG
        endpoint = f"{http_sink.endpoint}, {other.endpoint}"
        async with exporting(HTTP, endpoint=endpoint, max_conns_per_host=1) as exporter, asyncio.TaskGroup() as group:
            tasks = [group.create_task(push(exporter, sample_batch(Signal.TRACES))) for _ in range(2)]
            await http_sink.called(1)
            await other.called(1)
            for task in tasks:
                task.cancel()
        assert (len(http_sink.calls), len(other.calls)) == (1, 1)


async def test_a_connection_that_ends_within_a_request_is_retryable(http_sink):
    http_sink.answers.append(DROP)
    async with exporting(HTTP, endpoint=http_sink.endpoint) as exporter:
        error = await failure(exporter, sample_batch(Signal.TRACES))
        assert (type(error), error.kind) == (Retryable, "connection")
        await push(exporter, sample_batch(Signal.TRACES))


async def test_a_server_that_does_not_answer_in_time_is_retryable(http_sink):
    http_sink.answers.append(HANG)
    async with exporting(HTTP, endpoint=http_sink.endpoint, timeout="200ms") as exporter:
        error = await failure(exporter, sample_batch(Signal.TRACES))
    assert (type(error), error.kind) == (Retryable, "connection")


async def test_a_server_that_is_not_there_is_retryable_and_found_when_it_comes():
    sink = HttpSink()
    async with running(sink):
        pass
    async with exporting(HTTP, endpoint=sink.endpoint) as exporter:
        error = await failure(exporter, sample_batch(Signal.TRACES))
        assert (type(error), error.kind) == (Retryable, "connection")
        async with running(sink):
            await push(exporter, sample_batch(Signal.TRACES))


async def test_requests_go_through_a_proxy_where_one_is_configured(http_sink):
    async with exporting(HTTP, endpoint="http://gateway.invalid:4318", proxy_url=http_sink.endpoint) as exporter:
        await push(exporter, sample_batch(Signal.TRACES))
    (call,) = http_sink.calls
    assert (call.path, call.headers["host"]) == ("/v1/traces", "gateway.invalid:4318")


# Several endpoints take turns; one that fails is passed over at once.
async def test_requests_take_turns_over_several_endpoints(http_sink):
    async with running(HttpSink()) as other:
        async with exporting(HTTP, endpoint=f"{http_sink.endpoint}, {other.endpoint}") as exporter:
            for _ in range(6):
                await push(exporter, sample_batch(Signal.TRACES))
        assert (len(http_sink.calls), len(other.calls)) == (3, 3)


@pytest.mark.parametrize("trouble", [HttpAnswer(503), DROP], ids=["busy", "gone"])
async def test_another_endpoint_takes_over_at_once_and_the_first_rests_for_a_while(http_sink, trouble):
    clock = FakeClock()
    async with running(HttpSink()) as other:
        http_sink.answers.append(trouble)
        endpoints = f"{http_sink.endpoint},{other.endpoint}"
        async with exporting(HTTP, settings("otlp", clock=clock), endpoint=endpoints) as exporter:
            for _ in range(4):
                await push(exporter, sample_batch(Signal.TRACES))
            assert (len(http_sink.calls), len(other.calls)) == (1, 4)
            await clock.advance(5)
            for _ in range(2):
                await push(exporter, sample_batch(Signal.TRACES))
            assert (len(http_sink.calls), len(other.calls)) == (2, 5)


def server_context(authority, *, clients=False):
    pair = authority.pair("server")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pair["cert_file"], pair["key_file"])
    if clients:
        context.load_verify_locations(authority.ca)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


async def test_the_server_is_verified_unless_that_is_switched_off(tmp_path):
    authority = Authority(tmp_path)
    async with running(HttpSink(server_context(authority))) as sink:
        good = [{"ca_file": str(authority.ca)}, {"ca_pem": authority.ca.read_text()}, {"insecure_skip_verify": True}]
        for tls in good:
            async with exporting(HTTP, endpoint=sink.endpoint, tls=tls) as exporter:
                await push(exporter, sample_batch(Signal.TRACES))
        async with exporting(HTTP, endpoint=sink.endpoint) as exporter:
            assert type(await failure(exporter, sample_batch(Signal.TRACES))) is Retryable
        assert len(sink.calls) == 3


async def test_versions_of_tls_can_be_bounded(tmp_path):
    authority = Authority(tmp_path)
    context = server_context(authority)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    async with running(HttpSink(context)) as sink:
        for version, error in (("1.2", type(None)), ("1.3", Retryable)):
            tls = {"ca_file": str(authority.ca), "min_version": version}
            async with exporting(HTTP, endpoint=sink.endpoint, tls=tls) as exporter:
                assert type(await failure(exporter, sample_batch(Signal.TRACES))) is error


async def test_the_exporter_shows_its_certificate(tmp_path):
    authority = Authority(tmp_path)
    tls = {"ca_file": str(authority.ca), **authority.pair("client")}
    async with running(HttpSink(server_context(authority, clients=True))) as sink:
        async with exporting(HTTP, endpoint=sink.endpoint, tls=tls) as exporter:
            await push(exporter, sample_batch(Signal.TRACES))
        async with exporting(HTTP, endpoint=sink.endpoint, tls={"ca_file": str(authority.ca)}) as exporter:
            assert type(await failure(exporter, sample_batch(Signal.TRACES))) is Retryable
        assert len(sink.calls) == 1


async def test_a_certificate_that_cannot_be_read_is_an_error_at_start(tmp_path):
    missing = str(Path(tmp_path, "missing.pem"))
    with pytest.raises(Fatal, match=r"tls: .*missing\.pem"):
        async with exporting(HTTP, endpoint="https://localhost:1", tls={"ca_file": missing}):
            pytest.fail("it started")
