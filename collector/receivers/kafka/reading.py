"""From the records of a cut to one batch, and to letters for what cannot be read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import MappingProxyType

from confluent_kafka import Message

from collector.api import Batch, Context, Origin, Rejected
from collector.receivers.kafka.config import HeaderExtraction
from collector.receivers.kafka.cuts import Cut, Place
from collector.receivers.kafka.encodings import DECODERS, with_resource_attributes
from collector.receivers.kafka.letters import Poison, Source
from collector.receivers.kafka.topics import Kind
from collector.wire.codec import WireCodec
from collector.wire.types import Scan


@dataclass(frozen=True, slots=True)
class Read:
    """What a cut holds. `batch` is None where nothing of it is an item."""

    batch: Batch | None
    poison: list[Poison]
    rejected: int


class Reader:
    """Reads the records of one topic. Called on a worker thread."""

    def __init__(self, kind: Kind, wire: WireCodec, extraction: HeaderExtraction) -> None:
        self.kind = kind
        self._wire = wire
        self._decode = DECODERS[kind.encoding]
        self._wanted = frozenset(extraction.headers) if extraction.extract_headers else frozenset()

    def read(self, cut: Cut, messages: Sequence[Message], origin: Origin, now_ns: int) -> Read:
        """Return what the messages say; `origin` is the name of their rows."""
        batches: list[Batch] = []
        poison: list[Poison] = []
        rejected = 0
        for message in messages:
            try:
                batch, scan = self._one(message)
            except Rejected as error:
                poison.append(self._poison(message, error))
            else:
                rejected += scan.rejected
                if batch is not None:
                    batches.append(batch)
        if not batches:
            return Read(None, poison, rejected)
        context = Context(now_ns, _metadata(cut.place), origin)
        joined = Batch(
            self.kind.signal,
            self._wire,
            requests=[request for batch in batches for request in batch.requests],
            items=sum(batch.items for batch in batches),
            context=context,
        )
        return Read(joined, poison, rejected)

    def _one(self, message: Message) -> tuple[Batch | None, Scan]:
        value = message.value()
        if value is None:
            return None, Scan(0)
        request = self._decode(self._wire, self.kind.signal, value, message.timestamp()[1])
        if self._wanted and (attributes := self._attributes(message)):
            request = with_resource_attributes(request, attributes)
        received = self._wire.read(self.kind.signal, request)
        return received.batch, received.scan

    def _attributes(self, message: Message) -> list[tuple[str, str]]:
        return [
            (f"kafka.header.{name}", value.decode("utf-8", "replace"))
            for name, value in headers(message)
            if name in self._wanted
        ]

    def _poison(self, message: Message, error: Rejected) -> Poison:
        reason = f"{error.reason} ({error.field})" if error.field else error.reason
        return Poison(self.kind, source_of(message), message.key(), message.value() or b"", headers(message), reason)


def _metadata(place: Place) -> MappingProxyType[str, tuple[str, ...]]:
    return MappingProxyType({"kafka.topic": (place.topic,), "kafka.partition": (str(place.partition),)})


def headers(message: Message) -> list[tuple[str, bytes]]:
    """Return a record's headers; a value that is null is empty."""
    found = message.headers() or []
    pairs = found.items() if isinstance(found, dict) else found
    return [(name, value.encode() if isinstance(value, str) else value or b"") for name, value in pairs]


def number(message: Message, header: str) -> int | None:
    """Return what a header says in decimal digits, None where it does not."""
    text = dict(headers(message)).get(header, b"")
    return int(text) if text.isdigit() and len(text) < 20 else None


def source_of(message: Message) -> Source:
    """Return where a record was read first: what its headers say, else where it lies."""
    topic = dict(headers(message)).get("original_topic")
    first, partition = number(message, "original_offset"), number(message, "original_partition")
    if topic is None or first is None or partition is None:
        offset = message.offset() or 0
        return Source(Place(message.topic() or "", message.partition() or 0), offset, offset, 0)
    last = number(message, "original_last_offset")
    place = Place(topic.decode("utf-8", "replace"), partition)
    return Source(place, first, first if last is None else last, number(message, "attempt") or 0)
