import errno

import pytest

from collector.api import Batch, Context, Signal
from collector.delivery.dead_letters import DeadLetter, KeptLetters
from collector.delivery.letters import BadLetter, LetterBox
from collector.delivery.log import Outcome
from collector.testing import sample_request, settings
from collector.wire.codec import codec


def _batch(items=2, origin=""):
    context = Context(7, {"x-tenant": ("eu",)}, origin=origin)
    return Batch(Signal.LOGS, codec(), requests=(sample_request(Signal.LOGS, items),), items=items, context=context)


def _letter(token="t:0-0", items=2, reason="bad row"):
    return DeadLetter(_batch(items), "sink", reason, "poison", 3, token)


@pytest.fixture
def box(tmp_path):
    return LetterBox(tmp_path / "dead_letters")


@pytest.fixture
def kept(box):
    return KeptLetters(box, "logs/eu", settings("logs/eu"))


async def test_a_letter_comes_back_with_its_data_its_reason_and_its_context(box, kept):
    assert await kept.put(_letter()) is Outcome.DEAD_LETTERED
    (letter,) = box.letters()
    batch = box.read(letter, codec())
    assert (batch.signal, batch.otlp, batch.context) == (Signal.LOGS, _batch().otlp, _batch().context)
    said = (letter.pipeline, letter.exporter, letter.items, letter.reason, letter.kind, letter.attempts, letter.replays)
    assert said == ("logs/eu", "sink", 2, "bad row", "poison", 3, 0)


async def test_rows_of_a_kafka_partition_are_replayed_under_the_letters_own_token(box, kept):
    whole = DeadLetter(_batch(origin="topic:0:5-9"), "sink", "bad row", "poison", 1, "logs/eu:topic:0:5-9")
    await kept.put(whole)
    (letter,) = box.letters()
    assert box.read(letter, codec()).context.origin == ""


async def test_the_same_rows_written_twice_after_a_crash_are_one_letter(box, kept):
    for _ in range(2):
        await kept.put(_letter())
    await kept.put(_letter("t:1-1"))
    assert len(list(box.letters())) == 2


async def test_a_full_box_refuses_until_letters_are_dropped(box, kept):
    await kept.put(_letter())
    (size,) = [path.stat().st_size for path in box.directory.iterdir()]
    kept = KeptLetters(LetterBox(box.directory, size + 100), "logs", settings("logs"))
    with pytest.raises(OSError, match=f"dead letters have {size} of {size + 100} bytes; replay or drop some") as full:
        await kept.put(_letter("t:1-1"))
    assert full.value.errno == errno.ENOSPC
    box.drop(*box.letters())
    assert await kept.put(_letter("t:1-1")) is Outcome.DEAD_LETTERED


async def test_a_letter_waits_or_rests_and_is_gone_once(box, kept):
    await kept.put(_letter())
    (resting,) = box.letters("resting")
    assert (box.replay(resting), box.replay(resting), list(box.letters("resting"))) == (True, False, [])
    (waiting,) = box.letters("waiting")
    assert (box.drop(resting), box.drop(waiting), list(box.letters())) == (False, True, [])


async def test_a_damaged_letter_is_named_and_hides_no_other(box, kept):
    await kept.put(_letter())
    await kept.put(_letter("t:1-1"))
    first, second = box.letters()
    path = box.directory / f"{first.id}.letter"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(BadLetter, match=f"the data of dead letter {first.id} is damaged"):
        box.read(first, codec())
    path.write_bytes(b"{")
    assert ([letter.id for letter in box.letters()], box.damaged()) == ([second.id], [path])
