"""Turns a batch into record values that fit: whole requests joined as they came, or rows where one is too large."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from collector.api import Batch, Permanent, Signal
from collector.wire.codec import codec

_JSON_GROWTH = 2.5
"""How much longer OTLP JSON is than protobuf, at a guess; what turns out too long is halved."""


@dataclass(frozen=True, slots=True)
class Packer:
    """Packs into values of at most `limit` bytes in one encoding."""

    encoding: str
    limit: int

    def pack(self, batch: Batch) -> list[bytes]:
        """Return the values, in order. Raises `Permanent` that names the rows which do not fit alone."""
        requests = batch.requests
        if self.encoding == "otlp_proto" and sum(map(len, requests)) <= self.limit:
            return [batch.otlp]
        if max(map(len, requests)) <= self.limit:
            try:
                return [value for group in self._groups(requests) for value in self._values(batch.signal, group)]
            except _TooLong:
                pass
        return self._by_rows(batch)

    def _groups(self, requests: Sequence[bytes]) -> Iterator[Sequence[bytes]]:
        """Yield neighbours that together have the right size, or nearly so."""
        room = self.limit if self.encoding == "otlp_proto" else int(self.limit / _JSON_GROWTH)
        start = size = 0
        for index, request in enumerate(requests):
            if size and size + len(request) > room:
                yield requests[start:index]
                start, size = index, 0
            size += len(request)
        yield requests[start:]

    def _values(self, signal: Signal, requests: Sequence[bytes]) -> Iterator[bytes]:
        value = self._encoded(signal, b"".join(requests))
        if len(value) <= self.limit:
            yield value
            return
        if len(requests) == 1:
            raise _TooLong
        middle = len(requests) // 2
        yield from self._values(signal, requests[:middle])
        yield from self._values(signal, requests[middle:])

    def _encoded(self, signal: Signal, request: bytes) -> bytes:
        return request if self.encoding == "otlp_proto" else codec().to_json(signal, request)

    def _by_rows(self, batch: Batch) -> list[bytes]:
        values, alone = [], []
        for row, rows in self._halves(batch, 0, batch.columns.num_rows):
            value = self._encoded(batch.signal, rows.otlp)
            if len(value) <= self.limit:
                values.append(value)
            else:
                alone.append((row, len(value), rows))
        if alone:
            row, size, rows = alone[0]
            reason = (
                f"{name_of(rows)} has {size} bytes as {self.encoding}; producer.max_message_bytes leaves {self.limit}"
            )
            raise Permanent(reason, rows=[row for row, _, _ in alone], kind="message_too_large")
        return values

    def _halves(self, batch: Batch, first: int, count: int) -> Iterator[tuple[int, Batch]]:
        """Yield slices that fit, each with the number of its first row; one row is a slice whether it fits or not."""
        rows = batch.slice(first, count)
        if count > 1 and len(self._encoded(batch.signal, rows.otlp)) > self.limit:
            middle = count // 2
            yield from self._halves(batch, first, middle)
            yield from self._halves(batch, first + middle, count - middle)
        else:
            yield first, rows


class _TooLong(Exception):
    """A request that is short enough as protobuf is not in the target encoding."""


def name_of(row: Batch) -> str:
    """Return what a person finds the item by."""
    columns = row.columns
    match row.signal:
        case Signal.TRACES:
            return f"span {columns['span_id'][0].as_py().hex()} of trace {columns['trace_id'][0].as_py().hex()}"
        case Signal.METRICS:
            return f"a data point of metric {columns['metric'][0].as_py()['name'][:200]!r}"
        case _:
            return f"the log record of {columns['time_unix_nano'][0].as_py()} ns"
