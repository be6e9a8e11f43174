"""Configuration of the file exporter, in the OpenTelemetry Collector's keys."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

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


class GroupConfig(ConfigModel):
    """`group_by`: a file for each value of a resource attribute."""

    enabled: bool = False
    resource_attribute: str = Field("fileexporter.path_segment", min_length=1)
    """The attribute whose text stands for the `*` of `path`."""
    max_open_files: int = Field(100, ge=1)
    """Files that are open at once; the one that was not used for longest is closed."""


class CompressionParams(ConfigModel):
    """`compression_params`."""

    level: int = Field(0, ge=0, le=22)
    """Level of zstd; 0 is its default, 3."""


class FileConfig(ExporterConfig):
    """`file`: writes OTLP into a file."""

    path: str = Field(min_length=1)
    """The file to write, with one `*` where `group_by` is on."""
    format: Literal["json", "proto"] = "json"
    """JSON, a line a request, or protobuf, each request after its length in four bytes, big-endian."""
    compression: Literal["none", "zstd", ""] = "none"
    """With `zstd` each request is compressed for itself and stands after its length, in both formats."""
    compression_params: CompressionParams = CompressionParams()
    append: bool = True
    """Whether to go on in a file that is there; when false it is emptied at the start."""
    rotation: RotationConfig | None = None
    """Written, even empty, it switches rotation on."""
    flush_interval: Duration = 1.0
    """The longest that written data waits to be forced onto the disk; with 0 each delivery waits for it."""
    group_by: GroupConfig = GroupConfig()
    create_directory: bool = True
    """Accepted for compatibility; missing directories are always made."""
    directory_permissions: str = Field("0755", pattern=r"^0?[0-7]{3}$")
    """Rights on a directory that is made, less the umask."""

    @model_validator(mode="after")
    def _one_place_for_the_group(self) -> Self:
        if self.group_by.enabled and (self.path.count("*") != 1 or self.path.startswith("*")):
            raise ValueError("path needs exactly one *, and not at its start, where group_by is enabled")
        if self.group_by.enabled and not self.append:
            raise ValueError("append: false and group_by exclude each other: files are opened again and again")
        return self
