import asyncio

import pytest

from collector.api import TooLarge
from collector.receivers.admission import Admission
from collector.receivers.grpc.calls import STREAMED_LIMIT, Opening, StreamingCall
from collector.receivers.grpc.methods import Streaming
from collector.receivers.metadata import NO_METADATA


class Recorded:
    """A connection that notes what its call does."""

    def __init__(self):
        self.said = asyncio.Queue()

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
async def call(admission):
    opening = Opening(Recorded(), 1, "", admission.lease(), STREAMED_LIMIT, NO_METADATA)
    made = StreamingCall(opening, 0.0, Streaming(echo))
    yield made
    made.cancel()
    await asyncio.wait([made._task])
    assert admission.held == 0


async def test_a_message_of_a_streaming_method_is_held_until_the_method_takes_it(admission, call):
    call.part(90, 1.0)
    call.message(bytes(100), 0)
    assert admission.held == 100
    call.ended(torn=False)
    assert await call.opening.connection.said.get() == bytes(100)
    assert admission.held == 0
    assert await call.opening.connection.said.get() == "end"


async def test_a_streaming_call_may_go_on_for_ever(admission, call):
    for _ in range(1000):
        call.part(10_000, 1.0)
        call.message(bytes(10_001), 0)
        assert await call.opening.connection.said.get() == bytes(10_001)
        assert admission.held == 0


async def test_a_message_that_grows_too_large_is_refused_before_it_is_whole(admission, call):
    call.part(STREAMED_LIMIT, 1.0)
    with pytest.raises(TooLarge):
        call.part(1, 2.0)
