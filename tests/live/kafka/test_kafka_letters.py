"""Retry topics and dead letters over a real broker: record and offset move together or not at all."""

import asyncio

import pytest

from collector.api import Permanent, Signal, State
from collector.receivers.kafka import metrics
from collector.testing import RecordingExporter, sample_batch, sample_request
from collector.wire.codec import codec
from tests.live.kafka.consumers import committed, new_group, pipeline, receiving, until_committed
from tests.live.kafka.other_client import ends, read, write

DELAYS = {"retry_delays": ["100ms", "300ms"]}


class Picky(RecordingExporter):
    """Refuses the span with the name `bad`, `times` times."""

    def __init__(self, bad: str, times: int = 1_000_000) -> None:
        super().__init__()
        self.bad = bad
        self.left = times

    async def push(self, delivery):
        names = delivery.batch.columns["name"].to_pylist()
        if self.bad in names and self.left:
            self.left -= 1
            raise Permanent("it is bad", rows=[names.index(self.bad)], kind="bad")
        await super().push(delivery)

    @property
    def names(self):
        return [name for delivery in self.deliveries for name in delivery.batch.columns["name"].to_pylist()]


def _headers(record):
    return {name: value.decode() for name, value in record.headers}


BAD = sample_batch(Signal.TRACES, 3).columns["name"][1].as_py()
ALL = sample_batch(Signal.TRACES, 3).columns["name"].to_pylist()


async def test_refused_rows_are_tried_again_by_way_of_their_topics_until_the_sink_takes_them(broker, topic):
    group, sink = new_group(), Picky(BAD, times=2)
    await asyncio.to_thread(write, broker.address, topic, [sample_request(Signal.TRACES, 3)])
    async with pipeline(sink) as consume:
        options = {"traces": {"topics": [topic]}, "dead_letters": DELAYS}
        async with receiving(broker.address, group=group, consumers={Signal.TRACES: consume}, **options):
            await sink.until(lambda: sink.items >= 3, limit=30)
    assert sink.names == [name for name in ALL if name != BAD] + [BAD]
    (first,) = await asyncio.to_thread(read, broker.address, f"{topic}.retry.100ms", 1)
    (second,) = await asyncio.to_thread(read, broker.address, f"{topic}.retry.300ms", 1)
    for record, attempt in ((first, "1"), (second, "2")):
        told = _headers(record)
        assert int(told.pop("retry_at")) > 1_700_000_000_000
        assert told == {
            "original_topic": topic,
            "original_partition": "0",
            "original_offset": "0",
            "original_last_offset": "0",
            "attempt": attempt,
            "error": "it is bad",
            "exporter": "sink0",
            "signal": "traces",
        }
        rows = codec().decode(Signal.TRACES, [record.value])
        assert rows["name"].to_pylist() == [BAD]


async def test_rows_that_are_always_refused_end_with_the_dead_letters_and_hold_up_nothing(broker, topic):
    group, sink = new_group(), Picky(BAD)
    await asyncio.to_thread(write, broker.address, topic, [sample_request(Signal.TRACES, 3)])
    options = {"traces": {"topics": [topic]}, "dead_letters": {"retry_delays": ["100ms"]}}
    async with (
        pipeline(sink) as consume,
        receiving(broker.address, group=group, consumers={Signal.TRACES: consume}, **options) as running,
    ):
        (letter,) = await asyncio.to_thread(read, broker.address, f"{topic}.dlq", 1)
        await until_committed(broker.address, group, topic, 1)
        assert running.metrics.value(metrics.LETTERS, receiver="kafka", topic=f"{topic}.dlq") == 1
    told = _headers(letter)
    assert int(told.pop("dlq_timestamp")) > 1_700_000_000_000
    assert told == {
        "dlq_reason": "it is bad",
        "dlq_step": "sink0",
        "dlq_topic": topic,
        "dlq_partition": "0",
        "dlq_offset": "0",
        "dlq_last_offset": "0",
        "attempt": "1",
        "signal": "traces",
        "encoding": "otlp_proto",
    }
    assert sorted(sink.names) == sorted(name for name in ALL if name != BAD)


async def test_a_record_that_comes_too_early_waits_and_its_consumer_stays_a_member(broker, topic):
    group, sink = new_group(), Picky(BAD, times=1)
    await asyncio.to_thread(write, broker.address, topic, [sample_request(Signal.TRACES, 3)])
    options = {
        "traces": {"topics": [topic]},
        "dead_letters": {"retry_delays": ["3s"]},
        "session_timeout": "1s",
        "heartbeat_interval": "300ms",
    }
    async with (
        pipeline(sink) as consume,
        receiving(broker.address, group=group, consumers={Signal.TRACES: consume}, **options) as running,
    ):
        await sink.until(lambda: sink.items >= 2, limit=30)
        await asyncio.to_thread(write, broker.address, topic, [sample_request(Signal.TRACES, 1)])
        await sink.until(lambda: sink.items >= 4, limit=30)
        assert [event for event in running.events("partitions revoked") if event["lost"]] == []
    assert sink.names[-1] == BAD


async def test_when_the_dead_letter_topic_cannot_be_written_the_partition_stands_still_and_says_so(broker, topic):
    group = new_group()
    values = [sample_request(Signal.TRACES, 1), b"\xff\xff", sample_request(Signal.TRACES, 1)]
    await asyncio.to_thread(write, broker.address, topic, values)
    letters = {"topic": "no such name: {topic}", "create_topics": False}
    async with receiving(broker.address, group=group, traces={"topics": [topic]}, dead_letters=letters) as running:

        async def stands_still():
            while not any(state is State.FAILED for state, _ in running.report.states):
                await asyncio.to_thread(committed, broker.address, group, topic)

        await asyncio.wait_for(stands_still(), 30)
        message = next(message for state, message in running.report.states if state is State.FAILED)
        assert message.startswith(f"{topic}/0 stands still: ")
        assert (await asyncio.to_thread(committed, broker.address, group, topic)) == (0, "ottery/1 3")
    async with receiving(broker.address, group=group, traces={"topics": [topic]}) as running:
        await until_committed(broker.address, group, topic, 3)
        assert (await asyncio.to_thread(read, broker.address, f"{topic}.dlq", 1))[0].value == b"\xff\xff"


@pytest.mark.parametrize("moment", ["before", "after"])
async def test_a_crash_around_the_transaction_writes_a_dead_letter_once(broker, make_topic, moment):
    """The consumer goes away while its sink holds the cut, or once the transaction is made."""
    name, group = make_topic(), new_group()
    await asyncio.to_thread(write, broker.address, name, [sample_request(Signal.TRACES, 3), b"\xff"])
    sink = Picky(BAD)
    if moment == "before":
        sink.open.clear()
    options = {"traces": {"topics": [name]}, "dead_letters": {"retry_delays": []}}
    async with pipeline(sink) as consume:
        async with receiving(broker.address, group=group, consumers={Signal.TRACES: consume}, **options):
            await (sink.attempted(1) if moment == "before" else until_committed(broker.address, group, name, 2))
        sink.open.set()
        async with receiving(broker.address, group=group, consumers={Signal.TRACES: consume}, **options):
            await until_committed(broker.address, group, name, 2)
    letters = await asyncio.to_thread(read, broker.address, f"{name}.dlq", 2, isolation_level="read_committed")
    assert sorted(_headers(letter)["dlq_step"] for letter in letters) == ["decode", "sink0"]
    consumed = await asyncio.to_thread(ends, broker.address, f"{name}.dlq")
    assert consumed == {0: 3}, "two letters and the end of one transaction"
