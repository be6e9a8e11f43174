"""A configuration that was checked in full and can be built."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from collector.api.config import ConfigModel
from collector.api.signal import Signal
from collector.config.problems import Problem
from collector.delivery.config import DeliveryConfig
from collector.telemetry.config import TelemetryConfig


@dataclass(frozen=True, slots=True)
class Pipeline:
    """One pipeline by component ids, in the order written; processors that are mapped elsewhere are left out."""

    signal: Signal
    receivers: tuple[str, ...]
    processors: tuple[str, ...]
    exporters: tuple[str, ...]
    delivery: DeliveryConfig = field(default_factory=DeliveryConfig)


@dataclass(frozen=True, slots=True)
class LoadedConfig:
    """Models by component id. Every id in a pipeline is in its mapping and supports the pipeline's signal.

    Two of them, and any part of two, are equal exactly when they say the same: a reload compares them. `notices`
    are for the user to read (older names, settings that moved) and take no part in that.
    """

    receivers: Mapping[str, ConfigModel]
    processors: Mapping[str, ConfigModel]
    exporters: Mapping[str, ConfigModel]
    connectors: Mapping[str, ConfigModel]
    extensions: Mapping[str, ConfigModel]
    pipelines: Mapping[str, Pipeline]
    telemetry: TelemetryConfig
    notices: tuple[Problem, ...] = field(default=(), compare=False)
