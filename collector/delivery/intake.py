"""Counts what comes to an end before the log: items that were rejected, and items that processors take out."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path
from typing import Final

import orjson

from collector.api import Logger
from collector.delivery.disk.places import PlaceFile
from collector.delivery.place import BadPlace

FILE: Final = "intake"
_DELAY: Final = 1.0


class Intake:
    """Counters that outlive the process where a directory is given; a crash costs the last second of them."""

    def __init__(self, directory: Path | None, log: Logger) -> None:
        self.counts: Counter[str] = Counter()
        self._file = PlaceFile(directory / FILE, sync=False) if directory else None
        self._log = log
        self._timer: asyncio.TimerHandle | None = None

    def load(self) -> None:
        """Go on from what an earlier life counted."""
        if self._file is None:
            return
        try:
            self.counts.update(orjson.loads(self._file.read() or b"{}"))
        except (BadPlace, OSError, ValueError) as error:
            self._log.warning("counts of rejected and filtered items begin anew", reason=str(error))

    def add(self, account: str, items: int) -> None:
        """Count items under `rejected:<reason>` or `dropped:<reason>`. To be called on the event loop."""
        self.counts[account] += items
        if self._file is not None and self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_DELAY, self._save)

    def _save(self) -> None:
        self._timer = None
        if self._file is None:
            return
        try:
            self._file.save(orjson.dumps(self.counts))
        except OSError as error:
            self._log.warning("counts of rejected and filtered items are not written", reason=str(error))

    def close(self) -> None:
        """Write what is not written yet, and let go of the file."""
        if self._timer is not None:
            self._timer.cancel()
            self._save()
        if self._file is not None:
            self._file.close()
