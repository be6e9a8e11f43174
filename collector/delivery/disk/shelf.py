"""What a cursor of the log on disk reads from, and how its place gets there."""

from __future__ import annotations

import asyncio
from concurrent.futures import Executor
from functools import partial
from typing import TYPE_CHECKING, Final

from collector.delivery.cursor import Reading
from collector.delivery.disk.places import PlaceFile
from collector.delivery.log import Limits, Tally
from collector.delivery.place import Place

if TYPE_CHECKING:
    from collector.delivery.disk.log import DiskLog

_DELAY: Final = 0.2
"""Seconds after which an idle cursor's place is written; what a crash repeats under the same tokens."""


class DiskShelf:
    """One cursor's side of the log. Places are written by one thread, so they reach the disk in order."""

    def __init__(self, log: DiskLog, cursor: str, file: PlaceFile, thread: Executor) -> None:
        self.written = 0
        self._log = log
        self._cursor = cursor
        self._file = file
        self._thread = thread
        self._place: Place | None = None
        self._timer: asyncio.TimerHandle | None = None

    @property
    def total(self) -> Tally:
        return self._log.total

    @property
    def closed(self) -> bool:
        return self._log.closed

    async def read(self, first: int, last: int | None, limits: Limits) -> Reading:
        return await self._log.read(first, last, limits)

    async def write_down(self, place: Place) -> None:
        oldest = place.oldest()
        await asyncio.get_running_loop().run_in_executor(self._thread, self._file.save, place.to_json())
        self._kept(oldest)

    def moved(self, place: Place, /) -> None:
        self._place = place
        self._log.forget()
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_DELAY, self._write_soon)

    def _write_soon(self) -> None:
        self._timer = None
        if self._place is None:
            return
        place, self._place = self._place, None
        job = asyncio.get_running_loop().run_in_executor(self._thread, self._file.save, place.to_json())
        job.add_done_callback(partial(self._saved, place.oldest()))

    def _saved(self, oldest: int, job: asyncio.Future[None]) -> None:
        """Take notice of a write. Where it failed, the next one will do; meanwhile a crash repeats a little more."""
        if not job.cancelled() and job.exception() is None:
            self._kept(oldest)

    def _kept(self, oldest: int) -> None:
        self.written = max(self.written, oldest)
        self._log.release()

    def lost(self, items: int, reason: str) -> None:
        self._log.lost(self._cursor, items, reason)

    async def shut(self, place: Place) -> None:
        """Write the place down for the last time and let go of the file. Raises OSError."""
        if self._timer is not None:
            self._timer.cancel()
        try:
            await self.write_down(place)
        finally:
            self._file.close()
