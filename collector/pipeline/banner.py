"""The first screen: what listens where, where data goes, and what to do next."""

from __future__ import annotations

from collections.abc import Iterator

from collector.api import Kind, Listens
from collector.pipeline.build import Graph


def banner(graph: Graph, codec: str) -> str:
    """Return the lines to print once everything runs."""
    rows = [*_doors(graph), *_destinations(graph)]
    width = max((len(name) for name, _ in rows), default=0)
    lines = ["Ottery is running.", *(f"  {name:<{width}}  {value}" for name, value in rows)]
    if codec == "python":
        lines.append("  The compiled codec is not installed: everything works, many times slower (docs/native.md).")
    lines.append("Send a first trace, logs and metrics from another terminal:  ottery demo")
    return "\n".join(lines)


def _doors(graph: Graph) -> Iterator[tuple[str, str]]:
    for key in [*graph.of(Kind.RECEIVER), *graph.of(Kind.EXTENSION)]:
        component = graph.components[key]
        if isinstance(component, Listens):
            yield from component.listening.items()
    if endpoint := graph.config.telemetry.metrics.endpoint:
        yield "metrics", f"http://{endpoint}/metrics"


def _destinations(graph: Graph) -> Iterator[tuple[str, str]]:
    """Yield where data waits, and where it goes."""
    directories = dict.fromkeys(plan.delivery.directory for plan in graph.config.pipelines.values())
    for directory in directories:
        yield "log", directory or "in memory: a restart loses what is not delivered (docs/delivery.md)"
    for name, config in graph.config.exporters.items():
        where = getattr(config, "endpoint", None) or getattr(config, "path", None)
        where = where or ", ".join(getattr(config, "brokers", ())) or "this terminal"
        yield f"{name} exporter", str(where)
