"""The `service.delivery` block: where accepted data waits for the sinks, and how safely."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ByteSize, Field, WithJsonSchema

from collector.api import ConfigModel, Duration, Signal

Size = Annotated[ByteSize, WithJsonSchema({"type": ["string", "integer"], "examples": ["64MiB", "10GiB"]})]
"""Bytes, written in configuration as `64MiB`, `10GiB` or a bare number."""


class LogConfig(ConfigModel):
    """How the log of one pipeline is kept on disk."""

    sync: Literal["always", "interval", "never"] = "always"
    """When data is forced to the disk: before the client is answered, every `sync_interval`, or when the system likes.

    Whatever the choice, a killed process loses nothing; this is about a machine that loses power.
    """
    sync_interval: Duration = Field(1.0, gt=0)
    """How much a power cut may cost with `sync: interval`."""
    compression: Literal["none", "lz4", "zstd"] = "none"
    """How records are compressed; it costs more CPU than the rest of the log."""
    segment_size: Size = Field(ByteSize(64 << 20), ge=4096)
    """Size at which a new segment file begins. Space comes back in whole segments."""
    max_size: Size = Field(ByteSize(10 << 30), ge=8192)
    """Most bytes on disk for one pipeline."""
    max_age: Duration = Field(0.0, ge=0)
    """Give up what is older than this; 0 keeps everything until it is delivered."""
    on_full: Literal["refuse", "drop_oldest"] = "refuse"
    """At `max_size`, tell clients to come back later, or give up the oldest segment."""


class DeliveryConfig(LogConfig):
    """`service.delivery`: the logs between processors and exporters."""

    directory: str = ""
    """Where logs and dead letters lie; empty keeps them in memory, and a restart loses what is not delivered."""
    deduplicate_requests: tuple[Signal, ...] = (Signal.TRACES,)
    """Signals whose clients may resend a request that got no answer without it being stored twice (on disk only)."""
    deduplication_window: Duration = Field(120.0, ge=0)
    """How long a request is remembered."""
    dead_letters_max_size: Size = Field(ByteSize(1 << 30), ge=0)
    """Most bytes of dead letters on disk; beyond it the cursor that has more of them waits."""
