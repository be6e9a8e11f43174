"""Receivers under test, with pipelines behind them."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import uuid
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

from confluent_kafka import Consumer, KafkaException, TopicPartition

from collector.api import ExporterConfig, RetryConfig, Signal, SystemClock
from collector.delivery.dead_letters import CountedDrops
from collector.delivery.memory import MemoryLog
from collector.pipeline.pipeline import Pipeline, Sink
from collector.receivers.kafka.factory import FACTORY
from collector.testing import RecordingConsumer, RecordingLog, RecordingMetrics, RecordingReport, settings

_pause = threading.Event()
SOON = RetryConfig(initial_interval=0.02, max_interval=0.1)


@dataclass
class Running:
    """A receiver that runs, and what it says of itself."""

    receiver: Any
    consumers: Any
    metrics: RecordingMetrics
    log: RecordingLog
    report: RecordingReport

    def __getitem__(self, signal: Signal) -> Any:
        return self.consumers[signal]

    def events(self, name: str) -> list[dict[str, Any]]:
        """Return the values of every log line of that name."""
        return [values for _, event, values in self.log.lines if event == name]


def new_group() -> str:
    return f"group-{uuid.uuid4().hex[:8]}"


@contextlib.asynccontextmanager
async def receiving(
    address: str, *, consumers: Any = None, group: str | None = None, **config: Any
) -> AsyncIterator[Running]:
    """Run a receiver; its consumers record unless others are given."""
    consumers = consumers or {signal: RecordingConsumer() for signal in Signal}
    running = Running(None, consumers, RecordingMetrics(), RecordingLog(), RecordingReport())
    block = {
        "brokers": [address],
        "group_id": group or new_group(),
        "batch": {"flush_timeout": "50ms"},
        "autocommit": {"interval": "100ms"},
        "session_timeout": "6s",
        **config,
    }
    running.receiver = FACTORY.create(
        FACTORY.config.model_validate(block),
        settings(
            "kafka",
            consumers=consumers,
            clock=SystemClock(),
            log=running.log,
            metrics=running.metrics,
            report=running.report,
        ),
    )
    await running.receiver.start()
    try:
        yield running
    finally:
        await running.receiver.stop()


@contextlib.asynccontextmanager
async def pipeline(*exporters: Any, signal: Signal = Signal.TRACES) -> AsyncIterator[Any]:
    """Run a pipeline over a log in memory into exporters; gives its `consume`."""
    async with whole_pipeline(*exporters, signal=signal) as made:
        yield made.consume


@contextlib.asynccontextmanager
async def whole_pipeline(
    *exporters: Any, signal: Signal = Signal.TRACES, dead_letters: Any = None
) -> AsyncIterator[Pipeline]:
    """Run a pipeline over a log in memory into exporters."""
    config = ExporterConfig(retry_on_failure=SOON)
    clock = SystemClock()
    made = Pipeline(
        signal.value,
        signal,
        MemoryLog(),
        steps=[],
        sinks=[Sink(f"sink{n}", exporter, config, settings(clock=clock)) for n, exporter in enumerate(exporters)],
        settings=settings(clock=clock),
        dead_letters=dead_letters or CountedDrops(RecordingMetrics(), RecordingLog()),
    )
    await made.open()
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(made.run())
        try:
            yield made
        finally:
            made.log.close()
            running.cancel()


def committed(address: str, group: str, topic: str, partition: int = 0) -> tuple[int, str]:
    """Return offset and metadata of a group."""
    client = Consumer({"bootstrap.servers": address, "group.id": group})
    try:
        (found,) = client.committed([TopicPartition(topic, partition)], timeout=10)
    finally:
        client.close()
    return found.offset, found.metadata or ""


async def eventually(condition: Callable[[], bool], limit: float = 30.0) -> None:
    """Ask again until the condition holds; threads and other processes can only be asked."""
    async with asyncio.timeout(limit):
        while not condition():
            await asyncio.to_thread(_pause.wait, 0.02)


async def until_committed(address: str, group: str, topic: str, offset: int, partition: int = 0) -> None:
    """Wait until a group has delivered everything up to `offset`."""

    def is_there() -> bool:
        try:
            return committed(address, group, topic, partition) == (offset, "")
        except KafkaException:  # the coordinator of a new broker is not there yet
            return False

    async with asyncio.timeout(30):
        while not await asyncio.to_thread(is_there):
            pass
