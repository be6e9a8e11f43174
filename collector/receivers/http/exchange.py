"""A request and its answer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Protocol, TypeAlias, cast

from collector.api import TooLarge
from collector.receivers.admission import REQUEST_OVERHEAD, Lease
from collector.receivers.http.answer import Answer
from collector.receivers.http.head import Head

_SMALL: Final = 4096  # bytes of a piece that is kept together with others

Serve: TypeAlias = Callable[[Sequence[bytes | bytearray], Lease], Awaitable[Answer]]
"""Answers a request whose body has come, in pieces that the lease holds. Raises what `Application.refuse` answers."""


class Application(Protocol):
    """What a server serves."""

    def open(self, head: Head, /) -> Serve | Answer:
        """Look at a head, before its body comes. Raises what `refuse` answers."""

    def refuse(self, head: Head, error: Exception, /) -> Answer:
        """Return the answer to a request that is not taken, and count it."""

    def left(self) -> None:
        """Count a request that was not whole: its client went away, or what came of it could not be read."""


class Exchange:
    """A request from its head on. `began` and `heard` are when its head and its last byte came."""

    __slots__ = (
        "_limit",
        "_serve",
        "answer",
        "began",
        "complete",
        "head",
        "heard",
        "lease",
        "pieces",
        "size",
        "task",
    )

    def __init__(self, head: Head, lease: Lease, limit: int, now: float) -> None:
        self.head = head
        self.lease = lease
        self.began = self.heard = now
        self.complete = False
        self.pieces: list[bytes | bytearray] = []
        self.size = 0
        self.task: asyncio.Task[None] | None = None
        self.answer: Answer | None = None
        self._limit = limit
        self._serve = cast("Serve", None)

    @property
    def awaits_body(self) -> bool:
        """Whether its client has yet to send the rest of its body."""
        return self.answer is None and not self.complete

    def accept(self, serve: Serve) -> None:
        """Have the body answered by `serve`. Raises `TooLarge` for one that says so, and `Overloaded`."""
        self._serve = serve
        if self.head.length > self._limit:
            self._too_large()
        self.lease.take(REQUEST_OVERHEAD)

    def add(self, data: bytes, now: float) -> None:
        """Hold a part of the body. Raises `TooLarge` and `Overloaded`."""
        self.heard = now
        self.size += len(data)
        if self.size > self._limit:
            self._too_large()
        self.lease.take(len(data))
        if self.pieces and len(data) < _SMALL:
            self._append(data)
        else:
            self.pieces.append(data)

    def _append(self, data: bytes) -> None:
        """Keep a small piece together with others: each object costs memory that nobody counts."""
        last = self.pieces[-1]
        if isinstance(last, bytearray):
            last += data
        else:
            self.pieces.append(bytearray(data))

    def _too_large(self) -> None:
        raise TooLarge(f"the body is larger than the {self._limit} bytes accepted")

    async def run(self) -> Answer:
        """Return the answer to a request that is whole, and hold nothing more."""
        try:
            return await self._serve(self.pieces, self.lease)
        finally:
            self.drop()

    def settle(self, answer: Answer) -> None:
        """Have this answer, and hold nothing more."""
        self.answer = answer
        self.drop()

    def drop(self) -> None:
        """Hold nothing more."""
        self.pieces = []
        self.lease.end()
