import asyncio

from confluent_kafka import Message

from collector.api import Signal
from collector.receivers.kafka import metrics
from collector.receivers.kafka.buffer import Buffer
from collector.receivers.kafka.config import HeaderExtraction, KafkaReceiverConfig
from collector.receivers.kafka.cuts import Place
from collector.receivers.kafka.partition import Hands, Partition
from collector.receivers.kafka.reading import Reader
from collector.receivers.kafka.topics import Kind
from collector.testing import FakeClock, RecordingLog, RecordingMetrics, settings
from collector.wire.codec import codec

CONFIG = KafkaReceiverConfig.model_validate({"batch": {"flush_timeout": "10ms"}})
POISON = "records are not what their topic's encoding says"


async def test_a_record_that_nobody_can_read_is_counted_once_however_often_its_cut_is_delivered():
    clock, told, log, written = FakeClock(), RecordingMetrics(), RecordingLog(), asyncio.Event()
    failures = [RuntimeError("the letters were not written")]

    async def commit(_offset):
        raise AssertionError("a cut without items has no offset to commit before its letters")

    async def write(_letters, _offset):
        if failures:
            raise failures.pop()
        written.set()

    partition = Partition(
        Place("t", 0),
        Reader(Kind("t", Signal.LOGS, "otlp_proto"), codec(), HeaderExtraction()),
        Buffer(CONFIG.batch, 0, None),
        config=CONFIG,
        settings=settings("kafka", clock=clock, metrics=told, log=log),
        hands=Hands(commit, write, lambda _: None, lambda _: None),
    )
    partition.add(Message(topic="t", partition=0, offset=0, value=b"\xff\xff", timestamp=(1, 0)))
    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        running = tasks.create_task(partition.run())
        await clock.sleeping()
        await clock.advance(60)
        await written.wait()
        await partition.finish(5)
        running.cancel()
    assert told.value(metrics.UNMARSHAL_FAILED[Signal.LOGS], receiver="kafka") == 1
    assert [event for _, event, _ in log.lines].count(POISON) == 1
