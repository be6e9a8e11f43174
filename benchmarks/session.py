"""All runs of one call: systems take turns at each piece of work, and what fails is said at once and at the end."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path

from rich.console import Console

from benchmarks.peers import UnavailableError
from benchmarks.processes import NotReadyError
from benchmarks.runner import Result, measure
from benchmarks.sinks import InvalidError, Sink
from benchmarks.systems import System
from benchmarks.work import Work

_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


class Session:
    """The runs of one call, and what went wrong."""

    def __init__(self, systems: Sequence[System], work: Sequence[Work], repetitions: int, progress: Console) -> None:
        self._console = progress
        self.problems: list[str] = []
        self.versions: dict[str, str] = {}
        self.results: list[Result] = []
        self.load = os.getloadavg()[0]
        self._systems = [system for system in systems if self._available(system)]
        self._work = work
        self._repetitions = repetitions

    def _available(self, system: System) -> bool:
        try:
            self.versions[system.name] = system.version()
        except UnavailableError as error:
            self._problem(f"SKIPPED {system.name}: {error}")
            return False
        return True

    def _problem(self, message: str) -> None:
        self.problems.append(_COLOURS.sub("", message.splitlines()[0]))
        self._console.print(message, style="bold red", markup=False, highlight=False)

    def run(self, kind: Callable[[Path], Sink], directory: Path, work: Sequence[Work] | None = None) -> None:
        """Do all the work, or other work, into one kind of sink."""
        try:
            sink = kind(directory)
        except NotReadyError as error:
            self._problem(f"SKIPPED {kind.__name__}: {error}")
            return
        try:
            self._run(sink, self._work if work is None else work)
        finally:
            sink.server.stop()

    def _run(self, sink: Sink, all_work: Sequence[Work]) -> None:
        """Let the systems take turns."""
        for work in all_work:
            taking_part = list(self._systems)
            for _ in range(self._repetitions):
                taking_part = [system for system in taking_part if self._measure(system, work, sink)]

    def _measure(self, system: System, work: Work, sink: Sink) -> bool:
        """Run once; return whether the system may go on with this work. One invalid run takes its others along."""
        try:
            result = measure(system, work.for_slow() if system.slow else work, sink)
        except InvalidError as error:
            self._problem(f"INVALID {system.name} at {work.name} into the {sink.name}: {error}")
            run = (system.name, work.name, sink.name)
            self.results = [result for result in self.results if (result.system, result.work, result.sink) != run]
            return False
        except UnavailableError as error:
            self._problem(f"SKIPPED {system.name} at {work.name} into the {sink.name}: {error}")
            return False
        except NotReadyError as error:
            self._problem(f"SKIPPED {system.name} from {work.name} on: {error}")
            self._systems.remove(system)
            return False
        self.results.append(result)
        self._console.print(
            f"{sink.name:7} {work.name:24} {system.name:14} {result.cpu_per_item:8.2f} µs/item", highlight=False
        )
        return True
