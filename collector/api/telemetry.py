"""How a component speaks of itself: metrics it counts and the state it is in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, Protocol


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric: `name` without the `_total` that counters get when exposed, `help` says what to do with it."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    labels: tuple[str, ...]
    help: str
    buckets: tuple[float, ...] = ()


class Metrics(Protocol):
    """Where components count. Called per batch, never per item."""

    def add(self, metric: Metric, value: float = 1, **labels: str) -> None:
        """Add to a counter."""

    def set(self, metric: Metric, value: float, **labels: str) -> None:
        """Set a gauge."""

    def observe(self, metric: Metric, value: float, **labels: str) -> None:
        """Add one observation to a histogram."""

    def bind(self, metric: Metric, **labels: str) -> Callable[[float], None]:
        """Return what adds to one series of a counter, or observes for one of a histogram; the series is there then.

        For what is counted with every request: its labels are looked up once.
        """


class State(StrEnum):
    """The state of a component, as health shows it."""

    STARTING = "starting"
    OK = "ok"
    DEGRADED = "degraded"
    FAILED = "failed"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class ComponentStatus:
    """How one component is. `since` is wall-clock time in nanoseconds since the epoch; `message` is for an operator."""

    id: str
    kind: str
    state: State
    since: int
    message: str = ""
