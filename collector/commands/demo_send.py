"""Sends a story through the OTLP exporters of the OpenTelemetry SDK, and makes sure that it was taken."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter as GrpcLogs
from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter as GrpcMetrics
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcSpans
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter as HttpLogs
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter as HttpMetrics
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpSpans

from collector.commands.demo_story import Story
from collector.commands.output import Failed

_TIMEOUT: Final = 5


def send(story: Story, endpoint: str, protocol: str) -> None:
    """Export all of the story. Raises Failed, with what the exporter logged, when something was not taken."""
    spans, logs, metrics = _exporters(endpoint, protocol)
    with _last_words() as words:
        _export("the trace was", spans, story.spans, words)
        _export("the logs were", logs, story.logs, words)
        for data in story.metrics:
            _export("the metrics were", metrics, data, words)
    for exporter in (spans, logs, metrics):
        exporter.shutdown()


def _exporters(endpoint: str, protocol: str) -> tuple[Any, Any, Any]:
    if protocol == "grpc":
        options: dict[str, Any] = {
            "endpoint": endpoint,
            "insecure": endpoint.startswith("http://"),
            "timeout": _TIMEOUT,
        }
        return GrpcSpans(**options), GrpcLogs(**options), GrpcMetrics(**options)
    return (
        HttpSpans(endpoint=f"{endpoint}/v1/traces", timeout=_TIMEOUT),
        HttpLogs(endpoint=f"{endpoint}/v1/logs", timeout=_TIMEOUT),
        HttpMetrics(endpoint=f"{endpoint}/v1/metrics", timeout=_TIMEOUT),
    )


def _export(what: str, exporter: Any, data: Any, words: list[str]) -> None:
    if exporter.export(data).name != "SUCCESS":
        raise Failed(f"{what} not taken: {words[-1] if words else 'the SDK does not say why'}")


@contextmanager
def _last_words() -> Iterator[list[str]]:
    """Collect what the SDK logs, instead of letting it reach the terminal."""
    words: list[str] = []
    logger, handler = logging.getLogger("opentelemetry"), logging.Handler()
    handler.emit = lambda record: words.append(record.getMessage())  # type: ignore[method-assign]
    propagated, logger.propagate = logger.propagate, False
    logger.addHandler(handler)
    try:
        yield words
    finally:
        logger.removeHandler(handler)
        logger.propagate = propagated
