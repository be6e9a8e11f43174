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
