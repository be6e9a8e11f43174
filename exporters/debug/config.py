"""Configuration of the debug exporter, in the OpenTelemetry Collector's keys."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from collector.api import ExporterConfig


def _lower(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else value


class DebugConfig(ExporterConfig):
    """`debug`: prints what arrives."""

    verbosity: Annotated[Literal["basic", "normal", "detailed"], BeforeValidator(_lower)] = "basic"
    """A line a batch, about a line an item, or everything."""
    sampling_initial: int = Field(2, ge=0)
    """Batches of each signal that are printed in every second before sampling begins."""
    sampling_thereafter: int = Field(1, ge=0)
    """Of the batches after those, every how manieth is printed; 1 prints all, 0 none."""
    use_internal_logger: bool = False
    """Write the line a batch into Ottery's own log; items always go to `output_paths`."""
    output_paths: tuple[str, ...] = Field(("stdout",), min_length=1)
    """Where to print: `stdout`, `stderr` or paths of files, which are appended to."""
