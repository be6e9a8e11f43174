"""A consumer group under load: members that come and go, a broker and a sink that are away. Every span is counted."""

import asyncio
import contextlib
from collections import Counter

from collector.api import Retryable, Signal, State
from collector.receivers.kafka import metrics
from collector.testing import RecordingExporter
from tests.live.kafka.consumers import eventually, new_group, pipeline, receiving, until_committed
from tests.live.kafka.other_client import ends, producer
from tests.live.kafka.test_two_tiers import SPANS, numbered


class Sink(RecordingExporter):
    """A store that knows tokens, as ClickHouse does: what comes again under the same token is not stored again."""

    def __init__(self) -> None:
        super().__init__()
        self.stored: Counter[str] = Counter()
        self.tokens: set[str] = set()
        self.down = False

    async def push(self, delivery):
        if self.down:
            raise Retryable("the sink is down")
        await asyncio.sleep(0)
        if delivery.token not in self.tokens:
            self.tokens.add(delivery.token)
            self.stored.update(delivery.batch.columns["name"].to_pylist())
        await super().push(delivery)

    async def holds(self, spans: int) -> None:
        await eventually(lambda: len(self.stored) >= spans, limit=30)
        assert self.stored == Counter({f"span {number}": 1 for number in range(spans)})


def _write(address: str, topic: str, first: int, records: int) -> None:
    with producer(address, acks="all", retries=1000) as client:
        for number in range(records):
            client.send(topic, numbered(first + number * SPANS))


@contextlib.asynccontextmanager
async def member(broker, topic, group, sink, **options):
    config = {
        "traces": {"topics": [topic]},
        "batch": {"flush_timeout": "10ms", "max_bytes": 4000, "max_buffered_bytes": 40_000},
        "session_timeout": "1500ms",
        "heartbeat_interval": "300ms",
        **options,
    }
    async with (
        pipeline(sink) as consume,
        receiving(broker.address, group=group, consumers={Signal.TRACES: consume}, **config) as running,
    ):
        yield running


def _partitions(running):
    return [partition for partition, _ in running.receiver._partitions.values()]


async def test_members_that_come_and_go_under_load_lose_and_double_nothing(broker, make_topic):
    topic, group, sink = make_topic(partitions=6), new_group(), Sink()
    records = 600
    async with member(broker, topic, group, sink) as first, asyncio.TaskGroup() as tasks:
        tasks.create_task(asyncio.to_thread(_write, broker.address, topic, 0, records))
        await eventually(lambda: len(sink.stored) > 100)
        async with member(broker, topic, group, sink) as second:
            await eventually(lambda: (len(_partitions(first)), len(_partitions(second))) == (3, 3))
            async with member(broker, topic, group, sink) as third:
                await eventually(lambda: len(_partitions(third)) == 2)
        await sink.holds(records * SPANS)
        for partition, end in (await asyncio.to_thread(ends, broker.address, topic)).items():
            await until_committed(broker.address, group, topic, end, partition)


async def test_a_sink_that_is_down_longer_than_the_session_pauses_partitions_and_loses_no_member(broker, make_topic):
    topic, group, sink = make_topic(), new_group(), Sink()
    sink.down = True
    await asyncio.to_thread(_write, broker.address, topic, 0, 400)
    async with member(broker, topic, group, sink) as running:
        place = {"receiver": "kafka", "topic": topic, "partition": "0"}
        await eventually(lambda: running.metrics.value(metrics.PAUSED, **place) == 1)
        now = asyncio.get_running_loop().time
        later = now() + 3
        await eventually(lambda: now() > later)
        assert running.events("partitions revoked") == []
        await eventually(lambda: running.metrics.value(metrics.LAG, **place) == 400)
        sink.down = False
        await sink.holds(400 * SPANS)
        await until_committed(broker.address, group, topic, 400)
        assert running.metrics.value(metrics.PAUSED, **place) == 0


async def test_a_partition_that_is_paused_is_read_on_by_whoever_has_it_after_a_rebalance(broker, make_topic):
    topic, group, sink = make_topic(partitions=2), new_group(), Sink()
    sink.down = True
    await asyncio.to_thread(_write, broker.address, topic, 0, 400)
    async with member(broker, topic, group, sink) as first:
        await eventually(lambda: [partition.paused for partition in _partitions(first)] == [True, True])
        async with member(broker, topic, group, sink) as second:
            await eventually(lambda: (len(_partitions(first)), len(_partitions(second))) == (1, 1))
            sink.down = False
            await sink.holds(400 * SPANS)


async def test_a_broker_that_is_killed_mid_load_loses_and_doubles_nothing(broker, make_topic):
    topic, group, sink = make_topic(partitions=2), new_group(), Sink()
    await asyncio.to_thread(_write, broker.address, topic, 0, 300)
    async with member(broker, topic, group, sink):
        await eventually(lambda: len(sink.stored) > 50)
        await asyncio.to_thread(broker.kill)
        await asyncio.to_thread(broker.start)
        await asyncio.to_thread(_write, broker.address, topic, 300 * SPANS, 100)
        await sink.holds(400 * SPANS)


async def test_a_consumer_that_breaks_is_replaced_and_goes_on_where_it_was(broker, make_topic):
    topic, group, sink = make_topic(), new_group(), Sink()
    await asyncio.to_thread(_write, broker.address, topic, 0, 50)
    async with member(broker, topic, group, sink) as running:
        await sink.holds(50 * SPANS)
        running.receiver._feed.broken = "a test says so"
        await eventually(lambda: len(running.events("partitions assigned")) == 2)
        await asyncio.to_thread(_write, broker.address, topic, 50 * SPANS, 50)
        await sink.holds(100 * SPANS)
        told = [message for state, message in running.report.states if state is State.FAILED]
        assert told == ["the consumer broke: a test says so"]


async def test_trouble_that_is_over_leaves_no_mark_on_health(broker, proxy, make_topic):
    topic, group, sink = make_topic(), new_group(), Sink()
    await asyncio.to_thread(_write, broker.address, topic, 0, 10)
    away = {"brokers": [broker.behind_proxy], "session_timeout": "20s", "heartbeat_interval": "1s"}
    async with member(broker, topic, group, sink, **away) as running:
        await sink.holds(10 * SPANS)
        proxy.refuse()
        await eventually(lambda: running.report.states[-1][0] is State.DEGRADED)
        proxy.accept()
        await eventually(lambda: running.report.states[-1][0] is State.OK)
        assert running.events("partitions revoked") == []
