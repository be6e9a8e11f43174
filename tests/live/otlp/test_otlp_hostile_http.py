"""What strangers send over HTTP: each gets the right answer, and a good client beside them is served."""

import asyncio
import gzip
import json
import zlib
from contextlib import AsyncExitStack

import cramjam
import lz4.frame
import pytest

from collector.api import Signal
from collector.receivers.inflate import zstd
from collector.testing import sample_request
from tests.live.otlp.raw import post, raw, served_beside

SECRET = b"SECRET"
SPAN = sample_request(Signal.TRACES, 1)
HEAD = (b"POST /v1/traces HTTP/1.1", b"Host: x", b"Content-Type: application/x-protobuf")
CHUNKED = b"Transfer-Encoding: chunked"
MEBIBYTE = 1 << 20


@pytest.fixture(autouse=True)
def nothing_is_told(capfd):
    """Hold the process to its silence: no traceback and no payload, on any output."""
    yield
    output = "".join(capfd.readouterr())
    assert "Traceback" not in output
    assert SECRET.decode() not in output


def head(*lines, first=HEAD):
    return b"\r\n".join([*first, *lines, b"", b""])


def chunked(body):
    return head(CHUNKED) + body


# What is not HTTP/1.1, or says two things at once, ends its connection: what follows may be another's request.
NOT_HTTP = [
    pytest.param(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(50), id="TLS"),
    pytest.param(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", id="HTTP/2"),
    pytest.param(SECRET * 100 + b"\r\n\r\n", id="noise"),
    pytest.param(head(first=(b"POST /v1/traces HTTP/3.0", *HEAD[1:])), id="a version that there is not"),
    pytest.param(head(first=(b"SECRET /v1/traces HTTP/1.1", *HEAD[1:])), id="a method that there is not"),
    pytest.param(head(first=(b"CONNECT x:443 HTTP/1.1", b"Host: x")), id="CONNECT"),
    pytest.param(head(first=(b"POST /v1/tr\xe4ces HTTP/1.1", *HEAD[1:])), id="a path that is not ASCII"),
    pytest.param(head(b"SECRET"), id="a header without a colon"),
    pytest.param(head(b"X: a\0b"), id="NUL in a header"),
    pytest.param(head(b"X: a", b" folded"), id="a folded header"),
    pytest.param(head(b"Content-Length : 0"), id="a blank before the colon"),
    pytest.param(b"\n".join(HEAD) + b"\n\n", id="bare line feeds"),
    pytest.param(b"\r".join(HEAD) + b"\r\r", id="bare carriage returns"),
    pytest.param(head(b"Content-Length: abc"), id="length: no number"),
    pytest.param(head(b"Content-Length: -1"), id="length: negative"),
    pytest.param(head(b"Content-Length: +5") + b"12345", id="length: with a sign"),
    pytest.param(head(b"Content-Length: 0x5") + b"12345", id="length: hex"),
    pytest.param(head(b"Content-Length: 5, 5") + b"12345", id="length: a list"),
    pytest.param(head(b"Content-Length: 5", b"Content-Length: 6") + b"123456", id="length: two of them"),
    pytest.param(head(b"Content-Length: " + b"9" * 30), id="length: past 64 bits"),
    pytest.param(head(b"Content-Length: 5", CHUNKED) + b"0\r\n\r\n", id="smuggling: length, then chunks"),
    pytest.param(head(CHUNKED, b"Content-Length: 5") + b"0\r\n\r\n", id="smuggling: chunks, then length"),
    pytest.param(head(CHUNKED, CHUNKED) + b"0\r\n\r\n", id="smuggling: chunked twice"),
    pytest.param(head(b"Transfer-Encoding: chunked, identity") + b"0\r\n\r\n", id="smuggling: chunked is not last"),
    pytest.param(head(b"Transfer-Encoding: xchunked") + b"0\r\n\r\n", id="smuggling: nearly chunked"),
    pytest.param(head(b"Transfer-Encoding: \x0bchunked") + b"0\r\n\r\n", id="smuggling: a vertical tab"),
    pytest.param(head(b"Transfer-Encoding : chunked") + b"0\r\n\r\n", id="smuggling: a blank before the colon"),
    pytest.param(chunked(b"zz\r\n"), id="chunk size: no number"),
    pytest.param(chunked(b"-1\r\n"), id="chunk size: negative"),
    pytest.param(chunked(b"0x5\r\nabcde\r\n0\r\n\r\n"), id="chunk size: 0x"),
    pytest.param(chunked(b"FFFFFFFFFFFFFFFFF\r\n"), id="chunk size: past 64 bits"),
    pytest.param(chunked(b"3\r\nabcd\r\n0\r\n\r\n"), id="chunk size: too small"),
    pytest.param(chunked(b"3\nabc\n0\n\n"), id="chunk size: bare line feeds"),
]


@pytest.mark.parametrize("request_bytes", NOT_HTTP)
async def test_what_is_not_http_is_400_and_ends_its_connection(otlp, request_bytes):
    async with served_beside(otlp), raw(otlp) as client:
        await client.send(request_bytes, b"GET /v1/traces HTTP/1.1\r\nHost: x\r\n\r\n")
        answer = await client.answer()
        assert (answer.status, answer.headers["connection"]) == (400, "close")
        assert json.loads(answer.body)["message"] == "this is not HTTP/1.1"
        assert await client.answer() is None
    assert otlp.log.lines == []


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        pytest.param(head(b"Content-Length: 0", first=HEAD[:1]), 400, id="no host"),
        pytest.param(head(b"Host: y", b"Content-Length: 0"), 400, id="two hosts"),
        pytest.param(head(b"Transfer-Encoding: gzip, chunked") + b"0\r\n\r\n", 501, id="an unknown transfer coding"),
        pytest.param(head(b"Content-Length: 999999999999"), 413, id="a length over the limit"),
        pytest.param(
            head(b"Content-Length: 999999999999", b"Expect: 100-continue"), 413, id="a length, asked about before"
        ),
    ],
)
async def test_a_head_that_is_wrong_is_refused_before_any_body_and_ends_its_connection(otlp, request_bytes, status):
    async with served_beside(otlp), raw(otlp) as client:
        await client.send(request_bytes)
        assert await client.answers() == [status]


