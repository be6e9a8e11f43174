import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

import pytest

from collector.api import (
    ConfigModel,
    ExporterConfig,
    Factory,
    Fatal,
    Kind,
    Overloaded,
    Retryable,
    RetryConfig,
    Signal,
    State,
    SystemClock,
)
from collector.config import ConfigError, LoadedConfig, Problem
from collector.config import Pipeline as Plan
from collector.connectors import forward
from collector.pipeline import build
from collector.pipeline.build import Surroundings
from collector.pipeline.catalogue import Catalogue
from collector.pipeline.service import Service, StartError
from collector.telemetry import catalogue as metric
from collector.telemetry.config import TelemetryConfig
from collector.testing import FakeClock, RecordingExporter, RecordingLog, RecordingMetrics, sample_batch


class _Door(ConfigModel):
    breaks: bool = False
    port: int = 1


class _Sink(ExporterConfig):
    name: str = "sink"


@dataclass
class _Story:
    """What happened, in order, and the components of the run."""

    lines: list[str] = field(default_factory=list)
    doors: list = field(default_factory=list)
    sinks: list = field(default_factory=list)
    repaired: bool = False


class _Receiver:
    def __init__(self, config, settings, story):
        self.config, self.settings, self.story = config, settings, story
        story.doors.append(self)

    async def start(self):
        self.story.lines.append(f"start {self.settings.id}")
        if self.config.breaks and not self.story.repaired:
            raise Fatal("port 1 is taken")

    async def stop(self):
        self.story.lines.append(f"stop {self.settings.id}")

    async def send(self, items):
        await self.settings.consumers[Signal.TRACES](sample_batch(Signal.TRACES, items))


class _Exporter(RecordingExporter):
    def __init__(self, config, settings, story):
        super().__init__()
        self.settings, self.story = settings, story
        story.sinks.append(self)

    async def start(self):
        self.story.lines.append(f"start {self.settings.id}")

    async def stop(self):
        self.story.lines.append(f"stop {self.settings.id}")


@pytest.fixture
def story(monkeypatch):
    story = _Story()
    factories = {
        Kind.RECEIVER: {"door": Factory("door", Kind.RECEIVER, _Door, lambda c, s: _Receiver(c, s, story), "a door")},
        Kind.CONNECTOR: {"forward": forward.FACTORY},
        Kind.EXPORTER: {"sink": Factory("sink", Kind.EXPORTER, _Sink, lambda c, s: _Exporter(c, s, story), "a sink")},
    }
    monkeypatch.setattr(build, "CATALOGUE", Catalogue(factories, {}))
    return story


def _config(door=None, sinks=("sink",), **exporter) -> LoadedConfig:
    names = list(sinks)
    return LoadedConfig(
        receivers={"door": door or _Door()},
        processors={},
        exporters={name: _Sink(**exporter) for name in names},
        connectors={},
        extensions={},
        pipelines={"traces": Plan(Signal.TRACES, ("door",), (), tuple(names))},
        telemetry=TelemetryConfig(),
    )


class _Run:
    def __init__(self, config, clock=None):
        self.config, self.metrics, self.log, self.states = config, RecordingMetrics(), RecordingLog(), {}
        around = Surroundings(self.metrics, self.log, self._report, tuple, clock or SystemClock())
        self.service = Service(self._load, around, drain_timeout=0.2)

    def _load(self):
        if isinstance(self.config, Exception):
            raise self.config
        return self.config

    def _report(self, kind, name):
        return lambda state, message="": self.states.__setitem__((kind, name), (state, message))

    async def reloaded(self, config, lines):
        self.config = config
        self.service.reload()
        await self.log.until(lambda: len(self.log.lines) >= lines)


def _joined() -> LoadedConfig:
    """Return two pipelines in a row: the door and `sink` at the first, `sink/b` behind the connector."""
    config = _config(sinks=("sink", "sink/b"), sending_queue={"queue_size": 1, "num_consumers": 1})
    first = Plan(Signal.TRACES, ("door",), (), ("sink", "forward"))
    second = Plan(Signal.TRACES, ("forward",), (), ("sink/b",))
    pipelines = {"traces": first, "traces/b": second}
    return replace(config, connectors={"forward": forward.ForwardConfig()}, pipelines=pipelines)


@asynccontextmanager
async def _running(config, clock=None):
    run, started = _Run(config, clock), asyncio.Event()
    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        tasks.create_task(run.service.run(config, lambda _: started.set()))
        await started.wait()
        yield run
        run.service.stop()


async def test_what_receives_starts_last_and_stops_first(story):
    async with _running(_config()):
        pass
    assert story.lines == ["start sink", "start door", "stop door", "stop sink"]


async def test_what_a_client_got_an_ok_for_is_delivered_before_the_end(story):
    async with _running(_config()) as run:
        for _ in range(20):
            await story.doors[0].send(3)
    assert story.sinks[0].items == 60
    assert run.metrics.value(metric.EXPORTER_SENT[Signal.TRACES], exporter="sink") == 60


