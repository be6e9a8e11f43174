"""What every log promises, in memory and on disk alike."""

import asyncio

import pytest

from collector.api import Overloaded, Signal
from collector.delivery.log import Bounds, QueueFull
from collector.delivery.memory import MemoryLog
from collector.testing import sample_batch

WIDE = Bounds(1000)


@pytest.fixture(params=["memory"])
def log():
    return MemoryLog()


def _batch(items: int = 1):
    return sample_batch(Signal.TRACES, items)


async def _fill(log, count: int, items: int = 1):
    return [await log.append(_batch(items)) for _ in range(count)]


async def test_records_are_numbered_without_gaps_and_read_in_order(log):
    cursor = log.cursor("a", WIDE)
    assert await _fill(log, 3) == [0, 1, 2]
    assert [record.sequence for record in cursor.take(0, 0)] == [0, 1, 2]
    assert cursor.take(0, 0) == []


async def test_take_stops_before_the_limit_but_gives_one_record_however_large(log):
    cursor = log.cursor("a", WIDE)
    await _fill(log, 3, items=4)
    assert [record.sequence for record in cursor.take(8, 0)] == [0, 1]
    assert [record.sequence for record in cursor.take(1, 1)] == [2]


async def test_a_slow_cursor_holds_up_no_other_and_keeps_its_records(log):
    slow, fast = log.cursor("slow", WIDE), log.cursor("fast", WIDE)
    await _fill(log, 2)
    fast.done(fast.take(0, 0))
    assert (fast.backlog, slow.backlog, slow.undelivered) == (0, 2, 2)
    assert [record.sequence for record in slow.take(0, 0)] == [0, 1]


async def test_records_done_out_of_order_are_not_read_again_after_a_rewind(log):
    cursor = log.cursor("a", WIDE)
    await _fill(log, 3)
    records = cursor.take(0, 0)
    cursor.done([records[1]])
    cursor.rewind()
    assert [[r.sequence for r in cursor.take(0, 0)] for _ in range(3)] == [[0], [2], []]


@pytest.mark.parametrize(
    ("bounds", "fits"),
    [
        pytest.param(Bounds(2), 2, id="requests"),
        pytest.param(Bounds(9, "items"), 3, id="items"),
        pytest.param(Bounds(_batch(3).size * 4, "bytes"), 4, id="bytes"),
    ],
)
async def test_a_full_queue_refuses_and_names_its_exporter(log, bounds, fits):
    cursor = log.cursor("narrow", bounds)
    await _fill(log, fits, items=3)
    with pytest.raises(QueueFull) as refused:
        await log.append(_batch(3))
    assert (refused.value.exporter, refused.value.retry_after) == ("narrow", 1.0)
    cursor.done(cursor.take(1, 0))
    assert await log.append(_batch(3)) == fits


async def test_an_empty_queue_takes_a_batch_larger_than_itself(log):
    log.cursor("a", Bounds(1, "items"))
    assert await log.append(_batch(5)) == 0


async def test_a_blocking_queue_makes_the_writer_wait_for_room(log):
    cursor = log.cursor("a", Bounds(1, block=True))
    await log.append(_batch())
    async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(log.append(_batch()))
        await asyncio.sleep(0)
        assert not waiting.done()
        cursor.done(cursor.take(0, 0))
    assert waiting.result() == 1


async def test_wait_ends_when_enough_items_are_unread(log):
    cursor = log.cursor("a", WIDE)
    async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(cursor.wait(4, None))
        await log.append(_batch(3))
        await asyncio.sleep(0)
        assert not waiting.done()
        await log.append(_batch(1))
    assert waiting.result() is True


async def test_wait_ends_by_its_timeout_and_tells_whether_anything_is_unread(log):
    cursor = log.cursor("a", WIDE)
    assert await cursor.wait(1, 0.001) is False
    await log.append(_batch())
    assert await cursor.wait(5, 0.001) is True


async def test_delivered_waits_for_the_record_alone(log):
    cursor = log.cursor("a", WIDE)
    await _fill(log, 2)
    records = cursor.take(0, 0)
    async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(cursor.delivered(1))
        await asyncio.sleep(0)
        cursor.done([records[1]])
    assert waiting.done()
    await cursor.delivered(1)


async def test_a_closed_log_refuses_writers_and_lets_readers_finish(log):
    cursor = log.cursor("a", WIDE)
    await log.append(_batch())
    log.close()
    with pytest.raises(Overloaded):
        await log.append(_batch())
    assert await cursor.wait(1, None) is True
    cursor.done(cursor.take(0, 0))
    assert await cursor.wait(1, None) is False
