"""Keeps a runner from hammering a sink that is down."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from collector.api import RetryConfig
from collector.delivery.retry import Backoff

_THRESHOLD = 5


class Circuit:
    """Closed while the sink answers. After five failures in a row it opens: one attempt at a time, in turn.

    A turn lasts through the wait after its failure, so that all deliveries together are as patient as one.
    """

    def __init__(self, config: RetryConfig) -> None:
        self._config = config
        self._failures = 0
        self._backoff: Backoff | None = None
        self._probe = asyncio.Lock()

    @property
    def is_open(self) -> bool:
        """Whether attempts wait for their turn."""
        return self._backoff is not None

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Hold this around an attempt and the wait after it."""
        if self._backoff is None:
            yield
            return
        async with self._probe:
            yield

    def answered(self) -> None:
        """Take notice that the sink lives, whatever it said."""
        self._failures = 0
        self._backoff = None

    def failed(self, own: Backoff) -> Backoff:
        """Take notice of a failure and return whose waits count: `own` while closed, those of all while open."""
        self._failures += 1
        if self._failures >= _THRESHOLD and self._backoff is None:
            self._backoff = Backoff(self._config)
        return self._backoff or own
