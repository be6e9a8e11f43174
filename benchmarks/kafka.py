"""Kafka as a place to send to and to read from: one real broker, and a count of the items in its records."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import psutil
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.cimpl import NewTopic

from benchmarks.ids import PREFIX, Numbers, numbers_of
from benchmarks.inserts import Ledger
from benchmarks.processes import NotReadyError, Usage
from benchmarks.work import Work
from tests.live.kafka.broker import Broker, NoBroker

_MIB = 1024 * 1024
_SPAN_ID = re.compile(rb"[\x12\x52]\x08(" + re.escape(PREFIX) + rb".{5})", re.DOTALL)
TOPICS = {"traces": "otlp_spans", "metrics": "otlp_metrics", "logs": "otlp_logs"}
PARTITIONS = 2


class BrokerServer:
    """The broker as the harness sees a process."""

    def __init__(self, directory: Path) -> None:
        self.broker = Broker(directory / "kafka")
        try:
            self.broker.start()
        except NoBroker as error:
            raise NotReadyError(str(error)) from error

    def usage(self) -> Usage:
        """Return what the broker has used."""
        if self.broker.process is None:
            raise NotReadyError("the broker is stopped")
        process = psutil.Process(self.broker.process.pid)
        times, memory = process.cpu_times(), process.memory_info().rss / _MIB
        return Usage(times.user + times.system, memory, memory)

    def stop(self) -> None:
        """End it."""
        self.broker.stop()

    def make_topic(self, name: str) -> None:
        """Create a topic."""
        admin = self.broker.admin()
        admin.create_topics([NewTopic(name, PARTITIONS, 1)])[name].result(20)


class KafkaSink:
    """Topics of a real broker. `state` reads what was appended since it was asked the last time."""

    name = "kafka"

    def __init__(self, directory: Path) -> None:
        self.server = BrokerServer(directory)
        self.port = self.server.broker.ports["plain"]
        self._ledger = Ledger(0)
        self._records = 0
        self._topic = ""
        self._consumer = Consumer(
            {
                "bootstrap.servers": self.server.broker.address,
                "group.id": uuid4().hex,
                "enable.auto.commit": False,
                "log_level": 0,  # it outlives the broker, and would say so for ever
            }
        )

    def reset(self, work: Work, expected: int) -> None:
        self._ledger, self._records, self._topic = Ledger(expected), 0, TOPICS[work.signal]
        places = [TopicPartition(self._topic, number) for number in range(PARTITIONS)]
        if self._topic in self._consumer.list_topics(timeout=10).topics:
            ends = [self._consumer.get_watermark_offsets(place, timeout=10)[1] for place in places]
        else:
            self.server.make_topic(self._topic)
            ends = [0] * PARTITIONS  # not asked for: the broker may not know yet who leads them
        self._consumer.assign(
            [TopicPartition(self._topic, number, end) for number, end in zip(range(PARTITIONS), ends, strict=True)]
        )

    def state(self) -> dict[str, Any]:
        while messages := self._consumer.consume(100, 0.2):
            for message in messages:
                numbers = span_numbers(message.value() or b"")
                self._ledger.add(len(numbers), numbers)
                self._records += 1
        return self._ledger.summary() | {"inserts": self._records, "kinds": ["otlp_proto"]}


def span_numbers(request: bytes) -> Numbers:
    """Return the numbers of the items in an OTLP protobuf request, in order."""
    found = b"".join(_SPAN_ID.findall(request))
    return numbers_of(np.frombuffer(found, np.uint8).reshape(-1, 8))
