"""The log in memory: the same contract as the one on disk, gone with the process."""

from __future__ import annotations

import asyncio
import uuid
from collections import deque
from collections.abc import Sequence

from collector.api import Batch, Overloaded
from collector.delivery.log import Bounds, QueueFull, Record


class MemoryCursor:
    """Reads a `MemoryLog`. Not thread-safe: everything happens on the event loop."""

    def __init__(self, name: str, bounds: Bounds, log: MemoryLog) -> None:
        self.name = name
        self.bounds = bounds
        self.committed = 0
        self.backlog = 0
        self.undelivered = 0
        self._log = log
        self._next = 0
        self._unread = 0
        self._finished: set[int] = set()
        self._wanted = 0
        self._reader: asyncio.Future[None] | None = None
        self._watchers: dict[int, asyncio.Future[None]] = {}
        self._room = asyncio.Event()

    def full(self, batch: Batch) -> bool:
        """Whether the batch does not fit; an empty backlog takes any batch, however large."""
        return self.backlog > 0 and self.backlog + self.bounds.weigh(batch) > self.bounds.size

    async def wait_for_room(self, batch: Batch) -> None:
        """Wait until the batch fits or the log is closed."""
        while self.full(batch) and not self._log.closed:
            self._room.clear()
            await self._room.wait()

    def added(self, batch: Batch) -> None:
        """Count a record that the log has just appended."""
        self.backlog += self.bounds.weigh(batch)
        self._unread += batch.items
        self.undelivered += batch.items
        if self._unread >= self._wanted:
            self.wake()

    def wake(self) -> None:
        """Let a waiting reader look again."""
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)

    def release_writers(self) -> None:
        """Let writers that wait for room look again."""
        self._room.set()

    async def wait(self, items: int, timeout: float | None) -> bool:  # noqa: ASYNC109 - see Cursor
        self._wanted = max(items, 1)
        if self._unread < self._wanted and not self._log.closed:
            self._reader = asyncio.get_running_loop().create_future()
            try:
                async with asyncio.timeout(timeout):
                    await self._reader
            except TimeoutError:
                pass
            finally:
                self._reader = None
        return self._unread > 0

    def take(self, max_items: int, max_bytes: int) -> list[Record]:
        taken: list[Record] = []
        items = size = 0
        while self._next < self._log.end:
            if self._next in self._finished:
                if taken:
                    break
                self._next += 1
                continue
            record = self._log.at(self._next)
            items += record.batch.items
            size += record.batch.size
            if taken and ((max_items and items > max_items) or (max_bytes and size > max_bytes)):
                break
            taken.append(record)
            self._next += 1
            self._unread -= record.batch.items
        return taken

    def rewind(self) -> None:
        self._next = self.committed
        unread = (n for n in range(self.committed, self._log.end) if n not in self._finished)
        self._unread = sum(self._log.at(n).batch.items for n in unread)

    def done(self, records: Sequence[Record]) -> None:
        for record in records:
            self._finished.add(record.sequence)
            self.backlog -= self.bounds.weigh(record.batch)
            self.undelivered -= record.batch.items
            if (watcher := self._watchers.pop(record.sequence, None)) is not None and not watcher.done():
                watcher.set_result(None)
        while self.committed in self._finished:
            self._finished.remove(self.committed)
            self.committed += 1
        self._log.trim()
        self._room.set()

    async def delivered(self, sequence: int) -> None:
        if sequence < self.committed or sequence in self._finished:
            return
        watcher = self._watchers.setdefault(sequence, asyncio.get_running_loop().create_future())
        await asyncio.shield(watcher)


class MemoryLog:
    """Records in a deque; the oldest goes when every cursor has passed it."""

    def __init__(self) -> None:
        self.id = uuid.uuid4().hex
        self.closed = False
        self._records: deque[Record] = deque()
        self._start = 0
        self._cursors: list[MemoryCursor] = []

    @property
    def end(self) -> int:
        """The number that the next record gets."""
        return self._start + len(self._records)

    @property
    def size(self) -> int:
        """Number of records held."""
        return len(self._records)

    def at(self, sequence: int) -> Record:
        """Return a record that is still held."""
        return self._records[sequence - self._start]

    def cursor(self, name: str, bounds: Bounds) -> MemoryCursor:
        cursor = MemoryCursor(name, bounds, self)
        self._cursors.append(cursor)
        return cursor

    def admit(self, batch: Batch) -> None:
        if self.closed:
            raise Overloaded("shutting down")
        for cursor in self._cursors:
            if cursor.full(batch) and not cursor.bounds.block:
                raise QueueFull(cursor.name)

    async def append(self, batch: Batch) -> int:
        self.admit(batch)
        for cursor in self._cursors:
            if cursor.full(batch):
                await cursor.wait_for_room(batch)
        if self.closed:
            raise Overloaded("shutting down")
        sequence = self.end
        self._records.append(Record(sequence, batch))
        for cursor in self._cursors:
            cursor.added(batch)
        return sequence

    def trim(self) -> None:
        """Let go of what every cursor has passed."""
        oldest = min(cursor.committed for cursor in self._cursors)
        while self._start < oldest:
            self._records.popleft()
            self._start += 1

    def close(self) -> None:
        self.closed = True
        for cursor in self._cursors:
            cursor.wake()
            cursor.release_writers()
