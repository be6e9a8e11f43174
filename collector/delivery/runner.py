"""Feeds one exporter from one cursor: gathers, pushes, retries, isolates what is refused, moves the cursor."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from collector.api import (
    BatchConfig,
    Delivery,
    Exporter,
    ExporterConfig,
    Fatal,
    Origin,
    Permanent,
    Retryable,
    Settings,
    Signal,
    State,
)
from collector.delivery.circuit import Circuit
from collector.delivery.dead_letters import DeadLetter, DeadLetters
from collector.delivery.log import MOST_IN_FLIGHT, Cursor, Limits, Outcome, Portion
from collector.delivery.pieces import Piece, pieces
from collector.delivery.retry import Backoff
from collector.telemetry import catalogue

_AT_ONCE = BatchConfig(flush_timeout=0.0, min_size=0)
_MOST_ITEMS = 100_000
_MOST_BYTES = 16 << 20
_MOST_LOADED = 32 << 20
"""Bytes of the portions in flight beyond which no other is begun: a sink that is down must not fill the memory."""
_ISOLATING_PUSHES = 1024
"""Pushes spent on isolating the refused rows of one portion; what is then still refused goes as a whole."""
_MOST_REFUSED_IN_A_ROW = 1000
"""Items given up without the sink taking anything in between; beyond that it is the sink, not the rows."""


@dataclass(frozen=True, slots=True)
class Route:
    """Where a runner takes from and gives to. `log_id` starts every token."""

    pipeline: str
    signal: Signal
    log_id: str
    exporter_id: str
    exporter: Exporter


class _Left(Exception):
    """The runner ends; what is in flight stays in the log."""


class _Ended(Exception):
    """Retrying ended without an answer that settles the rows."""


@dataclass(slots=True)
class _Task:
    """A portion on its way, and how many more pushes its isolation may cost."""

    portion: Portion
    pushes: int = _ISOLATING_PUSHES


class Runner:
    """One exporter's way out of one pipeline.

    `run` ends when the log is closed and everything is delivered, or soon after `leave`.
    """

    def __init__(
        self, route: Route, cursor: Cursor, config: ExporterConfig, settings: Settings, dead_letters: DeadLetters
    ) -> None:
        self.route = route
        self.cursor = cursor
        self._config = config
        self._settings = settings
        self._dead_letters = dead_letters
        self._batch = config.sending_queue.batch or _AT_ONCE
        self._limits = _limits(self._batch)
        self._slots = asyncio.Semaphore(min(config.sending_queue.num_consumers, MOST_IN_FLIGHT))
        self._circuit = Circuit(config.retry_on_failure)
        self._loaded = 0
        self._unloaded = asyncio.Event()
        self._in_flight = 0
        self._refused_in_a_row = 0
        self._leaving = False
        self._resting: set[asyncio.Task[None]] = set()
        self._state = State.OK

    async def run(self) -> None:
        """Deliver until the log is closed and empty."""
        async with asyncio.TaskGroup() as deliveries:
            while await self.cursor.wait(1, None):
                await self._slot()
                if (portion := await self._gather()) is None:
                    self._slots.release()
                    continue
                self._loaded += portion.tally.size
                deliveries.create_task(self._deliver(portion))

    async def _slot(self) -> None:
        """Wait until one more portion may be in flight."""
        await self._slots.acquire()
        while self._loaded >= _MOST_LOADED:
            self._unloaded.clear()
            await self._unloaded.wait()

    def leave(self) -> None:
        """Begin nothing new: pushes under way are finished, all else stays in the log."""
        self._leaving = True
        self.cursor.leave()
        for task in self._resting:
            task.cancel()

    async def _gather(self) -> Portion | None:
        batch = self._batch
        if batch.sizer == "items":
            await self.cursor.wait(batch.min_size, batch.flush_timeout)
        else:
            await self.cursor.wait(1, batch.flush_timeout, batch.min_size)
        try:
            return await self.cursor.take(self._limits)
        except OSError as error:
            self._report(State.DEGRADED, f"the log cannot be read or written: {error}")
            await self._settings.clock.sleep(1.0)
            return None

    async def _deliver(self, portion: Portion) -> None:
        task, size = _Task(portion), portion.tally.size
        try:
            for piece in pieces(portion, self.route.log_id, self.route.pipeline, self._config.parting_keys):
                await self._send(task, piece)
            self.cursor.done(portion)
            self._gauge_queue()
        except _Left:
            return
        finally:
            self._loaded -= size
            self._unloaded.set()
            self._slots.release()

    async def _send(self, task: _Task, piece: Piece) -> None:
        """Settle a piece: the sink has its rows, or they are given up."""
        delivery = piece.delivery()
        held = Backoff(self._config.retry_on_failure)
        while True:
            try:
                async with self._observed(delivery):
                    await self._push(delivery)
            except Permanent as error:
                if len(parts := self._divide(task, piece, error)) > 1:
                    await self._isolate(task, parts, error, delivery.attempt)
                    return
                if self._refused_in_a_row < _MOST_REFUSED_IN_A_ROW:
                    await self._give_up(task, delivery, error.reason, error.kind)
                    return
                await self._hold(delivery, error, held)
            except _Ended as error:
                await self._give_up(task, delivery, str(error), "retries_ended")
                return
            else:
                self._stored(task, delivery)
                return

    def _divide(self, task: _Task, piece: Piece, error: Permanent) -> list[tuple[Piece, bool]]:
        """Return the parts of a refused piece, each with whether it is known to be refused; one is all there is."""
        if error.rows and (parts := piece.around(error.rows)):
            return parts
        if error.whole or piece.length == 1 or task.pushes <= 0:
            return [(piece, True)]
        task.pushes -= 2
        return piece.halves()

    async def _isolate(self, task: _Task, parts: list[tuple[Piece, bool]], error: Permanent, attempts: int) -> None:
        """Deliver what the sink will take and give up the rest."""
        for part, refused in parts:
            if refused and self._refused_in_a_row < _MOST_REFUSED_IN_A_ROW:
                delivery = part.delivery()
                delivery.attempt = attempts
                await self._give_up(task, delivery, error.reason, error.kind)
            elif error.rest_stored and not refused:
                self._stored(task, part.delivery())
            else:
                await self._send(task, part)

    async def _push(self, delivery: Delivery) -> None:
        """Push until the sink answers. Raises `Permanent` when it refuses, and `_Ended` when retrying ends."""
        backoff, clock = Backoff(self._config.retry_on_failure), self._settings.clock
        began = clock.monotonic()
        while True:
            async with self._circuit.turn():
                try:
                    async with asyncio.timeout(self._config.timeout or None):
                        await self.route.exporter.push(delivery)
                except Permanent:
                    self._circuit.answered()
                    raise
                except Exception as error:
                    failure = _failure(error)
                    waits = self._circuit.failed(backoff)
                    if self._gives_up(clock.monotonic() - began):
                        raise _Ended(str(failure)) from error
                    await self._pause(delivery, failure, waits, fatal=isinstance(error, Fatal))
                else:
                    self._circuit.answered()
                    return

    def _gives_up(self, elapsed: float) -> bool:
        retry = self._config.retry_on_failure
        return not retry.enabled or bool(retry.max_elapsed_time and elapsed >= retry.max_elapsed_time)

    async def _pause(self, delivery: Delivery, failure: Retryable, backoff: Backoff, *, fatal: bool) -> None:
        wait = backoff.next(failure.retry_after)
        exporter = self.route.exporter_id
        self._settings.metrics.add(catalogue.OTTERY_RETRIES, exporter=exporter, kind=failure.kind)
        self._settings.metrics.set(catalogue.OTTERY_CIRCUIT_OPEN, self._circuit.is_open, exporter=exporter)
        self._report(State.FAILED if fatal else State.DEGRADED, str(failure))
        self._settings.log.warning(
            "export failed, will retry",
            exporter=exporter,
            signal=self.route.signal.value,
            items=delivery.batch.items,
            attempt=delivery.attempt,
            retry_in_seconds=round(wait, 1),
            reason=str(failure),
        )
        delivery.attempt += 1
        await self._rest(wait)

    async def _rest(self, seconds: float) -> None:
        """Wait before the next attempt. Raises `_Left` where there will be none, and is cancelled by `leave`."""
        if self._leaving:
            raise _Left
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a runner rests in a task")
        self._resting.add(task)
        try:
            await self._settings.clock.sleep(seconds)
        finally:
            self._resting.discard(task)

    async def _hold(self, delivery: Delivery, error: Permanent, backoff: Backoff) -> None:
        """Wait before asking again: a sink that takes nothing any more is what an operator must look at."""
        reason = f"nothing but refusals since {self._refused_in_a_row} items, held back: {error.reason}"
        failure = Retryable(reason, kind="refusing")
        await self._pause(delivery, failure, backoff, fatal=True)

    async def _give_up(self, task: _Task, delivery: Delivery, reason: str, kind: str) -> None:
        batch = delivery.batch
        letter = DeadLetter(batch, self.route.exporter_id, reason, kind, delivery.attempt, delivery.token)
        outcome = await self._bury(letter)
        self._refused_in_a_row += batch.items
        self.cursor.settle(task.portion, batch.items, outcome, kind if outcome is Outcome.DROPPED else "")
        metric = catalogue.EXPORTER_SEND_FAILED[batch.signal]
        self._settings.metrics.add(metric, batch.items, exporter=self.route.exporter_id)

    async def _bury(self, letter: DeadLetter) -> Outcome:
        """Hand a letter over. While there is no room for it the cursor waits: nothing is skipped."""
        origin = letter.batch.context.origin
        take_back = origin.take_back if isinstance(origin, Origin) else None
        if take_back is not None and take_back(letter.batch, letter.exporter, letter.reason):
            return Outcome.DEAD_LETTERED
        backoff = Backoff(self._config.retry_on_failure)
        while True:
            try:
                return await self._dead_letters.put(letter)
            except OSError as error:
                self._report(State.FAILED, f"dead letters cannot be kept: {error}")
                await self._rest(backoff.next(None))

    def _stored(self, task: _Task, delivery: Delivery) -> None:
        batch, exporter = delivery.batch, self.route.exporter_id
        self._refused_in_a_row = 0
        self.cursor.settle(task.portion, batch.items, Outcome.STORED)
        self._settings.metrics.add(catalogue.EXPORTER_SENT[batch.signal], batch.items, exporter=exporter)
        self._settings.metrics.set(catalogue.OTTERY_CIRCUIT_OPEN, 0, exporter=exporter)
        self._report(State.OK)

    @asynccontextmanager
    async def _observed(self, delivery: Delivery) -> AsyncIterator[None]:
        metrics, exporter = self._settings.metrics, self.route.exporter_id
        metrics.observe(catalogue.EXPORTER_BATCH_SEND_SIZE, delivery.batch.items, exporter=exporter)
        metrics.observe(catalogue.EXPORTER_BATCH_SEND_SIZE_BYTES, delivery.batch.size, exporter=exporter)
        self._in_flight += 1
        metrics.set(catalogue.EXPORTER_IN_FLIGHT, self._in_flight, exporter=exporter)
        self._gauge_queue()
        try:
            yield
        finally:
            self._in_flight -= 1
            metrics.set(catalogue.EXPORTER_IN_FLIGHT, self._in_flight, exporter=exporter)

    def _gauge_queue(self) -> None:
        self._settings.metrics.set(
            catalogue.EXPORTER_QUEUE_SIZE,
            self.cursor.backlog,
            exporter=self.route.exporter_id,
            data_type=self.route.signal.value,
        )

    def _report(self, state: State, message: str = "") -> None:
        if state is not self._state or message:
            self._state = state
            self._settings.report(state, message)


def _limits(batch: BatchConfig) -> Limits:
    if batch.sizer == "bytes":
        return Limits(_MOST_ITEMS, batch.max_size or _MOST_BYTES)
    return Limits(batch.max_size or _MOST_ITEMS, _MOST_BYTES)


def _failure(error: Exception) -> Retryable:
    if isinstance(error, Retryable):
        return error
    if isinstance(error, TimeoutError):
        return Retryable("no answer within the exporter's timeout", kind="timeout")
    if isinstance(error, Fatal):
        return Retryable(str(error), kind="fatal")
    return Retryable(f"{type(error).__name__}: {error}", kind="unknown")
