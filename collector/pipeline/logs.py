"""Chooses the log of a pipeline."""

from __future__ import annotations

from pathlib import Path

from collector.api import Settings
from collector.config.loaded import Pipeline
from collector.delivery.disk.log import DiskLog
from collector.delivery.files import file_name
from collector.delivery.log import Log
from collector.delivery.memory import MemoryLog
from collector.wire.codec import codec


def make_log(name: str, plan: Pipeline, settings: Settings) -> Log:
    """Return the log of a pipeline, on disk where its delivery names a directory. Nothing is opened."""
    if not plan.delivery.directory or not plan.exporters:
        return MemoryLog()
    directory = Path(plan.delivery.directory) / file_name(name)
    return DiskLog(directory, plan.delivery, plan.signal, codec(), settings)
