import asyncio

import pytest
from confluent_kafka import Message

from collector.receivers.kafka.buffer import Buffer
from collector.receivers.kafka.config import Gathering

QUICK = Gathering(flush_timeout=0.01, max_bytes=1000, max_buffered_bytes=3000)


def _message(offset, size=10):
    return Message(topic="t", partition=0, offset=offset, value=b"x" * size)


def _told(taken):
    return taken.start, taken.end, [message.offset() for message in taken.messages]


async def _take(buffer):
    async with asyncio.timeout(5):
        return _told(await buffer.take())


def _filled(buffer, *offsets, size=10):
    for offset in offsets:
        buffer.add(_message(offset, size))
    return buffer


async def test_what_comes_in_time_travels_together():
    assert await _take(_filled(Buffer(QUICK, 3, None), 3, 4, 7)) == (3, 8, [3, 4, 7])


async def test_a_group_without_an_offset_begins_with_the_first_record():
    assert await _take(_filled(Buffer(QUICK, None, None), 5, 6)) == (5, 7, [5, 6])


async def test_a_cut_ends_before_it_is_too_large_and_the_next_one_begins_there():
    buffer = _filled(Buffer(QUICK, 0, None), 0, 1, 2, size=400)
    assert [await _take(buffer), await _take(buffer)] == [(0, 2, [0, 1]), (2, 3, [2])]


async def test_one_record_is_a_cut_however_large():
    assert await _take(_filled(Buffer(QUICK, 0, None), 0, 1, size=5000)) == (0, 1, [0])


async def test_records_of_a_retry_topic_travel_alone():
    buffer = _filled(Buffer(QUICK, 0, None, single=True), 0, 1)
    assert [await _take(buffer), await _take(buffer)] == [(0, 1, [0]), (1, 2, [1])]


async def test_a_cut_that_was_written_down_is_made_again_however_much_there_is():
    buffer = _filled(Buffer(QUICK, 0, 3), *range(10), size=500)
    assert [await _take(buffer), await _take(buffer)] == [(0, 3, [0, 1, 2]), (3, 4, [3])]


async def test_a_cut_that_was_written_down_waits_for_its_last_record():
    buffer = _filled(Buffer(QUICK, 0, 3), 0)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await buffer.take()
    assert await _take(_filled(buffer, 1, 2)) == (0, 3, [0, 1, 2])


async def test_a_cut_whose_last_records_are_gone_ends_with_the_partition():
    buffer = _filled(Buffer(QUICK, 0, 3), 0)
    buffer.reached(5)
    assert await _take(buffer) == (0, 3, [0])


async def test_records_that_a_cut_has_passed_and_that_came_already_are_left_out():
    assert await _take(_filled(Buffer(QUICK, 4, None), 2, 4, 4, 5)) == (4, 6, [4, 5])


async def test_it_is_full_above_its_bound_and_has_room_below_half_of_it():
    buffer = Buffer(QUICK, 0, None)
    states = []
    for offset in range(8):
        buffer.add(_message(offset, 436))
        states.append((buffer.is_full, buffer.has_room))
    assert states == [(False, True)] * 2 + [(False, False)] * 3 + [(True, False)] * 3
    for _ in range(3):
        await _take(buffer)
    assert (buffer.is_full, buffer.has_room) == (False, True)
