import asyncio
from math import inf

import pytest

from collector.api import TooLarge
from collector.receivers.admission import REQUEST_OVERHEAD, Admission
from collector.receivers.grpc.calls import STREAMED_LIMIT, StreamingCall
from collector.receivers.grpc.methods import Streaming


class Recorded:
    """A connection that notes what its call does."""

    def __init__(self, admission):
        self.said = asyncio.Queue()
        self.admission = admission
        self.limit = 1 << 20
        self.now = 1.0

    def reply(self, call, message, *, last):
        self.said.put_nowait(message)

    def end(self, call):
        self.said.put_nowait("end")

    def refuse(self, call, refusal):
        self.said.put_nowait(refusal.code)

    def spawn(self, call):
        return asyncio.ensure_future(call.run())


async def echo(messages):
    async for message in messages:
        yield message


@pytest.fixture
def admission():
    return Admission(1 << 20)


@pytest.fixture
def connection(admission):
    return Recorded(admission)


@pytest.fixture
async def call(admission, connection):
    made = StreamingCall(connection, 1, "", inf, Streaming(echo))
    yield made
    made.cancel()
    await asyncio.wait([made._task])
    assert admission.held == 0


async def test_a_message_of_a_streaming_method_is_held_until_the_method_takes_it(admission, connection, call):
    call.part(90)
    call.message([bytes(60), bytes(40)], 0)
    assert admission.held == REQUEST_OVERHEAD + 100
    call.ended(torn=False)
    assert await connection.said.get() == bytes(100)
    assert admission.held == 0
    assert await connection.said.get() == "end"


async def test_a_streaming_call_may_go_on_for_ever(admission, connection, call):
    for _ in range(1000):
        call.part(10_000)
        call.message([bytes(10_001)], 0)
        assert await connection.said.get() == bytes(10_001)
        assert admission.held == REQUEST_OVERHEAD


async def test_a_message_that_grows_too_large_is_refused_before_it_is_whole(call):
    call.part(STREAMED_LIMIT)
    with pytest.raises(TooLarge):
        call.part(1)
