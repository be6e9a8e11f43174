"""The contracts between Ottery's parts. Everyone imports this package; it imports nobody."""

from collector.api.batch import Batch, Codec, Context, Origin
from collector.api.clock import Clock, SystemClock
from collector.api.component import (
    Component,
    Connector,
    Consume,
    Delivery,
    Exporter,
    Factory,
    Guard,
    Guards,
    Kind,
    Listens,
    Processor,
    Receiver,
    Stability,
)
from collector.api.config import (
    BatchConfig,
    ConfigModel,
    Duration,
    ExporterConfig,
    QueueConfig,
    RetryConfig,
)
from collector.api.errors import Fatal, OtteryError, Overloaded, Permanent, Rejected, Retryable, TooLarge
from collector.api.settings import Logger, Report, Settings
from collector.api.signal import Signal
from collector.api.telemetry import ComponentStatus, Metric, Metrics, State

__all__ = [
    "Batch",
    "BatchConfig",
    "Clock",
    "Codec",
    "Component",
    "ComponentStatus",
    "ConfigModel",
    "Connector",
    "Consume",
    "Context",
    "Delivery",
    "Duration",
    "Exporter",
    "ExporterConfig",
    "Factory",
    "Fatal",
    "Guard",
    "Guards",
    "Kind",
    "Listens",
    "Logger",
    "Metric",
    "Metrics",
    "Origin",
    "OtteryError",
    "Overloaded",
    "Permanent",
    "Processor",
    "QueueConfig",
    "Receiver",
    "Rejected",
    "Report",
    "RetryConfig",
    "Retryable",
    "Settings",
    "Signal",
    "Stability",
    "State",
    "SystemClock",
    "TooLarge",
]
