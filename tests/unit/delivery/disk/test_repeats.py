"""Requests that a client sends again because it got no answer."""

import asyncio

import pyarrow as pa
import pytest

from collector.api import Batch, Context, Overloaded, Signal
from collector.delivery.disk.digests import SUFFIX
from collector.delivery.log import Limits
from collector.delivery.requests import digest_of
from collector.testing import SAMPLE_TIME, sample_batch, sample_request
from collector.wire.codec import codec

WINDOW = {"window": 120.0}


def _batch(items, received_at=SAMPLE_TIME):
    request = sample_request(Signal.TRACES, items)
    return Batch(Signal.TRACES, codec(), requests=(request,), items=items, context=Context(received_at))


async def _append(log, items):
    batch = _batch(items, log.settings.clock.now_ns())
    return await log.append(batch, await digest_of(batch), unchanged=True)


async def test_a_request_sent_again_is_in_the_log_once_also_after_a_kill(place):
    async with place.log(**WINDOW) as (log, _):
        assert [await _append(log, items) for items in (1, 2, 1)] == [0, 1, 0]
        place.kill()
    async with place.log(**WINDOW) as (log, cursor):
        assert await _append(log, 2) == 1
        assert (await _append(log, 3), cursor.undelivered) == (log.end - 1, 6)
        assert [r.batch.otlp for r in (await cursor.take(Limits())).records] == [_batch(n).otlp for n in (1, 2, 3)]


async def test_two_at_the_same_time_are_one(place):
    async with place.log(**WINDOW) as (log, cursor):
        assert await asyncio.gather(*[_append(log, 4) for _ in range(5)]) == [0] * 5
        assert cursor.undelivered == 4


async def test_one_that_was_refused_is_new_when_it_comes_again(place, monkeypatch):
    def full(*_args):
        raise OSError(28, "No space left on device")

    async with place.log(**WINDOW) as (log, _):
        with monkeypatch.context() as patch:
            patch.setattr("os.pwritev", full)
            both = await asyncio.gather(_append(log, 4), _append(log, 4), return_exceptions=True)
        assert [type(each) for each in both] == [Overloaded, Overloaded]
        assert await _append(log, 4) == 0


async def test_a_client_that_hangs_up_does_not_undo_what_the_next_one_waits_for(place):
    async with place.log(**WINDOW) as (log, cursor), asyncio.TaskGroup() as tasks:
        first = tasks.create_task(_append(log, 4))
        await asyncio.sleep(0)
        second = tasks.create_task(_append(log, 4))
        await asyncio.sleep(0)
        first.cancel()
        assert (await second, cursor.undelivered) == (0, 4)


async def test_after_the_window_the_same_request_is_new(place):
    async with place.log(**WINDOW) as (log, _):
        await _append(log, 4)
        await log.settings.clock.advance(121)
        assert await _append(log, 4) == 1


async def test_it_is_remembered_when_its_segment_has_gone(place):
    async with place.log(segment_size=4096, **WINDOW) as (log, cursor):
        for items in (20, 21, 22):
            await _append(log, items)
        cursor.done(await cursor.take(Limits()))
    async with place.log(**WINDOW) as (log, _):
        log._threads["place"].submit(int).result()
        assert (len(place.segments), len(list(place.directory.glob(f"*{SUFFIX}")))) == (1, 2)
        assert [await _append(log, items) for items in (20, 21, 22)] == [0, 1, 2]


@pytest.mark.parametrize("signal", [Signal.LOGS, Signal.METRICS], ids=str)
async def test_items_without_a_time_are_never_taken_for_each_other(signal):
    timed = sample_batch(signal, 2)
    columns = timed.columns
    index = columns.schema.get_field_index("time_unix_nano")
    times = pa.array([SAMPLE_TIME, 0], columns.schema.field(index).type)
    untimed = timed.with_columns(columns.set_column(index, columns.schema.field(index), times))
    assert (len(await digest_of(timed)), await digest_of(untimed)) == (16, b"")