@pytest.mark.parametrize(
    "path",
    [
        b"//v1/traces",
        b"/v1/../v1/traces",
        b"/v1/traces/",
        b"/v1/traces%00",
        b"/v1/%zz",
        b"/%2e%2e/%2e%2e/etc/passwd",
    ],
)
async def test_a_path_is_taken_literally(otlp, path):
    async with raw(otlp) as client:
        await client.send(head(b"Content-Length: 0", first=(b"POST " + path + b" HTTP/1.1", *HEAD[1:])))
        assert (await client.answer()).status == 404


# Heads without an end: too many headers, too long ones, and what may stand between the chunks of a body.
BOMBS_OF_HEADS = [
    pytest.param(head()[:-2], b"X-Filler: " + b"a" * 90 + b"\r\n", id="headers"),
    pytest.param(head()[:-2] + b"X: ", b"a" * 100, id="one header"),
    pytest.param(b"POST /", b"a" * 100, id="a path"),
    pytest.param(b"", b"A" * 100, id="a method"),
    pytest.param(chunked(b"3;"), b"x" * 100, id="the extension of a chunk"),
    pytest.param(chunked(b"0\r\n"), b"X-Filler: " + b"a" * 90 + b"\r\n", id="trailers"),
]


@pytest.mark.parametrize(("begin", "again"), BOMBS_OF_HEADS)
async def test_a_head_without_an_end_is_refused(otlp, begin, again):
    async with served_beside(otlp), raw(otlp) as client:
        await client.send(begin, *[again * 100] * 100)
        answer = await client.answer()
        assert answer is None or answer.status in (400, 431)


async def test_a_head_of_64_kibibytes_is_431(otlp):
    async with served_beside(otlp), raw(otlp) as client:
        await client.send(head()[:-2] + b"X: " + b"a" * 66000)
        answer = await client.answer()
    assert (answer.status, answer.headers["content-type"]) == (431, "application/json")
    assert json.loads(answer.body) == {
        "code": 8,
        "message": "the head of a request may have at most 65536 bytes and 256 headers",
    }


# Bodies that are too large, whatever they claim.
async def endless(client, chunk):
    for _ in range(200):
        await client.send(chunk)


