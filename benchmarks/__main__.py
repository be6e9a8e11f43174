"""Measure Ottery beside its peers: `python -m benchmarks --help`."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from benchmarks.peers import UnavailableError, install_site
from benchmarks.processes import NotReadyError
from benchmarks.report import RESULTS, Report
from benchmarks.runner import HttpSink, InvalidError, Result, measure
from benchmarks.summary import summarize
from benchmarks.systems import SYSTEMS, System
from benchmarks.work import FULL, QUICK, STANDARD, Work

_console = Console(width=None if sys.stdout.isatty() else 160)
_problems = Console(stderr=True)


def _matching(names: str, name: str) -> bool:
    return not names or any(part.strip() in name for part in names.split(","))


class Session:
    """The runs of one call, and what went wrong."""

    def __init__(self, systems: Sequence[System], work: Sequence[Work], repetitions: int) -> None:
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
        self.problems.append(message)
        _problems.print(f"[bold red]{message}", highlight=False)

    def run(self, sink: HttpSink) -> None:
        """Do all the work, the systems taking turns."""
        for work in self._work:
            for _ in range(self._repetitions):
                for system in tuple(self._systems):
                    self._measure(system, work, sink)

    def _measure(self, system: System, work: Work, sink: HttpSink) -> None:
        try:
            result = measure(system, work, sink)
        except InvalidError as error:
            self._problem(f"INVALID {system.name} at {work.name}: {error}")
            return
        except NotReadyError as error:
            self._problem(f"SKIPPED {system.name} from {work.name} on: {error}")
            self._systems.remove(system)
            return
        self.results.append(result)
        _problems.print(f"{work.name:24} {system.name:14} {result.cpu_per_item:8.2f} µs/item", highlight=False)


def bench(
    *,
    quick: Annotated[bool, typer.Option("--quick", help="One repetition of a few pieces of work.")] = False,
    full: Annotated[bool, typer.Option("--full", help="Everything, 8192 spans a request and gzip included.")] = False,
    systems: Annotated[str, typer.Option(help="Only systems whose name has one of these parts (comma list).")] = "",
    work: Annotated[str, typer.Option(help="Only work whose name has one of these parts, from the full list.")] = "",
    repetitions: Annotated[
        int | None, typer.Option(min=1, help="Alternating repetitions: 3, or 1 with --quick.")
    ] = None,
    json: Annotated[Path | None, typer.Option(help="Write every run to this file.")] = None,
    note: Annotated[str, typer.Option(help="A sentence for the head of the page.")] = "",
) -> None:
    """Measure CPU per item and memory of Ottery and its peers, each a process of its own, on the same bytes.

    Without --quick, --systems or --work the results are written to benchmarks/RESULTS.md as well.
    """
    try:
        install_site()
    except UnavailableError as error:
        _problems.print(f"[bold red]no peers: {error}")
    chosen = [item for item in (FULL if full or work else QUICK if quick else STANDARD) if _matching(work, item.name)]
    count = repetitions or (1 if quick else 3)
    session = Session([system for system in SYSTEMS if _matching(systems, system.name)], chosen, count)
    with tempfile.TemporaryDirectory(prefix="ottery-bench-sink-") as directory:
        sink = HttpSink(Path(directory))
        try:
            session.run(sink)
        finally:
            sink.server.stop()
    report = Report(summarize(session.results), session.versions, count, note, session.problems, session.load)
    report.show(_console)
    if json:
        json.write_text(report.to_json())
    if session.results and not (quick or systems or work):
        RESULTS.write_text(report.to_markdown())
    if not session.results:
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(bench)
