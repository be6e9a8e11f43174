"""What every log promises, in memory and on disk alike."""

import asyncio

import pytest

from collector.api import Overloaded, Signal
from collector.delivery.config import LogConfig
from collector.delivery.disk.log import DiskLog
from collector.delivery.log import Bounds, Limits, Outcome, QueueFull
from collector.delivery.memory import MemoryLog
from collector.testing import sample_batch, settings
from collector.wire.codec import codec

WIDE = Bounds(1000)


def _memory(_directory):
    return MemoryLog()


def _disk(directory, **config):
    return DiskLog(directory, LogConfig(**config), Signal.TRACES, codec(), settings("traces"))


@pytest.fixture(
    params=[
        pytest.param(_memory, id="memory"),
        pytest.param(_disk, id="disk"),
        pytest.param(lambda path: _disk(path, sync="never", compression="lz4"), id="disk-unsynced-lz4"),
    ]
)
async def log(request, tmp_path):
    log = request.param(tmp_path / "log")
    await log.open()
    yield log
    await log.shut()


@pytest.fixture(autouse=True, params=[True, False], ids=["recent", "forgotten"])
def remembering(request, monkeypatch):
    """Let records on disk be read from memory or, with nothing remembered, from their files."""
    if not request.param:
        monkeypatch.setattr("collector.delivery.disk.log._RECENT_BYTES", 0)


def _batch(items: int = 1):
    return sample_batch(Signal.TRACES, items)


async def _take(cursor, items: int = 0, size: int = 0):
    portion = await cursor.take(Limits(items, size))
    return portion and [record.sequence for record in portion.records]


async def _finish(cursor):
    cursor.done(await cursor.take(Limits()))


async def _fill(log, count: int, items: int = 1):
    return [await log.append(_batch(items)) for _ in range(count)]


async def test_records_are_numbered_without_gaps_and_read_in_order(log):
    cursor = log.cursor("a", WIDE)
    assert await _fill(log, 3) == [0, 1, 2]
    assert await _take(cursor) == [0, 1, 2]
    assert await _take(cursor) is None


async def test_take_stops_before_the_limit_but_gives_one_record_however_large(log):
    cursor = log.cursor("a", WIDE)
    await _fill(log, 3, items=4)
    assert await _take(cursor, items=8) == [0, 1]
    assert await _take(cursor, items=1, size=1) == [2]


async def test_a_slow_cursor_holds_up_no_other_and_keeps_its_records(log):
    slow, fast = log.cursor("slow", WIDE), log.cursor("fast", WIDE)
    await _fill(log, 2)
    await _finish(fast)
    assert (fast.backlog, slow.backlog, slow.undelivered) == (0, 2, 2)
    assert await _take(slow) == [0, 1]


async def test_portions_done_out_of_order_are_not_read_again_and_the_others_come_as_they_were(log):
    cursor = log.cursor("a", WIDE)
    await _fill(log, 4)
    _, middle, _ = [await cursor.take(Limits(items=n)) for n in (1, 2, 1)]
    cursor.done(middle)
    cursor.rewind()
    assert [await _take(cursor) for _ in range(3)] == [[0], [3], None]


async def test_a_record_over_the_limit_is_taken_with_the_place_to_cut_it(log):
    cursor = log.cursor("a", WIDE)
    await _fill(log, 2, items=10)
    portion = await cursor.take(Limits(items=4))
    assert (portion.cut, portion.unsettled) == (4, 10)
    cursor.settle(portion, 4, Outcome.STORED)
    cursor.rewind()
    again = await cursor.take(Limits(items=7))
    assert (again.first, again.last, again.cut, again.unsettled) == (0, 0, 4, 6)
    assert (cursor.undelivered, cursor.backlog) == (16, 2)


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
    cursor.done(await cursor.take(Limits(items=1)))
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
        await _finish(cursor)
    assert waiting.result() == 1


async def test_the_oldest_record_that_is_not_done_says_since_when_a_sink_is_behind(log):
    slow, fast = log.cursor("slow", WIDE), log.cursor("fast", WIDE)
    assert log.oldest() is None
    first = _batch()
    await log.append(first)
    await _finish(fast)
    assert 0 < log.oldest() <= first.context.received_at
    await _finish(slow)
    assert log.oldest() is None


async def test_wait_ends_when_enough_items_are_unread(log):
    cursor = log.cursor("a", WIDE)
    async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(cursor.wait(4, None))
        await log.append(_batch(3))
        await asyncio.sleep(0)
        assert not waiting.done()
        await log.append(_batch(1))
    assert waiting.result() is True


async def test_wait_ends_when_enough_bytes_are_unread(log):
    cursor = log.cursor("a", WIDE)
    one = _batch(3).size
    async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(cursor.wait(1, None, 2 * one))
        await log.append(_batch(3))
        await asyncio.sleep(0)
        assert not waiting.done()
        await log.append(_batch(3))
    assert waiting.result() is True


async def test_wait_ends_by_its_timeout_and_tells_whether_anything_is_unread(log):
    cursor = log.cursor("a", WIDE)
    assert await cursor.wait(1, 0.001) is False
    await log.append(_batch())
    assert await cursor.wait(5, 0.001) is True


async def test_delivered_waits_for_the_record_alone(log):
    cursor = log.cursor("a", WIDE)
    await _fill(log, 2)
    _, second = [await cursor.take(Limits(items=1)) for _ in range(2)]
    async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(cursor.delivered(1))
        await asyncio.sleep(0)
        cursor.done(second)
    assert waiting.done()
    await cursor.delivered(1)


async def test_a_closed_log_refuses_writers_and_lets_readers_finish(log):
    cursor = log.cursor("a", WIDE)
    await log.append(_batch())
    log.close()
    with pytest.raises(Overloaded):
        await log.append(_batch())
    assert await cursor.wait(1, None) is True
    await _finish(cursor)
    assert await cursor.wait(1, None) is False