async def test_a_body_without_an_end_is_413_once_the_limit_is_passed(start_otlp):
    async with start_otlp(http={"max_request_body_size": MEBIBYTE}) as otlp, served_beside(otlp), raw(otlp) as client:
        await client.send(head(CHUNKED))
        async with asyncio.TaskGroup() as tasks:
            sending = tasks.create_task(endless(client, b"10000\r\n" + bytes(65536) + b"\r\n"))
            assert (await client.answer()).status == 413
            sending.cancel()


def bare_deflate(data):
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


ZEROS = bytes(1 << 24)
BOMBS = [
    pytest.param("gzip", gzip.compress(ZEROS, 1), id="gzip"),
    pytest.param("gzip", gzip.compress(bytes(MEBIBYTE), 1) * 64, id="gzip, many members"),
    pytest.param("zlib", zlib.compress(ZEROS, 1), id="zlib"),
    pytest.param("deflate", bare_deflate(ZEROS), id="bare deflate"),
    pytest.param("zstd", zstd.compress(ZEROS), id="zstd"),
    pytest.param("zstd", zstd.compress(bytes(1 << 16)) * 1024, id="zstd, many frames"),
    pytest.param("lz4", lz4.frame.compress(ZEROS), id="lz4"),
    pytest.param("snappy", bytes(cramjam.snappy.compress_raw(ZEROS)), id="snappy"),
    pytest.param("snappy", b"\xff\xff\xff\xff\x0f", id="snappy that only says so"),
    pytest.param("x-snappy-framed", bytes(cramjam.snappy.compress(ZEROS)), id="snappy, framed"),
]


@pytest.mark.parametrize(("encoding", "bomb"), BOMBS)
async def test_a_zip_bomb_is_413(start_otlp, encoding, bomb):
    limit = 8 * MEBIBYTE
    async with start_otlp(http={"max_request_body_size": limit}) as otlp, served_beside(otlp), raw(otlp) as client:
        await client.send(post(bomb, f"Content-Encoding: {encoding}"))
        answer = await client.answer()
        expected = 400 if len(bomb) < 10 else 413
        assert answer.status == expected


PACKED = [
    pytest.param("gzip", gzip.compress(SPAN), id="gzip"),
    pytest.param("zlib", zlib.compress(SPAN), id="zlib"),
    pytest.param("deflate", bare_deflate(SPAN), id="bare deflate"),
    pytest.param("zstd", zstd.compress(SPAN), id="zstd"),
    pytest.param("lz4", lz4.frame.compress(SPAN), id="lz4"),
    pytest.param("snappy", bytes(cramjam.snappy.compress_raw(SPAN)), id="snappy"),
    pytest.param("x-snappy-framed", bytes(cramjam.snappy.compress(SPAN)), id="snappy, framed"),
]


