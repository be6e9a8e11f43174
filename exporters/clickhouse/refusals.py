"""Rows that ClickHouse refuses for good, found one by one while their batch is inserted in ever smaller parts."""

from __future__ import annotations

from dataclasses import dataclass, field

from collector.api import Fatal, Permanent

MOST_IN_A_ROW = 256
"""Refusals without an insert that works between them; beyond that it is the table, not the rows."""


@dataclass(slots=True)
class Refusals:
    """What was refused of one batch. `rows` are indices in it."""

    rows: list[int] = field(default_factory=list)
    _first: Permanent | None = None
    _in_a_row: int = 0

    def inserted(self) -> None:
        """Take notice that ClickHouse takes rows."""
        self._in_a_row = 0

    def refused(self, error: Permanent) -> None:
        """Take notice of a refusal. Raises `Fatal` when nothing but refusals have come for long."""
        self._in_a_row += 1
        if self._in_a_row > MOST_IN_A_ROW:
            raise Fatal(f"the table refuses every row, the last one with: {error.reason}") from error

    def give_up(self, row: int, error: Permanent) -> None:
        """Note a row that was refused on its own."""
        self._first = self._first or error
        self.rows.append(row)

    def check(self) -> None:
        """Raise `Permanent` when rows were refused; all others are stored then."""
        if self._first is not None:
            raise Permanent(self._first.reason, sorted(self.rows), self._first.kind, rest_stored=True) from self._first
