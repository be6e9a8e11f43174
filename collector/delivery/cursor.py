"""A reader's side of a log, the same in memory and on disk."""

from __future__ import annotations

import asyncio
from bisect import bisect_left
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final, Protocol

from collector.api import Batch, Overloaded
from collector.delivery.log import NOTHING, Bounds, Limits, Outcome, Portion, QueueFull, Record, Tally
from collector.delivery.place import Place

_ANYTHING = Tally(items=1)
_CHUNK: Final = 1024


@dataclass(frozen=True, slots=True)
class Reading:
    """What reading gave: `end` is the number after the last record looked at, `total` counts all up to there.

    Where records are damaged or gone, `records` holds less than that.
    """

    records: tuple[Record, ...]
    end: int
    total: Tally


class Shelf(Protocol):
    """What a cursor reads from, and where it writes its place down. Each cursor has its own."""

    @property
    def total(self) -> Tally:
        """All records ever appended."""

    @property
    def closed(self) -> bool:
        """Whether nothing more will be appended."""

    async def read(self, first: int, last: int | None, limits: Limits) -> Reading:
        """Return records from `first` on, up to `last` or within the limits, at least one if there is one."""

    async def write_down(self, place: Place) -> None:
        """Keep the place. Raises OSError when that fails."""

    def moved(self, place: Place, /) -> None:
        """Take notice that the cursor needs less than before."""

    def lost(self, items: int, reason: str) -> None:
        """Count items that cannot be read any more."""


class LogCursor:
    """Reads a log. Not thread-safe: everything happens on the event loop."""

    def __init__(self, name: str, bounds: Bounds, shelf: Shelf, place: Place) -> None:
        self.name = name
        self.bounds = bounds
        self.place = place
        self._shelf = shelf
        self._again: deque[Portion] = deque()
        self._flying = NOTHING
        self._wanted = _ANYTHING
        self._hurried = False
        self._reader: asyncio.Future[None] | None = None
        self._watchers: dict[int, asyncio.Future[None]] = {}
        self._room = asyncio.Event()
        self._left = False
        for portion in place.flight.values():
            self._flying += _remaining(portion)
            self._again.append(portion)

    @property
    def backlog(self) -> int:
        measure = self.bounds.measure
        return measure(self._shelf.total) - measure(self.place.taken) + measure(self._flying)

    @property
    def undelivered(self) -> int:
        return self._shelf.total.items - self.place.taken.items + self._flying.items

    @property
    def received(self) -> int:
        return self._shelf.total.items - self.place.origin.items

    @property
    def outcomes(self) -> Mapping[str, int]:
        return self.place.outcomes

    @property
    def _unread(self) -> int:
        items = self._shelf.total.items - self.place.taken.items
        return items + sum(portion.unsettled for portion in self._again)

    @property
    def _satisfied(self) -> bool:
        """Whether as much is unread as the reader waits for."""
        if self._unread < self._wanted.items:
            return False
        size = self._shelf.total.size - self.place.taken.size
        return size + sum(portion.tally.size for portion in self._again) >= self._wanted.size

    def full(self, offered: Tally) -> bool:
        """Whether more does not fit; an empty backlog takes any batch, however large."""
        most = self.bounds.size
        return bool(most) and (backlog := self.backlog) > 0 and backlog + self.bounds.measure(offered) > most

    async def room(self, offered: Tally) -> None:
        """Wait until more fits or the log is closed."""
        while self.full(offered) and not self._shelf.closed:
            self._room.clear()
            await self._room.wait()

    def added(self) -> None:
        """Take notice that the log has grown."""
        if self._satisfied:
            self.wake()

    def wake(self) -> None:
        """Let a waiting reader look again."""
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)

    def hurry(self) -> None:
        self._hurried = True
        self.wake()

    def release_writers(self) -> None:
        """Let writers that wait for room look again."""
        self._room.set()

    async def wait(self, items: int, timeout: float | None, size: int = 0) -> bool:  # noqa: ASYNC109 - see Cursor
        self._wanted = _ANYTHING if self._hurried else Tally(items=max(items, 1), size=size)
        if not self._satisfied and not self._shelf.closed and not self._left:
            self._reader = asyncio.get_running_loop().create_future()
            try:
                async with asyncio.timeout(timeout):
                    await self._reader
            except TimeoutError:
                pass
            finally:
                self._reader = None
        return self._unread > 0 and not self._left

    def leave(self) -> None:
        self._left = True
        self.wake()

    async def take(self, limits: Limits) -> Portion | None:
        self._hurried = False
        while self._unread:
            portion = await (self._reread() if self._again else self._read(limits))
            if portion is not None:
                return portion
        return None

    async def _read(self, limits: Limits) -> Portion | None:
        """Read on. Returns None when nothing could be read where something should have been."""
        reading = await self._shelf.read(self.place.next, None, limits)
        records = reading.records
        if records and records[0].sequence < self.place.next:
            records = tuple(record for record in records if record.sequence >= self.place.next)
        tally = _sum(records)
        if reading.end > self.place.next:
            self._lose(reading.total.items - self.place.taken.items - tally.items, "damaged")
            self.place.next, self.place.taken = reading.end, reading.total
        if not records:
            await self._shelf.write_down(self.place)
            return None
        before = records[0].before.items
        portion = Portion(records[0].sequence, records[-1].sequence, before, tally, limits.cut(tally), records=records)
        self.place.flight[portion.first] = portion
        self._flying += tally
        try:
            await self._shelf.write_down(self.place)
        except BaseException:
            self._again.appendleft(portion)
            raise
        return portion

    async def _reread(self) -> Portion | None:
        """Load the next portion that was taken before. Returns None when nothing is left of it."""
        portion = self._again[0]
        if not portion.records:
            reading = await self._shelf.read(portion.first, portion.last, Limits())
            if not self._again or self._again[0] is not portion:
                return None
            self._load(portion, reading.records)
        self._again.popleft()
        if not portion.records:
            self._give_up(portion, "damaged")
            return None
        return portion

    def _load(self, portion: Portion, records: tuple[Record, ...]) -> None:
        """Make do with what could be read of the portion."""
        kept = [r for r in records if portion.first <= r.sequence <= portion.last]
        portion.records, tally = tuple(kept), _sum(kept)
        if not kept or tally == portion.tally:
            return
        settled = portion.before + portion.settled
        left = Tally(items=sum(min(max(settled - r.before.items, 0), r.tally.items) for r in kept))
        self._lose(portion.unsettled - tally.items + left.items, "damaged")
        self._flying += tally - left - _remaining(portion)
        portion.tally, portion.settled = tally, left.items

    def settle(self, portion: Portion, items: int, outcome: Outcome, reason: str = "") -> None:
        portion.settled += items
        self._flying -= Tally(items=items)
        self.place.outcomes[_column(outcome, reason)] += items
        self._shelf.moved(self.place)

    def done(self, portion: Portion) -> None:
        self.place.outcomes[Outcome.STORED.value] += portion.unsettled
        self._flying -= _remaining(portion)
        del self.place.flight[portion.first]
        self._release(portion, None)

    def rewind(self) -> None:
        self._again = deque(self.place.flight.values())

    def skip(self, end: int, total: Tally, reason: str) -> None:
        """Give up what lies before number `end` and nobody holds; `total` counts all that was appended before it."""
        if self.place.next < end:
            self._lose(total.items - self.place.taken.items, reason)
            self.place.next, self.place.taken = end, total
        for portion in [p for p in self._again if p.last < end and not p.records]:
            self._again.remove(portion)
            self._give_up(portion, reason)
        for sequence in [n for n in self._watchers if n < end and self.place.is_done(n)]:
            self._fail(self._watchers.pop(sequence))
        self._room.set()

    def _give_up(self, portion: Portion, reason: str) -> None:
        self._lose(portion.unsettled, reason)
        self._flying -= _remaining(portion)
        del self.place.flight[portion.first]
        self._release(portion, reason)

    def _release(self, portion: Portion, reason: str | None) -> None:
        for sequence in [n for n in self._watchers if portion.first <= n <= portion.last]:
            watcher = self._watchers.pop(sequence)
            if reason is not None:
                self._fail(watcher)
            elif not watcher.done():
                watcher.set_result(None)
        self._shelf.moved(self.place)
        self._room.set()

    def _lose(self, items: int, reason: str) -> None:
        if items > 0:
            self.place.outcomes[_column(Outcome.DROPPED, reason)] += items
            self._shelf.lost(items, reason)

    @staticmethod
    def _fail(watcher: asyncio.Future[None]) -> None:
        if not watcher.done():
            watcher.set_exception(Overloaded("the log gave the record up before it was delivered"))

    async def delivered(self, sequence: int) -> None:
        if self.place.is_done(sequence):
            return
        watcher = self._watchers.setdefault(sequence, asyncio.get_running_loop().create_future())
        await asyncio.shield(watcher)


