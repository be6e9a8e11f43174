"""Divides the event loop between requests, so that what else is due on it need not wait for all that came at once."""

from __future__ import annotations

import asyncio
from collections import deque


class Turns:
    """Lets work begin as long as one turn of the event loop has room for it; the rest waits for the next ones, in order.

    `room` is in the unit in which work is measured; the last piece of work of a turn may go past it. Not thread-safe.
    """

    def __init__(self, room: float) -> None:
        self._room = room
        self._begun = 0.0
        self._waiting: deque[tuple[asyncio.Future[None], float]] = deque()
        self._turning = False

    def begin(self, work: float) -> bool:
        """Tell whether work may begin at once; what may not has to `wait`."""
        if self._waiting or self._begun >= self._room:
            return False
        self._begun += work
        if not self._turning:
            self._turning = True
            asyncio.get_running_loop().call_soon(self._turn)
        return True

    async def wait(self, work: float) -> None:
        """Wait until work may begin."""
        waiter = asyncio.get_running_loop().create_future()
        self._waiting.append((waiter, work))
        await waiter

    def _turn(self) -> None:
        self._begun = 0.0
        while self._waiting and self._begun < self._room:
            waiter, work = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(None)
                self._begun += work
        self._turning = bool(self._begun)
        if self._turning:
            asyncio.get_running_loop().call_soon(self._turn)
