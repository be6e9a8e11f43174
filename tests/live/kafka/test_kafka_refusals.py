"""Records that a topic's policy refuses: what can be stored is, once, and what cannot is a dead letter by name."""

import asyncio
import contextlib

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from collector.api import Batch, Delivery, Permanent, Retryable, Signal
from collector.delivery.log import Outcome
from collector.testing import RecordingMetrics, sample_batch, sample_request
from collector.wire.codec import codec
from exporters.kafka.metrics import RECORDS
from tests.live.kafka.consumers import eventually, whole_pipeline
from tests.live.kafka.exporting import exporter
from tests.live.kafka.other_client import ends, read

LIMIT = 6000


class Letters:
    """Keeps what is given up."""

    def __init__(self):
        self.kept = []

    async def put(self, letter):
        self.kept.append(letter)
        return Outcome.DEAD_LETTERED

    @property
    def items(self):
        return sum(letter.batch.items for letter in self.kept)


def batch_of(items, large, size=LIMIT + 2000):
    """Return spans, of which those with the numbers `large` are too large for the topic."""
    request = ExportTraceServiceRequest.FromString(sample_request(Signal.TRACES, items))
    for number in large:
        request.resource_spans[0].scope_spans[0].spans[number].name = "x" * size
    return Batch(Signal.TRACES, codec(), requests=(request.SerializeToString(),), items=items)


async def stored(broker, topic):
    """Return the rows in a topic, read by another client."""
    count = sum((await asyncio.to_thread(ends, broker.address, topic)).values())
    records = await asyncio.to_thread(read, broker.address, topic, count) if count else []
    return [row for record in records for row in codec().decode(Signal.TRACES, [record.value]).to_pylist()]


def ids(rows):
    return sorted(row["span_id"] for row in rows)


def failures(recorded, topic):
    return recorded.value(RECORDS, exporter="kafka", topic=topic, outcome="failure")


async def test_records_that_only_together_are_too_large_are_all_stored(broker, make_topic):
    topic = make_topic(max_message_bytes=str(LIMIT))
    batch = batch_of(20, range(20), LIMIT - 2000)
    producer = {"max_message_bytes": LIMIT - 500, "compression": "none", "linger": "100ms"}
    async with exporter(broker.address, traces={"topic": topic}, producer=producer) as kafka:
        await kafka.push(Delivery(batch, "t1"))
    assert ids(await stored(broker, topic)) == ids(batch.columns.to_pylist())


@pytest.mark.parametrize(
    "large",
    [
        pytest.param([0], id="the first"),
        pytest.param([299], id="the last"),
        pytest.param([5, 6, 7, 100, 250], id="neighbours and others"),
        pytest.param(range(0, 300, 2), id="every other one"),
        pytest.param(range(300), id="all"),
    ],
)
async def test_only_items_that_are_too_large_for_the_topic_are_dead_letters(broker, make_topic, large):
    topic = make_topic(max_message_bytes=str(LIMIT))
    batch, letters = batch_of(300, large), Letters()
    async with (
        exporter(broker.address, traces={"topic": topic}, producer={"compression": "none"}) as kafka,
        whole_pipeline(kafka, dead_letters=letters) as pipeline,
    ):
        await pipeline.consume(batch)
        await eventually(lambda: not pipeline.undelivered())
        (account,) = pipeline.accounts()
    told = [account.received, account.in_flight, account.total("stored"), account.total("dead_lettered")]
    assert told == [300, 0, 300 - len(large), len(large)]
    given_up = [row for letter in letters.kept for row in letter.batch.columns.to_pylist()]
    rows = batch.columns.to_pylist()
    assert ids(given_up) == ids(rows[number] for number in large)
    assert ids(await stored(broker, topic)) == ids(row for number, row in enumerate(rows) if number not in set(large))
    assert {letter.kind for letter in letters.kept} == {"message_too_large"}
    if len(large) < 300:
        assert f"span {rows[large[0]]['span_id'].hex()} of trace" in letters.kept[0].reason


async def test_taking_a_batch_apart_goes_on_where_the_last_attempt_ended(broker, make_topic):
    topic = make_topic(max_message_bytes=str(LIMIT))
    batch, attempts = sample_batch(Signal.TRACES, 4000), 0
    config = {"traces": {"topic": topic}, "producer": {"compression": "none"}}
    async with exporter(broker.address, timeout="300ms", **config) as kafka:
        delivery, done = Delivery(batch, "t1"), False
        while not done:
            attempts += 1
            with contextlib.suppress(Retryable, TimeoutError):
                async with asyncio.timeout(0.3):
                    await kafka.push(delivery)
                    done = True
    assert attempts > 1
    assert ids(await stored(broker, topic)) == ids(batch.columns.to_pylist())


async def test_a_refusal_that_holds_for_every_item_ends_in_bounded_work(broker, make_topic):
    topic, letters, recorded = make_topic(cleanup_policy="compact"), Letters(), RecordingMetrics()
    batch = sample_batch(Signal.TRACES, 8192)
    async with (
        exporter(broker.address, recorded=recorded, traces={"topic": topic}) as kafka,
        whole_pipeline(kafka, dead_letters=letters) as pipeline,
    ):
        await pipeline.consume(batch)
        await eventually(lambda: letters.items == 8192)
    assert failures(recorded, topic) <= 128
    assert {letter.kind for letter in letters.kept} == {"kafka_invalid_record"}
    assert await stored(broker, topic) == []


async def test_a_topic_that_is_mended_gets_what_it_refused_before(broker, make_topic):
    topic = make_topic(cleanup_policy="compact")
    async with exporter(broker.address, traces={"topic": topic}) as kafka:
        delivery = Delivery(sample_batch(Signal.TRACES, 5), "t1")
        with pytest.raises(Permanent, match=f"{topic}: ") as refused:
            await kafka.push(delivery)
        assert (refused.value.rows, refused.value.whole) == (None, True)
        await asyncio.to_thread(broker.configure, topic, "cleanup.policy", "delete")
        await kafka.push(delivery)
    assert len(await stored(broker, topic)) == 5


async def test_topics_that_refuse_for_different_reasons_are_each_named(broker, make_topic):
    takes, narrow, keyed = make_topic(), make_topic(max_message_bytes="300"), make_topic(cleanup_policy="compact")
    request = ExportTraceServiceRequest()
    for topic in (narrow, takes, keyed):
        one = ExportTraceServiceRequest.FromString(sample_request(Signal.TRACES, 2)).resource_spans[0]
        one.resource.attributes.add(key="topic").value.string_value = topic
        request.resource_spans.append(one)
    batch = Batch(Signal.TRACES, codec(), requests=(request.SerializeToString(),), items=6)
    async with exporter(broker.address, topic_from_attribute="topic") as kafka:
        with pytest.raises(Permanent, match=f"{narrow}: .*{keyed}: .*: span .*, span .* and 1 more") as refused:
            await kafka.push(Delivery(batch, "t1"))
    assert (refused.value.rows, refused.value.rest_stored) == ([0, 1, 4, 5], True)
    assert len(await stored(broker, takes)) == 2
