import asyncio

import pytest

from collector.api import ExporterConfig, Permanent, Retryable, RetryConfig, Signal
from collector.delivery.config import LogConfig
from collector.delivery.dead_letters import KeptLetters
from collector.delivery.disk.log import DiskLog
from collector.delivery.intake import Intake
from collector.delivery.ledger import publish, stored_accounts
from collector.delivery.letters import LetterBox
from collector.pipeline.pipeline import Pipeline, Sink, Step
from collector.pipeline.rejections import Rejections
from collector.telemetry import catalogue
from collector.testing import RecordingExporter, RecordingMetrics, sample_batch, settings
from collector.wire.codec import codec


class _Halving:
    """Takes out the second half of every batch."""

    def process(self, batch):
        return batch.slice(0, batch.items // 2) if batch.items > 1 else None


class _World:
    def __init__(self, directory):
        self.directory = directory
        self.exporter = RecordingExporter()
        self.metrics = RecordingMetrics()

    def pipeline(self):
        around = settings("traces", metrics=self.metrics)
        config = ExporterConfig(retry_on_failure=RetryConfig(initial_interval=60.0))
        return Pipeline(
            "traces",
            Signal.TRACES,
            DiskLog(self.directory, LogConfig(), Signal.TRACES, codec(), around),
            steps=[Step("filter", _Halving())],
            sinks=[Sink("otlp/eu", self.exporter, config, around)],
            settings=around,
            dead_letters=KeptLetters(LetterBox(self.directory / "dead_letters"), "traces", around),
            intake=Intake(self.directory, around.log),
        )


@pytest.fixture
def world(tmp_path):
    return _World(tmp_path / "log")


EXPECTED = {
    "pipeline": "traces",
    "signal": "traces",
    "exporter": "otlp/eu",
    "received": 28,
    "stored": 4,
    "rejected": {"invalid": 5},
    "dropped": {"filter": 12},
    "dead_lettered": 1,
    "in_flight": 6,
    "missing": 0,
}


async def _live(pipeline, world):
    """Four items are stored, one is refused, six are stuck; the filter takes twelve out, the door rejected five."""
    world.exporter.errors.extend([None, Permanent("bad row"), *[Retryable("down")] * 9])
    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        running = tasks.create_task(pipeline.run())
        for count, items in enumerate((8, 2, 12), 1):
            await pipeline.consume(sample_batch(Signal.TRACES, items))
            await world.exporter.attempted(count)
        await pipeline.consume(sample_batch(Signal.TRACES, 1))
        metrics = Rejections(RecordingMetrics(), lambda receiver, signal: [pipeline])
        metrics.add(catalogue.OTTERY_REJECTED, 5, signal="traces", receiver="otlp", reason="invalid")
        await world.metrics.until(lambda: pipeline.accounts()[0].total("dead_lettered"))
        running.cancel()


async def test_every_item_is_in_one_account_also_after_a_restart_and_on_disk(world):
    pipeline = world.pipeline()
    await pipeline.open()
    await _live(pipeline, world)
    assert [account.to_dict() for account in pipeline.accounts()] == [EXPECTED]
    await pipeline.shut()
    assert [account.to_dict() for account in stored_accounts(world.directory, "traces", Signal.TRACES)] == [EXPECTED]
    again = world.pipeline()
    await again.open()
    assert [account.to_dict() for account in again.accounts()] == [EXPECTED]
    await again.shut()


async def test_the_ledger_is_published_as_gauges(world):
    pipeline, metrics = world.pipeline(), RecordingMetrics()
    await pipeline.open()
    await _live(pipeline, world)
    publish(pipeline.accounts(), metrics)
    await pipeline.shut()
    labels = {"pipeline": "traces", "signal": "traces", "exporter": "otlp/eu"}
    names = ["received", "stored", "rejected", "dropped", "dead_lettered", "in_flight"]
    values = [metrics.value(catalogue.OTTERY_LEDGER, **labels, account=name) for name in names]
    assert (values, metrics.value(catalogue.OTTERY_LEDGER_BALANCED, **labels)) == ([28, 4, 5, 12, 1, 6], 1)
