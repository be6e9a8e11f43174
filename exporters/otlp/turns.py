"""Several endpoints that take turns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Generic, TypeVar

from collector.api import Clock

T = TypeVar("T")

_REST = 5.0


class Turns(Generic[T]):
    """Round robin; who failed a moment ago is passed over while another one is there."""

    def __init__(self, members: Sequence[T], clock: Clock) -> None:
        self._members = tuple(members)
        self._clock = clock
        self._rests: dict[int, float] = {}
        self._next = 0

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
