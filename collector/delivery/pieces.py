"""How a portion is cut into pushes, and each piece named by its rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from collector.api import Batch, Delivery
from collector.delivery.log import Portion


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


def pieces(portion: Portion, log_id: str) -> Iterator[Piece]:
    """Yield what is unsettled of a portion with its records, in pieces of at most `cut` rows."""
    batch = Batch.join([record.batch for record in portion.records])
    token = f"{log_id}:{portion.first}-{portion.last}"
    if portion.last - portion.first >= len(portion.records):
        token += f"~{batch.items}"  # a row's place in the batch is not what it was before records were damaged
    most = portion.cut or batch.items
    for start in range(0, batch.items, most):
        end = min(start + most, batch.items)
        if (offset := max(start, portion.settled)) < end:
            yield Piece(batch, token, offset, end - offset)
