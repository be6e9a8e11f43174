"""Threads for queries: so many at once, each within its time, and ended when nobody waits for them any more."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Any, Final, ParamSpec, Self, TypeVar

from collector.query.failure import Failure

P = ParamSpec("P")
T = TypeVar("T")

_GRACE: Final = 5.0
"""Seconds that the engine gets to end a query by its own limit before the client is told without it."""


class Jobs:
    """Runs blocking work. `most` is how much of it runs at once, `timeout` the longest time of a step in seconds."""

    def __init__(self, most: int, timeout: float) -> None:
        self.most = most
        self.timeout = timeout
        self.threads = ThreadPoolExecutor(most, thread_name_prefix="clickhouse_server")
        self.killer = ThreadPoolExecutor(1, thread_name_prefix="clickhouse_server kill")
        self.places: set[Place] = set()
        self.ended = False

    def place(self) -> Place:
        """Return a place for one query; use it as a context manager. Raises `Failure` when every place is taken."""
        if len(self.places) >= self.most:
            text = f"Too many simultaneous queries. Maximum: {self.most}"
            raise Failure(202, "TOO_MANY_SIMULTANEOUS_QUERIES", text, 503)
        return Place(self)

    def end(self) -> None:
        """Have the queries under way killed."""
        for place in list(self.places):
            place.end()

    def stop(self) -> None:
        """End the queries under way and wait for their threads. Safe twice."""
        self.end()
        self.ended = True
        self.killer.shutdown(wait=True)
        self.threads.shutdown(wait=True, cancel_futures=True)


class Place:
    """One query's right to a thread, step by step. `kill` is what ends a step that takes too long."""

    def __init__(self, jobs: Jobs) -> None:
        self._jobs = jobs
        self._step: asyncio.Future[Any] | None = None
        self.kill: Callable[[], None] = _nothing

    def __enter__(self) -> Self:
        self._jobs.places.add(self)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if self._step is None or self._step.done():
            self._jobs.places.discard(self)
        else:
            self.end()
            self._step.add_done_callback(self._ended)

    def _ended(self, step: asyncio.Future[Any]) -> None:
        """Give the place back once the thread is free; nobody is left to be told how its step ended."""
        self._jobs.places.discard(self)
        if not step.cancelled():
            step.exception()

    def end(self) -> None:
        """Have the query killed, if it runs."""
        if not self._jobs.ended:
            self._jobs.killer.submit(self.kill)

    async def run(self, work: Callable[P, T], *args: P.args, **options: P.kwargs) -> T:
        """Return what `work` returns, called in a thread. Raises `Failure` when it takes too long."""
        loop = asyncio.get_running_loop()
        self._step = step = loop.run_in_executor(self._jobs.threads, lambda: work(*args, **options))
        try:
            async with asyncio.timeout(self._jobs.timeout + _GRACE):
                return await asyncio.shield(step)
        except TimeoutError as error:
            text = f"Timeout exceeded: elapsed more than {self._jobs.timeout:g} seconds"
            raise Failure(159, "TIMEOUT_EXCEEDED", text) from error


def _nothing() -> None:
    """No query has begun yet."""
