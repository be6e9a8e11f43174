"""What the tests of the exporters share: a started exporter, and a push."""

import contextlib

from collector.api import Delivery
from collector.testing import settings


@contextlib.asynccontextmanager
async def running(sink):
    """Serve from here to the end of the block."""
    await sink.start()
    try:
        yield sink
    finally:
        await sink.stop()


@contextlib.asynccontextmanager
async def exporting(factory, surroundings=None, **config):
    """A started exporter."""
    exporter = factory.create(factory.config.model_validate(config), surroundings or settings("otlp"))
    await exporter.start()
    try:
        yield exporter
    finally:
        await exporter.stop()


async def push(exporter, batch):
    await exporter.push(Delivery(batch, "token"))


async def failure(exporter, batch):
    """Push and return the error."""
    try:
        await push(exporter, batch)
    except Exception as error:  # noqa: BLE001 - whatever it is, the test compares it
        return error
    return None
