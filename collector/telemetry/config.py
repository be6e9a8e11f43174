"""The `service.telemetry` block: what Ottery tells of itself, in the OpenTelemetry Collector's keys."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator

from collector.api import ConfigModel
from collector.http import split_endpoint


def _lower(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else value


class LogsConfig(ConfigModel):
    """`logs`: what Ottery writes about its own work."""

    level: Annotated[Literal["debug", "info", "warn", "error"], BeforeValidator(_lower)] = "info"
    """Least severe level that is written."""
    encoding: Literal["auto", "console", "json"] = "auto"
    """Readable lines, or one JSON object a line; `auto` is readable on a terminal and JSON elsewhere."""
    output_paths: tuple[str, ...] = Field(("stderr",), min_length=1)
    """Where lines go: `stderr`, `stdout` or paths of files, which are appended to."""
    initial_fields: dict[str, Any] = Field(default_factory=dict)
    """Values that every line has."""


class PrometheusReader(ConfigModel):
    """`prometheus`: an endpoint that Prometheus scrapes."""

    host: str = "localhost"
    port: int = Field(8888, ge=0, le=65535)
    without_type_suffix: bool = False
    """Accepted for compatibility; counters always end in `_total`."""
    without_units: bool = False
    """Accepted for compatibility; names always have their unit."""
    without_scope_info: bool = False
    """Accepted for compatibility; there are no scope labels."""


class PullExporter(ConfigModel):
    """`exporter`: how the reader is read."""

    prometheus: PrometheusReader = PrometheusReader()


class PullReader(ConfigModel):
    """`pull`: a reader that waits to be asked."""

    exporter: PullExporter = PullExporter()


class Reader(ConfigModel):
    """One way out for Ottery's metrics."""

    pull: PullReader


class MetricsConfig(ConfigModel):
    """`metrics`: Ottery's own metrics at `/metrics`."""

    level: Annotated[Literal["none", "basic", "normal", "detailed"], BeforeValidator(_lower)] = "normal"
    """`none` switches the endpoint off; the others are one and the same."""
    address: str | None = None
    """`host:port` of the endpoint; `readers` is the newer spelling."""
    readers: tuple[Reader, ...] = Field((Reader(pull=PullReader()),), max_length=1)

    @field_validator("address")
    @classmethod
    def _address(cls, address: str | None) -> str | None:
        if address is not None:
            split_endpoint(address)
        return address

    @property
    def endpoint(self) -> str | None:
        """`host:port` of the endpoint, or None when there is none."""
        if self.level == "none" or not (self.address or self.readers):
            return None
        if self.address:
            return self.address
        prometheus = self.readers[0].pull.exporter.prometheus
        host = f"[{prometheus.host}]" if ":" in prometheus.host else prometheus.host
        return f"{host}:{prometheus.port}"


class TelemetryConfig(ConfigModel):
    """`service.telemetry`."""

    logs: LogsConfig = LogsConfig()
    metrics: MetricsConfig = MetricsConfig()
    resource: dict[str, str | None] = Field(default_factory=dict)
    """Attributes of Ottery itself (`service.name`, `host.name`), on every metric; null leaves a default out."""

    @model_validator(mode="before")
    @classmethod
    def _nothing_is_the_default(cls, block: Any) -> Any:
        return {} if block is None else block
