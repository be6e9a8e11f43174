"""Feeds one exporter from one cursor: gathers, pushes, retries, isolates what is refused, moves the cursor."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from collector.api import (
    Batch,
    BatchConfig,
    Delivery,
    Exporter,
    ExporterConfig,
    Fatal,
    Permanent,
    Retryable,
    Settings,
    Signal,
    State,
)
from collector.delivery.dead_letters import DeadLetter, DeadLetters
from collector.delivery.log import Cursor, Record
from collector.delivery.retry import Backoff
from collector.telemetry import catalogue

_AT_ONCE = BatchConfig(flush_timeout=0.0, min_size=0)
_MOST_ITEMS = 100_000
_MOST_BYTES = 64 << 20
_BISECT_PUSHES = 256


@dataclass(frozen=True, slots=True)
class Route:
    """Where a runner takes from and gives to. `log_id` starts every token."""

    pipeline: str
    signal: Signal
    log_id: str
    exporter_id: str
    exporter: Exporter


class Runner:
    """One exporter's way out of one pipeline. `run` ends when the log is closed and everything is delivered."""

    def __init__(
        self, route: Route, cursor: Cursor, config: ExporterConfig, settings: Settings, dead_letters: DeadLetters
    ) -> None:
        self.route = route
        self.cursor = cursor
        self._config = config
        self._settings = settings
        self._dead_letters = dead_letters
        self._batch = config.sending_queue.batch or _AT_ONCE
        self._slots = asyncio.Semaphore(config.sending_queue.num_consumers)
        self._in_flight = 0
        self._state = State.OK

    async def run(self) -> None:
        """Deliver until the log is closed and empty."""
        async with asyncio.TaskGroup() as deliveries:
            while await self.cursor.wait(1, None):
                await self._slots.acquire()
                if not (records := await self._gather()):
                    self._slots.release()
                    continue
                deliveries.create_task(self._deliver(records))

    async def _gather(self) -> list[Record]:
        batch = self._batch
        by_items = batch.sizer == "items"
        if batch.min_size and by_items:
            await self.cursor.wait(batch.min_size, batch.flush_timeout)
        elif batch.flush_timeout:
            await self._settings.clock.sleep(batch.flush_timeout)
        most_items = (batch.max_size if by_items else 0) or _MOST_ITEMS
        most_bytes = (0 if by_items else batch.max_size) or _MOST_BYTES
        return self.cursor.take(most_items, most_bytes)

    async def _deliver(self, records: list[Record]) -> None:
        try:
            for delivery in self._cut(records):
                async with self._observed(delivery):
                    await self._send(delivery, [_BISECT_PUSHES])
            self.cursor.done(records)
            self._gauge_queue()
        finally:
            self._slots.release()

    def _cut(self, records: list[Record]) -> Iterator[Delivery]:
        """Yield deliveries of at most `max_size` items; their tokens depend on the rows alone."""
        batch = Batch.join([record.batch for record in records])
        token = f"{self.route.log_id}:{records[0].sequence}-{records[-1].sequence}"
        most = (self._batch.max_size if self._batch.sizer == "items" else 0) or batch.items
        if batch.items <= most:
            yield Delivery(batch, token)
            return
        for offset in range(0, batch.items, most):
            length = min(most, batch.items - offset)
            yield Delivery(batch.slice(offset, length), f"{token}/{offset}+{length}")

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

    async def _send(self, delivery: Delivery, budget: list[int]) -> None:
        """Push until the sink has taken or refused the rows. `budget` bounds the pushes spent on bisecting."""
        backoff, clock = Backoff(self._config.retry_on_failure), self._settings.clock
        began = clock.monotonic()
        while True:
            try:
                async with asyncio.timeout(self._config.timeout or None):
                    await self.route.exporter.push(delivery)
            except Permanent as error:
                await self._isolate(delivery, error, budget)
                return
            except (Retryable, Fatal, TimeoutError, Exception) as error:  # noqa: BLE001 - unknown is retryable
                failure = _failure(error)
                if self._gives_up(clock.monotonic() - began):
                    await self._give_up(delivery, str(failure), "retries_ended")
                    return
                await self._pause(delivery, failure, backoff, fatal=isinstance(error, Fatal))
            else:
                self._sent(delivery)
                return

    def _gives_up(self, elapsed: float) -> bool:
        retry = self._config.retry_on_failure
        return not retry.enabled or bool(retry.max_elapsed_time and elapsed >= retry.max_elapsed_time)

    async def _pause(self, delivery: Delivery, failure: Retryable, backoff: Backoff, *, fatal: bool) -> None:
        wait = backoff.next(failure.retry_after)
        exporter = self.route.exporter_id
        self._settings.metrics.add(catalogue.OTTERY_RETRIES, exporter=exporter, kind=failure.kind)
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
        await self._settings.clock.sleep(wait)

    async def _isolate(self, delivery: Delivery, error: Permanent, budget: list[int]) -> None:
        """Deliver what the sink will take of a refused batch and give up the rest."""
        batch = delivery.batch
        if batch.items == 1 or budget[0] <= 0:
            await self._give_up(delivery, error.reason, error.kind)
            return
        budget[0] -= 2
        half = batch.items // 2
        for part, (offset, length) in enumerate(((0, half), (half, batch.items - half))):
            piece = Delivery(batch.slice(offset, length), f"{delivery.token}.{part}", done=set(delivery.done))
            await self._send(piece, budget)

    async def _give_up(self, delivery: Delivery, reason: str, kind: str) -> None:
        batch = delivery.batch
        await self._dead_letters.put(DeadLetter(batch, self.route.exporter_id, reason, kind, delivery.attempt))
        metric = catalogue.EXPORTER_SEND_FAILED[batch.signal]
        self._settings.metrics.add(metric, batch.items, exporter=self.route.exporter_id)

    def _sent(self, delivery: Delivery) -> None:
        batch = delivery.batch
        self._settings.metrics.add(catalogue.EXPORTER_SENT[batch.signal], batch.items, exporter=self.route.exporter_id)
        self._report(State.OK)

    def _report(self, state: State, message: str = "") -> None:
        if state is not self._state or message:
            self._state = state
            self._settings.report(state, message)


def _failure(error: BaseException) -> Retryable:
    if isinstance(error, Retryable):
        return error
    if isinstance(error, TimeoutError):
        return Retryable("no answer within the exporter's timeout", kind="timeout")
    if isinstance(error, Fatal):
        return Retryable(str(error), kind="fatal")
    return Retryable(f"{type(error).__name__}: {error}", kind="unknown")
