"""The kinds of telemetry a pipeline carries."""

from enum import StrEnum


class Signal(StrEnum):
    """One kind of telemetry; the value is the name used in configuration and in OTLP paths."""

    TRACES = "traces"
    METRICS = "metrics"
    LOGS = "logs"

    @property
    def items(self) -> str:
        """Name of one countable thing in `otelcol_*` metric names: spans, metric_points, log_records."""
        return _ITEMS[self]


_ITEMS = {Signal.TRACES: "spans", Signal.METRICS: "metric_points", Signal.LOGS: "log_records"}
