"""The debug exporter: prints what arrives, for people."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TextIO

from collector.api import Batch, Clock, Delivery, Fatal, Retryable, Settings, Signal
from exporters.debug.config import DebugConfig
from exporters.debug.detail import detail
from exporters.debug.lines import lines

_BODIES: dict[str, Callable[[Batch], str]] = {"basic": lambda _batch: "", "normal": lines, "detailed": detail}
_NOUNS = {Signal.TRACES: "spans", Signal.METRICS: "data points", Signal.LOGS: "log records"}
_HARMLESS = {code: f"\\x{code:02x}" for code in (*range(9), *range(11, 32), *range(127, 160))}
"""Control characters, which could move the cursor of a terminal or forge its colours."""


class Sampler:
    """Admits the first batches of each second, and then every `thereafter`-th (0: none)."""

    def __init__(self, initial: int, thereafter: int, clock: Clock) -> None:
        self._initial = initial
        self._thereafter = thereafter
        self._clock = clock
        self._second = -1
        self._seen = 0

    def admit(self) -> bool:
        """Count one batch, and return whether it is printed."""
        second = int(self._clock.monotonic())
        if second != self._second:
            self._second, self._seen = second, 0
        self._seen += 1
        beyond = self._seen - self._initial
        return beyond <= 0 or (self._thereafter > 0 and beyond % self._thereafter == 0)


class DebugExporter:
    """Prints batches; never refuses one. Text is made and written in a worker thread, one batch at a time."""

    def __init__(self, config: DebugConfig, settings: Settings) -> None:
        self._config = config
        self._settings = settings
        self._body = _BODIES[config.verbosity]
        self._samplers = {
            signal: Sampler(config.sampling_initial, config.sampling_thereafter, settings.clock) for signal in Signal
        }
        self._turn = asyncio.Lock()
        self._files = ExitStack()
        self._outputs: list[TextIO] = []

    async def start(self) -> None:
        """Open the outputs. Raises `Fatal` when a file cannot be opened."""
        self._outputs = [self._open(path) for path in self._config.output_paths]

    def _open(self, path: str) -> TextIO:
        if path in ("stdout", "stderr"):
            return sys.stdout if path == "stdout" else sys.stderr
        try:
            return self._files.enter_context(Path(path).open("a", encoding="utf-8"))
        except OSError as error:
            raise Fatal(f"output_paths: cannot write {path}: {error.strerror}") from error

    async def stop(self) -> None:
        async with self._turn:
            self._outputs = []
            self._files.close()

    async def push(self, delivery: Delivery) -> None:
        """Print one batch. Raises `Retryable` when an output cannot be written."""
        batch = delivery.batch
        async with self._turn:
            if self._samplers[batch.signal].admit():
                await asyncio.to_thread(self._print, batch)

    def _print(self, batch: Batch) -> None:
        text = self._body(batch).translate(_HARMLESS)
        if self._config.use_internal_logger:
            self._settings.log.info(batch.signal.value, component=self._settings.id, items=batch.items)
        else:
            text = f"{self._settings.id}: {batch.signal}, {batch.items} {_NOUNS[batch.signal]}\n{text}"
        for output in self._outputs:
            try:
                encoding = output.encoding or "utf-8"
                output.write(text.encode(encoding, "backslashreplace").decode(encoding))
                output.flush()
            except OSError as error:
                raise Retryable(f"cannot write {output.name}: {error.strerror}") from error
