"""What becomes of requests under way when the receiver stops, or has no room for more."""

import asyncio

import grpc
import httpx2
import pytest
from google.rpc.error_details_pb2 import RetryInfo

from collector.api import Signal
from collector.testing import RecordingConsumer, sample_request
from tests.live.otlp.frames import EXPORT

PROTO = {"content-type": "application/x-protobuf"}
BODY = sample_request(Signal.TRACES)


class SlowConsumer(RecordingConsumer):
    """Takes a batch over once `release` is set."""

    def __init__(self):
        super().__init__()
        self.waiting = 0
        self.release = asyncio.Event()

    async def __call__(self, batch):
        self.waiting += 1
        self.notify()
        await self.release.wait()
        await super().__call__(batch)

    async def reached(self, requests):
        await self.until(lambda: self.waiting >= requests)


async def over_http(otlp, body=BODY):
    """Send and return the status and the delay that was asked for."""
    async with otlp.client() as client:
        answer = await client.post("/v1/traces", content=body, headers=PROTO)
    return answer.status_code, answer.headers.get("retry-after")


async def over_grpc(otlp, body=BODY):
    """Send and return the code and the delay that was asked for."""
    async with otlp.channel() as channel:
        try:
            await channel.unary_unary(EXPORT)(body, timeout=20)
        except grpc.aio.AioRpcError as error:
            info = dict(error.trailing_metadata() or ()).get("google.rpc.retryinfo-bin")
            return error.code().name, RetryInfo.FromString(info).retry_delay.seconds if info else None
    return "OK", None


async def test_what_is_under_way_is_finished_before_the_receiver_stops(start_otlp):
    consumer = SlowConsumer()
    async with start_otlp(consumers={Signal.TRACES: consumer}) as otlp, asyncio.TaskGroup() as tasks:
        answers = [tasks.create_task(send(otlp)) for send in (over_http, over_grpc)]
        await consumer.reached(2)
        tasks.create_task(otlp.receiver.stop())
        await asyncio.sleep(0)
        consumer.release.set()
    assert [answer.result() for answer in answers] == [(200, None), ("OK", None)]
    assert consumer.items == 6


async def test_what_cannot_be_finished_in_time_is_to_be_sent_again(start_otlp):
    consumer = SlowConsumer()
    async with start_otlp(consumers={Signal.TRACES: consumer}) as otlp, asyncio.TaskGroup() as tasks:
        answers = [tasks.create_task(send(otlp)) for send in (over_http, over_grpc)]
        await consumer.reached(2)
        await otlp.receiver.stop()
    status, (code, _) = (answer.result() for answer in answers)
    assert status == (503, "1")
    assert code in ("UNAVAILABLE", "CANCELLED")
    assert consumer.items == 0


@pytest.mark.parametrize("first", [over_http, over_grpc])
@pytest.mark.parametrize(
    ("send", "refused", "taken"),
    [
        pytest.param(over_http, (503, "1"), (200, None), id="HTTP"),
        pytest.param(over_grpc, ("UNAVAILABLE", 1), ("OK", None), id="gRPC"),
    ],
)
async def test_requests_under_way_hold_no_more_memory_than_admitted(start_otlp, first, send, refused, taken):
    consumer, large = SlowConsumer(), sample_request(Signal.TRACES, 2000)
    assert 2 * len(large) > 1 << 20 > len(large)
    settings = {"consumers": {Signal.TRACES: consumer}, "admission": {"request_limit_mib": 1}}
    async with start_otlp(**settings) as otlp, asyncio.TaskGroup() as tasks:
        holding = tasks.create_task(first(otlp, large))
        await consumer.reached(1)
        assert await send(otlp, large) == refused
        consumer.release.set()
        await holding
        assert await send(otlp, large) == taken


@pytest.mark.parametrize(
    ("send", "answer"),
    [
        pytest.param(over_http, (503, "1"), id="HTTP"),
        pytest.param(over_grpc, ("UNAVAILABLE", 1), id="gRPC"),
    ],
)
async def test_a_request_that_a_pipeline_gives_up_is_to_be_sent_again(start_otlp, send, answer):
    async with start_otlp(consumers={Signal.TRACES: RecordingConsumer([asyncio.CancelledError(), None])}) as otlp:
        assert await send(otlp) == answer
        assert (await send(otlp))[0] in (200, "OK")
    assert otlp.consumers[Signal.TRACES].items == 3


@pytest.mark.parametrize(
    ("send", "taken", "cut"),
    [
        pytest.param(over_http, 200, httpx2.RemoteProtocolError, id="HTTP"),
        pytest.param(over_grpc, "OK", None, id="gRPC"),
    ],
)
async def test_a_fault_that_no_handler_takes_ends_its_connection_and_nothing_else(start_otlp, send, taken, cut):
    fault = BaseExceptionGroup("several", [asyncio.CancelledError()])
    async with start_otlp(consumers={Signal.TRACES: RecordingConsumer([fault, None])}) as otlp:
        if cut is None:
            assert (await send(otlp))[0] == "UNAVAILABLE"
        else:
            with pytest.raises(cut):
                await send(otlp)
        assert (await send(otlp))[0] == taken
    assert otlp.log.lines == [("error", "a request failed inside the server", {"error": "BaseExceptionGroup"})]
