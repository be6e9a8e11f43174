"""Configuration of the file exporter, in the OpenTelemetry Collector's keys."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from collector.api import ConfigModel, Duration, ExporterConfig


class RotationConfig(ConfigModel):
    """`rotation`: begin a new file before the old one grows too large."""

    max_megabytes: int = Field(100, ge=1)
    """Size in MiB that a file does not grow beyond."""
    max_days: int = Field(0, ge=0)
    """Days after which an older file is removed, by the time in its name; 0 keeps it."""
    max_backups: int = Field(100, ge=0)
    """Older files that are kept; 0 keeps all."""
    localtime: bool = False
    """Whether the times in file names are local and not UTC."""


class FileConfig(ExporterConfig):
    """`file`: writes OTLP into a file."""

    path: str = Field(min_length=1)
    """The file to write; missing directories are made."""
    format: Literal["json", "proto"] = "json"
    """JSON, a line a request, or protobuf, each request after its length in four bytes, big-endian."""
    compression: Literal["none", "zstd"] = "none"
    """With `zstd` each request is compressed for itself and stands after its length, in both formats."""
    append: bool = True
    """Whether to go on in a file that is there; when false it is emptied at the start."""
    rotation: RotationConfig | None = None
    """Written, even empty, it switches rotation on."""
    flush_interval: Duration = 1.0
    """The longest that written data waits to be forced onto the disk; with 0 each delivery waits for it."""
