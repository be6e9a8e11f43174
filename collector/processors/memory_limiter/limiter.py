"""Says no before a body is read, while the process holds more memory than it should."""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import Final

from collector.api import Factory, Kind, Overloaded, Settings, Stability, State
from collector.processors.memory_limiter.config import MEBIBYTE, MemoryLimiterConfig
from collector.processors.memory_limiter.memory import give_back, total_bytes
from collector.telemetry.catalogue import OTTERY_MEMORY_LIMITED
from collector.telemetry.process import resident_bytes


class MemoryLimiter:
    """Refuses above the soft limit. Above the hard one, memory that nobody uses is given back at once.

    The memory in use is looked at when somebody asks, so that an idle collector has nothing to do.
    """

    def __init__(
        self,
        config: MemoryLimiterConfig,
        settings: Settings,
        *,
        used: Callable[[], int] = resident_bytes,
        release: Callable[[], None] = give_back,
    ) -> None:
        self._config = config
        self._settings = settings
        self._used = used
        self._release = release
        self.soft, self.hard = config.limits(total_bytes())
        self._looked = self._released = -inf
        self._resident = 0

    async def start(self) -> None:
        """Nothing is to be made ready."""

    async def stop(self) -> None:
        """Nothing is held."""

    def guard(self) -> None:
        """Raise `Overloaded` while memory is short."""
        now = self._settings.clock.monotonic()
        if now - self._looked >= self._config.check_interval:
            self._looked = now
            self._look(now)
        if self._resident > self.soft:
            used, soft = self._resident // MEBIBYTE, self.soft // MEBIBYTE
            raise Overloaded(f"memory is short: {used} MiB of {soft} in use", self._config.check_interval)

    def _look(self, now: float) -> None:
        before, self._resident = self._resident, self._used()
        if self._resident > self.soft and now - self._released >= self._interval():
            self._released = now
            self._release()
            self._resident = self._used()
        if (before > self.soft) != (self._resident > self.soft):
            self._tell(short=self._resident > self.soft)

    def _interval(self) -> float:
        if self._resident > self.hard:
            return self._config.min_gc_interval_when_hard_limited
        return self._config.min_gc_interval_when_soft_limited

    def _tell(self, *, short: bool) -> None:
        settings = self._settings
        sizes = {"resident_mib": self._resident // MEBIBYTE, "soft_mib": self.soft // MEBIBYTE}
        settings.metrics.set(OTTERY_MEMORY_LIMITED, short, processor=settings.id)
        if short:
            settings.log.warning("memory is short, requests are refused", processor=settings.id, **sizes)
            settings.report(State.DEGRADED, f"memory is short, requests are refused above {sizes['soft_mib']} MiB")
        else:
            settings.log.info("memory is there again, requests are taken", processor=settings.id, **sizes)
            settings.report(State.OK)


FACTORY: Final = Factory(
    "memory_limiter",
    Kind.PROCESSOR,
    MemoryLimiterConfig,
    MemoryLimiter,
    "Refuses requests, before they are read, while the process holds too much memory.",
    stability=Stability.BETA,
)
