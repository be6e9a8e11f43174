"""Shows how late Ottery's event loop is under load: `python -m benchmarks.lag http-traces-512 grpc-traces-1`.

Load is as much as the generator can send. It and the sink get what the collector leaves of the cores, as if they ran on
other machines; with `--same-priority` all three share them, and what is late also waits for the others.
"""

from __future__ import annotations

import os
import tempfile
import urllib.request
from pathlib import Path
from typing import Annotated

import psutil
import typer
from prometheus_client.parser import text_string_to_metric_families
from rich.console import Console
from rich.table import Table

from benchmarks.processes import Driver
from benchmarks.profile import load
from benchmarks.runner import running
from benchmarks.sinks import CountingSink
from benchmarks.systems import Ottery
from benchmarks.work import FULL, Work

_METRIC = "ottery_event_loop_lag_seconds"
_SHOWN = ("0.0025", "0.005", "0.01", "0.025")
_LOWEST = 19


def main(
    names: Annotated[list[str], typer.Argument(help="Pieces of work, such as grpc-traces-512.")],
    seconds: Annotated[float, typer.Option(min=1)] = 10.0,
    *,
    same_priority: Annotated[bool, typer.Option(help="Let generator and sink compete for the cores.")] = False,
) -> None:
    """Put Ottery under load and print how many of its timers were how late at most."""
    known = {work.name: work for work in FULL}
    if unknown := [name for name in names if name not in known]:
        raise typer.BadParameter(f"no such work: {', '.join(unknown)}; there is {', '.join(known)}")
    table = Table("work", "items/s", *(f"≤ {float(bound) * 1000:g} ms" for bound in _SHOWN))
    for name in names:
        table.add_row(name, *_measure(known[name], seconds, polite=not same_priority))
    Console().print(table)


def _measure(work: Work, seconds: float, *, polite: bool) -> list[str]:
    with tempfile.TemporaryDirectory() as directory:
        sink = CountingSink(Path(directory))
        try:
            with running(Ottery("native"), work, sink) as run:
                if polite:
                    _yield_cores(run.generator, sink)
                load(run.generator, work, 1.0)
                before = _lag(run.ports.metrics)
                sent = load(run.generator, work, seconds)
                after = _lag(run.ports.metrics)
        finally:
            sink.server.stop()
    found = {bound: after[bound] - before[bound] for bound in after}
    timers = found["+Inf"]
    return [f"{sent / seconds:,.0f}", *(f"{found[bound] / timers:.1%}" for bound in _SHOWN)]


def _yield_cores(generator: Driver, sink: CountingSink) -> None:
    for process in (generator.process, sink.server.process):
        for thread in psutil.Process(process.pid).threads():
            os.setpriority(os.PRIO_PROCESS, thread.id, _LOWEST)


def _lag(port: int) -> dict[str, float]:
    """Return how many timers were at most so late, by the bound as text."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
        families = text_string_to_metric_families(answer.read().decode())
    samples = (sample for family in families for sample in family.samples)
    return {sample.labels["le"]: sample.value for sample in samples if sample.name == f"{_METRIC}_bucket"}


if __name__ == "__main__":
    typer.run(main)
