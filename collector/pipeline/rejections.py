"""Tells the pipelines behind a receiver what it rejected, so that their ledgers know."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from collector.api import Metric, Metrics
from collector.telemetry.catalogue import OTTERY_REJECTED

if TYPE_CHECKING:
    from collector.pipeline.pipeline import Pipeline


class Rejections:
    """The metrics that they stand for; what receivers count as rejected goes to the ledgers as well."""

    def __init__(self, metrics: Metrics, behind: Callable[[str, str], Sequence[Pipeline]]) -> None:
        self._metrics = metrics
        self._behind = behind

    def add(self, metric: Metric, value: float = 1, **labels: str) -> None:
        self._metrics.add(metric, value, **labels)
        if metric is OTTERY_REJECTED and value:
            for pipeline in self._behind(labels["receiver"], labels["signal"]):
                pipeline.intake.add(f"rejected:{labels['reason']}", int(value))

    def set(self, metric: Metric, value: float, **labels: str) -> None:
        self._metrics.set(metric, value, **labels)

    def observe(self, metric: Metric, value: float, **labels: str) -> None:
        self._metrics.observe(metric, value, **labels)

    def bind(self, metric: Metric, **labels: str) -> Callable[[float], None]:
        if metric is OTTERY_REJECTED:
            return lambda value: self.add(metric, value, **labels)
        return self._metrics.bind(metric, **labels)
