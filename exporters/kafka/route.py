"""Which topic and key the rows of a batch have: the batch in parts, each for one topic under one key."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.compute as pc
import xxhash

from collector.api import Batch, Permanent, Signal
from exporters.kafka.config import KafkaConfig

V = TypeVar("V")

_LONGEST_TOPIC = 249
_TOPIC = re.compile(rf"[A-Za-z0-9._-]{{1,{_LONGEST_TOPIC}}}")


@dataclass(frozen=True, slots=True)
class Part:
    """Rows for one topic under one key. `rows` are their numbers in the batch, None where they are all of it."""

    topic: str
    key: bytes | None
    batch: Batch
    rows: pa.Array | None = None

    def numbers(self, rows: list[int]) -> list[int]:
        """Return what rows of this part are called in the batch."""
        return rows if self.rows is None else self.rows.take(pa.array(rows)).to_pylist()


class Router:
    """Decides by the configuration, in the order that collector-contrib has."""

    def __init__(self, config: KafkaConfig) -> None:
        self._config = config
        self._ways = {signal: config.partition_ways(signal) for signal in Signal}

    def looks_inside(self, batch: Batch) -> bool:
        """Whether rows have to be looked at, which is work for a thread."""
        own = any(way.startswith("partition_") for way in self._ways[batch.signal])
        return own or (bool(self._config.topic_from_attribute) and self._metadata_topic(batch) is None)

    def parts(self, batch: Batch) -> Iterator[Part]:
        """Yield the parts, together all rows of the batch."""
        config = self._config
        topic = self._metadata_topic(batch)
        if topic is not None:
            yield from self._keyed(Part(topic, None, batch))
        elif config.topic_from_attribute:
            for found, part in _by_resource(Part("", None, batch), self._topic_of):
                yield from self._keyed(Part(found, None, part.batch, part.rows))
        else:
            yield from self._keyed(Part(config.topic(batch.signal), None, batch))

    def _metadata_topic(self, batch: Batch) -> str | None:
        value = _metadata(batch, self._config.of(batch.signal).topic_from_metadata_key)
        return _checked(value) if value else None

    def _topic_of(self, resource: Mapping[str, Any], signal: Signal) -> str:
        for attribute in resource["attributes"]:
            if attribute["key"] == self._config.topic_from_attribute and attribute["value"]:
                return _checked(attribute["value"])
        return self._config.topic(signal)

    def _keyed(self, part: Part) -> Iterator[Part]:
        signal = part.batch.signal
        way = next(iter(self._ways[signal]), "")
        if way.endswith("_metadata_key"):
            value = _metadata(part.batch, self._config.of(signal).message_key_from_metadata_key)
            yield Part(part.topic, value.encode() if value else None, part.batch, part.rows)
        elif way.endswith("_id"):
            yield from _by_trace(part)
        elif way:
            for key, group in _by_resource(part, _resource_key):
                yield Part(part.topic, key, group.batch, group.rows)
        else:
            yield part


def _metadata(batch: Batch, key: str) -> str:
    values = batch.context.metadata.get(key.lower(), ()) if key else ()
    return values[0] if values else ""


def _checked(topic: str) -> str:
    """Return the name of a topic that data chose. Raises `Permanent` for one that no topic can have."""
    if not _TOPIC.fullmatch(topic) or topic in (".", ".."):
        raise Permanent(f"{topic[:_LONGEST_TOPIC]!r} cannot be the name of a topic", kind="invalid_topic")
    return topic


def _resource_key(resource: Mapping[str, Any], _signal: Signal) -> bytes:
    """Return 16 bytes that equal attributes have in common, whatever their order."""
    digest = xxhash.xxh3_128()
    for attribute in sorted((a["key"], a["type"], a["value"]) for a in resource["attributes"]):
        digest.update(repr(attribute).encode())
    return digest.digest()


def _by_resource(part: Part, value_of: Callable[[Mapping[str, Any], Signal], V]) -> Iterator[tuple[V, Part]]:
    """Yield the rows of each resource value: the few resources are looked at, never the rows."""
    resources = part.batch.columns["resource"]
    values = [value_of(resource, part.batch.signal) for resource in resources.dictionary.to_pylist()]
    distinct = list(dict.fromkeys(values))
    numbers = pa.array([distinct.index(value) for value in values], pa.int32())
    for number, group in _grouped(part, numbers.take(resources.indices)):
        yield distinct[number], group


def _by_trace(part: Part) -> Iterator[Part]:
    encoded = part.batch.columns["trace_id"].dictionary_encode()
    names = encoded.dictionary.to_pylist()
    for number, group in _grouped(part, encoded.indices.fill_null(len(names))):
        key = names[number].hex().encode() if number < len(names) else None
        yield Part(part.topic, key, group.batch, group.rows)


def _grouped(part: Part, numbers: pa.Array) -> Iterator[tuple[int, Part]]:
    """Yield the rows of each number, in their order. One sort and one gather serve all groups."""
    runs = pc.value_counts(numbers)
    if len(runs) == 1:
        yield numbers[0].as_py(), part
        return
    order = pc.sort_indices(numbers)
    rows = order if part.rows is None else part.rows.take(order)
    gathered = part.batch.with_columns(part.batch.columns.take(order))
    start = 0
    for run in sorted(runs.to_pylist(), key=lambda run: run["values"]):
        count = run["counts"]
        yield run["values"], Part(part.topic, part.key, gathered.slice(start, count), rows.slice(start, count))
        start += count
