"""The consumer of the client library on a thread of its own: what it says is told to a `Member` on the event loop.

The library lets one thread at a time into a consumer, and does not queue fairly: everything that is wanted of it is
put into a queue, and done by its own thread between two looks for records.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, Protocol, TypeVar

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from collector.api import Fatal, Logger, Retryable
from collector.receivers.kafka.cuts import Place
from exporters.kafka.errors import cause

T = TypeVar("T")

_POLL = 0.005
_POLL_IDLE = 0.1
_IDLE_AFTER = 200
"""Looks in vain after which the next ones may take longer."""

_AT_ONCE = 256
_MOST_POSTED = 4
_WATERMARKS = 2.0


class Member(Protocol):
    """A member of a consumer group. Everything is called on the event loop."""

    async def assigned(self, committed: Sequence[TopicPartition]) -> None:
        """Take partitions over; each has its committed offset and metadata."""

    async def revoked(self, places: Sequence[Place], *, lost: bool) -> list[TopicPartition]:
        """Give partitions back and return what is to be committed for them; `lost` ones belong to others already."""

    def received(self, messages: Sequence[Message]) -> None:
        """Take records, and the ends of partitions."""

    def trouble(self, error: KafkaError) -> None:
        """Take notice of something that the library cannot mend by itself."""


class Feed:
    """Reads and commits for one member. Raises `Fatal` for properties that the library does not take."""

    def __init__(self, properties: Mapping[str, Any], topics: Sequence[str], member: Member, log: Logger) -> None:
        self._topics = list(topics)
        self._member = member
        self._log = log
        self._loop = asyncio.get_running_loop()
        self._posted = threading.Semaphore(_MOST_POSTED)
        self._ending = threading.Event()
        self._work: deque[Callable[[], None]] = deque()
        self._offsets: deque[tuple[TopicPartition, asyncio.Future[None]]] = deque()
        self._vain = 0
        self._closed = False
        self.broken = ""
        """Why nothing can be read any more, if that is so."""
        try:
            self._consumer = Consumer({**properties, "error_cb": self._trouble})
        except (KafkaException, ValueError, TypeError) as error:
            raise Fatal(f"the Kafka client cannot be set up: {_words(error)}") from error
        self._thread = threading.Thread(target=self._run, name="kafka-consumer", daemon=True)

    def start(self) -> None:
        """Join the group, unless it was stopped before that."""
        if not self._ending.is_set():
            self._thread.start()

    async def stop(self) -> None:
        """Give everything back and leave the group."""
        self._ending.set()
        if self._thread.ident is None:
            await asyncio.to_thread(self._close)
        else:
            await asyncio.to_thread(self._thread.join)

    def _run(self) -> None:
        try:
            self._consumer.subscribe(
                self._topics, on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._lost
            )
            while not self._ending.is_set() and not self.broken:
                self._serve()
                self._read()
        except Exception as error:  # noqa: BLE001 - whatever it is, the receiver must learn that nobody reads any more
            self.broken = f"{type(error).__name__}: {error}"
        finally:
            self._close()

    def _close(self) -> None:
        try:
            self._consumer.close()
        except (KafkaException, RuntimeError) as error:
            self._log.warning("a consumer did not leave its group in order", reason=_words(error))
        self._closed = True
        self._serve()

    def _read(self) -> None:
        try:
            first = self._consumer.poll(_POLL_IDLE if self._vain > _IDLE_AFTER else _POLL)
            if first is None:
                self._vain += 1
                return
            messages = [first, *self._consumer.consume(_AT_ONCE, 0)]
        except KafkaException as error:
            self._trouble(cause(error))
            self._ending.wait(_POLL_IDLE)
            return
        self._vain = 0
        while not self._posted.acquire(timeout=_POLL):
            self._serve()
            if self._ending.is_set():
                return
        self._loop.call_soon_threadsafe(self._post, messages)

    def _serve(self) -> None:
        """Do what is wanted."""
        while self._work:
            self._vain = 0
            self._work.popleft()()
        waiting = [self._offsets.popleft() for _ in range(len(self._offsets))]
        if waiting:
            self._vain = 0
            self._commit(waiting)

    def _commit(self, waiting: Sequence[tuple[TopicPartition, asyncio.Future[None]]]) -> None:
        errors: dict[Place, str] = {}
        try:
            done = self._consumer.commit(offsets=[offset for offset, _ in waiting], asynchronous=False)
            errors = {_place(part): part.error.str() for part in done if part.error is not None}
        except (KafkaException, RuntimeError) as error:
            errors = dict.fromkeys((_place(offset) for offset, _ in waiting), _words(error))
        for offset, future in waiting:
            words = errors.get(_place(offset))
            failure = Retryable(f"the offset was not committed: {words}") if words else None
            self._loop.call_soon_threadsafe(_settle, future, None, failure)

    async def _do(self, act: Callable[[], T]) -> T:
        """Return what `act` returns on the consumer's thread. Raises `Retryable`."""
        future: asyncio.Future[T] = self._loop.create_future()

        def work() -> None:
            try:
                result = act()
            except (KafkaException, RuntimeError) as error:
                self._loop.call_soon_threadsafe(_settle, future, None, Retryable(_words(error)))
            else:
                self._loop.call_soon_threadsafe(_settle, future, result, None)

        self._work.append(work)
        if self._closed:
            self._serve()
        return await future

    def _post(self, messages: Sequence[Message]) -> None:
        self._posted.release()
        self._member.received(messages)

    def _ask(self, work: Coroutine[Any, Any, T]) -> T:
        """Return what the member answers, and do meanwhile what it wants for that."""
        answer = asyncio.run_coroutine_threadsafe(work, self._loop)
        while True:
            self._serve()
            try:
                return answer.result(_POLL)
            except TimeoutError:
                continue

    def _assigned(self, consumer: Consumer, partitions: Sequence[TopicPartition]) -> None:
        committed: list[TopicPartition] = []
        while partitions and not committed and not self._ending.is_set():
            try:
                committed = consumer.committed(list(partitions), timeout=5)
            except KafkaException as error:
                self._trouble(cause(error))
        self._ask(self._member.assigned(committed))
        for place in _places(partitions):
            self.resume(place)  # the library may remember that it was paused before it was lost

    def _revoked(self, consumer: Consumer, partitions: Sequence[TopicPartition]) -> None:
        offsets = self._ask(self._member.revoked(_places(partitions), lost=False))
        if offsets:
            try:
                consumer.commit(offsets=offsets, asynchronous=False)
            except KafkaException as error:
                self._log.warning("the last offsets were not committed; their records come again", reason=str(error))

    def _lost(self, _consumer: Consumer, partitions: Sequence[TopicPartition]) -> None:
        self._ask(self._member.revoked(_places(partitions), lost=True))

    def _trouble(self, error: KafkaError) -> None:
        if error.fatal():
            self.broken = error.str()
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._member.trouble, error)

    async def commit(self, offset: TopicPartition) -> None:
        """Commit one offset, together with others that come at the same time. Raises `Retryable`."""
        future: asyncio.Future[None] = self._loop.create_future()
        self._offsets.append((offset, future))
        if self._closed:
            self._serve()
        await future

    def pause(self, place: Place) -> None:
        """Read no more of a partition."""
        self._work.append(lambda: self._flow(self._consumer.pause, place))

    def resume(self, place: Place) -> None:
        """Read on."""
        self._work.append(lambda: self._flow(self._consumer.resume, place))

    def _flow(self, act: Callable[[list[TopicPartition]], None], place: Place) -> None:
        try:
            act([TopicPartition(place.topic, place.partition)])
        except (KafkaException, RuntimeError) as error:
            self._log.info("a partition could not be paused or resumed", place=str(place), reason=_words(error))

    async def end(self, place: Place, *, ask: bool) -> int | None:
        """Return the end offset of a partition as last seen, or as a broker says when asked; None if unknown."""
        part = TopicPartition(place.topic, place.partition)
        try:
            found = await self._do(
                lambda: self._consumer.get_watermark_offsets(part, timeout=_WATERMARKS, cached=not ask)
            )
        except Retryable:
            return None
        return found[1] if found and found[1] >= 0 else None

    async def refresh(self) -> set[str]:
        """Look for topics that were created lately and return all there are. Raises `Retryable`."""
        found = await self._do(lambda: self._consumer.list_topics(timeout=5))
        return set(found.topics)

    async def group(self) -> Any:
        """Return what a transaction needs to know of our membership. Raises `Retryable`."""
        return await self._do(self._consumer.consumer_group_metadata)


def _settle(future: asyncio.Future[Any], result: Any, error: Exception | None) -> None:
    if future.done():
        return
    if error is not None:
        future.set_exception(error)
    else:
        future.set_result(result)


def _words(error: Exception) -> str:
    return cause(error).str() if isinstance(error, KafkaException) else str(error)


def _place(part: TopicPartition) -> Place:
    return Place(part.topic, part.partition)


def _places(partitions: Sequence[TopicPartition]) -> list[Place]:
    return [_place(part) for part in partitions]
