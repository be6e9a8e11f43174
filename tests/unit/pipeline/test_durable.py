"""Pipelines whose logs lie on disk, through restarts and reloads."""

import asyncio
from contextlib import asynccontextmanager

import pytest

from collector.api import ConfigModel, ExporterConfig, Factory, Kind, Retryable, RetryConfig, Signal, SystemClock
from collector.config import LoadedConfig
from collector.config import Pipeline as Plan
from collector.delivery.config import DeliveryConfig
from collector.pipeline import build
from collector.pipeline.build import Surroundings
from collector.pipeline.catalogue import Catalogue
from collector.pipeline.service import Service, StartError
from collector.telemetry import catalogue as metric
from collector.telemetry.config import TelemetryConfig
from collector.testing import RecordingExporter, RecordingLog, RecordingMetrics, sample_batch


class _Door(ConfigModel):
    pass


class _Receiver:
    def __init__(self, settings):
        self.settings = settings

    async def start(self):
        pass

    async def stop(self):
        pass

    async def send(self, items):
        await self.settings.consumers[Signal.TRACES](sample_batch(Signal.TRACES, items))


class _World:
    """Everything that outlives a run: the directory, and the sinks by name with what they got."""

    def __init__(self, directory):
        self.directory = directory
        self.sinks = {}
        self.errors = {}
        self.door = None

    def receiver(self, _config, settings):
        self.door = _Receiver(settings)
        return self.door

    def exporter(self, _config, settings):
        return self.sinks.setdefault(settings.id, RecordingExporter(self.errors.get(settings.id, ())))

    def config(self, *sinks, deduplicate=()):
        exporter = ExporterConfig(retry_on_failure=RetryConfig(initial_interval=60.0))
        delivery = DeliveryConfig(directory=str(self.directory), deduplicate_requests=deduplicate)
        return LoadedConfig(
            receivers={"door": _Door()},
            processors={},
            exporters=dict.fromkeys(sinks, exporter),
            connectors={},
            extensions={},
            pipelines={"traces": Plan(Signal.TRACES, ("door",), (), sinks, delivery)},
            telemetry=TelemetryConfig(),
        )

    @asynccontextmanager
    async def running(self, config):
        run = _Run(config)
        async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
            tasks.create_task(run.service.run(config, lambda _: run.started.set()))
            await run.started.wait()
            yield run
            run.service.stop()


class _Run:
    def __init__(self, config):
        self.config, self.metrics, self.log, self.started = config, RecordingMetrics(), RecordingLog(), asyncio.Event()
        around = Surroundings(self.metrics, self.log, lambda kind, name: self._report, tuple, SystemClock())
        self.service = Service(lambda: self.config, around, drain_timeout=0.2)

    def _report(self, state, message=""):
        pass

    async def reload(self, config):
        self.config = config
        self.service.reload()
        await self.log.until(lambda: "configuration reloaded" in [event for _, event, _ in self.log.lines])


@pytest.fixture
def world(tmp_path, monkeypatch):
    world = _World(tmp_path / "data")
    factories = {
        Kind.RECEIVER: {"door": Factory("door", Kind.RECEIVER, _Door, world.receiver, "a door")},
        Kind.EXPORTER: {"sink": Factory("sink", Kind.EXPORTER, ExporterConfig, world.exporter, "a sink")},
    }
    monkeypatch.setattr(build, "CATALOGUE", Catalogue(factories, {}))
    return world


async def test_what_a_dead_sink_did_not_take_before_the_end_is_delivered_by_the_next_run(world):
    world.errors["sink"] = [Retryable("down")] * 9
    async with world.running(world.config("sink")) as run:
        await world.door.send(4)
        await world.sinks["sink"].attempted(1)
    assert ("info", "items stay in the log", {"pipeline": "traces", "exporter": "sink", "items": 4}) in run.log.lines
    first = world.sinks.pop("sink").attempts[0]
    world.errors.clear()
    async with world.running(world.config("sink")) as run:
        await world.sinks["sink"].delivered(4)
        await world.door.send(1)
    assert [d.token for d in world.sinks["sink"].deliveries] == [first.token, first.token[:33] + "1-1"]
    assert run.metrics.value(metric.EXPORTER_SENT[Signal.TRACES], exporter="sink") == 5


async def test_a_reload_hands_the_log_over_with_what_one_sink_has_not_taken(world):
    world.errors["sink/a"] = [Retryable("down")] * 9
    async with world.running(world.config("sink/a", "sink/b")) as run:
        await world.door.send(3)
        await world.sinks["sink/b"].delivered(3)
        await world.sinks["sink/a"].attempted(1)
        world.sinks["sink/a"].errors.clear()
        await run.reload(world.config("sink/a"))
        await world.sinks["sink/a"].delivered(3)
        await world.door.send(2)
    assert (world.sinks["sink/a"].items, world.sinks["sink/b"].items) == (5, 3)


async def test_no_sender_is_refused_while_a_log_is_handed_over(world):
    async with world.running(world.config("sink/a", "sink/b")) as run:
        sent = 0

        async def send():
            nonlocal sent
            while True:
                await world.door.send(1)
                sent += 1

        async with asyncio.TaskGroup() as tasks:
            senders = [tasks.create_task(send()) for _ in range(5)]
            await world.sinks["sink/a"].delivered(20)
            await run.reload(world.config("sink/a"))
            await world.sinks["sink/a"].delivered(sent + 20)
            for sender in senders:
                sender.cancel()
    assert world.sinks["sink/a"].items >= sent


async def test_a_request_sent_again_is_answered_and_counted_and_delivered_once(world):
    async with world.running(world.config("sink", deduplicate=(Signal.TRACES,))) as run:
        for items in (3, 3, 2, 3):
            await world.door.send(items)
        await world.sinks["sink"].delivered(5)
    assert world.sinks["sink"].items == 5
    assert run.metrics.value(metric.OTTERY_REPEATED, pipeline="traces", signal="traces") == 6


async def test_a_log_that_cannot_be_opened_ends_the_start_in_words(world):
    world.directory.write_text("a file, not a directory")
    run = _Run(world.config("sink"))
    with pytest.raises(StartError, match=r"pipeline traces could not start: the log directory .* cannot be used"):
        await run.service.run(run.config, lambda _: None)


async def test_a_log_whose_cursor_cannot_be_read_is_opened_again_by_the_same_process(world, monkeypatch):
    config = world.config("sink")
    run = _Run(config)
    pipeline = build.Builder(config, run.service._around).build().pipelines["traces"]
    with monkeypatch.context() as patch:
        patch.setattr("pathlib.Path.read_bytes", _denied)
        with pytest.raises(PermissionError):
            await pipeline.open()
    await pipeline.open()
    await pipeline.consume(sample_batch(Signal.TRACES, 3))
    assert [account.in_flight for account in pipeline.accounts()] == [3]
    await pipeline.shut()


def _denied(_path):
    raise PermissionError(13, "Permission denied")


async def test_one_more_request_than_the_default_queue_is_kept_on_disk(world):
    async with world.running(world.config("sink")) as run:
        world.sinks["sink"].open.clear()
        for _ in range(0, 1100, 100):
            await asyncio.gather(*[world.door.send(1) for _ in range(100)])
        capacity = run.metrics.value(metric.EXPORTER_QUEUE_CAPACITY, exporter="sink", data_type="traces")
        assert capacity == 10 << 30
        world.sinks["sink"].open.set()
        await world.sinks["sink"].delivered(1100)
