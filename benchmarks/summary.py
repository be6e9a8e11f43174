"""Several runs of the same work through the same system, as one line."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from benchmarks.runner import Result
from benchmarks.work import DESIGN_TARGETS

PEERS = ("rotel", "otelcol")


@dataclass(frozen=True, slots=True)
class Line:
    """Medians of the runs of one system at one piece of work; CPU in microseconds an item, memory in MiB."""

    work: str
    sink: str
    system: str
    runs: tuple[Result, ...]

    def _median(self, field: str) -> float:
        return float(statistics.median(getattr(run, field) for run in self.runs))

    @property
    def cpu(self) -> float:
        """Median CPU an item."""
        return self._median("cpu_per_item")

    @property
    def spread(self) -> float:
        """Half the distance from the lowest to the highest run, as a share of the median."""
        values = [run.cpu_per_item for run in self.runs]
        return (max(values) - min(values)) / 2 / self.cpu if self.cpu else 0.0

    @property
    def rate(self) -> float:
        """Items a second of wall-clock time, generator and sink on the same machine."""
        return statistics.median(run.items / run.seconds for run in self.runs)

    @property
    def idle_memory(self) -> float:
        """Resident memory before the first request."""
        return self._median("idle_memory")

    @property
    def peak_memory(self) -> float:
        """Highest resident memory."""
        return max(run.peak_memory for run in self.runs)

    @property
    def retries(self) -> int:
        """Requests that the system refused for the moment."""
        return sum(run.retries for run in self.runs)

    def to_dict(self) -> dict[str, Any]:
        """Return the line and its runs for JSON."""
        return {
            "work": self.work,
            "sink": self.sink,
            "system": self.system,
            "cpu_per_item_us": self.cpu,
            "spread": self.spread,
            "items_per_second": self.rate,
            "idle_memory_mib": self.idle_memory,
            "peak_memory_mib": self.peak_memory,
            "retries": self.retries,
            "runs": [run.to_dict() for run in self.runs],
        }


def summarize(results: Iterable[Result]) -> list[Line]:
    """Group runs into lines, in the order in which work and systems first came."""
    groups: dict[tuple[str, str, str], list[Result]] = defaultdict(list)
    for result in results:
        groups[result.work, result.sink, result.system].append(result)
    order = {key[:2]: index for index, key in reversed(list(enumerate(groups)))}
    lines = [Line(work, sink, system, tuple(runs)) for (work, sink, system), runs in groups.items()]
    return sorted(lines, key=lambda line: order[line.work, line.sink])


def ratios(line: Line, lines: Iterable[Line]) -> dict[str, float]:
    """Return how many times the CPU of `line` each peer needed for the same work (above 1: the peer needs more)."""
    same = [other for other in lines if (other.work, other.sink) == (line.work, line.sink)]
    return {other.system: other.cpu / line.cpu for other in same if other.system in PEERS and line.cpu}


def verdict(line: Line) -> str:
    """Say how an Ottery line stands to the design's targets, or nothing where there is none."""
    target = DESIGN_TARGETS.get((line.work, line.sink))
    if target is None or line.system in PEERS:
        return ""
    at_most, stretch = target
    if line.cpu <= stretch:
        return f"stretch (≤ {stretch})"
    return f"met (≤ {at_most})" if line.cpu <= at_most else f"missed (≤ {at_most})"