class Cursors:
    """The cursors of one log, as its writers see them."""

    def __init__(self) -> None:
        self.all: list[LogCursor] = []

    def admit(self, offered: Tally) -> None:
        """Raise `QueueFull` when a cursor has no room for more and does not let writers wait."""
        for cursor in self.all:
            if not cursor.bounds.block and cursor.full(offered):
                raise QueueFull(cursor.name)

    async def room(self, offered: Tally) -> None:
        """Wait until every cursor has room or the log is closed."""
        for cursor in self.all:
            if cursor.bounds.block and cursor.full(offered):
                await cursor.room(offered)

    def added(self) -> None:
        """Tell all readers that the log has grown."""
        for cursor in self.all:
            cursor.added()

    def close(self) -> None:
        """Let everyone who waits look again, for the last time."""
        for cursor in self.all:
            cursor.wake()
            cursor.release_writers()


def weigh(batch: Batch) -> Tally:
    """Return what one batch counts."""
    return Tally(1, batch.items, batch.size)


def _remaining(portion: Portion) -> Tally:
    return portion.tally - Tally(items=portion.settled)


def leading(records: Iterable[Record], limits: Limits) -> list[Record]:
    """Return as many consecutive records as one push may hold, at least one if there is one.

    A push may hold thousands of small ones; they are counted by what came before each, not one by one.
    """
    found: list[Record] = []
    unread = iter(records)
    while chunk := list(islice(unread, _CHUNK)):
        before = (found or chunk)[0].before
        fits = bisect_left(chunk, True, key=lambda record: limits.exceeded(record.before + record.tally - before))
        found += chunk[:fits] if found else chunk[: max(fits, 1)]
        if fits < len(chunk):
            break
    return found


def _sum(records: Sequence[Record]) -> Tally:
    if records and records[-1].sequence - records[0].sequence == len(records) - 1:
        return records[-1].before + records[-1].tally - records[0].before
    total = NOTHING
    for record in records:
        total += record.tally
    return total


def _column(outcome: Outcome, reason: str = "") -> str:
    return f"{outcome.value}:{reason}" if reason else outcome.value
