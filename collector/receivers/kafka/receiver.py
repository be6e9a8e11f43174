"""The Kafka receiver: a member of a consumer group whose partitions are read independently of each other."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import suppress

from confluent_kafka import KafkaError, Message, TopicPartition

from collector.api import Fatal, Retryable, Settings, State
from collector.delivery.retry import Backoff
from collector.receivers.inert import inert_keys
from collector.receivers.kafka import metrics
from collector.receivers.kafka.buffer import Buffer
from collector.receivers.kafka.config import KafkaReceiverConfig
from collector.receivers.kafka.cuts import Place, written_down
from collector.receivers.kafka.feed import Feed
from collector.receivers.kafka.letters import Letter, Mail, records
from collector.receivers.kafka.partition import PATIENCE, Hands, Partition
from collector.receivers.kafka.reading import Reader
from collector.receivers.kafka.topics import Topics
from collector.telemetry.catalogue import OTTERY_RESTARTS
from collector.wire.codec import codec
from exporters.kafka.errors import unreachable, without_token

_GRACE = 4.0
"""Seconds that a cut on its way has to arrive when its partition goes to somebody else."""

_WATCH_INTERVAL = 2.0


class KafkaReceiver:
    """Reads topics into the consumers of their signals, and moves an offset when its records are delivered."""

    def __init__(self, config: KafkaReceiverConfig, settings: Settings) -> None:
        self._config = config
        self._settings = settings
        self._topics = Topics(config, frozenset(settings.consumers))
        self._mail = Mail(config.connection(settings.log), config.dead_letters)
        self._feed: Feed | None = None
        self._life: Future[None] | None = None
        self._ended = asyncio.Event()
        self._group: asyncio.TaskGroup | None = None
        self._missing: set[str] = set()
        self._troubled = False
        self._no_token: KafkaError | None = None
        self._partitions: dict[Place, tuple[Partition, asyncio.Task[None]]] = {}

    async def start(self) -> None:
        """Join the group. Raises `Fatal` for a file that cannot be read or a property that the library refuses."""
        self._config.check_files()
        for key, reason in inert_keys(self._config):
            self._settings.log.warning("a configuration key has no effect", key=key, reason=reason)
        self._feed = self._new_feed()
        self._ended.clear()
        self._life = asyncio.run_coroutine_threadsafe(self._live(), asyncio.get_running_loop())

    def _new_feed(self) -> Feed:
        log = self._settings.log
        return Feed(self._config.properties(log, self._topics.hidden()), self._topics.subscription(), self, log)

    async def _live(self) -> None:
        """Read until the end; with a new consumer, after a wait, when one breaks."""
        backoff = Backoff(PATIENCE)
        async with asyncio.TaskGroup() as self._group:
            while (feed := self._feed) is not None and not self._ended.is_set():
                feed.start()
                await self._watch(feed)
                if feed.broken:
                    await self._replace(feed, backoff.next(None))

    async def _replace(self, broken: Feed, wait: float) -> None:
        self._settings.report(State.FAILED, f"the consumer broke: {broken.broken}")
        self._settings.log.error("the Kafka consumer broke, making a new one", reason=broken.broken)
        self._settings.metrics.add(OTTERY_RESTARTS, component=self._settings.id, kind="receiver")
        await broken.stop()
        await self.revoked(list(self._partitions), lost=True)
        with suppress(TimeoutError):
            async with asyncio.timeout(wait):
                await self._ended.wait()
        if not self._ended.is_set():
            self._feed = self._new_feed()

    async def stop(self) -> None:
        """Give every partition back with its offset, and leave the group."""
        if self._feed is None or self._life is None:
            return
        await self._feed.stop()
        self._ended.set()
        await asyncio.wrap_future(self._life)
        self._feed = None
        await self._mail.close()

    async def assigned(self, committed: Sequence[TopicPartition]) -> None:
        for part in committed:
            place = Place(part.topic, part.partition)
            kind = self._topics.kind(part.topic)
            if kind is None or self._group is None or place in self._partitions:
                continue
            start = part.offset if part.offset >= 0 else None
            partition = Partition(
                place,
                Reader(kind, codec(), self._config.header_extraction),
                Buffer(self._config.batch, start, written_down(part), single=kind.is_retry),
                config=self._config,
                settings=self._settings,
                hands=Hands(self._commit, self._write, self._pause, self._resume),
            )
            self._partitions[place] = (partition, self._group.create_task(partition.run()))
        self._settings.metrics.add(metrics.STARTED, len(committed), receiver=self._settings.id)
        places = [f"{part.topic}/{part.partition}" for part in committed]
        self._settings.log.info("partitions assigned", receiver=self._settings.id, partitions=places)
        self._settings.report(State.OK)

    async def revoked(self, places: Sequence[Place], *, lost: bool) -> list[TopicPartition]:
        ending = [self._partitions.pop(place) for place in places if place in self._partitions]
        offsets = await asyncio.gather(*(self._finish(*each, 0.0 if lost else _GRACE) for each in ending))
        self._settings.metrics.add(metrics.CLOSED, len(ending), receiver=self._settings.id)
        told = [str(place) for place in places]
        self._settings.log.info("partitions revoked", receiver=self._settings.id, partitions=told, lost=lost)
        return [] if lost else [offset for offset in offsets if offset is not None]

    async def _finish(self, partition: Partition, task: asyncio.Task[None], grace: float) -> TopicPartition | None:
        offset = await partition.finish(grace)
        task.cancel()
        await asyncio.wait([task])
        self._settings.metrics.set(metrics.LAG, 0, **partition.labels)
        return offset

    def received(self, messages: Sequence[Message]) -> None:
        unheld: set[Place] = set()
        for message in messages:
            place = Place(message.topic() or "", message.partition() or 0)
            held = self._partitions.get(place)
            if (error := message.error()) is None:
                if held is not None:
                    held[0].add(message)
                else:
                    unheld.add(place)
            elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - the library's public name of it
                if held is not None:
                    held[0].reached(message.offset() or 0)
            else:
                self._unreadable(place, error)
        for place in unheld:
            if self._topics.kind(place.topic) is None:
                self._pause(place)  # excluded for its signal, which the library cannot know

    def _unreadable(self, place: Place, error: KafkaError) -> None:
        kind = self._topics.kind(place.topic)
        if kind is None or not kind.is_retry:
            if error.code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
                self._missing.add(place.topic)
            self._troubled = True
            self._settings.log.warning("a topic cannot be read", topic=place.topic, reason=error.str())
            self._settings.report(State.DEGRADED, f"{place.topic}: {error.str()}")

    def trouble(self, error: KafkaError) -> None:
        self._troubled = True
        if without_token(error):
            self._no_token = error
        reason = unreachable(error, self._config, self._no_token)
        self._settings.report(State.FAILED if isinstance(reason, Fatal) else State.DEGRADED, str(reason))

    async def _commit(self, offset: TopicPartition) -> None:
        if self._feed is not None:
            await self._feed.commit(offset)

    async def _write(self, letters: Sequence[Letter], offset: TopicPartition) -> None:
        if self._feed is None:
            return
        found = await asyncio.to_thread(records, letters, self._topics, self._settings.clock.now_ns())
        made = await self._mail.send(found, offset, await self._feed.group())
        for record in found:
            self._settings.metrics.add(metrics.LETTERS, receiver=self._settings.id, topic=record.topic)
        if made:
            await self._feed.refresh()

    def _pause(self, place: Place) -> None:
        if self._feed is not None:
            self._feed.pause(place)

    def _resume(self, place: Place) -> None:
        if self._feed is not None:
            self._feed.resume(place)

    async def _watch(self, feed: Feed) -> None:
        """Measure lag, and look for topics that were not there."""
        while not self._ended.is_set() and not feed.broken:
            if self._missing or self._troubled:
                await self._look_again(feed)
            for partition, _ in list(self._partitions.values()):
                await self._measure(feed, partition)
            with suppress(TimeoutError):
                async with asyncio.timeout(_WATCH_INTERVAL):
                    await self._ended.wait()

    async def _look_again(self, feed: Feed) -> None:
        try:
            self._missing -= await feed.refresh()
        except Retryable:
            return
        if self._troubled and not self._missing:
            self._troubled = False
            self._settings.report(State.OK)

    async def _measure(self, feed: Feed, partition: Partition) -> None:
        end = await feed.end(partition.place, ask=partition.paused)
        position = partition.position
        if end is not None and position is not None:
            self._settings.metrics.set(metrics.LAG, max(end - position, 0), **partition.labels)
