"""One pipeline: processors, the log, and a runner for each exporter."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from collector.api import (
    Batch,
    Connector,
    Exporter,
    ExporterConfig,
    Guard,
    Processor,
    QueueConfig,
    Settings,
    Signal,
    State,
)
from collector.delivery.dead_letters import DeadLetters, KeptLetters
from collector.delivery.intake import Intake
from collector.delivery.ledger import Account, account
from collector.delivery.log import Bounds, Cursor, Log, Outcome, QueueFull
from collector.delivery.replay import Replays
from collector.delivery.requests import digest_of
from collector.delivery.runner import Route, Runner
from collector.pipeline.supervise import supervise
from collector.telemetry import catalogue
from collector.wire.codec import codec


@dataclass(frozen=True, slots=True)
class Sink:
    """An exporter as one pipeline uses it. `settings` speak for the way from that pipeline to that exporter."""

    id: str
    exporter: Exporter
    config: ExporterConfig
    settings: Settings


@dataclass(frozen=True, slots=True)
class Step:
    """A processor under its id."""

    id: str
    processor: Processor


class Pipeline:
    """Takes batches of one signal over, changes them, keeps them, and delivers them to every exporter."""

    def __init__(
        self,
        id: str,  # noqa: A002 - the field's word, and the attribute's name
        signal: Signal,
        log: Log,
        *,
        steps: Sequence[Step],
        sinks: Sequence[Sink],
        guards: Sequence[Guard] = (),
        connectors: Sequence[Connector] = (),
        settings: Settings,
        dead_letters: DeadLetters,
        intake: Intake | None = None,
        deduplicates: bool = False,
    ) -> None:
        self.id = id
        self.signal = signal
        self.log = log
        self._steps = tuple(steps)
        self._connectors = tuple(connectors)
        self._guards = tuple(guards)
        self.settings = settings
        self._deduplicates = deduplicates
        self._sinks = tuple(sinks)
        self._dead_letters = dead_letters
        self.intake = intake or Intake(None, settings.log)
        self._cursors: list[Cursor] = []
        self._awaited: list[Cursor] = []
        self._runners: list[tuple[Runner, Settings]] = []
        self._replays: list[tuple[Replays, Settings]] = []
        self._opened = False

    async def open(self) -> None:
        """Make ready to take batches over, unless that is done. Raises what `Log.open` raises."""
        if self._opened:
            return
        await self.log.open()
        self.intake.load()
        self._cursors, self._awaited, self._runners, self._replays = [], [], [], []
        self.log.retire([sink.id for sink in self._sinks])
        for sink in self._sinks:
            self._connect(sink)
        self._opened = True

    def _connect(self, sink: Sink) -> None:
        queue, bounds = sink.config.sending_queue, _bounds(sink.config.sending_queue, self.log)
        cursor = self.log.cursor(sink.id, bounds)
        route = Route(self.id, self.signal, self.log.id, sink.id, sink.exporter)
        runner = Runner(route, cursor, sink.config, sink.settings, self._dead_letters)
        self._runners.append((runner, sink.settings))
        if isinstance(self._dead_letters, KeptLetters):
            replays = Replays(route, sink.config, sink.settings, self._dead_letters, codec())
            self._replays.append((replays, sink.settings))
        self._cursors.append(cursor)
        if queue.wait_for_result or not queue.enabled:
            self._awaited.append(cursor)
        self.settings.metrics.set(
            catalogue.EXPORTER_QUEUE_CAPACITY,
            bounds.size or self.log.capacity,
            exporter=sink.id,
            data_type=self.signal.value,
        )

    def guard(self) -> None:
        """Raise `Overloaded` when a processor wants no request to be read now."""
        for guard in self._guards:
            guard()

    def admit(self, batch: Batch) -> None:
        """Raise `Overloaded` where `consume` would."""
        try:
            self.log.admit(batch)
        except QueueFull as error:
            self._refused(error, batch)
            raise

    async def consume(self, batch: Batch) -> None:
        """Take a batch over; see `collector.api.Consume`."""
        self.guard()
        digest = await digest_of(batch) if self._deduplicates or batch.context.origin else b""
        if digest and (sequence := await self.log.known(digest)) is not None:
            self._count_repeated(batch)
            await self._confirm(batch, sequence)
            return
        if not self._steps:
            await self._keep(batch, digest, unchanged=not batch.context.origin)
            return
        processed, taken_out = await asyncio.to_thread(self._process, batch)
        if processed is not None:
            await self._keep(processed, digest, unchanged=processed is batch and not batch.context.origin)
        for component, items in taken_out.items():
            self._count_taken_out(component, items)

    async def _keep(self, batch: Batch, digest: bytes, *, unchanged: bool) -> None:
        if self._connectors:
            await self._hand_on(batch)
        if not self._sinks:
            return
        try:
            sequence = await self.log.append(batch, digest, unchanged=unchanged)
        except QueueFull as error:
            self._refused(error, batch)
            raise
        await self._confirm(batch, sequence)

    async def _confirm(self, batch: Batch, sequence: int) -> None:
        """Wait for the exporters that the client's answer depends on."""
        asks_again = batch.context.origin and not self.log.durable
        awaited = self._cursors if asks_again else self._awaited
        for cursor in awaited:
            cursor.hurry()
        for cursor in awaited:
            await cursor.delivered(sequence)

    def _count_repeated(self, batch: Batch) -> None:
        labels = {"pipeline": self.id, "signal": self.signal.value}
        self.settings.metrics.add(catalogue.OTTERY_REPEATED, batch.items, **labels)

    def _count_taken_out(self, component: str, items: int) -> None:
        labels = {"signal": self.signal.value, "component": component, "reason": "processor"}
        self.settings.metrics.add(catalogue.OTTERY_DROPPED, items, **labels, intentional="true")
        self.intake.add(f"{Outcome.DROPPED}:{component}", items)

    async def _hand_on(self, batch: Batch) -> None:
        """Give the batch to the pipelines behind the connectors, once there is room for it here."""
        self.admit(batch)
        for connector in self._connectors:
            await connector.consume(batch)

    def _refused(self, error: QueueFull, batch: Batch) -> None:
        metric = catalogue.EXPORTER_ENQUEUE_FAILED[self.signal]
        self.settings.metrics.add(metric, batch.items, exporter=error.exporter)

    def _process(self, batch: Batch) -> tuple[Batch | None, dict[str, int]]:
        """Return what the processors leave of a batch, and how many items each of them took out."""
        metrics, clock = self.settings.metrics, self.settings.clock
        current: Batch | None = batch
        taken_out: dict[str, int] = {}
        for step in self._steps:
            if current is None:
                break
            before = current.items
            labels = {"processor": step.id, "otel_signal": self.signal.value}
            metrics.add(catalogue.PROCESSOR_INCOMING, current.items, **labels)
            began = clock.monotonic()
            current = step.processor.process(current)
            metrics.observe(catalogue.PROCESSOR_DURATION, clock.monotonic() - began, **labels)
            after = current.items if current else 0
            metrics.add(catalogue.PROCESSOR_OUTGOING, after, **labels)
            if after < before:
                taken_out[step.id] = before - after
        return current, taken_out

    async def run(self) -> None:
        """Deliver until the log is closed and empty, or `hand_over` is called. Raises what `open` raises."""
        await self.open()
        async with asyncio.TaskGroup() as beside:
            replays = [beside.create_task(supervise(it.run, settings, "replay")) for it, settings in self._replays]
            try:
                await self._deliver()
            finally:
                for task in replays:
                    task.cancel()

    async def _deliver(self) -> None:
        async with asyncio.TaskGroup() as runners:
            for runner, settings in self._runners:
                settings.report(State.OK)
                runners.create_task(supervise(_restartable(runner), settings, "delivery"))

    def hand_over(self) -> None:
        """Let `run` end soon, with everything that was not delivered left in the log for whoever opens it next."""
        for runner, _ in self._runners:
            runner.leave()

    def report_gone(self, successor: Pipeline | None) -> None:
        """Report as stopped what is no part of the pipeline that came in this one's place."""
        if successor is None:
            self.settings.report(State.STOPPED)
        going_on = {sink.id for sink in successor._sinks} if successor else set()  # noqa: SLF001 - its own class
        for sink in self._sinks:
            if sink.id not in going_on:
                sink.settings.report(State.STOPPED)

    async def shut(self) -> None:
        """Let go of the log, after `run`."""
        await self.log.shut()
        self.intake.close()

    def accounts(self) -> list[Account]:
        """Return what became of everything that this pipeline received, for each exporter."""
        return [account(self.id, self.signal, cursor, self.intake.counts) for cursor in self._cursors]

    def undelivered(self) -> dict[str, int]:
        """Items that each exporter has still to take."""
        return {cursor.name: cursor.undelivered for cursor in self._cursors if cursor.undelivered}


