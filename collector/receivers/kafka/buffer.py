"""The records of one partition that wait to be cut."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass

from confluent_kafka import Message

from collector.receivers.kafka.config import Gathering


@dataclass(frozen=True, slots=True)
class Taken:
    """Records of one cut: offsets from `start` up to but not including `end`."""

    start: int
    end: int
    messages: tuple[Message, ...]


class Buffer:
    """Gathers records. `start` is where the first cut begins if that is known, `end` where it was written down to end.

    `single` gives every record a cut of its own.
    """

    def __init__(self, config: Gathering, start: int | None, end: int | None, *, single: bool = False) -> None:
        self._config = config
        self._start = start
        self._end = end
        self._single = single
        self._records: deque[Message] = deque()
        self._seen = 0
        self._changed = asyncio.Event()
        self.size = 0

    @property
    def start(self) -> int | None:
        """Where the next cut begins, None before the first record."""
        return self._start

    @property
    def is_full(self) -> bool:
        """Whether no more should come."""
        return self.size >= self._config.max_buffered_bytes

    @property
    def has_room(self) -> bool:
        """Whether more may come again."""
        return self.size < self._config.max_buffered_bytes // 2

    def add(self, message: Message) -> None:
        """Take a record; one that a cut has passed already is left out."""
        offset = message.offset() or 0
        if offset < self._seen or (self._start is not None and offset < self._start):
            return
        if self._start is None:
            self._start = offset
        self._seen = offset + 1
        self._records.append(message)
        self.size += _size(message)
        self._changed.set()

    def reached(self, offset: int) -> None:
        """Take notice that there is nothing before `offset` that did not come."""
        self._seen = max(self._seen, offset)
        self._changed.set()

    async def wait(self) -> None:
        """Wait for a record."""
        while not self._records:
            self._changed.clear()
            await self._changed.wait()

    async def take(self) -> Taken:
        """Return the next cut: the one that was written down, else what comes together in time."""
        if self._end is not None:
            return await self._again(self._end)
        await self.wait()
        if not self._single:
            await self._gather()
        count = 1 if self._single else self._fitting()
        return self._cut(count)

    async def _again(self, end: int) -> Taken:
        while self._seen < end:
            self._changed.clear()
            await self._changed.wait()
        self._end = None
        count = sum(1 for message in self._records if (message.offset() or 0) < end)
        taken = self._cut(count)
        self._start = end
        return Taken(taken.start, end, taken.messages)

    async def _gather(self) -> None:
        """Wait until there is a full cut, or the first record has waited long enough."""
        try:
            async with asyncio.timeout(self._config.flush_timeout):
                while self.size < self._config.max_bytes:
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            pass

    def _fitting(self) -> int:
        size = count = 0
        for message in self._records:
            size += _size(message)
            if count and size > self._config.max_bytes:
                break
            count += 1
        return count

    def _cut(self, count: int) -> Taken:
        start = self._start or 0
        messages = tuple(self._records.popleft() for _ in range(count))
        self.size -= sum(map(_size, messages))
        self._start = (messages[-1].offset() or 0) + 1 if messages else start
        return Taken(start, self._start, messages)


def _size(message: Message) -> int:
    return len(message) + 64
