"""The dead letters of a Kafka receiver, for `ottery dlq`: listed, shown, sent on their way again, or settled.

A topic forgets nothing before its time. A letter that was replayed or dropped gets a *mark*, a record in the same
topic that names it, written in one transaction with whatever is sent again.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, Message, TopicPartition
from xxhash import xxh3_64_hexdigest

from collector.api import Batch, Codec, Context, OtteryError, Rejected, Signal
from collector.delivery.letters import BadLetter, Letter, State
from collector.receivers.kafka.config import KafkaReceiverConfig
from collector.receivers.kafka.encodings import DECODERS
from collector.receivers.kafka.letters import Mail
from collector.receivers.kafka.reading import headers
from collector.receivers.kafka.topics import Kind, Topics
from collector.wire.codec import WireCodec, codec
from exporters.kafka.errors import cause
from exporters.kafka.producer import Record

MOST_LETTERS = 100_000
"""Records of a topic that are looked at, the oldest first."""

_SETTLED = "dlq_settled"
_LIMIT = 20.0


@dataclass(frozen=True, slots=True)
class _Held:
    """A letter as it lies in its topic."""

    message: Message
    kind: Kind
    told: Mapping[str, str]


class KafkaBox:
    """Reads and writes the dead-letter topics of one receiver. Blocks; raises `OtteryError` when Kafka is away."""

    def __init__(self, name: str, config: KafkaReceiverConfig) -> None:
        self._name = name
        self._config = config
        self._topics = Topics(config, frozenset(Signal))
        self._connection = config.connection(None)
        self._mail = Mail(self._connection, config.dead_letters)
        self._held: dict[str, _Held] = {}

    def letters(self, state: State | None = None) -> Iterator[Letter]:
        """Yield the letters that nobody has settled, the oldest first. They all rest."""
        if state == "waiting":
            return
        with _reading(self._connection) as consumer:
            found = [held for topic, kind in self._dead_topics(consumer) for held in _read(consumer, topic, kind)]
        settled = {held.told[_SETTLED] for held in found if _SETTLED in held.told}
        known = {_place(held.message): held for held in found if _SETTLED not in held.told}
        self._held = {xxh3_64_hexdigest(place.encode()): held for place, held in known.items() if place not in settled}
        letters = [self._letter(name, held) for name, held in self._held.items()]
        yield from sorted(letters, key=lambda letter: letter.time)

    def _dead_topics(self, consumer: Consumer) -> list[tuple[str, Kind]]:
        before, after = self._config.dead_letters.topic.split("{topic}")
        found = []
        for topic in sorted(consumer.list_topics(timeout=_LIMIT).topics):
            if topic.startswith(before) and topic.endswith(after):
                kind = self._topics.kind(topic[len(before) : len(topic) - len(after)])
                if kind is not None and not kind.is_retry:
                    found.append((topic, kind))
        return found

    def _letter(self, name: str, held: _Held) -> Letter:
        told, size = held.told, len(held.message.value() or b"")
        try:
            items = self._batch(held, codec()).items
        except BadLetter:
            items = 0
        step = told.get("dlq_step", "")
        when = int(told.get("dlq_timestamp") or held.message.timestamp()[1]) * 1_000_000
        place = f"{told.get('dlq_topic', '')}/{told.get('dlq_partition', '')}"
        return Letter(
            id=name,
            pipeline=self._name,
            exporter=step,
            signal=held.kind.signal.value,
            items=items,
            size=size,
            reason=told.get("dlq_reason", ""),
            kind="poison" if step == "decode" else "refused",
            attempts=int(told.get("attempt") or 0),
            replays=0,
            token=f"{place}:{told.get('dlq_offset', '')}-{told.get('dlq_last_offset', '')}",
            time=when,
            received_at=when,
        )

    def _batch(self, held: _Held, wire: WireCodec) -> Batch:
        """Return what a letter holds. Raises `BadLetter` for poison, which holds no items."""
        value, encoding = held.message.value() or b"", held.told.get("encoding", "otlp_proto")
        try:
            request = DECODERS[encoding](wire, held.kind.signal, value, held.message.timestamp()[1])
            batch = wire.read(held.kind.signal, request, context=Context(held.message.timestamp()[1] * 1_000_000)).batch
        except (Rejected, KeyError) as error:
            raise BadLetter(f"its {len(value)} bytes are not {encoding}: {error}") from error
        if batch is None:
            raise BadLetter(f"its {len(value)} bytes hold no item")
        return batch

    def damaged(self) -> list[Path]:
        """Return nothing: a topic has no files."""
        return []

    def read(self, letter: Letter, _codec: Codec) -> Batch:
        """Return a letter's data. Raises `BadLetter` for poison."""
        return self._batch(self._held[letter.id], codec())

    def replay(self, letter: Letter) -> bool:
        """Send a letter to where it is read again, and settle it. Raises `OtteryError`; nothing is changed then."""
        held = self._held[letter.id]
        self._write([self._again(held), self._mark(held)])
        return True

    def drop(self, letter: Letter) -> bool:
        """Settle a letter for good."""
        self._write([self._mark(self._held[letter.id])])
        return True

    def _again(self, held: _Held) -> Record:
        """Return the record that is read again: in its own topic, or in the first retry topic where that is not OTLP."""
        kind, told = held.kind, held.told
        own = tuple((name, value) for name, value in headers(held.message) if not _is_ours(name))
        value = held.message.value() or b""
        if told.get("encoding", "otlp_proto") == kind.encoding:
            return Record(kind.base, value, held.message.key(), own)
        after = self._topics.after(kind)
        if after.delay is None:
            raise OtteryError(f"{kind.base} is read as {kind.encoding}, so rows need a retry topic: set retry_delays")
        source = {
            "original_topic": told.get("dlq_topic", kind.base),
            "original_partition": told.get("dlq_partition", "0"),
            "original_offset": told.get("dlq_offset", "0"),
            "original_last_offset": told.get("dlq_last_offset", "0"),
            "attempt": "1",
            "retry_at": str(time.time_ns() // 1_000_000),
        }
        return Record(after.topic, value, held.message.key(), tuple((k, v.encode()) for k, v in source.items()))

    def _mark(self, held: _Held) -> Record:
        topic, place = held.message.topic() or "", _place(held.message)
        return Record(topic, b"", None, ((_SETTLED, place.encode()),), held.message.partition() or 0)

    def _write(self, found: Sequence[Record]) -> None:
        self._mail.write(found, None, None)


def _is_ours(header: str) -> bool:
    return header.startswith("dlq_") or header in ("attempt", "signal", "encoding")


def _place(message: Message) -> str:
    return f"{message.topic()}/{message.partition()}/{message.offset()}"


@contextmanager
def _reading(connection: Mapping[str, object]) -> Iterator[Consumer]:
    """Give a consumer that belongs to no group. Raises `OtteryError` for what the brokers say."""
    consumer = Consumer(
        {
            **connection,
            "group.id": f"ottery-dlq-{uuid.uuid4().hex}",
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
            "enable.partition.eof": True,
        }
    )
    try:
        yield consumer
    except KafkaException as error:
        raise OtteryError(f"Kafka cannot be read: {cause(error).str()}") from error
    finally:
        consumer.close()


def _read(consumer: Consumer, topic: str, kind: Kind) -> Iterator[_Held]:
    """Yield the records of a topic up to its present end."""
    partitions = consumer.list_topics(topic, timeout=_LIMIT).topics[topic].partitions
    consumer.assign([TopicPartition(topic, number, OFFSET_BEGINNING) for number in partitions])
    ended: set[int] = set()
    for _ in range(MOST_LETTERS):
        if len(ended) == len(partitions):
            return
        message = consumer.poll(_LIMIT)
        if message is None:
            raise OtteryError(f"{topic} cannot be read: no answer within {_LIMIT:g} s")
        if message.error() is not None:
            ended.add(message.partition() or 0)
        else:
            told = {name: value.decode("utf-8", "replace") for name, value in headers(message)}
            signal = told.get("signal", kind.signal.value)
            yield _Held(message, replace(kind, signal=Signal(signal) if signal in set(Signal) else kind.signal), told)
