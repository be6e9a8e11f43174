"""What the harness shows and writes: a table on the terminal, RESULTS.md, JSON."""

from __future__ import annotations

import datetime as dt
import json
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.summary import PEERS, Line, ratios, verdict

RESULTS = Path(__file__).parent / "RESULTS.md"
_COLUMNS = (
    "work",
    "system",
    "CPU µs/item",
    "spread",
    *(f"vs {peer}" for peer in PEERS),
    "target",
    "items/s",
    "idle MiB",
    "peak MiB",
    "retries",
)


@dataclass(slots=True)
class Report:
    """Everything that is known after a session of runs."""

    lines: Sequence[Line]
    versions: Mapping[str, str]
    repetitions: int
    note: str = ""
    problems: list[str] = field(default_factory=list)
    load_before: float = 0.0

    def rows(self) -> list[tuple[str, ...]]:
        """Return the cells of the table."""
        return [_row(line, self.lines) for line in self.lines]

    def show(self, console: Console) -> None:
        """Print the table, and what went wrong."""
        table = Table(title=f"CPU an item, median of {self.repetitions}, on {cpu_model()}")
        for name in _COLUMNS:
            table.add_column(name, justify="left" if name in {"work", "system", "target"} else "right")
        previous = ""
        for row in self.rows():
            if previous and row[0] != previous:
                table.add_section()
            table.add_row(*row)
            previous = row[0]
        console.print(table)
        for problem in self.problems:
            console.print(problem, style="bold red", markup=False, highlight=False)

    def to_json(self) -> str:
        """Return all of it as JSON."""
        document = {
            "machine": machine(),
            "versions": dict(self.versions),
            "note": self.note,
            "problems": self.problems,
            "lines": [line.to_dict() for line in self.lines],
        }
        return json.dumps(document, indent=2)

    def to_markdown(self) -> str:
        """Return the page that is kept in the repository."""
        method = (Path(__file__).parent / "method.md").read_text()
        parts = [
            "# Results",
            *([f"**{self.note}**"] if self.note else []),
            _bullets({**machine(), "load average before": f"{self.load_before:.2f}"}),
            "## Versions",
            _bullets(self.versions),
            "## Measurements",
            f"Median of {self.repetitions} alternating runs; *vs* says how many times the CPU the peer needed.",
            _markdown_table(self.rows()),
            *(["## Without a result", "\n".join(f"- {problem}" for problem in self.problems)] if self.problems else []),
            method.strip(),
        ]
        return "\n\n".join(parts) + "\n"


def _row(line: Line, lines: Sequence[Line]) -> tuple[str, ...]:
    ratio = ratios(line, lines)
    return (
        line.work if line.sink == "sink" else f"{line.work} → {line.sink}",
        line.system,
        f"{line.cpu:.2f}",
        f"±{line.spread:.0%}",
        *(f"{ratio[peer]:.2f}x" if peer in ratio and peer != line.system else "" for peer in PEERS),
        verdict(line),
        f"{line.rate:,.0f}",
        f"{line.idle_memory:.0f}",
        f"{line.peak_memory:.0f}",
        str(line.retries),
    )


def _bullets(values: Mapping[str, str]) -> str:
    return "\n".join(f"- {name}: {value}" for name, value in values.items())


def _markdown_table(rows: Sequence[Sequence[str]]) -> str:
    lines = [_COLUMNS, ["---"] * len(_COLUMNS), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def cpu_model() -> str:
    """Return the processor's name."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def machine() -> dict[str, str]:
    """Return where and when this is measured."""
    return {
        "date": dt.datetime.now(dt.UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "CPU": f"{cpu_model()}, {os.cpu_count()} cores",
        "system": f"{platform.system()} {platform.release()}, Python {platform.python_version()}",
    }
