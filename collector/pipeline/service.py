"""Runs a graph: starts downstream first, stops upstream first, swaps it on reload, ends within a deadline."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from collector.api import Component, Kind, OtteryError, Signal, State
from collector.config import LoadedConfig
from collector.delivery.ledger import Account, publish
from collector.pipeline.build import Builder, Graph, Key, Surroundings, connect
from collector.pipeline.pipeline import Pipeline
from collector.pipeline.rejections import Rejections
from collector.pipeline.supervise import supervise
from collector.telemetry.catalogue import OTTERY_DROPPED, OTTERY_LOG_OLDEST
from collector.telemetry.health import PIPELINE

Load = Callable[[], LoadedConfig]
"""Reads the configuration anew. Raises `ConfigError`."""

_STOP_TIMEOUT = 10.0
_HAND_OVER_TIMEOUT = 5.0
_BEHIND_THE_DOORS = (Kind.PROCESSOR, Kind.CONNECTOR, Kind.EXPORTER)


class StartError(OtteryError):
    """A component could not start; the message names it and says why."""


class Service:
    """The running collector. `stop` and `reload` may be called from signal handlers."""

    def __init__(self, load: Load, around: Surroundings, drain_timeout: float = 25.0) -> None:
        self._load = load
        self._around = replace(around, metrics=Rejections(around.metrics, self._behind))
        self._drain_timeout = drain_timeout
        self._commands: asyncio.Queue[str] = asyncio.Queue()
        self._deliveries: dict[str, asyncio.Task[None]] = {}
        self._starting: dict[Key, asyncio.Task[None]] = {}
        self._running = False
        self.graph: Graph | None = None

    def ledger(self) -> list[Account]:
        """Return what became of everything received, by pipeline and exporter."""
        pipelines = self.graph.pipelines.values() if self.graph else ()
        return [account for pipeline in pipelines for account in pipeline.accounts()]

    def publish(self) -> None:
        """Set the gauges that are read from the logs: the ledger, and how old the oldest waiting data is."""
        metrics, now = self._around.metrics, self._around.clock.now_ns()
        publish(self.ledger(), metrics)
        for pipeline in self.graph.pipelines.values() if self.graph else ():
            oldest = pipeline.log.oldest()
            age = max(now - oldest, 0) / 1e9 if oldest is not None else 0.0
            metrics.set(OTTERY_LOG_OLDEST, age, pipeline=pipeline.id)

    def _behind(self, receiver: str, signal: str) -> Sequence[Pipeline]:
        """Return the pipelines that a receiver feeds."""
        inlet = self.graph.inlets.get((receiver, Signal(signal))) if self.graph else None
        return inlet.pipelines if inlet else ()

    def stop(self) -> None:
        """Ask for an orderly end."""
        self._commands.put_nowait("stop")

    def reload(self) -> None:
        """Ask for the configuration to be read again."""
        self._commands.put_nowait("reload")

    async def run(self, config: LoadedConfig, started: Callable[[Graph], None]) -> None:
        """Run until `stop`; `started` is called once everything listens.

        Raises `StartError` when a component cannot start; everything is stopped then.
        """
        try:
            await self._run(config, started)
        except* OtteryError as errors:
            raise errors.exceptions[0] from errors

    async def _run(self, config: LoadedConfig, started: Callable[[Graph], None]) -> None:
        graph = Builder(config, self._around).build()
        async with asyncio.TaskGroup() as stage:
            self.graph = graph
            try:
                await self._start(graph, graph.components, stage)
                self._running = True
                started(graph)
                while await self._commands.get() != "stop":
                    await self._reload(stage)
            finally:
                await self._shut_down(self.graph)

    async def _start(self, graph: Graph, keys: Iterable[Key], stage: asyncio.TaskGroup) -> None:
        """Start the named components: what receives comes last."""
        wanted = set(keys)
        for kind in (Kind.EXTENSION, Kind.EXPORTER, Kind.CONNECTOR, Kind.PROCESSOR):
            await self._start_kind(graph, kind, wanted, stage)
        for name, pipeline in graph.pipelines.items():
            if name not in self._deliveries:
                await self._start_pipeline(pipeline, stage)
        connect(graph)
        await self._start_kind(graph, Kind.RECEIVER, wanted, stage)

    async def _start_kind(self, graph: Graph, kind: Kind, wanted: set[Key], stage: asyncio.TaskGroup) -> None:
        for key in graph.of(kind):
            if key in wanted:
                await self._start_one(graph, key, stage)

    async def _start_pipeline(self, pipeline: Pipeline, stage: asyncio.TaskGroup) -> None:
        """Open a pipeline's log and deliver from it. A log that cannot be opened is a failure as in `_start_one`."""
        try:
            await pipeline.open()
        except (OtteryError, OSError) as error:
            pipeline.settings.report(State.FAILED, str(error))
            if not self._running:
                raise StartError(f"pipeline {pipeline.id} could not start: {error}") from error
        work = supervise(pipeline.run, pipeline.settings, PIPELINE)
        self._deliveries[pipeline.id] = stage.create_task(work, name=f"pipeline {pipeline.id}")

    async def _start_one(self, graph: Graph, key: Key, stage: asyncio.TaskGroup) -> None:
        """Start a component. While the collector starts a failure ends it; later the component is tried again."""
        settings, component = graph.settings[key], graph.components[key]

        async def start() -> None:
            settings.report(State.STARTING)
            await component.start()
            settings.report(State.OK)

        try:
            await start()
        except Exception as error:
            settings.report(State.FAILED, str(error))
            if not self._running:
                raise StartError(f"{key[0].value}.{key[1]} could not start: {error}") from error
            self._starting[key] = stage.create_task(supervise(start, settings, key[0].value), name=f"start {key[1]}")

    async def _reload(self, stage: asyncio.TaskGroup) -> None:
        old, log = self.graph, self._around.log
        if old is None:
            return
        try:
            config = self._load()
            graph = Builder(config, self._around, old).build()
        except Exception as error:  # noqa: BLE001 - whatever is wrong with the new one, the old one goes on
            reason = str(error) if isinstance(error, (OtteryError, OSError)) else repr(error)
            log.error("reload refused, going on as before", reason=reason)
            return
        for notice in config.notices:
            log.warning(str(notice))
        if config.telemetry != old.config.telemetry:
            log.warning("service.telemetry has changed: that needs a restart, the rest is applied")
        await self._swap(old, graph, stage)

    async def _swap(self, old: Graph, graph: Graph, stage: asyncio.TaskGroup) -> None:
        """Go over to the new graph: data keeps flowing through whatever both have."""
        fresh = [key for key in graph.components if old.components.get(key) is not graph.components[key]]
        gone = [key for key in old.components if graph.components.get(key) is not old.components[key]]
        ended = {name: p for name, p in old.pipelines.items() if graph.pipelines.get(name) is not p}
        await self._stop_components(old, [key for key in gone if key[0] is Kind.RECEIVER])
        finishing = {name: self._deliveries.pop(name) for name in ended if name in self._deliveries}
        await self._stop_components(old, [key for key in gone if key[0] is Kind.EXTENSION])
        self.graph = graph
        old_pipelines = dict(ended)
        going_on = [name for name in ended if _same_log(name, old, graph)]
        try:
            await self._hand_over(old, [ended.pop(name) for name in going_on], [finishing.pop(n) for n in going_on])
            await self._start(graph, fresh, stage)
        finally:
            for inlet in (*old.inlets.values(), *graph.inlets.values()):
                inlet.release()
        await self._drain(ended, finishing)
        await self._stop_components(old, [key for key in gone if key[0] in _BEHIND_THE_DOORS])
        for name, pipeline in old_pipelines.items():
            pipeline.report_gone(graph.pipelines.get(name))
        self._around.log.info("configuration reloaded", started=len(fresh), stopped=len(gone))

    async def _shut_down(self, graph: Graph | None) -> None:
        if graph is None:
            return
        await self._stop_components(graph, graph.of(Kind.RECEIVER))
        await self._drain(graph.pipelines, self._deliveries)
        for kind in (*_BEHIND_THE_DOORS, Kind.EXTENSION):
            await self._stop_components(graph, graph.of(kind))

    async def _hand_over(self, old: Graph, pipelines: Sequence[Pipeline], tasks: Sequence[asyncio.Task[None]]) -> None:
        """Let pipelines that go on in another form finish what is in flight, and leave the rest in their logs.

        Batches that come after the logs are closed wait until they are released.
        """
        for pipeline in pipelines:
            pipeline.hand_over()
        await _end(tasks, _HAND_OVER_TIMEOUT)
        for inlet in old.inlets.values():
            if not set(pipelines).isdisjoint(inlet.pipelines):
                inlet.hold()
        for pipeline in pipelines:
            pipeline.log.close()
            await pipeline.shut()

    async def _drain(self, pipelines: dict[str, Pipeline], tasks: dict[str, asyncio.Task[None]]) -> None:
        """Close the logs and wait until they are delivered; after the deadline count what memory held as dropped."""
        for pipeline in pipelines.values():
            pipeline.log.close()
        await _end(list(tasks.values()), self._drain_timeout)
        for pipeline in pipelines.values():
            self._left(pipeline)
            await pipeline.shut()

    def _left(self, pipeline: Pipeline) -> None:
        for exporter, items in pipeline.undelivered().items():
            if pipeline.log.durable:
                log = self._around.log
                log.info("items stay in the log", pipeline=pipeline.id, exporter=exporter, items=items)
                continue
            self._around.metrics.add(
                OTTERY_DROPPED,
                items,
                signal=pipeline.signal.value,
                component=exporter,
                reason="shutdown",
                intentional="false",
            )
            self._around.log.error(
                "items dropped: the drain deadline passed", pipeline=pipeline.id, exporter=exporter, items=items
            )

    async def _stop_components(self, graph: Graph, keys: list[Key]) -> None:
        """Stop components side by side, each within a deadline; an error is logged and hides no other."""
        async with asyncio.TaskGroup() as stopping:
            for key in keys:
                stopping.create_task(self._stop_one(key, graph.components[key]))

    async def _stop_one(self, key: Key, component: Component) -> None:
        if (starting := self._starting.pop(key, None)) is not None:
            starting.cancel()
            await asyncio.wait([starting])
        try:
            async with asyncio.timeout(_STOP_TIMEOUT):
                await component.stop()
        except Exception as error:  # noqa: BLE001 - the others still have to stop
            self._around.log.error("component did not stop cleanly", component=f"{key[0]}.{key[1]}", reason=repr(error))
        self._around.report(key[0].value, key[1])(State.STOPPED)


def _same_log(name: str, old: Graph, new: Graph) -> bool:
    """Tell whether the new pipeline of that name takes over what lies on disk for the old one."""
    if name not in new.pipelines or not (old.pipelines[name].log.durable and new.pipelines[name].log.durable):
        return False
    return old.config.pipelines[name].delivery.directory == new.config.pipelines[name].delivery.directory


async def _end(tasks: Sequence[asyncio.Task[None]], timeout: float) -> None:  # noqa: ASYNC109 - late ones are cancelled
    """Wait until the tasks are done, and cancel those that are not within `timeout` seconds."""
    if not tasks:
        return
    _, late = await asyncio.wait(tasks, timeout=timeout)
    for task in late:
        task.cancel()
    if late:
        await asyncio.wait(late)
