"""Reads and writes topics with kafka-python, a client that shares no code with the one that Ottery uses."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # kafka-python reads its schemas by a deprecated call
    from kafka import KafkaConsumer, KafkaProducer, TopicPartition

_LIMIT_MS = 20_000


@contextlib.contextmanager
def producer(address: str, **options: Any) -> Iterator[Any]:
    """A producer that is closed again."""
    client = KafkaProducer(bootstrap_servers=address, **options)
    try:
        yield client
    finally:
        client.close()


def write(address: str, topic: str, values: list[bytes], *, partition: int | None = None, **options: Any) -> None:
    """Append values; returns when the broker has them."""
    with producer(address) as client:
        for sent in [client.send(topic, value, partition=partition, **options) for value in values]:
            sent.get(20)


def read(address: str, topic: str, count: int, **options: Any) -> list[Any]:
    """Return the first `count` records of a topic, from all partitions. Fails when fewer come."""
    consumer = KafkaConsumer(
        topic, bootstrap_servers=address, auto_offset_reset="earliest", consumer_timeout_ms=_LIMIT_MS, **options
    )
    try:
        records = []
        for record in consumer:
            records.append(record)
            if len(records) == count:
                return records
    finally:
        consumer.close()
    raise AssertionError(f"{topic} gave {len(records)} records, {count} were expected")


def ends(address: str, topic: str) -> Mapping[int, int]:
    """Return the end offset of every partition."""
    consumer = KafkaConsumer(bootstrap_servers=address)
    try:
        parts = [TopicPartition(topic, number) for number in sorted(consumer.partitions_for_topic(topic) or ())]
        return {part.partition: offset for part, offset in consumer.end_offsets(parts).items()}
    finally:
        consumer.close()
