"""How a portion is cut into pushes, and each piece named by its rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from collector.api import Batch, Context, Delivery
from collector.delivery.log import Portion, Record


@dataclass(frozen=True, slots=True)
class Piece:
    """Rows `offset` to `offset + length` of a portion, whose joined batch and token are kept."""

    batch: Batch
    token: str
    offset: int
    length: int

    def delivery(self) -> Delivery:
        """Return what an exporter is given; the token is a function of the rows alone."""
        if self.length == self.batch.items:
            return Delivery(self.batch, self.token)
        token = f"{self.token}/{self.offset}+{self.length}"
        return Delivery(self.batch.slice(self.offset, self.length), token)

    def halves(self) -> list[tuple[Piece, bool]]:
        """Return both halves, in the form of `around`; the first is the shorter one."""
        half = self.length // 2
        return [(self._part(0, half), False), (self._part(half, self.length), False)]

    def around(self, rows: Sequence[int]) -> list[tuple[Piece, bool]]:
        """Return the piece cut around `rows` of it: parts in order, each with whether it holds only those rows."""
        parts: list[tuple[Piece, bool]] = []
        start = end = 0
        for row in sorted({row for row in rows if 0 <= row < self.length}):
            if row > end or not parts:
                parts += [(self._part(start, end), True)] if end > start else []
                parts += [(self._part(end, row), False)] if row > end else []
                start = row
            end = row + 1
        parts += [(self._part(start, end), True)] if end > start else []
        parts += [(self._part(end, self.length), False)] if end < self.length else []
        return parts

    def _part(self, start: int, end: int) -> Piece:
        return replace(self, offset=self.offset + start, length=end - start)


def pieces(
    portion: Portion, log_id: str, pipeline: str = "", parting_keys: frozenset[str] = frozenset()
) -> Iterator[Piece]:
    """Yield what is unsettled of a portion with its records, in pieces of at most `cut` rows.

    Records whose client metadata differs in one of `parting_keys` are kept apart.
    A record that can be asked for again is a piece of its own, and its token says where it came from and not where
    it lies in the log: its source may give it to another log the next time.
    """
    before = 0
    for records in _together(portion.records, parting_keys):
        batch = Batch.join([record.batch for record in records])
        if origin := batch.context.origin:
            token = f"{pipeline}:{origin}"
        else:
            token = _token(portion, records, log_id, batch.items)
        yield from _cut(Piece(batch, token, 0, batch.items), portion.cut, portion.settled - before)
        before += batch.items


def _together(records: Sequence[Record], keys: frozenset[str]) -> Iterator[Sequence[Record]]:
    """Yield the records that travel as one batch."""
    if records and not keys and not any(record.batch.context.origin for record in records):
        yield records
        return
    start = 0
    for index in range(1, len(records) + 1):
        if index == len(records) or _apart(records[start].batch.context, records[index].batch.context, keys):
            yield records[start:index]
            start = index


def _apart(one: Context, other: Context, keys: frozenset[str]) -> bool:
    return bool(one.origin or other.origin) or any(one.metadata.get(key) != other.metadata.get(key) for key in keys)


def _token(portion: Portion, records: Sequence[Record], log_id: str, items: int) -> str:
    if len(records) == len(portion.records):
        first, last = portion.first, portion.last
    else:
        first, last = records[0].sequence, records[-1].sequence
    whole = last - first < len(records)
    # A row's place in the batch is not what it was before records were damaged.
    return f"{log_id}:{first}-{last}" if whole else f"{log_id}:{first}-{last}~{items}"


def _cut(whole: Piece, most: int, settled: int) -> Iterator[Piece]:
    most = most or whole.length
    for start in range(0, whole.length, most):
        end = min(start + most, whole.length)
        if (offset := max(start, settled)) < end:
            yield replace(whole, offset=offset, length=end - offset)
