"""What a pipeline's log promises, whether it lies in memory or on disk.

One write, many readers: a record is kept until every cursor has moved past it, so a slow sink holds up nobody
else. Sequence numbers start at 0 and have no gaps.
"""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from typing import Protocol

from collector.api import Batch, Overloaded


@dataclass(frozen=True, slots=True)
class Record:
    """One batch in the log, under its number."""

    sequence: int
    batch: Batch


@dataclass(frozen=True, slots=True)
class Bounds:
    """How far one cursor may fall behind: `sending_queue.queue_size` counted by `sending_queue.sizer`."""

    size: int
    sizer: str = "requests"
    block: bool = False
    """Whether a writer waits for room instead of being refused."""

    def weigh(self, batch: Batch) -> int:
        """Return what the batch counts against `size`."""
        if self.sizer == "items":
            return batch.items
        return batch.size if self.sizer == "bytes" else 1


class QueueFull(Overloaded):
    """A cursor is as far behind as its bounds allow."""

    def __init__(self, exporter: str) -> None:
        super().__init__(f"the queue of exporter {exporter} is full")
        self.exporter = exporter


class Cursor(Protocol):
    """One exporter's place in a log."""

    name: str

    @property
    def backlog(self) -> int:
        """What is appended and not delivered, in the unit of the cursor's bounds."""

    @property
    def undelivered(self) -> int:
        """Items that are appended and not done."""

    async def wait(self, items: int, timeout: float | None) -> bool:  # noqa: ASYNC109 - gathering ends by it as a rule
        """Wait until so many items are unread, the log is closed, or `timeout` seconds have gone by.

        Returns whether anything is unread.
        """

    def take(self, max_items: int, max_bytes: int) -> list[Record]:
        """Return the next unread records within both limits (0 is none), at least one if there is one."""

    def done(self, records: Sequence[Record]) -> None:
        """Say that records which `take` gave out need no further care; the order does not matter."""

    def rewind(self) -> None:
        """Read again what was taken and is not done, after its reader died."""

    def delivered(self, sequence: int) -> Awaitable[None]:
        """Wait until the record is done."""


class Log(Protocol):
    """The records of one pipeline."""

    id: str
    """Part of every token: two logs, or two lives of a log that forgets, never share it."""

    def cursor(self, name: str, bounds: Bounds) -> Cursor:
        """Open the cursor of an exporter. To be called before the first append."""

    def admit(self, batch: Batch) -> None:
        """Raise `Overloaded` where `append` would."""

    async def append(self, batch: Batch) -> int:
        """Keep a batch and return its number. The client may be answered afterwards.

        Raises `Overloaded` when a cursor is too far behind, or the log is closed.
        """

    def close(self) -> None:
        """Take no more; cursors read on to the end."""
