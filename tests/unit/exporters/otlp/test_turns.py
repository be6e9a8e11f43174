import asyncio

import pytest

from collector.api import Permanent, Retryable
from collector.testing import FakeClock
from exporters.otlp.turns import Turns


async def test_members_take_turns_and_one_that_failed_rests():
    clock = FakeClock()
    turns = Turns("abc", clock)
    assert [turns.take()[1] for _ in range(4)] == ["a", "b", "c", "a"]
    turns.failed(1)
    assert [turns.take()[1] for _ in range(3)] == ["c", "a", "c"]
    await clock.advance(5)
    assert [turns.take()[1] for _ in range(2)] == ["a", "b"]


async def test_when_all_rest_they_take_turns_all_the_same():
    turns = Turns("ab", FakeClock())
    turns.failed(0)
    turns.failed(1)
    assert [turns.take()[1] for _ in range(3)] == ["a", "b", "a"]


async def test_a_success_ends_the_rest():
    turns = Turns("ab", FakeClock())
    turns.failed(0)
    turns.worked(0)
    assert [turns.take()[1] for _ in range(2)] == ["a", "b"]


def sending(turns, answers):
    """Return a function that sends, and the members that were asked; each of `answers` belongs to one of them."""
    asked = []

    async def by(member):
        asked.append(member)
        answer = answers.pop(0)
        if isinstance(answer, BaseException):
            raise answer
        return answer

    return lambda: turns.send(by), asked


async def test_another_member_sends_what_one_cannot_send_now():
    send, asked = sending(Turns("abc", FakeClock()), [Retryable("down"), Retryable("down"), "done"])
    assert (await send(), asked) == ("done", ["a", "b", "c"])


async def test_each_member_is_asked_once_before_the_last_error_is_raised():
    send, asked = sending(Turns("ab", FakeClock()), [Retryable("down"), Retryable("also down"), "done"])
    with pytest.raises(Retryable, match="also down"):
        await send()
    assert asked == ["a", "b"]


async def test_a_refusal_for_good_is_raised_at_once_and_its_member_does_not_rest():
    turns = Turns("ab", FakeClock())
    send, asked = sending(turns, [Permanent("bad")])
    with pytest.raises(Permanent, match="bad"):
        await send()
    assert (asked, [turns.take()[1] for _ in range(3)]) == (["a"], ["b", "a", "b"])


async def test_a_member_that_keeps_us_waiting_until_we_are_cancelled_rests():
    turns = Turns("ab", FakeClock())
    send, asked = sending(turns, [asyncio.CancelledError()])
    with pytest.raises(asyncio.CancelledError):
        await send()
    assert (asked, [turns.take()[1] for _ in range(2)]) == (["a"], ["b", "b"])
