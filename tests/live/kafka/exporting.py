"""Exporters under test."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any

from collector.testing import RecordingLog, RecordingMetrics, settings
from exporters.kafka.factory import FACTORY

QUIET = {"linger": "0s"}


@contextlib.asynccontextmanager
async def exporter(
    address: str, *, recorded: RecordingMetrics | None = None, log: RecordingLog | None = None, **config: Any
) -> AsyncIterator[Any]:
    """Run an exporter that writes at once."""
    config = {"brokers": [address], "producer": QUIET, **config}
    made = FACTORY.create(
        FACTORY.config.model_validate(config),
        settings("kafka", metrics=recorded or RecordingMetrics(), log=log or RecordingLog()),
    )
    await made.start()
    try:
        yield made
    finally:
        await made.stop()
