import gzip
import threading

import pytest

from collector.api import Context, Overloaded, Rejected, Signal, TooLarge
from collector.receivers.admission import Admission
from collector.receivers.otlp import door as module
from collector.receivers.otlp.door import TURN, Counter, Door, Inline, Request, Room
from collector.receivers.turns import Turns
from collector.receivers.workers import Workers
from collector.telemetry.catalogue import (
    OTTERY_REJECTED,
    RECEIVER_ACCEPTED,
    RECEIVER_FAILED,
    RECEIVER_READ,
    RECEIVER_REFUSED,
)
from collector.testing import RecordingConsumer, RecordingLog, RecordingMetrics, sample_request, settings
from collector.wire.codec import codec
from collector.wire.types import Scan

SMALL, LARGE = sample_request(Signal.LOGS, 1), sample_request(Signal.LOGS, 50)
LABELS = {"receiver": "otlp", "transport": "http"}


class Hall:
    """A door with what it needs, where a request of more than 2 kB is large. `limit` is the largest that is taken."""

    def __init__(self, *errors, limit=1 << 20, room=1 << 20):
        self.metrics, self.log = RecordingMetrics(), RecordingLog()
        self.consumer = RecordingConsumer(errors)
        self.admission = Admission(room)
        around = settings("otlp", metrics=self.metrics, log=self.log)
        self.workers = Workers("otlp")
        space = Room(around, codec(), self.admission, self.workers, Turns(TURN))
        self.door = Door(space, Counter(around, "http"), Signal.LOGS, self.consumer, limit)

    async def take(self, body, **request):
        try:
            with self.admission.lease() as lease:
                return await self.door.take(Request([body[:9], body[9:]], {}, **request), lease)
        finally:
            self.workers.stop()

    @property
    def items(self):
        families = (RECEIVER_ACCEPTED, RECEIVER_REFUSED, RECEIVER_FAILED)
        return tuple(self.metrics.value(family[Signal.LOGS], **LABELS) for family in families)

    @property
    def places(self):
        return {
            place: len(self.metrics.observations(RECEIVER_READ, receiver="otlp", place=place))
            for place in ("loop", "worker")
        }


@pytest.fixture(autouse=True)
def two_kilobytes_are_large(monkeypatch):
    monkeypatch.setattr(module, "_INLINE", dict.fromkeys(("native", "python"), Inline(2000, 2000, 500)))


def as_json(body):
    return codec().to_json(Signal.LOGS, body)


@pytest.mark.parametrize(
    ("body", "request_", "place"),
    [
        pytest.param(SMALL, {}, "loop", id="small"),
        pytest.param(LARGE, {}, "worker", id="large"),
        pytest.param(as_json(SMALL), {"json": True}, "loop", id="small JSON"),
        pytest.param(as_json(LARGE), {"json": True}, "worker", id="large JSON"),
        pytest.param(gzip.compress(SMALL), {"encoding": "gzip"}, "loop", id="small, compressed"),
        pytest.param(gzip.compress(LARGE), {"encoding": "gzip"}, "worker", id="large, compressed"),
        pytest.param(gzip.compress(SMALL * 20), {"encoding": "gzip"}, "worker", id="large once it is decompressed"),
    ],
)
async def test_a_large_request_is_read_in_a_thread(body, request_, place):
    hall = Hall()
    await hall.take(body, **request_)
    assert hall.places == {"loop": 0, "worker": 0, place: 1}
    assert hall.items == (hall.consumer.items, 0, 0)


async def test_the_thread_is_another_one(monkeypatch):
    hall, seen = Hall(), []
    read = codec().read
    monkeypatch.setattr(
        type(codec()), "read", lambda self, *a, **k: (seen.append(threading.current_thread().name), read(*a, **k))[1]
    )
    await hall.take(SMALL)
    await hall.take(LARGE)
    assert (seen[0], seen[1].startswith("otlp")) == ("MainThread", True)


async def test_a_request_is_handed_over_with_its_time_and_its_metadata():
    hall = Hall()
    with hall.admission.lease() as lease:
        scan = await hall.door.take(Request([SMALL], {"x-tenant": ("a",)}), lease)
    (batch,) = hall.consumer.batches
    assert (scan, batch.otlp, batch.items) == (Scan(1), SMALL, 1)
    assert batch.context == Context(hall.door._settings.clock.now_ns(), {"x-tenant": ("a",)})


@pytest.mark.parametrize(
    ("error", "items"),
    [
        pytest.param(Overloaded("full"), (0, 1, 0), id="overloaded"),
        pytest.param(Rejected("bad"), (0, 1, 0), id="rejected"),
        pytest.param(ValueError("SECRET"), (0, 0, 1), id="a fault of ours"),
    ],
)
async def test_items_that_were_not_taken_are_counted_by_whose_fault_it_was(error, items):
    hall = Hall(error)
    with pytest.raises(type(error)):
        await hall.take(SMALL)
    assert hall.items == items
    assert "SECRET" not in str(hall.log.lines)
    assert [line[1] for line in hall.log.lines] == ["a request failed inside the receiver"] * items[2]


@pytest.mark.parametrize("limit", [pytest.param(100, id="a small limit"), pytest.param(5000, id="a large limit")])
async def test_a_request_that_is_too_large_once_decompressed_is_refused_and_holds_nothing(limit):
    hall = Hall(limit=limit)
    with pytest.raises(TooLarge, match=f"larger than the {limit} bytes accepted once it is decompressed"):
        await hall.take(gzip.compress(bytes(100_000)), encoding="gzip")
    assert (hall.admission.held, hall.consumer.batches) == (0, [])


async def test_what_a_request_becomes_counts_as_held():
    hall = Hall(room=100_000)
    with hall.admission.lease() as other:
        other.take(50_000)
        with pytest.raises(Overloaded):
            await hall.take(gzip.compress(LARGE * 10), encoding="gzip")
    assert hall.admission.held == 0


async def test_items_that_otlp_tells_us_to_refuse_are_counted():
    hall = Hall()
    around = settings("otlp", metrics=hall.metrics)
    space = Room(around, codec(), hall.admission, hall.workers, Turns(TURN))
    door = Door(space, Counter(around, "http"), Signal.TRACES, hall.consumer, 1 << 20)
    bad = sample_request(Signal.TRACES, 1).replace((1).to_bytes(16, "big"), bytes(16))
    with hall.admission.lease() as lease:
        scan = await door.take(Request([bad], {}), lease)
    assert (scan.items, scan.rejected, hall.consumer.batches) == (0, 1, [])
    assert hall.metrics.value(OTTERY_REJECTED, signal="traces", receiver="otlp", reason="invalid") == 1
