"""The reference page of Ottery's metrics: `python -m collector.telemetry.reference > docs/metrics.md`."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from importlib import import_module

from collector.api import Metric
from collector.telemetry.catalogue import CATALOGUE

_HEAD = """\
# Metrics of Ottery itself

Made from `collector/telemetry/catalogue.py` and what single components count, by `python -m collector.telemetry.reference > docs/metrics.md`.

Names are those that `/metrics` shows. `otelcol_*` metrics mean what they mean in the OpenTelemetry Collector, so that
its public dashboards and alerts work; `ottery_*` metrics are Ottery's own. Every series also has the labels
`service_name`, `service_instance_id`, `service_version` and those of `service.telemetry.resource`
(see [telemetry](telemetry.md)).

| metric | kind | labels | meaning |
|---|---|---|---|
"""

_COMPONENTS = ("collector.receivers.kafka.metrics", "exporters.kafka.metrics", "exporters.otlp.partial")
"""Modules that name metrics of one component."""


def every_metric() -> list[Metric]:
    """Return the metrics of the catalogue and of single components."""
    return [*CATALOGUE, *(metric for module in _COMPONENTS for metric in _named_in(module))]


def _named_in(module: str) -> Iterator[Metric]:
    for value in vars(import_module(module)).values():
        if isinstance(value, Metric):
            yield value
        elif isinstance(value, Mapping):
            yield from (each for each in value.values() if isinstance(each, Metric))


def page() -> str:
    """Return the page."""
    return _HEAD + "".join(map(_row, every_metric()))


def _row(metric: Metric) -> str:
    name = f"{metric.name}_total" if metric.kind == "counter" else metric.name
    labels = ", ".join(f"`{label}`" for label in metric.labels)
    return f"| `{name}` | {metric.kind} | {labels} | {metric.help} |\n"


if __name__ == "__main__":
    sys.stdout.write(page())
