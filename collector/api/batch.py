"""A batch of telemetry and its two faces: OTLP bytes and an Arrow record batch.

Each face is made from the other on first use and kept. A batch that nobody changed hands out the very bytes
that came in, and a batch that nobody looked into never becomes columns.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Protocol, Self

from collector.api.signal import Signal

if TYPE_CHECKING:
    import pyarrow as pa


class Codec(Protocol):
    """Turns one face of a batch into the other; implemented by `collector.wire`."""

    def decode(self, signal: Signal, requests: Sequence[bytes]) -> pa.RecordBatch:
        """Return the columns of OTLP protobuf export requests, in order."""

    def encode(self, signal: Signal, columns: pa.RecordBatch) -> bytes:
        """Return one OTLP protobuf export request that holds the rows."""


TakeBack = Callable[["Batch", str, str], bool]
"""Takes rows back that an exporter's sink refuses for good: the rows, the exporter, the reason.

Returns False where they are not wanted any more.
"""


class Origin(str):
    """The name of rows whose source gives the very same rows again after a crash, such as a range of a Kafka partition.

    Such rows are delivered by themselves under a token made of the name, and a pipeline whose log forgets has
    taken them over only when every exporter has them. As long as a batch has not left memory, its source may take
    back what is refused of it.
    """

    __slots__ = ("take_back",)

    take_back: TakeBack | None

    def __new__(cls, name: str, take_back: TakeBack | None = None) -> Self:
        origin = super().__new__(cls, name)
        origin.take_back = take_back
        return origin


@dataclass(frozen=True, slots=True)
class Context:
    """What is known of a batch beside its data.

    `received_at` is wall-clock time in nanoseconds since the epoch. `metadata` holds the client's headers,
    lower-case, where a receiver was configured to keep them. `origin` is empty for what cannot be asked for again.
    """

    received_at: int = field(default_factory=time.time_ns)
    metadata: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: MappingProxyType({}))
    origin: str = ""


class Batch:
    """Items of one signal. Immutable: a change gives a new batch."""

    __slots__ = ("_columns", "_parts", "_requests", "codec", "context", "items", "signal")

    def __init__(
        self,
        signal: Signal,
        codec: Codec,
        *,
        requests: Sequence[bytes] = (),
        columns: pa.RecordBatch | None = None,
        parts: Sequence[Batch] = (),
        items: int | None = None,
        context: Context | None = None,
    ) -> None:
        if not requests and columns is None and not parts:
            raise ValueError("a batch needs OTLP requests, columns, or batches to be made of")
        self.signal = signal
        self.context = context or Context()
        self.codec = codec
        self._requests = tuple(requests)
        self._columns = columns
        self._parts = tuple(parts)
        self.items: int = self.columns.num_rows if items is None else items

    @property
    def requests(self) -> tuple[bytes, ...]:
        """OTLP protobuf export requests that together hold the items, as they came where nobody changed them."""
        if self._parts:
            return tuple(request for part in self._parts for request in part.requests)
        if not self._requests and self._columns is not None:
            self._requests = (self.codec.encode(self.signal, self._columns),)
        return self._requests

    @property
    def sources(self) -> tuple[bytes | pa.RecordBatch, ...]:
        """What holds the items, in order: OTLP requests, and columns where nobody has asked for their bytes."""
        if self._parts:
            return tuple(source for part in self._parts for source in part.sources)
        return self._requests or (self.columns,)

    @property
    def otlp(self) -> bytes:
        """One OTLP protobuf export request: requests are repeated fields, so joining them is joining bytes."""
        requests = self.requests
        if len(requests) > 1:
            self._requests, self._parts = (b"".join(requests),), ()
        return self.requests[0]

    @property
    def columns(self) -> pa.RecordBatch:
        """The Arrow face, one row an item; schemas are in `collector.storage.arrow`."""
        if self._columns is None:
            self._columns = self.codec.decode(self.signal, self.requests)
        return self._columns

    @property
    def size(self) -> int:
        """Bytes that the batch holds on to."""
        if self._parts:
            return sum(part.size for part in self._parts)
        if self._requests:
            return sum(map(len, self._requests))
        return int(self.columns.nbytes)

    def with_columns(self, columns: pa.RecordBatch) -> Batch:
        """Return a batch with these rows instead, and the same context."""
        return Batch(self.signal, self.codec, columns=columns, context=self.context)

    def filter(self, mask: pa.BooleanArray) -> Batch:
        """Return a batch of the rows where `mask` (bool, one value a row) is true."""
        return self.with_columns(self.columns.filter(mask))

    def slice(self, offset: int, length: int) -> Batch:
        """Return a batch of `length` rows from row `offset`."""
        return self.with_columns(self.columns.slice(offset, length))

    def to_arrow(self) -> pa.RecordBatch:
        """Return the Arrow face (the same as `columns`, under the name that Arrow users look for)."""
        return self.columns

    @staticmethod
    def join(batches: Sequence[Batch]) -> Batch:
        """Return one batch with the items of `batches`, which have one signal, in order.

        The first batch's context is kept. Nothing is decoded, and nothing encoded before somebody asks for bytes.
        """
        first = batches[0]
        if len(batches) == 1:
            return first
        items = sum(batch.items for batch in batches)
        return Batch(first.signal, first.codec, parts=batches, items=items, context=first.context)
