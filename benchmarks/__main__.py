"""Measure Ottery beside its peers: `python -m benchmarks --help`."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from benchmarks.kafka import KafkaSink
from benchmarks.peers import UnavailableError, install_site
from benchmarks.report import RESULTS, Report
from benchmarks.session import Session
from benchmarks.sinks import CountingSink, Engine
from benchmarks.summary import summarize
from benchmarks.systems import SYSTEMS
from benchmarks.work import FROM_KAFKA, FULL, INTO_KAFKA, QUICK, STANDARD

_console = Console(width=None if sys.stdout.isatty() else 160)
_progress = Console(stderr=True)


def _matching(names: str, name: str) -> bool:
    return not names or any(part.strip() in name for part in names.split(","))


def bench(
    *,
    quick: Annotated[bool, typer.Option("--quick", help="One repetition of a few pieces of work.")] = False,
    full: Annotated[bool, typer.Option("--full", help="Everything, 8192 spans a request and gzip included.")] = False,
    engine: Annotated[bool, typer.Option("--engine", help="Into the real engine too; --full does so.")] = False,
    kafka: Annotated[
        bool, typer.Option("--kafka", help="Only Kafka: into its topics, and out of them; --full does so too.")
    ] = False,
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
        _progress.print(f"[bold red]no peers: {error}")
    chosen = [item for item in (FULL if full or work else QUICK if quick else STANDARD) if _matching(work, item.name)]
    count = repetitions or (1 if quick else 3)
    session = Session([system for system in SYSTEMS if _matching(systems, system.name)], chosen, count, _progress)
    with tempfile.TemporaryDirectory(prefix="ottery-bench-sink-") as directory:
        for kind in () if kafka else (CountingSink, Engine) if full or engine else (CountingSink,):
            session.run(kind, Path(directory))
        if kafka or full:
            session.run(KafkaSink, Path(directory), [item for item in INTO_KAFKA if _matching(work, item.name)])
            session.run(CountingSink, Path(directory), [item for item in FROM_KAFKA if _matching(work, item.name)])
    report = Report(summarize(session.results), session.versions, count, note, session.problems, session.load)
    report.show(_console)
    if json:
        json.write_text(report.to_json())
    if session.results and not (quick or kafka or systems or work):
        RESULTS.write_text(report.to_markdown())
    if not session.results:
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(bench)
