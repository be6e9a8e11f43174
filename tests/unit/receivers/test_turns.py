import asyncio

import pytest

from collector.receivers.turns import Turns


class Loop:
    """Begins work like a door, and notes in which turn of the event loop."""

    def __init__(self, room):
        self.turns = Turns(room)
        self.turn = 0
        self.begun = []

    async def work(self, name, size):
        if not self.turns.begin(size):
            await self.turns.wait(size)
        self.begun.append((self.turn, name))

    async def until_done(self, tasks):
        while not all(task.done() for task in tasks):
            self.turn += 1
            await asyncio.sleep(0)

    def names(self):
        return [name for _, name in self.begun]


async def test_a_turn_has_room_for_so_much_and_the_rest_waits_in_order():
    loop = Loop(1.0)
    tasks = [asyncio.create_task(loop.work(number, 0.5)) for number in range(6)]
    await loop.until_done(tasks)
    turns = [turn for turn, _ in loop.begun]
    assert loop.names() == list(range(6))
    assert [turns.count(turn) for turn in sorted(set(turns))] == [2, 2, 2]


async def test_work_that_is_larger_than_a_turn_begins_alone():
    loop = Loop(1.0)
    await loop.until_done([asyncio.create_task(loop.work(number, 5.0)) for number in range(3)])
    assert [name for _, name in loop.begun] == [0, 1, 2]
    assert len({turn for turn, _ in loop.begun}) == 3


async def test_who_comes_later_does_not_overtake_who_waits():
    loop = Loop(1.0)
    tasks = [asyncio.create_task(loop.work(number, 1.0)) for number in range(3)]
    await asyncio.sleep(0)
    late = asyncio.create_task(loop.work("late", 0.1))
    await loop.until_done([*tasks, late])
    assert loop.names() == [0, 1, 2, "late"]


async def test_who_gives_up_takes_no_turn():
    loop = Loop(1.0)
    tasks = [asyncio.create_task(loop.work(number, 1.0)) for number in range(4)]
    await asyncio.sleep(0)
    tasks[1].cancel()
    await loop.until_done(tasks)
    assert loop.names() == [0, 2, 3]
    with pytest.raises(asyncio.CancelledError):
        await tasks[1]


async def test_work_begins_at_once_when_the_loop_had_time():
    loop = Loop(1.0)
    for number in range(3):
        assert loop.turns.begin(1.0), number
        assert not loop.turns.begin(1.0)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
