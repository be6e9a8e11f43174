"""What a pipeline's log promises, whether it lies in memory or on disk.

One write, many readers: a record is kept until every cursor is done with it, so a slow sink holds up nobody else.
Sequence numbers rise by one from record to record; after a crash that may have cost records they leap, so that no
number is ever given twice.
"""

from __future__ import annotations

from collections.abc import Awaitable, Collection, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from collector.api import Batch, Overloaded

MOST_IN_FLIGHT = 100
"""Portions that one cursor can have in flight: a cursor's place on disk has room for no more."""


# Made several times a request: one that is not frozen takes a third of the time. Nobody changes it.
@dataclass(slots=True, unsafe_hash=True)
class Tally:
    """A count of records in every unit there is. `size` is in bytes of OTLP."""

    requests: int = 0
    items: int = 0
    size: int = 0

    def __add__(self, other: Tally) -> Tally:
        return Tally(self.requests + other.requests, self.items + other.items, self.size + other.size)

    def __sub__(self, other: Tally) -> Tally:
        return Tally(self.requests - other.requests, self.items - other.items, self.size - other.size)


NOTHING = Tally()


@dataclass(slots=True)  # as `Tally`
class Record:
    """One batch in the log, under its number. `before` counts everything that was appended before it, ever."""

    sequence: int
    batch: Batch
    tally: Tally
    before: Tally


@dataclass(frozen=True, slots=True)
class Limits:
    """How much one push may hold; 0 is no limit."""

    items: int = 0
    size: int = 0

    def exceeded(self, tally: Tally) -> bool:
        """Whether this is too much for one push."""
        return bool((self.items and tally.items > self.items) or (self.size and tally.size > self.size))

    def cut(self, tally: Tally) -> int:
        """Return how many items one piece may have, 0 where everything may go at once."""
        if not self.exceeded(tally):
            return 0
        pieces = -(-tally.size // self.size) if self.size else 1
        return max(1, min(self.items or tally.items, -(-tally.items // pieces)))


@dataclass(slots=True)
class Portion:
    """Consecutive records that travel together, now, after a retry, and after a restart.

    `before` counts the items that were ever appended before the first record, `cut` is the most items of one push (0
    is no limit), and `settled` counts the leading items that need no further care. `records` is empty while the
    portion is known only by its range, and shorter than the range where records were damaged.
    """

    first: int
    last: int
    before: int
    tally: Tally
    cut: int = 0
    settled: int = 0
    records: tuple[Record, ...] = field(default=(), compare=False)

    @property
    def unsettled(self) -> int:
        """Items that still need care."""
        return self.tally.items - self.settled


class Outcome(StrEnum):
    """What became of items: the columns of the ledger."""

    STORED = "stored"
    DEAD_LETTERED = "dead_lettered"
    DROPPED = "dropped"


@dataclass(frozen=True, slots=True)
class Bounds:
    """How far one cursor may fall behind: `sending_queue.queue_size` counted by `sending_queue.sizer`; 0 is no limit."""

    size: int
    sizer: str = "requests"
    block: bool = False
    """Whether a writer waits for room instead of being refused."""

    def measure(self, tally: Tally) -> int:
        """Return what the records count against `size`."""
        if self.sizer == "items":
            return tally.items
        return tally.size if self.sizer == "bytes" else tally.requests


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
        """What is appended and not done, in the unit of the cursor's bounds."""

    @property
    def undelivered(self) -> int:
        """Items that are appended and not done."""

    @property
    def received(self) -> int:
        """Items that were ever appended for this cursor."""

    @property
    def outcomes(self) -> Mapping[str, int]:
        """What became of items: `stored`, `dead_lettered` and `dropped:<reason>`, for as long as the log remembers."""

    async def wait(self, items: int, timeout: float | None, size: int = 0) -> bool:  # noqa: ASYNC109 - gathering ends by it as a rule
        """Wait until so many items of `size` bytes are unread, the log is closed, or `timeout` seconds have gone by.

        Returns whether anything is unread.
        """

    def hurry(self) -> None:
        """Let the next `wait` end as soon as anything is unread: whoever wrote it waits for it to be done."""

    async def take(self, limits: Limits) -> Portion | None:
        """Return the next records within the limits, at least one if there is one, else None.

        What is returned was written down before: after a restart, or a rewind, the same portions come first, cut in
        the same way, so that they are sent under the same tokens. Raises OSError when it cannot be written down.
        """

    def settle(self, portion: Portion, items: int, outcome: Outcome, reason: str = "") -> None:
        """Say what became of the next `items` unsettled items of the portion."""

    def done(self, portion: Portion) -> None:
        """Say that the portion needs no further care: what is not settled is stored. The order does not matter."""

    def leave(self) -> None:
        """Let the reader end: `wait` returns False from now on, whatever is unread."""

    def rewind(self) -> None:
        """Give out again what was taken and is not done, after its reader died."""

    def delivered(self, sequence: int) -> Awaitable[None]:
        """Wait until the record is done. Raises `Overloaded` when the log gave it up instead."""


class Log(Protocol):
    """The records of one pipeline."""

    id: str
    """Part of every token: two logs, or two lives of a log that forgets, never share it. Known once it is open."""
    durable: bool
    """Whether records outlive the process."""
    capacity: int
    """Most bytes that the log may hold by itself; 0 where only the bounds of its cursors hold it back."""

    async def open(self) -> None:
        """Make ready, recovering what an earlier life left. Raises `OtteryError` naming what an operator must do."""

    def retire(self, names: Collection[str]) -> None:
        """Give up what an earlier life left for cursors that are not in `names`. To be called before `cursor`."""

    def cursor(self, name: str, bounds: Bounds) -> Cursor:
        """Open the cursor of an exporter. To be called when the log is open, and before the first append."""

    def admit(self, batch: Batch) -> None:
        """Raise `Overloaded` where `append` would."""

    async def known(self, digest: bytes) -> int | None:
        """Return the number of the record that was appended with this digest not long ago, once it is safe.

        Returns None where there is none. Raises what `append` of that record raises.
        """

    async def append(self, batch: Batch, digest: bytes = b"", /, *, unchanged: bool = False) -> int:
        """Keep a batch and return its number. The client may be answered afterwards.

        A `digest` (16 bytes) names the request that the batch was made of; where it is known the batch is not kept
        again, and the number is that of the first. `unchanged` says that it is the xxh3_128 digest of the batch's OTLP
        bytes, which then need not be read for another.

        Raises `Overloaded` when a cursor is too far behind, there is no room, or the log is closed.
        """

    def oldest(self) -> int | None:
        """Return when the oldest record that is not done came in, or a little earlier; None when all are done.

        In wall-clock nanoseconds since the epoch.
        """

    def close(self) -> None:
        """Take no more; cursors read on to the end."""

    async def shut(self) -> None:
        """Let go of every resource, after the last reader. What is not delivered stays where records are durable."""
