"""No bytes crash the receiver: whatever comes is taken or refused by its table, and never our fault."""

import gzip
import random
import zlib

import grpc
import pytest

from collector.api import Signal
from collector.receivers.inflate import ENCODINGS, zstd
from collector.testing import sample_request
from collector.wire.codec import codec
from tests.live.otlp.frames import EXPORT
from tests.live.otlp.raw import post, raw

SAMPLES = {signal: sample_request(signal, 2) for signal in Signal}
PACKERS = {"gzip": gzip.compress, "zlib": zlib.compress, "deflate": zlib.compress, "zstd": zstd.compress}
SEEDS = range(6)


def mutated(chance, data):
    """Return `data` with bytes changed, cut out, repeated and put in."""
    changed = bytearray(data)
    for _ in range(chance.randint(1, 8)):
        place = chance.randrange(len(changed) + 1)
        match chance.randrange(5):
            case 0 if place < len(changed):
                changed[place] = chance.randrange(256)
            case 1 if place < len(changed):
                changed[place] ^= 1 << chance.randrange(8)
            case 2:
                del changed[place : place + chance.randint(1, 20)]
            case 3:
                changed[place:place] = chance.randbytes(chance.randint(1, 20))
            case _:
                changed[place:place] = changed[place : place + chance.randint(1, 50)]
    return bytes(changed)


@pytest.mark.parametrize("seed", SEEDS)
async def test_no_body_is_our_fault_over_http(otlp, seed):
    chance = random.Random(seed)
    async with otlp.client() as client:
        for _ in range(60):
            signal, json = chance.choice(list(Signal)), chance.random() < 0.4
            body = codec().to_json(signal, SAMPLES[signal]) if json else SAMPLES[signal]
            encoding = chance.choice(["identity", *ENCODINGS])
            body = mutated(
                chance, PACKERS.get(encoding, bytes)(body if chance.random() < 0.2 else mutated(chance, body))
            )
            media = "application/json" if json else "application/x-protobuf"
            headers = {"content-type": media, "content-encoding": encoding}
            answer = await client.post(f"/v1/{signal}", content=body, headers=headers)
            assert answer.status_code in (200, 400), (seed, answer.status_code, answer.content)
    assert (otlp.requests("http", "failure"), otlp.log.lines) == (0, [])


@pytest.mark.parametrize("seed", SEEDS)
async def test_no_body_is_our_fault_over_grpc(otlp, seed):
    chance, codes = random.Random(seed), set()
    async with otlp.channel() as channel:
        export = channel.unary_unary(EXPORT)
        for _ in range(60):
            try:
                await export(mutated(chance, SAMPLES[Signal.TRACES]), timeout=10)
            except grpc.aio.AioRpcError as error:
                codes.add(error.code())
    assert codes <= {grpc.StatusCode.INVALID_ARGUMENT}
    assert (otlp.requests("grpc", "failure"), otlp.log.lines) == (0, [])


@pytest.mark.parametrize("seed", SEEDS)
async def test_no_request_confuses_the_http_server(start_otlp, seed):
    chance = random.Random(seed)
    limits = {"read_header_timeout": "250ms", "read_timeout": "250ms"}
    good = post(b"", "Content-Encoding: gzip", "Connection: keep-alive", "Expect: 100-continue")
    async with start_otlp(http=limits) as otlp:
        for _ in range(10):
            async with raw(otlp) as client:
                await client.send(mutated(chance, good * chance.randint(1, 3)))
                client.writer.write_eof()
                statuses = set(await client.answers())
            assert statuses <= {100, 200, 400, 404, 405, 408, 413, 415, 431, 501}, (seed, statuses)
        assert (otlp.requests("http", "failure"), otlp.log.lines) == (0, [])
        async with raw(otlp) as client:
            await client.send(post(b""))
            assert (await client.answer()).status == 200
