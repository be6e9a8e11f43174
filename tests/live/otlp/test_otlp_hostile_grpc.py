"""What strangers send over gRPC: each gets the right answer or the end of its connection, and a good client beside
them is served.
"""

import asyncio
import gzip
import socket
import zlib
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
from h2.events import DataReceived, StreamEnded, WindowUpdated
from hpack import Encoder
from hyperframe.frame import (
    ContinuationFrame,
    DataFrame,
    HeadersFrame,
    PingFrame,
    RstStreamFrame,
    SettingsFrame,
    WindowUpdateFrame,
)

from collector.api import Signal
from collector.receivers.grpc import connection
from collector.testing import sample_request
from tests.live.otlp.frames import Http2, grpc_message, http2
from tests.live.otlp.raw import drop, read_and_forget, served_beside

SECRET = b"SECRET"
SPAN = sample_request(Signal.TRACES, 1)
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + SettingsFrame(0).serialize()
HEADERS = Encoder().encode(Http2(None, None).headers(), huffman=False)
MEBIBYTE = 1 << 20


@pytest.fixture(autouse=True)
def nothing_is_told(capfd):
    """Hold the process to its silence: no traceback and no payload, on any output."""
    yield
    output = "".join(capfd.readouterr())
    assert "Traceback" not in output
    assert SECRET.decode() not in output


# Messages that are not what gRPC frames, on a connection that goes on.
MESSAGES = [
    pytest.param(grpc_message(SPAN[:-3]), {}, "3", id="truncated protobuf"),
    pytest.param(grpc_message(SECRET * 100), {}, "3", id="noise"),
    pytest.param(grpc_message(b"\x0b" * 10_000), {}, "3", id="groups in groups"),
    pytest.param(b"\x00\xff\xff\xff\xff" + SPAN, {}, "8", id="a length over the limit"),
    pytest.param(b"\x00\x00\x00\x00\x01" + SPAN, {}, "3", id="a length that is too small"),
    pytest.param(b"\x01" + grpc_message(SPAN)[1:], {}, "13", id="compressed, but not how"),
    pytest.param(b"\x02" + grpc_message(SPAN)[1:], {}, "13", id="flags that nobody knows"),
    pytest.param(grpc_message(SPAN) * 2, {}, "3", id="two messages"),
    pytest.param(b"", {}, "3", id="no message"),
    pytest.param(b"\x00\x00", {}, "3", id="half of a message's head"),
    pytest.param(b"\x00\x00\x00\x10\x00" + SPAN, {}, "3", id="half of a message"),
    pytest.param(
        grpc_message(gzip.compress(SPAN)[:-9], compressed=True), {"grpc_encoding": "gzip"}, "3", id="truncated gzip"
    ),
    pytest.param(
        grpc_message(SECRET * 100, compressed=True), {"grpc_encoding": "gzip"}, "3", id="noise under the name gzip"
    ),
    pytest.param(
        grpc_message(gzip.compress(bytes(8 * MEBIBYTE)), compressed=True),
        {"grpc_encoding": "gzip"},
        "8",
        id="a zip bomb: gzip",
    ),
    pytest.param(
        grpc_message(zlib.compress(bytes(8 * MEBIBYTE)), compressed=True),
        {"grpc_encoding": "deflate"},
        "8",
        id="a zip bomb: deflate",
    ),
    pytest.param(grpc_message(SPAN), {"path": "/SECRET"}, "12", id="a path that is no method"),
]


@pytest.mark.parametrize(("message", "headers", "status"), MESSAGES)
async def test_a_message_that_is_no_request_has_its_code_and_its_connection_goes_on(
    start_otlp, message, headers, status
):
    async with (
        start_otlp(grpc={"max_recv_msg_size_mib": 1}) as otlp,
        served_beside(otlp, grpc=True),
        http2(otlp.grpc_target) as client,
    ):
        answer = await client.call(message, **headers)
        assert (answer["grpc-status"], SECRET.decode() in answer["grpc-message"]) == (status, False)
        again = await client.call(grpc_message(b""))
        assert again["grpc-status"] == "0"
        assert otlp.log.lines == []


# Messages that do not come, or not whole: their call ends in time, and what is kept of them counts as memory.
async def test_a_call_whose_message_does_not_come_is_ended(otlp):
    async with served_beside(otlp, grpc=True), http2(otlp.grpc_target) as client:
        streams = []
        for body in (b"", b"\0\0\1\0\0" + SPAN):
            streams.append(client.h2.get_next_available_stream_id())
            client.h2.send_headers(streams[-1], client.headers())
            client.h2.send_data(streams[-1], body)
        await client.flush()
        for stream in streams:
            await client.until(lambda event, stream=stream: event.stream_id == stream, StreamEnded)
            answer = client.answer(stream)
            assert (answer["grpc-status"], answer["grpc-message"]) == ("4", "the message did not arrive in time")
        assert (await client.call(grpc_message(b"")))["grpc-status"] == "0"


