"""A moment that moves with every request, on a timer that does not."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from math import inf


class Deadline:
    """Calls `late` when the moment has passed. A timer that comes too early is cheaper than a new one for each request."""

    def __init__(self, loop: asyncio.AbstractEventLoop, late: Callable[[], None]) -> None:
        self._loop = loop
        self._late = late
        self._due = self._tick_at = inf
        self._timer: asyncio.TimerHandle | None = None

    def set(self, due: float) -> None:
        """Move the moment, in the time of the event loop; infinity is never."""
        self._due = due
        if due < self._tick_at:
            self.stop()
            self._timer, self._tick_at = self._loop.call_at(due, self._tick), due

    def stop(self) -> None:
        """Call nothing any more, until the next `set`."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer, self._tick_at = None, inf

    def _tick(self) -> None:
        self._tick_at = inf
        if self._loop.time() < self._due:
            self.set(self._due)
        else:
            self._late()
