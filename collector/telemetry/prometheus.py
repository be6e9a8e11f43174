"""Ottery's own metrics for Prometheus, on prometheus-client."""

from __future__ import annotations

import re
from collections import Counter as Tally
from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar

import prometheus_client as prom
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.registry import Collector

from collector.api import Metric
from collector.telemetry.catalogue import CATALOGUE
from collector.telemetry.process import MEASURED

Family = TypeVar("Family", bound=MetricWrapperBase)

_MAX_SERIES = 1000
_OVERFLOW = "other"


class PrometheusMetrics:
    """The `Metrics` that are scraped. Safe to use from any thread.

    `resource` becomes the `constant` labels of every series (`service.name` as `service_name`). Series without labels of their
    own are there, at zero, from the start; others once their component touches them, which it does with 0.
    A metric that has 1000 series counts further ones as `other`.

    Raises ValueError for a metric of another kind and for labels that the metric does not have.
    """

    def __init__(self, resource: Mapping[str, str]) -> None:
        prom.disable_created_metrics()  # type: ignore[no-untyped-call]  # the library does not annotate it
        self._registry = prom.CollectorRegistry()
        self.constant = {re.sub(r"\W", "_", name, flags=re.ASCII): value for name, value in resource.items()}
        self._counters = Series("counter", self._counter, self.constant)
        self._gauges = Series("gauge", self._gauge, self.constant)
        self._histograms = Series("histogram", self._histogram, self.constant)
        declare = {
            "counter": self._counters.declare,
            "gauge": self._gauges.declare,
            "histogram": self._histograms.declare,
        }
        for metric in CATALOGUE:
            if metric not in MEASURED:
                declare[metric.kind](metric)

    def add(self, metric: Metric, value: float = 1, **labels: str) -> None:
        self._counters.find(metric, labels).inc(value)

    def set(self, metric: Metric, value: float, **labels: str) -> None:
        self._gauges.find(metric, labels).set(value)

    def observe(self, metric: Metric, value: float, **labels: str) -> None:
        self._histograms.find(metric, labels).observe(value)

    def bind(self, metric: Metric, **labels: str) -> Callable[[float], None]:
        if metric.kind == "histogram":
            return self._histograms.find(metric, labels).observe
        return self._counters.find(metric, labels).inc

    def register(self, collector: Collector) -> None:
        """Ask `collector` for its own series at every scrape."""
        self._registry.register(collector)

    def expose(self) -> bytes:
        """Return every series in the Prometheus text format."""
        return prom.generate_latest(self._registry)

    def _counter(self, metric: Metric) -> prom.Counter:
        return prom.Counter(metric.name, metric.help, self._labels(metric), registry=self._registry)

    def _gauge(self, metric: Metric) -> prom.Gauge:
        return prom.Gauge(metric.name, metric.help, self._labels(metric), registry=self._registry)

    def _histogram(self, metric: Metric) -> prom.Histogram:
        buckets = metric.buckets or prom.Histogram.DEFAULT_BUCKETS
        labels = self._labels(metric)
        return prom.Histogram(metric.name, metric.help, labels, registry=self._registry, buckets=buckets)

    def _labels(self, metric: Metric) -> tuple[str, ...]:
        return (*self.constant, *metric.labels)


class Series(Generic[Family]):
    """The series of all metrics of one kind, found by one look into a dict."""

    def __init__(self, kind: str, make: Callable[[Metric], Family], constant: Mapping[str, str]) -> None:
        self._kind = kind
        self._make = make
        self._constant = constant
        self._families: dict[str, Family] = {}
        self._children: dict[tuple[Any, ...], Family] = {}
        self._counts: Tally[str] = Tally()

    def find(self, metric: Metric, labels: dict[str, str]) -> Family:
        child = self._children.get((metric.name, *labels.items()))
        return self._add(metric, labels) if child is None else child

    def declare(self, metric: Metric) -> None:
        self._family(metric)
        if not metric.labels:
            self._add(metric, {})

    def _family(self, metric: Metric) -> Family:
        family = self._families.get(metric.name)
        if family is None:
            self._families[metric.name] = family = self._make(metric)
        return family

    def _add(self, metric: Metric, labels: dict[str, str]) -> Family:
        if metric.kind != self._kind:
            raise ValueError(f"{metric.name} is a {metric.kind}, not a {self._kind}")
        if set(labels) != set(metric.labels):
            raise ValueError(f"{metric.name} has the labels {metric.labels}, not {tuple(labels)}")
        family = self._family(metric)
        if self._counts[metric.name] >= _MAX_SERIES:
            return family.labels(**self._constant, **dict.fromkeys(labels, _OVERFLOW))
        names = {**self._constant, **labels}
        child = family.labels(**names) if names else family
        self._children[(metric.name, *labels.items())] = child
        self._counts[metric.name] += 1
        return child
