"""Repeated log lines are counted and summed up, so that a storm neither floods the log nor vanishes from it."""

from __future__ import annotations

import copy
import logging
import threading
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass

_SHOWN = 5
_WINDOW = 10.0
_MOST_KINDS = 1000


@dataclass(slots=True)
class _Kind:
    """Lines of one window that say the same."""

    last: logging.LogRecord
    seen: int = 0


class RepeatHandler(logging.Handler):
    """Hands the first five equal lines of ten seconds to `target`, then one that says "again N times".

    Lines are equal when their logger, level, event and component are. Debug lines are never held back.
    """

    def __init__(self, target: logging.Handler, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._target = target
        self._clock = clock
        self._began = clock()
        self._kinds: dict[Hashable, _Kind] = {}
        self._timer: threading.Timer | None = None

    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno <= logging.DEBUG or self._admit(record):
            self._target.handle(record)

    def _admit(self, record: logging.LogRecord) -> bool:
        now = self._clock()
        if now - self._began >= _WINDOW or len(self._kinds) >= _MOST_KINDS:
            self._sum_up()
            self._began = now
        kind = self._kinds.setdefault(_key(record), _Kind(record))
        kind.last, kind.seen = record, kind.seen + 1
        if kind.seen > _SHOWN and self._timer is None:
            self._timer = threading.Timer(_WINDOW, self.flush)  # the storm may end without another line
            self._timer.daemon = True
            self._timer.start()
        return kind.seen <= _SHOWN

    def _sum_up(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        kinds, self._kinds = self._kinds, {}
        for kind in kinds.values():
            if kind.seen > _SHOWN:
                self._target.handle(_summary(kind.last, kind.seen - _SHOWN))

    def flush(self) -> None:
        """Say now what was held back."""
        self.acquire()
        try:
            self._sum_up()
            self._target.flush()
        finally:
            self.release()

    def close(self) -> None:
        self.flush()
        self._target.close()
        super().close()


def _key(record: logging.LogRecord) -> Hashable:
    if isinstance(record.msg, dict):
        return record.name, record.levelno, str(record.msg.get("event")), str(record.msg.get("component"))
    return record.name, record.levelno, str(record.msg)


def _summary(record: logging.LogRecord, hidden: int) -> logging.LogRecord:
    summary = copy.copy(record)
    times = f"(again {hidden} time{'s' if hidden > 1 else ''})"
    if isinstance(record.msg, dict):
        summary.msg = {**record.msg, "event": f"{record.msg.get('event')} {times}", "again": hidden}
    else:
        summary.msg, summary.args = f"{record.getMessage()} {times}", ()
    return summary
