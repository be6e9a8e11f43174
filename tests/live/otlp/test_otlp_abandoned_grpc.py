"""Clients that begin calls and leave them in every state: nothing of them is kept, and no task goes on."""

import asyncio
import gzip
import random

import pytest
from hpack import Encoder
from hyperframe.frame import DataFrame, GoAwayFrame, HeadersFrame, RstStreamFrame, SettingsFrame, WindowUpdateFrame

from collector.api import Overloaded, Rejected, Signal
from collector.testing import sample_request
from tests.live.otlp.frames import EXPORT, Http2, grpc_message
from tests.live.otlp.raw import drop, read_and_forget

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
PATHS = [EXPORT] * 6 + [
    "/grpc.health.v1.Health/Watch",
    "/grpc.health.v1.Health/Check",
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    "/a.B/C",
]
SMALL, LARGE = sample_request(Signal.TRACES, 1), sample_request(Signal.TRACES, 3000)
MESSAGES = [
    (grpc_message(SMALL), {}),
    (grpc_message(LARGE), {}),
    (grpc_message(gzip.compress(LARGE), compressed=True), {"grpc_encoding": "gzip"}),
    (grpc_message(SMALL) * 2, {}),
    (grpc_message(b"\xff" * 40_000), {}),
    (b"\0\xff\xff\xff\xff" + bytes(20_000), {}),
    (b"", {}),
]


class Moody:
    """A pipeline that takes a batch at once, later, never, or not at all."""

    def __init__(self, chance):
        self.chance = chance

    async def __call__(self, batch):
        match self.chance.randrange(5):
            case 0:
                await asyncio.sleep(0)
            case 1:
                for _ in range(5):
                    await asyncio.sleep(0)
            case 2:
                await asyncio.Event().wait()
            case 3:
                raise self.chance.choice([Overloaded("full", 1.0), Rejected("no"), ValueError("fault")])


def call(chance, number):
    """Return the frames of one call, which may end anywhere."""
    message, extra = chance.choice(MESSAGES)
    if chance.random() < 0.3:
        extra = {**extra, "grpc_timeout": chance.choice(["0n", "1n", "1m", "5m", "1H", "x"])}
    headers = Http2(None, None).headers(path=chance.choice(PATHS), **extra)
    frames = [HeadersFrame(number, Encoder().encode(headers), flags=["END_HEADERS"])]
    frames += [DataFrame(number, message[start : start + 16_000]) for start in range(0, len(message), 16_000)]
    if chance.random() < 0.7:
        frames[-1].flags.add("END_STREAM")
    else:
        frames = frames[: chance.randint(1, len(frames))]
    if chance.random() < 0.4:
        frames.insert(chance.randint(1, len(frames)), RstStreamFrame(number, error_code=chance.choice([0, 5, 8])))
    if chance.random() < 0.2:
        frames.append(WindowUpdateFrame(number, window_increment=chance.choice([1, 1000])))
    return [frame.serialize() for frame in frames]


async def leave_calls(chance, target):
    """Send calls over one connection, mixed, and leave."""
    host, _, port = target.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    reading = asyncio.create_task(read_and_forget(reader))
    try:
        writer.write(PREFACE + SettingsFrame(0, settings={4: chance.choice([0, 1, 65535])}).serialize())
        calls = [call(chance, 2 * number + 1) for number in range(chance.randint(1, 40))]
        begun = []
        while calls or begun:
            if calls and (not begun or chance.random() < 0.2):
                headers, *rest = calls.pop(0)
                writer.write(headers)
                begun.append(rest)
            elif frames := chance.choice(begun):
                writer.write(frames.pop(0))
            begun = [left for left in begun if left]
            if chance.random() < 0.2:
                await writer.drain()
                await asyncio.sleep(0)
        if chance.random() < 0.3:
            writer.write(GoAwayFrame(0, last_stream_id=0).serialize())
        await asyncio.sleep(chance.choice([0, 0.01]))
    except ConnectionError:
        pass
    finally:
        reading.cancel()
        await drop(writer)


@pytest.mark.parametrize("seed", range(2))
async def test_calls_that_are_left_in_any_state_hold_nothing(start_otlp, capfd, seed):
    chance = random.Random(seed)
    limits = {"admission": {"request_limit_mib": 4}, "grpc": {"max_recv_msg_size_mib": 2}}
    async with start_otlp(consumers={Signal.TRACES: Moody(chance)}, **limits) as otlp:
        server = otlp.receiver._grpc._server
        for _ in range(5):
            await asyncio.gather(*(leave_calls(chance, otlp.grpc_target) for _ in range(4)))
        async with asyncio.timeout(10):
            while server._connections:
                server._gone.clear()
                await server._gone.wait()
        async with asyncio.timeout(10):
            await asyncio.gather(*server._tasks._tasks, return_exceptions=True)
        assert (server.admission.held, len(server._tasks._tasks)) == (0, 0)
    assert "Traceback" not in "".join(capfd.readouterr())
