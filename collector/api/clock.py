"""Time, injected so that tests can move it."""

import asyncio
import time
from typing import Protocol


class Clock(Protocol):
    """A wall clock for timestamps and a monotonic one for durations."""

    def now_ns(self) -> int:
        """Wall-clock time in nanoseconds since the epoch."""

    def monotonic(self) -> float:
        """Seconds on a clock that never goes back."""

    async def sleep(self, seconds: float) -> None:
        """Wait."""


class SystemClock:
    """The machine's clock."""

    def now_ns(self) -> int:
        return time.time_ns()

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
