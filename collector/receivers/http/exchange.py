"""A request and its answer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol, TypeAlias, cast

from collector.api import TooLarge
from collector.receivers.admission import REQUEST_OVERHEAD, Lease
from collector.receivers.http.answer import Answer
from collector.receivers.http.head import Head

Serve: TypeAlias = Callable[[list[bytes], Lease], Awaitable[Answer]]
"""Answers a request whose body has come, in pieces that the lease holds. Raises what `Application.refuse` answers."""


class Application(Protocol):
    """What a server serves."""

    def open(self, head: Head, /) -> Serve | Answer:
        """Look at a head, before its body comes. Raises what `refuse` answers."""

    def refuse(self, head: Head, error: Exception, /) -> Answer:
        """Return the answer to a request that is not taken, and count it."""

    def left(self) -> None:
        """Count a request whose client went away before it was whole."""


class Exchange:
    """A request from its head on. `began` and `heard` are when its head and its last byte came."""

    __slots__ = (
        "_limit",
        "_serve",
        "answer",
        "began",
        "complete",
        "expects",
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
        self.expects = head.fields.get(b"expect", b"").lower() == b"100-continue"
        self.complete = False
        self.pieces: list[bytes] = []
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
        if int(self.head.fields.get(b"content-length", b"0")) > self._limit:
            self._too_large()
        self.lease.take(REQUEST_OVERHEAD)

    def add(self, data: bytes, now: float) -> None:
        """Hold a part of the body. Raises `TooLarge` and `Overloaded`."""
        self.heard = now
        self.size += len(data)
        if self.size > self._limit:
            self._too_large()
        self.lease.take(len(data))
        self.pieces.append(data)

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
