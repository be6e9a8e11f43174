"""A few threads for requests that would hold up the event loop."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

_MOST: Final = 4


class Workers:
    """A pool that lives from its first use until `stop`. What waits for it is bounded by the receiver's admission."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._pool: ThreadPoolExecutor | None = None

    async def run(self, work: Callable[P, T], *args: P.args, **options: P.kwargs) -> T:
        """Return what `work` returns, called in a thread."""
        if self._pool is None:
            self._pool = ThreadPoolExecutor(min(_MOST, os.cpu_count() or 1), thread_name_prefix=self._name)
        return await asyncio.get_running_loop().run_in_executor(self._pool, lambda: work(*args, **options))

    def stop(self) -> None:
        """Let the threads go."""
        if self._pool is not None:
            self._pool.shutdown(wait=False)
            self._pool = None
