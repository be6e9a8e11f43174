"""The `service` block: what runs."""

from __future__ import annotations

from pydantic import Field

from collector.api.config import ConfigModel
from collector.delivery.config import DeliveryConfig
from collector.telemetry.config import TelemetryConfig


class PipelineConfig(ConfigModel):
    """`service.pipelines.<signal>[/name]`: which components a batch passes."""

    receivers: tuple[str, ...] = ()
    """Where data comes from."""
    processors: tuple[str, ...] = ()
    """What changes it on the way, in this order."""
    exporters: tuple[str, ...] = ()
    """Where it goes; each gets everything."""


class ServiceConfig(ConfigModel):
    """`service`: what runs. A component that nothing here names is an error."""

    extensions: tuple[str, ...] = ()
    """Extensions to start, in this order, before anything else."""
    pipelines: dict[str, PipelineConfig] = Field(default_factory=dict)
    """`traces`, `metrics`, `logs`, or one of these with a name: `traces/eu`."""
    delivery: DeliveryConfig = DeliveryConfig()
    """Where accepted data waits for the sinks, and how safely."""
    telemetry: TelemetryConfig = TelemetryConfig()
    """How Ottery speaks of itself."""