async def test_a_component_that_cannot_start_ends_the_run_in_words_and_stops_the_others(story):
    run = _Run(_config(_Door(breaks=True)))
    with pytest.raises(StartError, match=r"receivers\.door could not start: port 1 is taken"):
        await run.service.run(run.config, lambda _: None)
    assert story.lines[-2:] == ["stop door", "stop sink"]
    assert run.states["receivers", "door"][0] is State.STOPPED


async def test_a_dead_sink_ends_at_the_deadline_and_what_is_left_is_counted(story):
    async with _running(_config(retry_on_failure=RetryConfig(initial_interval=60.0))) as run:
        story.sinks[0].errors.extend([Retryable("down")] * 9)
        await story.doors[0].send(4)
        await story.sinks[0].attempted(1)
    labels = {"signal": "traces", "component": "sink", "reason": "shutdown", "intentional": "false"}
    assert run.metrics.value(metric.OTTERY_DROPPED, **labels) == 4


async def test_a_full_queue_refuses_the_sender_and_names_the_exporter(story):
    async with _running(_config(sending_queue={"queue_size": 1, "num_consumers": 1})) as run:
        story.sinks[0].open.clear()
        await story.doors[0].send(1)
        with pytest.raises(Overloaded, match="sink is full"):
            await story.doors[0].send(1)
        story.sinks[0].open.set()
    assert run.metrics.value(metric.EXPORTER_ENQUEUE_FAILED[Signal.TRACES], exporter="sink") == 1


async def test_a_queue_that_waits_for_the_result_answers_after_delivery(story):
    async with _running(_config(sending_queue={"wait_for_result": True})):
        story.sinks[0].open.clear()
        async with asyncio.TaskGroup() as tasks:
            sending = tasks.create_task(story.doors[0].send(1))
            await story.sinks[0].attempted(1)
            assert not sending.done()
            story.sinks[0].open.set()
    assert story.sinks[0].items == 1


async def test_a_reload_keeps_the_receiver_and_leads_data_to_the_new_exporter(story):
    async with _running(_config()) as run:
        await story.doors[0].send(1)
        await run.reloaded(_config(sinks=("sink/b",)), 1)
        ways = {name: state for (kind, name), (state, _) in run.states.items() if kind == "delivery"}
        assert ways == {"traces -> sink": State.STOPPED, "traces -> sink/b": State.OK}
        await story.doors[0].send(2)
    assert story.lines == ["start sink", "start door", "start sink/b", "stop sink", "stop door", "stop sink/b"]
    assert [sink.items for sink in story.sinks] == [1, 2]


async def test_a_reload_that_changes_nothing_touches_nothing(story):
    async with _running(_config()) as run:
        await run.reloaded(_config(), 1)
        await story.doors[0].send(2)
    assert story.lines == ["start sink", "start door", "stop door", "stop sink"]


async def test_an_invalid_reload_is_refused_and_the_old_goes_on(story):
    async with _running(_config()) as run:
        await run.reloaded(ConfigError([Problem("a.yaml", 3, 1, "receivers", "is wrong")]), 1)
        await story.doors[0].send(2)
    assert run.log.lines[0][:2] == ("error", "reload refused, going on as before")
    assert story.sinks[0].items == 2


async def test_a_reload_that_fails_in_an_unforeseen_way_is_refused_too(story):
    async with _running(_config()) as run:
        await run.reloaded(ValueError("a bug"), 1)
        await story.doors[0].send(2)
    refusal = ("error", "reload refused, going on as before", {"reason": "ValueError('a bug')"})
    assert run.log.lines[0] == refusal
    assert story.sinks[0].items == 2


async def test_a_receiver_of_the_new_configuration_that_cannot_start_is_tried_again_beside_running_exporters(story):
    clock = FakeClock()
    async with _running(_config(), clock) as run:
        await run.reloaded(_config(_Door(breaks=True)), 1)
        await clock.sleeping()
        assert run.states["receivers", "door"] == (State.FAILED, "port 1 is taken")
        assert run.states["exporters", "sink"] == (State.OK, "")
        story.repaired = True
        await clock.advance(60)
        assert run.states["receivers", "door"] == (State.OK, "")


async def test_the_end_does_not_wait_for_a_component_that_cannot_start(story):
    clock = FakeClock()
    async with _running(_config(), clock) as run:
        await run.reloaded(_config(_Door(breaks=True)), 1)
        await clock.sleeping()
    assert run.states["receivers", "door"][0] is State.STOPPED


async def test_a_connector_leads_to_the_pipeline_behind_it(story):
    async with _running(_joined()):
        await story.doors[0].send(3)
    assert {sink.settings.id: sink.items for sink in story.sinks} == {"sink": 3, "sink/b": 3}


async def test_no_pipeline_keeps_what_one_behind_a_connector_refuses(story):
    async with _running(_joined()):
        story.sinks[1].open.clear()
        await story.doors[0].send(1)
        await story.sinks[1].attempted(1)
        await story.sinks[0].delivered(1)
        with pytest.raises(Overloaded, match="sink/b is full"):
            await story.doors[0].send(1)
        story.sinks[1].open.set()
    assert {sink.settings.id: sink.items for sink in story.sinks} == {"sink": 1, "sink/b": 1}
