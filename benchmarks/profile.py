"""Shows where the CPU of a collector goes: `python -m benchmarks.profile ottery-native grpc-traces-512`.

perf counts every thread by shared object and symbol, py-spy counts lines of Python. Both write what they saw to
`build/bench/profiles`; a summary is printed. `--kafka` profiles the way into a real broker.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.kafka import KafkaSink
from benchmarks.peers import BUILD, PY_SPY, install_site
from benchmarks.processes import Driver, Server
from benchmarks.runner import running
from benchmarks.sinks import CountingSink, Sink
from benchmarks.systems import SYSTEMS
from benchmarks.work import FULL, INTO_KAFKA, Work

_RATE = 500
_TOP = 25
_STACK = re.compile(r"(.*) (\d+)$")


def main(
    system: Annotated[str, typer.Argument(help="One of the systems, such as ottery-native.")],
    work: Annotated[str, typer.Argument(help="One piece of work, such as grpc-traces-512.")],
    *,
    seconds: Annotated[float, typer.Option(min=1)] = 6.0,
    kafka: Annotated[bool, typer.Option("--kafka", help="Into the topics of a broker.")] = False,
) -> None:
    """Profile one system at one piece of work."""
    install_site()
    possible = INTO_KAFKA if kafka else FULL
    chosen = next((item for item in possible if item.name == work), None)
    under_test = next((item for item in SYSTEMS if item.name == system), None)
    if chosen is None or under_test is None:
        raise typer.BadParameter(f"systems: {[s.name for s in SYSTEMS]}, work: {[w.name for w in possible]}")
    target = BUILD / "profiles" / f"{system}-{work}{'-kafka' if kafka else ''}"
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as directory:
        sink: Sink = (KafkaSink if kafka else CountingSink)(Path(directory))
        try:
            sink.reset(chosen, 0)
            with running(under_test, chosen, sink) as run:
                _record(run.server, run.generator, chosen, target, seconds, python=system.startswith("ottery"))
        finally:
            sink.server.stop()
    _print_perf(target)
    _print_py_spy(target)


def _record(server: Server, generator: Driver, work: Work, target: Path, seconds: float, *, python: bool) -> None:
    pid = str(server.process.pid)
    load(generator, work, 1.0)
    recorders = []
    if perf := shutil.which("perf"):
        recorders.append([perf, "record", "-q", "-F", str(_RATE), "-g", "-p", pid, "-o", f"{target}.perf"])
    if python:
        length = ["--duration", str(int(seconds)), "--rate", str(_RATE // 2)]
        recorders.append(
            [str(PY_SPY), "record", *length, "--format", "raw", "--output", f"{target}.stacks", "--pid", pid]
        )
    running_ones = [subprocess.Popen(command, stdout=subprocess.DEVNULL) for command in recorders]
    before, begin = server.usage().cpu, time.monotonic()
    sent = load(generator, work, seconds)
    cpu = server.usage().cpu - before
    print(f"{sent} items, {cpu / sent * 1e6:.2f} µs of CPU an item, {cpu / (time.monotonic() - begin):.2f} cores")
    for process in running_ones:
        process.terminate()
        process.wait(30)


def load(generator: Driver, work: Work, seconds: float) -> int:
    """Send for about `seconds`; return the number of items. The ids repeat: nothing is checked here."""
    sent = 0
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        generator.ask(f"0 {work.requests}")
        generator.ask("go")
        sent += work.requests * work.items
    return sent


def _print_perf(target: Path) -> None:
    if not Path(f"{target}.perf").exists():
        return
    for sort in ("dso", "dso,symbol"):
        command = ["perf", "report", "-i", f"{target}.perf", "--stdio", "--no-children", "-g", "none", "--sort", sort]
        told = subprocess.run(command, capture_output=True, text=True, check=False).stdout
        lines = [
            " ".join(line.split()).removesuffix(" - -")
            for line in told.splitlines()
            if line.strip() and not line.startswith("#")
        ]
        print(f"\nperf by {sort}", *lines[:_TOP], sep="\n")


def _print_py_spy(target: Path) -> None:
    path = Path(f"{target}.stacks")
    if not path.exists():
        return
    own: Counter[str] = Counter()
    total: Counter[str] = Counter()
    for line in path.read_text().splitlines():
        if found := _STACK.match(line):
            frames, count = found[1].split(";"), int(found[2])
            own[frames[-1]] += count
            for frame in set(frames):
                total[frame] += count
    samples = sum(own.values())
    for name, counter in (("own time", own), ("with callees", total)):
        print(f"\npy-spy, {name}, of {samples} samples")
        for frame, count in counter.most_common(_TOP):
            print(f"{count / samples:6.1%}  {frame}")


if __name__ == "__main__":
    typer.run(main)
