"""Building blocks of component configuration: the strict base model, durations, sizes, TLS, queue and retry."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

_DURATION_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_DURATION_PART = re.compile(r"(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)")


def parse_duration(value: Any) -> float:
    """Return seconds from Go's duration text (`1m30s`, `200ms`) or a bare 0.

    Raises ValueError for anything else: a bare number has no unit.
    """
    if value in (0, "0"):
        return 0.0
    if isinstance(value, float) and value >= 0:
        return value
    text = value if isinstance(value, str) else ""
    parts = _DURATION_PART.findall(text)
    if not parts or "".join(n + u for n, u in parts) != text:
        raise ValueError(f"a duration such as 200ms, 5s or 1h30m was expected, not {value!r}")
    return sum(float(number) * _DURATION_UNITS[unit] for number, unit in parts)


Duration = Annotated[float, BeforeValidator(parse_duration), WithJsonSchema({"type": "string", "examples": ["5s"]})]
"""Seconds, written in configuration as `200ms`, `5s`, `1h30m`."""


class ConfigModel(BaseModel):
    """Base of every configuration block: unknown keys are errors, values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class RetryConfig(ConfigModel):
    """`retry_on_failure`: exponential backoff with jitter between attempts."""

    enabled: bool = True
    """Whether a failed batch is tried again; when false it is dead-lettered at once."""
    initial_interval: Duration = 5.0
    """Wait before the second attempt."""
    randomization_factor: float = Field(0.5, ge=0, le=1)
    """Share of each wait that is random, to both sides."""
    multiplier: float = Field(1.5, ge=1)
    """How much longer each wait is than the one before."""
    max_interval: Duration = 30.0
    """Longest wait."""
    max_elapsed_time: Duration = 0.0
    """Give up after this long; 0 (the default here, unlike the OpenTelemetry Collector's 300s) never gives up."""


class PartitionConfig(ConfigModel):
    """`sending_queue.batch.partition`: what is never pushed together."""

    metadata_keys: tuple[str, ...] = ()
    """Client metadata: requests that differ in one of these keys are kept apart."""


class BatchConfig(ConfigModel):
    """`sending_queue.batch`: how much is gathered before a push."""

    flush_timeout: Duration = 0.2
    """Push at the latest this long after the first item."""
    min_size: int = Field(8192, ge=0)
    """Push as soon as so much is gathered."""
    max_size: int = Field(0, ge=0)
    """Never push more at once; 0 is no limit."""
    sizer: Literal["items", "bytes"] = "items"
    """What `min_size` and `max_size` count."""
    partition: PartitionConfig = PartitionConfig()


class QueueConfig(ConfigModel):
    """`sending_queue`: the bounds of this exporter's backlog in the pipeline's log."""

    enabled: bool = True
    num_consumers: int = Field(10, ge=1)
    """Batches in flight at once."""
    queue_size: int = Field(1000, ge=1)
    """Backlog at which receivers are refused, in units of `sizer`."""
    sizer: Literal["requests", "items", "bytes"] = "requests"
    block_on_overflow: bool = False
    """Wait for room instead of refusing."""
    wait_for_result: bool = False
    """Answer the client only after this exporter has delivered."""
    storage: str | None = None
    """Accepted for compatibility; the log itself decides about disk or memory."""
    batch: BatchConfig | None = None


class ExporterConfig(ConfigModel):
    """Keys that every exporter has."""

    timeout: Duration = 5.0
    """Longest time for one attempt."""
    sending_queue: QueueConfig = QueueConfig()
    retry_on_failure: RetryConfig = RetryConfig()

    @property
    def parting_keys(self) -> frozenset[str]:
        """Client metadata, lower-case, in which requests that are pushed together do not differ."""
        batch = self.sending_queue.batch
        return frozenset(key.lower() for key in batch.partition.metadata_keys) if batch else frozenset()
