"""Several endpoints that take turns."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from collector.api import Clock, Retryable

T = TypeVar("T")
Answer = TypeVar("Answer")

_REST = 5.0


class Turns(Generic[T]):
    """Round robin; who failed a moment ago is passed over while another one is there."""

    def __init__(self, members: Sequence[T], clock: Clock) -> None:
        self._members = tuple(members)
        self._clock = clock
        self._rests: dict[int, float] = {}
        self._next = 0

    async def send(self, by: Callable[[T], Awaitable[Answer]]) -> Answer:
        """Return what `by` returns for the member whose turn it is or, where that is Retryable, for another one.

        Raises the last `Retryable` when every member had its try, and at once whatever else `by` raises.
        """
        for left in reversed(range(len(self._members))):
            number, member = self.take()
            try:
                answer = await by(member)
            except asyncio.CancelledError:
                self.failed(number)
                raise
            except Retryable:
                self.failed(number)
                if not left:
                    raise
            else:
                self.worked(number)
                return answer
        raise Retryable("there is no endpoint", kind="nowhere")

    def take(self) -> tuple[int, T]:
        """Return the number and the member whose turn it is."""
        now, count = self._clock.monotonic(), len(self._members)
        for step in range(count):
            number = (self._next + step) % count
            if self._rests.get(number, now) <= now:
                break
        else:
            number = self._next % count
        self._next = (number + 1) % count
        return number, self._members[number]

    def failed(self, number: int) -> None:
        """Let a member rest for five seconds."""
        self._rests[number] = self._clock.monotonic() + _REST

    def worked(self, number: int) -> None:
        """Let a member take its turns again."""
        self._rests.pop(number, None)
