"""What cannot be read or delivered, on its way to a retry or dead-letter topic, together with the offset it frees."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from confluent_kafka import KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from collector.api import Batch, OtteryError, Retryable
from collector.receivers.kafka.config import DeadLetterConfig
from collector.receivers.kafka.cuts import Place
from collector.receivers.kafka.topics import Kind, Topics
from exporters.kafka.errors import cause
from exporters.kafka.pack import Packer
from exporters.kafka.producer import Record

LARGEST = 64 << 20
"""Most bytes of a record in a dead-letter topic: whatever another topic could hold must fit."""

_GATHERED = 900_000
_TIMEOUT = 20.0
_LONGEST_REASON = 256


@dataclass(frozen=True, slots=True)
class Source:
    """Where something was read first: kept through all retries."""

    place: Place
    first: int
    last: int
    attempt: int


@dataclass(frozen=True, slots=True)
class Poison:
    """A record that is not what its topic's encoding says."""

    kind: Kind
    source: Source
    key: bytes | None
    value: bytes
    headers: Sequence[tuple[str, bytes]]
    reason: str


@dataclass(frozen=True, slots=True)
class Refused:
    """Rows that a sink refuses for good."""

    kind: Kind
    source: Source
    batch: Batch
    exporter: str
    reason: str


Letter = Poison | Refused


def records(letters: Sequence[Letter], topics: Topics, now_ns: int) -> list[Record]:
    """Return what is written for the letters: poison as it came, refused rows joined where their reason is one."""
    found = [_poison(letter, topics, now_ns) for letter in letters if isinstance(letter, Poison)]
    together: dict[tuple[str, str], list[Refused]] = {}
    for letter in letters:
        if isinstance(letter, Refused):
            together.setdefault((letter.exporter, letter.reason), []).append(letter)
    for group in together.values():
        found += _refused(group, topics, now_ns)
    return found


def _poison(letter: Poison, topics: Topics, now_ns: int) -> Record:
    end = _end_headers(letter, "decode", now_ns, letter.kind.encoding)
    return Record(topics.dead(letter.kind.base), letter.value, letter.key, (*letter.headers, *end))


def _refused(group: Sequence[Refused], topics: Topics, now_ns: int) -> Iterator[Record]:
    first = group[0]
    goes = topics.after(first.kind)
    if goes.delay is None:
        headers = _end_headers(first, first.exporter, now_ns, "otlp_proto")
    else:
        due = now_ns // 1_000_000 + int(goes.delay * 1000)
        headers = _headers(
            original_topic=first.source.place.topic,
            original_partition=first.source.place.partition,
            original_offset=first.source.first,
            original_last_offset=first.source.last,
            attempt=first.source.attempt + 1,
            retry_at=due,
            error=first.reason[:_LONGEST_REASON],
            exporter=first.exporter,
            signal=first.batch.signal.value,
        )
    joined = Batch.join([letter.batch for letter in group])
    for value in Packer("otlp_proto", _GATHERED if len(group) > 1 else LARGEST - 4096).pack(joined):
        yield Record(goes.topic, value, None, headers)


def _end_headers(letter: Letter, step: str, now_ns: int, encoding: str) -> tuple[tuple[str, bytes], ...]:
    source = letter.source
    return _headers(
        dlq_reason=letter.reason[:_LONGEST_REASON],
        dlq_step=step,
        dlq_topic=source.place.topic,
        dlq_partition=source.place.partition,
        dlq_offset=source.first,
        dlq_last_offset=source.last,
        dlq_timestamp=now_ns // 1_000_000,
        attempt=source.attempt,
        signal=letter.kind.signal.value,
        encoding=encoding,
    )


def _headers(**values: str | int) -> tuple[tuple[str, bytes], ...]:
    return tuple((name, str(value).encode()) for name, value in values.items())


class Mail:
    """Writes letters and moves offsets in one transaction: both happen, or neither."""

    def __init__(self, properties: Mapping[str, Any], config: DeadLetterConfig) -> None:
        self._base = dict(properties)
        self._config = config
        self._producer: Producer | None = None
        self._known: set[str] = set()
        self._turn = asyncio.Lock()

    async def send(self, found: Sequence[Record], offset: TopicPartition | None, group: Any) -> set[str]:
        """Write the records and, with them, the offset of the consumer group `group`.

        Returns the topics that were created for it. Raises `Retryable`; nothing was written or moved then.
        """
        async with self._turn:
            return await asyncio.to_thread(self.write, found, offset, group)

    def write(self, found: Sequence[Record], offset: TopicPartition | None, group: Any) -> set[str]:
        """Do what `send` does, and block. Not to be called while `send` is under way."""
        try:
            made = self._make_topics({record.topic for record in found} - self._known)
            self._transact(found, offset, group)
        except KafkaException as error:
            raise self._give_up(error) from error
        return made

    def _transact(self, found: Sequence[Record], offset: TopicPartition | None, group: Any) -> None:
        if self._producer is None:
            self._producer = Producer(
                {
                    **self._base,
                    "transactional.id": f"ottery-{uuid.uuid4().hex}",
                    "transaction.timeout.ms": int(_TIMEOUT * 1000),
                    "topic.metadata.propagation.max.ms": 5000,
                    "message.max.bytes": LARGEST,
                    "compression.type": "zstd",
                    "linger.ms": 0,
                }
            )
            self._producer.init_transactions(_TIMEOUT)
        producer = self._producer
        producer.begin_transaction()
        for record in found:
            producer.produce(
                record.topic, record.value, record.key, partition=record.partition, headers=list(record.headers)
            )
        if offset is not None:
            producer.send_offsets_to_transaction([offset], group, _TIMEOUT)
        producer.commit_transaction(_TIMEOUT)

    def _give_up(self, error: KafkaException) -> OtteryError:
        """Return to a state from which the same can be tried again."""
        producer, self._producer = self._producer, None
        found = cause(error)
        if producer is not None and not found.fatal():
            try:
                producer.abort_transaction(_TIMEOUT)
                self._producer = producer
            except KafkaException:
                producer.purge()
        return Retryable(found.str(), kind=f"kafka_{found.name().lower().lstrip('_')}")

    def _make_topics(self, missing: set[str]) -> set[str]:
        if not missing or not self._config.create_topics:
            return set()
        admin = AdminClient({name: value for name, value in self._base.items() if name != "logger"} | {"log_level": 0})
        there = set(admin.list_topics(timeout=_TIMEOUT).topics)
        wanted = [NewTopic(name, config=self._topic_config(name)) for name in missing - there]
        made = set()
        for name, created in admin.create_topics(wanted).items() if wanted else ():
            try:
                created.result(_TIMEOUT)
                made.add(name)
            except KafkaException as error:
                if cause(error).name() != "TOPIC_ALREADY_EXISTS":
                    raise
        self._known |= missing
        return made

    def _topic_config(self, name: str) -> dict[str, str]:
        before, after = self._config.topic.split("{topic}")
        config = {"max.message.bytes": str(LARGEST)}
        if name.startswith(before) and name.endswith(after):
            config["retention.ms"] = str(int(self._config.retention * 1000))
        return config

    async def close(self) -> None:
        """Let go of the producer."""
        producer, self._producer = self._producer, None
        if producer is not None:
            await asyncio.to_thread(producer.flush, 1.0)
