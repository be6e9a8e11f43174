"""The processor of the OpenTelemetry Collector that a pipeline of Ottery does not need as a step of its own.

`batch` says how much is gathered before a push. Gathering belongs to each exporter here, behind the log, so the
settings move there.
"""

from __future__ import annotations

from typing import Any, Final

from pydantic import Field, model_validator

from collector.api.component import Component, Factory, Kind, Stability
from collector.api.config import BatchConfig, ConfigModel, Duration, ExporterConfig, PartitionConfig
from collector.api.errors import Fatal
from collector.api.settings import Settings


class BatchProcessorConfig(ConfigModel):
    """`batch`: gather items before a push. Mapped to `sending_queue.batch` of the exporters behind it."""

    timeout: Duration = 0.2
    """Push at the latest this long after the first item."""
    send_batch_size: int = Field(8192, ge=0)
    """Push as soon as so many items are gathered."""
    send_batch_max_size: int = Field(0, ge=0)
    """Never push more at once; 0 is no limit."""
    metadata_keys: tuple[str, ...] = ()
    """Client metadata: requests that differ in one of these keys are kept apart."""
    metadata_cardinality_limit: int = Field(1000, ge=0)
    """Accepted for compatibility."""

    @model_validator(mode="after")
    def _ordered(self) -> BatchProcessorConfig:
        if 0 < self.send_batch_max_size < self.send_batch_size:
            raise ValueError("send_batch_max_size must be 0 or at least send_batch_size")
        return self


def _never_built(_config: Any, settings: Settings) -> Component:
    raise Fatal(f"{settings.id} is no step of a pipeline: its settings are mapped when configuration is loaded")


BATCH: Final = Factory(
    name="batch",
    kind=Kind.PROCESSOR,
    config=BatchProcessorConfig,
    create=_never_built,
    summary="Accepted for compatibility: sets how much the exporters behind it gather.",
    stability=Stability.STABLE,
)


def gather(exporter: ConfigModel, batch: BatchProcessorConfig) -> ConfigModel:
    """Return the exporter's settings with what the user wrote under `batch` as its gathering.

    What `sending_queue.batch` of the exporter says is kept: it is nearer to the sink. Keys of `batch` that were
    not written leave the exporter's own preference alone.
    """
    if not isinstance(exporter, ExporterConfig) or says_batch(exporter):
        return exporter
    names = {"timeout": "flush_timeout", "send_batch_size": "min_size", "send_batch_max_size": "max_size"}
    written = {names[key]: getattr(batch, key) for key in batch.model_fields_set & names.keys()}
    if batch.metadata_keys:
        written["partition"] = PartitionConfig(metadata_keys=batch.metadata_keys)
    preferred = exporter.sending_queue.batch
    base = preferred if preferred is not None and preferred.sizer == "items" else BatchConfig()
    gathering = base.model_copy(update=written)
    queue = exporter.sending_queue.model_copy(update={"batch": gathering})
    return exporter.model_copy(update={"sending_queue": queue})


def says_batch(exporter: ConfigModel) -> bool:
    """Tell whether the user wrote `sending_queue.batch` for this exporter."""
    if not isinstance(exporter, ExporterConfig) or "sending_queue" not in exporter.model_fields_set:
        return False
    return "batch" in exporter.sending_queue.model_fields_set