@pytest.mark.parametrize(("encoding", "packed"), PACKED)
async def test_a_compressed_body_that_was_cut_or_damaged_is_400(otlp, encoding, packed):
    damaged = packed[:8] + bytes(byte ^ 0x55 for byte in packed[8:])
    async with served_beside(otlp), raw(otlp) as client:
        for wrong in (packed[: len(packed) // 2], damaged, SECRET * 10):
            await client.send(post(wrong, f"Content-Encoding: {encoding}"))
            assert (await client.answer()).status == 400
        await client.send(post(packed, f"Content-Encoding: {encoding}"))
        assert (await client.answer()).status == 200
        otlp.consumers[Signal.TRACES].batches.pop()
    assert otlp.log.lines == []


def nested(depth):
    """Return a span with an attribute whose arrays nest so deep."""
    value = b""
    for _ in range(depth):
        inner = field(1, value)
        value = field(5, inner)
    return field(1, field(2, field(2, field(9, field(1, b"k") + field(2, value)))))


def field(number, content):
    size, length = [], len(content)
    while length > 127:
        size.append(length & 127 | 128)
        length >>= 7
    return bytes([number << 3 | 2, *size, length]) + content


def attributes(count):
    one = field(9, field(1, b"k") + field(2, field(1, SECRET)))
    ids = field(1, bytes([1] * 16)) + field(2, bytes([1] * 8))
    return field(1, field(2, field(2, ids + one * count)))


JSON = "application/json"
PROTO = "application/x-protobuf"
CONTENTS = [
    pytest.param(PROTO, SPAN[:-3], id="protobuf: truncated"),
    pytest.param(PROTO, SPAN[:20] + SECRET + SPAN[26:], id="protobuf: overwritten"),
    pytest.param(PROTO, b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", id="protobuf: a length past 64 bits"),
    pytest.param(PROTO, b"\x0a\xff\xff\xff\x7f", id="protobuf: a length past the end"),
    pytest.param(PROTO, b"\x00" * 1000, id="protobuf: field 0"),
    pytest.param(PROTO, b"\x0b" * 100_000, id="protobuf: groups in groups"),
    pytest.param(PROTO, nested(40), id="protobuf: deep"),
    pytest.param(PROTO, nested(5000), id="protobuf: very deep"),
    pytest.param(PROTO, attributes(5000), id="protobuf: attributes"),
    pytest.param(JSON, SPAN, id="JSON: protobuf"),
    pytest.param(JSON, b'{"resourceSpans":[{"scopeSpans":[{"spans":[{"name":"SECRET"', id="JSON: truncated"),
    pytest.param(JSON, b"[" * 100_000, id="JSON: arrays in arrays"),
    pytest.param(JSON, b'{"resourceSpans":' * 100_000, id="JSON: objects in objects"),
    pytest.param(JSON, b'{"resourceSpans":[{"scopeSpans":"SECRET"}]}', id="JSON: another type"),
    pytest.param(JSON, b'{"resourceSpans":[{"schemaUrl":' + b"1" * 100_000 + b"}]}", id="JSON: a long number"),
    pytest.param(JSON, b"\xff\xfe{\x00}\x00", id="JSON: UTF-16"),
    pytest.param(JSON, b'{"resourceSpans":[NaN]}', id="JSON: NaN"),
]


@pytest.mark.parametrize(("media", "content"), CONTENTS)
async def test_content_that_is_no_request_is_400_and_its_connection_goes_on(otlp, media, content):
    async with served_beside(otlp), raw(otlp) as client:
        await client.send(post(content, media=media))
        answer = await client.answer()
        assert (answer.status, answer.headers["content-type"]) == (400, media)
        assert SECRET not in answer.body
        await client.send(post(b"{}", media=JSON))
        assert (await client.answer()).status == 200
    assert otlp.log.lines == []
    assert otlp.requests("http", "failure") == 0


# Slow clients: the head within read_header_timeout, the whole within read_timeout, and never silent for long.
@pytest.mark.parametrize(
    ("sent", "status"),
    [
        pytest.param(b"", None, id="nothing at all"),
        pytest.param(b"POST /v1/tr", 408, id="half a first line"),
        pytest.param(head()[:-2], 408, id="no end of the head"),
        pytest.param(post(SPAN)[:-5], 408, id="half a body"),
        pytest.param(chunked(b"5\r\nab"), 408, id="half a chunk"),
        pytest.param(chunked(b"5\r\nabcde\r\n0\r\n"), 408, id="no end of the trailers"),
    ],
)
async def test_a_client_that_stops_sending_is_given_up(start_otlp, sent, status):
    limits = {"read_header_timeout": "500ms", "read_timeout": "600ms", "idle_timeout": "1s"}
    async with start_otlp(http=limits) as otlp, served_beside(otlp), raw(otlp) as client:
        await client.send(sent)
        answer = await client.answer()
        assert (answer.status if answer else None) == status
        assert await client.answer() is None


async def trickle(client, data):
    for number in range(len(data)):
        await client.send(data[number : number + 1])
        await asyncio.sleep(0.03)


@pytest.mark.parametrize("sent", [head() + bytes(50), post(bytes(1000))], ids=["head", "body"])
async def test_a_client_that_sends_byte_by_byte_is_given_up_all_the_same(start_otlp, sent):
    limits = {"read_header_timeout": "600ms", "read_timeout": "700ms"}
    skip = sent.index(b"\r\n\r\n") + 4 if sent.endswith(bytes(1000)) else 0
    async with start_otlp(http=limits) as otlp, served_beside(otlp), raw(otlp) as client:
        await client.send(sent[:skip])
        async with asyncio.TaskGroup() as tasks:
            sending = tasks.create_task(trickle(client, sent[skip:]))
            assert (await client.answer()).status == 408
            sending.cancel()


async def test_a_body_that_stops_is_given_up_long_before_the_request_as_a_whole(start_otlp):
    async with start_otlp(http={"read_timeout": "1h"}) as otlp, served_beside(otlp), raw(otlp) as client:
        await client.send(post(SPAN)[:-5])
        assert await client.answers() == [408]


async def test_an_idle_connection_is_closed_without_a_word(start_otlp):
    async with start_otlp(http={"idle_timeout": "1s"}) as otlp, raw(otlp) as client:
        await client.send(post(SPAN))
        assert await client.answers() == [200]


# Clients that leave.
async def test_a_client_that_sends_no_more_gets_the_answer_to_what_was_whole(otlp):
    async with served_beside(otlp), raw(otlp) as client:
        await client.send(post(b""))
        client.writer.write_eof()
        assert (await client.answer()).status == 200


async def test_a_client_that_leaves_within_its_body_costs_nothing(otlp):
    async with served_beside(otlp):
        for leave in (False, True):
            async with raw(otlp) as client:
                await client.send(post(SPAN)[:-5])
                if leave:
                    client.writer.write_eof()
                    assert await client.answer() is None
    assert otlp.log.lines == []


async def test_requests_behind_each_other_are_answered_in_order(otlp):
    async with raw(otlp) as client:
        await client.send(post(SPAN) + post(b"\xff") + post(SPAN, path="/no") + post(SPAN, "Connection: close"))
        assert await client.answers() == [200, 400, 404, 200]
    assert otlp.consumers[Signal.TRACES].items == 2


async def test_a_client_that_asks_on_and_on_and_never_reads_is_kept_waiting_and_then_cut(start_otlp):
    request = b"GET /v1/traces HTTP/1.1\r\nHost: x\r\n\r\n"
    async with start_otlp(http={"write_timeout": "1s"}) as otlp, raw(otlp) as client:
        client.reader._transport.pause_reading()
        async with served_beside(otlp), asyncio.timeout(20):
            while not client.writer.transport.is_closing():
                await client.send(request * 1000)
        assert otlp.log.lines == []


# The HTTP client of the JDK asks for HTTP/2 with every request.
UPGRADE = (b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA")
SIZE = b"Content-Length: %d" % len(SPAN)
UPGRADES = [
    pytest.param(head(SIZE, *UPGRADE) + SPAN, id="with a length"),
    pytest.param(head(CHUNKED, *UPGRADE) + b"%x\r\n" % len(SPAN) + SPAN + b"\r\n0\r\n\r\n", id="in chunks"),
    pytest.param(head(SIZE, b"Connection: Upgrade", b"Upgrade: websocket") + SPAN, id="another protocol"),
]


@pytest.mark.parametrize("size", [pytest.param(1, id="bytes"), pytest.param(1 << 16, id="at once")])
@pytest.mark.parametrize("request_bytes", UPGRADES)
async def test_a_request_that_asks_for_another_protocol_is_served_in_this_one(otlp, request_bytes, size):
    twice = request_bytes * 2
    async with raw(otlp) as client:
        await client.send(*(twice[place : place + size] for place in range(0, len(twice), size)))
        assert [(await client.answer()).status for _ in range(2)] == [200, 200]
        await client.send(post(SPAN, "Connection: close"))
        assert await client.answers() == [200]
    assert [batch.otlp for batch in otlp.consumers[Signal.TRACES].batches] == [SPAN] * 3


# Crowds.
async def test_a_crowd_of_silent_connections_does_not_shut_others_out(otlp):
    async with AsyncExitStack() as crowd:
        for _ in range(200):
            client = await crowd.enter_async_context(raw(otlp))
            await client.send(b"POST /v1/traces HTTP/1.1\r\nHost: x\r\n")
        async with served_beside(otlp):
            pass


async def test_requests_hold_no_more_memory_than_admitted(start_otlp):
    async with start_otlp(admission={"request_limit_mib": 1}) as otlp:
        async with served_beside(otlp), raw(otlp) as one, raw(otlp) as other, asyncio.TaskGroup() as tasks:
            for client in (one, other):
                await client.send(head(b"Content-Length: 900000") + bytes(800_000))
            answers = [tasks.create_task(client.answer()) for client in (one, other)]
            done, waiting = await asyncio.wait(answers, return_when=asyncio.FIRST_COMPLETED)
            assert [(task.result().status, task.result().headers["retry-after"]) for task in done] == [(503, "1")]
            for task in waiting:
                task.cancel()
        async with served_beside(otlp), raw(otlp) as third:
            await third.send(post(bytes(900_000)))
            assert (await third.answer()).status == 400
