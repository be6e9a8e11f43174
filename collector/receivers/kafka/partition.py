"""One partition that is ours: cuts its records, hands them over, moves its offset, one cut at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from confluent_kafka import Message, TopicPartition

from collector.api import Batch, Origin, Overloaded, Rejected, Retryable, RetryConfig, Settings, State
from collector.delivery.retry import Backoff
from collector.receivers.kafka import metrics
from collector.receivers.kafka.buffer import Buffer, Taken
from collector.receivers.kafka.config import KafkaReceiverConfig
from collector.receivers.kafka.cuts import Cut, Place
from collector.receivers.kafka.letters import Letter, Refused, Source
from collector.receivers.kafka.reading import Read, Reader, number, source_of
from collector.receivers.kafka.topics import Kind
from collector.telemetry.catalogue import OTTERY_REJECTED, RECEIVER_ACCEPTED, RECEIVER_REFUSED

PATIENCE = RetryConfig(initial_interval=0.2, multiplier=2.0, max_interval=10.0)


@dataclass(slots=True)
class Flight:
    """A cut on its way. `letters` are what it leaves behind, written when its offset moves."""

    kind: Kind
    cut: Cut
    source: Source
    letters: list[Letter] = field(default_factory=list)
    arrived: bool = False

    def take_back(self, batch: Batch, exporter: str, reason: str) -> bool:
        """Keep rows that a sink refuses. Once the cut has arrived, in a log on disk, that log keeps them.

        Rows of a cut that was given up with its partition need no care: who has the partition now reads them again.
        """
        if not self.arrived:
            self.letters.append(Refused(self.kind, self.source, batch, exporter, reason))
        return not self.arrived


@dataclass(frozen=True, slots=True)
class Hands:
    """What a partition does through its receiver."""

    commit: Callable[[TopicPartition], Awaitable[None]]
    write: Callable[[Sequence[Letter], TopicPartition], Awaitable[None]]
    pause: Callable[[Place], None]
    resume: Callable[[Place], None]


class Partition:
    """`run` reads until it is cancelled; `finish` ends it in order."""

    def __init__(
        self,
        place: Place,
        reader: Reader,
        buffer: Buffer,
        *,
        config: KafkaReceiverConfig,
        settings: Settings,
        hands: Hands,
    ) -> None:
        self.place = place
        self.flight: Flight | None = None
        self.paused = False
        self._reader = reader
        self._buffer = buffer
        self._config = config
        self._settings = settings
        self._hands = hands
        self._delivered: Cut | None = None
        self._ending = False
        self._idle = asyncio.Event()
        self._idle.set()
        self.labels = {"receiver": settings.id, "topic": place.topic, "partition": str(place.partition)}

    @property
    def position(self) -> int | None:
        """Offset up to which everything is delivered, None before the first record."""
        return self.flight.cut.start if self.flight else self._buffer.start

    def add(self, message: Message) -> None:
        """Take a record that was read."""
        self._buffer.add(message)
        self._settings.metrics.add(metrics.RECORDS, 1, **self.labels)
        self._settings.metrics.add(metrics.BYTES, len(message.value() or b""), **self.labels)
        if self._buffer.is_full and not self.paused:
            self._pause(self._hands.pause, paused=True)

    def reached(self, offset: int) -> None:
        """Take notice of the partition's end."""
        self._buffer.reached(offset)

    def _pause(self, act: Callable[[Place], None], *, paused: bool) -> None:
        act(self.place)
        self.paused = paused
        self._settings.metrics.set(metrics.PAUSED, paused, **self.labels)

    async def run(self) -> None:
        """Deliver cut by cut."""
        self._settings.metrics.set(metrics.PAUSED, 0, **self.labels)
        while not self._ending:
            await self._conclude_when_idle()
            taken = await self._buffer.take()
            if self.paused and self._buffer.has_room:
                self._pause(self._hands.resume, paused=False)
            if taken.messages:
                await self._wait_until_due(taken.messages[0])
                await self._surely(taken)

    async def _surely(self, taken: Taken) -> None:
        """Deliver a cut, again after whatever goes wrong: going on without it would lose it."""
        backoff = Backoff(PATIENCE)
        while True:
            try:
                await self._deliver(taken)
            except Exception as error:
                self._settings.log.exception("a partition failed, trying again", place=str(self.place))
                self._settings.report(State.FAILED, f"{self.place} stands still: {type(error).__name__}: {error}")
                await self._settings.clock.sleep(backoff.next(None))
            else:
                return

    async def finish(self, grace: float) -> TopicPartition | None:
        """Let what is on its way arrive, for `grace` seconds at most; return what is to be committed, if anything."""
        self._ending = True
        with suppress(TimeoutError):
            async with asyncio.timeout(grace):
                await self._idle.wait()
        return self._delivered.conclusion() if self._delivered else None

    async def _conclude_when_idle(self) -> None:
        """Commit what is delivered when no next cut does it in time."""
        if self._delivered is None:
            return
        try:
            async with asyncio.timeout(self._config.autocommit.interval):
                await self._buffer.wait()
        except TimeoutError:
            await self._commit(self._delivered.conclusion())
            self._delivered = None

    async def _wait_until_due(self, message: Message) -> None:
        """Wait for the time that a retry topic's record names; it is not ours to wait longer than its topic says."""
        due = number(message, "retry_at") if self._reader.kind.is_retry else None
        if due is not None:
            wait = due / 1000 - self._settings.clock.now_ns() / 1e9
            longest = self._config.dead_letters.delay(self._reader.kind.level)
            await self._settings.clock.sleep(min(max(wait, 0.0), longest))

    async def _deliver(self, taken: Taken) -> None:
        flight = self._flight(taken)
        now = self._settings.clock.now_ns()
        name = Origin(flight.cut.origin(self._config.group_id), flight.take_back)
        read = await asyncio.to_thread(self._reader.read, flight.cut, taken.messages, name, now)
        self._idle.clear()
        self.flight = flight
        flight.letters.extend(read.poison)
        if read.batch is not None:
            await self._commit(flight.cut.intention())
            await self._hand_over(read.batch, flight)
        flight.arrived = True
        if flight.letters:
            await self._write(flight.letters, flight.cut.conclusion())
            self._delivered = None
        else:
            self._delivered = flight.cut
        self.flight = None
        self._idle.set()
        self._count(read)
        self._tell(flight.cut)

    def _flight(self, taken: Taken) -> Flight:
        kind, first = self._reader.kind, taken.messages[0]
        cut = Cut(self.place, taken.start, taken.end, first.timestamp()[1])
        source = source_of(first) if kind.is_retry else Source(self.place, taken.start, taken.end - 1, 0)
        return Flight(kind, cut, source)

    def _count(self, read: Read) -> None:
        signal, receiver = self._reader.kind.signal, self._settings.id
        if read.poison:
            self._settings.metrics.add(metrics.UNMARSHAL_FAILED[signal], len(read.poison), receiver=receiver)
            self._settings.log.warning(
                "records are not what their topic's encoding says",
                receiver=receiver,
                topic=self.place.topic,
                partition=self.place.partition,
                offset=read.poison[0].source.first,
                records=len(read.poison),
                reason=read.poison[0].reason,
            )
        if read.rejected:
            self._settings.metrics.add(
                OTTERY_REJECTED, read.rejected, signal=signal.value, receiver=receiver, reason="invalid_id"
            )

    async def _hand_over(self, batch: Batch, flight: Flight) -> None:
        """Give the batch to its pipelines, for as long as it takes."""
        labels = {"receiver": self._settings.id, "transport": "kafka"}
        backoff = Backoff(PATIENCE)
        while True:
            try:
                await self._settings.consumers[batch.signal](batch)
            except Overloaded as error:
                self._settings.metrics.add(RECEIVER_REFUSED[batch.signal], batch.items, **labels)
                await self._settings.clock.sleep(min(backoff.next(None), error.retry_after))
            except Rejected as error:
                flight.take_back(batch, "pipeline", error.reason)
                return
            except Exception as error:
                self._settings.log.exception("a pipeline failed, trying again", receiver=self._settings.id)
                self._settings.report(State.DEGRADED, f"{self.place}: {type(error).__name__}: {error}")
                await self._settings.clock.sleep(backoff.next(None))
            else:
                self._settings.metrics.add(RECEIVER_ACCEPTED[batch.signal], batch.items, **labels)
                return

    async def _commit(self, offset: TopicPartition) -> None:
        """Commit, for as long as it takes: a rebalance or a broker that is away ends, or the partition is revoked."""
        await self._patiently(lambda: self._hands.commit(offset), State.DEGRADED)

    async def _write(self, letters: Sequence[Letter], offset: TopicPartition) -> None:
        """Write letters, for as long as it takes: meanwhile the partition stands still, and nothing is skipped."""
        await self._patiently(lambda: self._hands.write(letters, offset), State.FAILED)

    async def _patiently(self, act: Callable[[], Awaitable[None]], state: State) -> None:
        backoff, failed = Backoff(PATIENCE), 0
        while True:
            try:
                await act()
            except Retryable as error:
                failed += 1
                if failed > 2 or state is State.FAILED:
                    self._settings.report(state, f"{self.place} stands still: {error}")
                self._settings.log.warning("a partition waits", place=str(self.place), reason=str(error))
                await self._settings.clock.sleep(backoff.next(None))
            else:
                if failed:
                    self._settings.report(State.OK)
                return

    def _tell(self, cut: Cut) -> None:
        told = self._settings.metrics
        told.set(metrics.CURRENT_OFFSET, cut.end, **self.labels)
        delay = self._settings.clock.now_ns() / 1e9 - cut.stamp / 1000
        told.observe(metrics.DELAY, max(delay, 0.0), receiver=self._settings.id, topic=self.place.topic)