async def test_parts_of_messages_hold_no_more_memory_than_admitted(start_otlp):
    part = b"\0\0\x20\0\0" + bytes(300_000)
    async with start_otlp(admission={"request_limit_mib": 1}) as otlp, http2(otlp.grpc_target) as client:
        await client.until(lambda event: event.stream_id == 0, WindowUpdated)
        streams = []
        for _ in range(5):
            streams.append(client.h2.get_next_available_stream_id())
            client.h2.send_headers(streams[-1], client.headers())
            for start in range(0, len(part), 16_000):
                client.h2.send_data(streams[-1], part[start : start + 16_000])
            await client.flush()
        await client.until(lambda event: True, StreamEnded)
        refused = [answer for stream in streams if (answer := client.answer(stream))]
        assert {answer["grpc-status"] for answer in refused} == {"14"}
        assert all(answer["google.rpc.retryinfo-bin"] for answer in refused)
        for stream in streams:
            if not client.answer(stream):
                client.h2.reset_stream(stream)
        assert (await client.call(grpc_message(SPAN)))["grpc-status"] == "0"


WATCH = "/grpc.health.v1.Health/Watch"
REFLECTION = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"


@pytest.mark.parametrize("path", ["/grpc.health.v1.Health/Check", WATCH, REFLECTION])
@pytest.mark.parametrize("whole", [True, False], ids=["whole", "in parts"])
async def test_who_only_asks_needs_no_large_message(otlp, path, whole):
    question = grpc_message(b"\x7a\xc0\xb8\x02" + bytes(40_000))
    async with served_beside(otlp, grpc=True), http2(otlp.grpc_target) as client:
        stream = client.h2.get_next_available_stream_id()
        client.h2.send_headers(stream, client.headers(path=path))
        for start in range(0, len(question), 16_000):
            client.h2.send_data(stream, question[start : start + 16_000])
            await client.flush()
            if not whole and start:
                break
        if path.endswith("Check"):
            client.h2.end_stream(stream)
            await client.flush()
        await client.until(lambda event: event.stream_id == stream, StreamEnded)
        expected = "3" if path.endswith("Check") and not whole else "8"
        assert client.answer(stream)["grpc-status"] == expected


async def test_answers_that_a_client_makes_no_room_for_are_bounded(otlp):
    question = grpc_message(b"\x22\x37opentelemetry.proto.collector.metrics.v1.MetricsService")
    async with http2(otlp.grpc_target) as client, http2(otlp.grpc_target) as other:
        stream = client.h2.get_next_available_stream_id()
        client.h2.send_headers(stream, client.headers(path=REFLECTION))
        for _ in range(20):
            client.h2.send_data(stream, question * 20)
            await client.flush()
            assert (await other.call(grpc_message(b"")))["grpc-status"] == "0"
        for room in (None, stream):
            client.h2.increment_flow_control_window(10 * MEBIBYTE, room)
        await client.flush()
        await client.until(lambda event: event.stream_id == stream, StreamEnded)
        assert client.answer(stream)["grpc-message"] == "this connection was told enough; another one may ask more"
        told = sum(len(event.data) for event in client.events if isinstance(event, DataReceived))
        assert 0.9 * MEBIBYTE < told <= MEBIBYTE + 5 * 400
        again = await client.call(question, path=REFLECTION)
        assert (again["grpc-status"], (await client.call(grpc_message(SPAN)))["grpc-status"]) == ("8", "0")


@asynccontextmanager
async def connected(otlp):
    host, _, port = otlp.grpc_target.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        yield reader, writer
    finally:
        await drop(writer)


async def write(writer, data, times=1):
    """Write as long as the server reads."""
    try:
        async with asyncio.timeout(5):
            for number in range(times):
                writer.write(data(number) if callable(data) else data)
                await writer.drain()
    except (ConnectionError, TimeoutError):
        pass


async def read_to_end(reader):
    try:
        async with asyncio.timeout(5):
            return await reader.read()
    except ConnectionError:
        return b""


