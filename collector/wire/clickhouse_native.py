"""Rows of ClickHouse inserts by the compiled codec, from OTLP bytes or changed columns; elsewhere from the Arrow face."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeAlias, cast

import numpy as np

from collector.api import Batch, Signal
from collector.wire.clickhouse import Part, parts
from collector.wire.codec import WireCodec
from collector.wire.types import Limits

if TYPE_CHECKING:
    import pyarrow as pa

COMPRESSIONS = frozenset({"none", "lz4", "zstd"})
"""What the compiled codec can compress with, by the names of Content-Encoding."""


class CompiledRows(Protocol):
    """`ottery_native.ClickHouseRows`: the rows of a batch by table and day, in memory of their own."""

    def parts(self) -> list[tuple[str, int, int]]:
        """Return of each part the kind of its table, its first day since the epoch and the number of rows."""

    def block(self, part: int, layout: Sequence[tuple[str, str]], compression: str) -> tuple[list[str], bytes]:
        """Return the names of the columns of `layout` that are known, and a block of them in Native format."""


class CompiledRowsType(Protocol):
    """The class of `CompiledRows`. Called without the GIL.

    Columns give the rows that they would give if they were encoded first: without spans whose ids are invalid, without
    repeated keys. Raises `Rejected` for what `scan` refuses, ValueError for columns that cannot be encoded.
    """

    def __call__(
        self, signal: Signal, sources: Sequence[bytes | pa.RecordBatch], limits: Limits, received_at: int, /
    ) -> CompiledRows: ...


@dataclass(frozen=True, slots=True)
class WirePart:
    """Rows of one insert, as `collector.wire.clickhouse.Part`, whose columns nobody needs."""

    kind: str
    name: str
    count: int
    batch: Batch
    rows: CompiledRows
    number: int

    def block(self, layout: Mapping[str, str], compression: str) -> tuple[list[str], bytes]:
        """Return the names of the columns, and one block of them in Native format.

        Columns with dictionaries may have another type than in `layout`; ClickHouse converts them.
        """
        return self.rows.block(self.number, list(layout.items()), compression)

    def part(self) -> Part:
        """Return the same rows made of the Arrow face."""
        made = parts(self.batch.signal, self.batch.columns, self.batch.context.received_at)
        return next(part for part in made if part.name == self.name)

    def halves(self) -> tuple[Part, Part]:
        """Return the part in two, which are named after it."""
        return self.part().halves()

    @property
    def first(self) -> int:
        """The place of the first row in the batch."""
        return self.part().first


AnyPart: TypeAlias = Part | WirePart


def inserts(batch: Batch) -> Iterator[AnyPart]:
    """Yield the rows of a batch by table and day, as `collector.wire.clickhouse.parts`, the fastest way there is."""
    received_at = batch.context.received_at
    codec = batch.codec
    compiled = getattr(codec.twin, "ClickHouseRows", None) if isinstance(codec, WireCodec) else None
    if compiled is None or not isinstance(codec, WireCodec):
        yield from parts(batch.signal, batch.columns, received_at)
        return
    rows = cast("CompiledRowsType", compiled)(batch.signal, batch.sources, codec.limits, received_at)
    for number, (kind, day, count) in enumerate(rows.parts()):
        yield WirePart(kind, f"{kind}:{np.datetime64(day, 'D')}", count, batch, rows, number)


def holds_json(layout: Mapping[str, str]) -> bool:
    """Tell whether a table keeps attributes as JSON, which only columns can be made of."""
    return any(kind.startswith("JSON") for kind in layout.values())
