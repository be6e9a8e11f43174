"""The log in memory: the same contract as the one on disk, gone with the process."""

from __future__ import annotations

import uuid
from collections import deque
from collections.abc import Collection
from itertools import islice

from collector.api import Batch, Overloaded
from collector.delivery.cursor import Cursors, LogCursor, Reading, leading, weigh
from collector.delivery.log import NOTHING, Bounds, Limits, Record
from collector.delivery.place import Place


class MemoryLog:
    """Records in a deque; the oldest goes when every cursor is done with it. It is its cursors' `Shelf`, too."""

    durable = False
    capacity = 0

    def __init__(self) -> None:
        self.id = uuid.uuid4().hex
        self.closed = False
        self.total = NOTHING
        self._records: deque[Record] = deque()
        self._start = 0
        self._cursors = Cursors()

    @property
    def end(self) -> int:
        """The number that the next record gets."""
        return self._start + len(self._records)

    @property
    def size(self) -> int:
        """Number of records held."""
        return len(self._records)

    async def open(self) -> None:
        """Do nothing: memory is always ready."""

    def retire(self, names: Collection[str]) -> None:
        """Do nothing: there was no earlier life."""

    def cursor(self, name: str, bounds: Bounds) -> LogCursor:
        cursor = LogCursor(name, bounds, self, Place(next=self._start, origin=self.total, taken=self.total))
        self._cursors.all.append(cursor)
        return cursor

    def admit(self, batch: Batch) -> None:
        if self.closed:
            raise Overloaded("shutting down")
        self._cursors.admit(weigh(batch))

    async def known(self, digest: bytes) -> int | None:
        """Return None: nothing is remembered."""

    async def append(self, batch: Batch, _digest: bytes = b"", /, *, unchanged: bool = False) -> int:  # noqa: ARG002 - memory checks nothing
        if self.closed:
            raise Overloaded("shutting down")
        tally = weigh(batch)
        self._cursors.admit(tally)
        await self._cursors.room(tally)
        if self.closed:
            raise Overloaded("shutting down")
        sequence = self.end
        self._records.append(Record(sequence, batch, tally, self.total))
        self.total += tally
        self._cursors.added()
        return sequence

    async def read(self, first: int, last: int | None, limits: Limits) -> Reading:
        stop = self.end if last is None else last + 1
        records = leading(islice(self._records, first - self._start, stop - self._start), limits)
        end = records[-1]
        return Reading(tuple(records), end.sequence + 1, end.before + end.tally)

    async def write_down(self, place: Place) -> None:
        """Do nothing: a place in memory is where the cursor has it."""

    def moved(self, _place: Place, /) -> None:
        """Let go of what no cursor needs."""
        oldest = min(cursor.place.oldest() for cursor in self._cursors.all)
        while self._start < oldest:
            self._records.popleft()
            self._start += 1

    def lost(self, items: int, reason: str) -> None:
        """Do nothing: memory loses no record."""

    def oldest(self) -> int | None:
        return self._records[0].batch.context.received_at if self._records else None

    def close(self) -> None:
        self.closed = True
        self._cursors.close()

    async def shut(self) -> None:
        """Do nothing: the records go with the process."""