# What is not HTTP/2 ends its connection.
NOT_HTTP2 = [
    pytest.param(b"GET / HTTP/1.1\r\nHost: SECRET\r\n\r\n", id="HTTP/1.1"),
    pytest.param(b"\x16\x03\x01\x02\x00\x01" + bytes(100), id="TLS"),
    pytest.param(SECRET * 100, id="noise"),
    pytest.param(PREFACE + b"\xff\xff\xff\x00\x00\x00\x00\x00\x01", id="a frame of 16 MiB"),
    pytest.param(PREFACE + WindowUpdateFrame(0, window_increment=1).serialize()[:-4] + bytes(4), id="a window of 0"),
    pytest.param(PREFACE + HeadersFrame(1, b"\xff" * 50, flags=["END_HEADERS"]).serialize(), id="headers: noise"),
    pytest.param(
        PREFACE + HeadersFrame(1, b"").serialize() + ContinuationFrame(1, b"").serialize() * 1000,
        id="headers that go on and on, empty",
    ),
]


@pytest.mark.parametrize("data", NOT_HTTP2)
async def test_what_is_not_http2_ends_its_connection(otlp, data):
    async with served_beside(otlp, grpc=True), connected(otlp) as (reader, writer):
        await write(writer, data)
        assert SECRET not in await read_to_end(reader)
    assert otlp.log.lines == []


def opened(number):
    """Return a request without its message."""
    return HeadersFrame(2 * number + 1, HEADERS, flags=["END_HEADERS"]).serialize()


def opened_and_reset(number):
    return opened(number) + RstStreamFrame(2 * number + 1, error_code=8).serialize()


def half_a_message(number):
    return opened(number) + DataFrame(2 * number + 1, b"\x00\x03\xff\xff\xff" + bytes(16_000)).serialize()


FLOODS = [
    pytest.param(opened_and_reset, 5000, id="rapid reset"),
    pytest.param(opened, 5000, id="requests without a message"),
    pytest.param(half_a_message, 1000, id="requests with half a message of 64 MiB"),
    pytest.param(PingFrame(0, opaque_data=SECRET + b"12").serialize() * 100, 100, id="pings"),
    pytest.param(SettingsFrame(0, settings={4: 65535}).serialize() * 100, 100, id="settings"),
    pytest.param(WindowUpdateFrame(0, window_increment=1).serialize() * 100, 100, id="window updates"),
    pytest.param(b"\x00\x00\x01\xee\x00\x00\x00\x00\x00x" * 100, 100, id="frames of an unknown type"),
    pytest.param(DataFrame(1, b"").serialize() * 100, 100, id="empty data of no request"),
]


@pytest.mark.parametrize(("data", "times"), FLOODS)
async def test_a_flood_over_one_connection_does_not_shut_others_out(otlp, data, times):
    async with connected(otlp) as (reader, writer):
        async with served_beside(otlp, grpc=True), asyncio.TaskGroup() as tasks:
            reading = tasks.create_task(read_and_forget(reader))
            await write(writer, PREFACE)
            await write(writer, data, times)
            reading.cancel()
        async with served_beside(otlp, grpc=True):
            pass
    assert otlp.log.lines == []


async def test_headers_without_an_end_are_not_kept(otlp):
    block = b"\x00\x01x\x64" + b"a" * 100
    async with served_beside(otlp, grpc=True), connected(otlp) as (_, writer):
        await write(writer, PREFACE + HeadersFrame(1, block).serialize())
        await write(writer, ContinuationFrame(1, block * (16_000 // len(block))).serialize(), 200)


async def test_a_crowd_of_silent_connections_does_not_shut_others_out(otlp):
    async with AsyncExitStack() as crowd:
        for number in range(200):
            _, writer = await crowd.enter_async_context(connected(otlp))
            writer.write(PREFACE if number % 2 else b"")
        async with served_beside(otlp, grpc=True):
            pass


async def test_a_client_that_is_told_to_go_and_does_not_read_it_is_cut(otlp):
    server, loop = otlp.receiver._grpc._server, asyncio.get_running_loop()
    host, _, port = otlp.grpc_target.rpartition(":")
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.setblocking(False)
        await loop.sock_connect(client, (host, int(port)))
        await loop.sock_sendall(client, PREFACE)
        await loop.sock_recv(client, 1)
        (served,) = server._connections
        served._transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        async with http2(otlp.grpc_target) as other:
            waiting = 0
            while waiting < 20_000:
                served._transport.write(PingFrame(0, b"12345678").serialize() * 100)
                assert (await other.call(grpc_message(b"")))["grpc-status"] == "0"
                waiting = served._transport.get_write_buffer_size()
            served.drain()
            async with asyncio.timeout(connection.WRITE_TIMEOUT + 10):
                while served in server._connections:
                    server._gone.clear()
                    await server._gone.wait()
            assert (await other.call(grpc_message(SPAN)))["grpc-status"] == "0"