def _bounds(queue: QueueConfig, log: Log) -> Bounds:
    """Return how far a cursor may fall behind: as far as a durable log goes, unless the user said otherwise."""
    if log.durable and "queue_size" not in queue.model_fields_set:
        return Bounds(0, "bytes", queue.block_on_overflow)
    return Bounds(queue.queue_size, queue.sizer, queue.block_on_overflow)


def _restartable(runner: Runner) -> Callable[[], Awaitable[None]]:
    async def work() -> None:
        runner.cursor.rewind()
        await runner.run()

    return work


class Inlet:
    """What a receiver hands batches to: every pipeline of the signal that names it. A reload changes the pipelines."""

    def __init__(self) -> None:
        self.pipelines: tuple[Pipeline, ...] = ()
        self._flowing = asyncio.Event()
        self._flowing.set()

    def hold(self) -> None:
        """Let batches wait, while a log goes over from one pipeline to the next."""
        self._flowing.clear()

    def release(self) -> None:
        """Let batches go on, to the pipelines as they are now."""
        self._flowing.set()

    def guard(self) -> None:
        """Raise `Overloaded` when a pipeline wants no request to be read now."""
        for pipeline in self.pipelines:
            pipeline.guard()

    async def consume(self, batch: Batch) -> None:
        """Give the batch to all pipelines or, where one has no room, to none."""
        await self._flowing.wait()
        if len(self.pipelines) > 1:
            for pipeline in self.pipelines:
                pipeline.admit(batch)
        for pipeline in self.pipelines:
            await pipeline.consume(batch)
