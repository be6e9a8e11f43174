"""How long to wait between attempts."""

from __future__ import annotations

import random

from collector.api import RetryConfig


class Backoff:
    """The waits of one batch: exponential with jitter, never shorter than the sink asks for."""

    def __init__(self, config: RetryConfig) -> None:
        self._config = config
        self._interval = config.initial_interval

    def next(self, retry_after: float | None) -> float:
        """Return the next wait in seconds."""
        spread = self._config.randomization_factor * self._interval
        wait = self._interval + random.uniform(-spread, spread)  # noqa: S311 - jitter is no secret
        self._interval = min(self._interval * self._config.multiplier, self._config.max_interval)
        return max(wait, retry_after or 0.0)
