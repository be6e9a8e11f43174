"""A producer for asyncio: records go in on the loop, and the broker's word comes back as a future."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from collector.api import Fatal, Retryable
from exporters.kafka.errors import TooLargeRecord, cause, classify, without_token

_POLL = 0.5
_STOP_LIMIT = 5.0

Headers = Sequence[tuple[str, bytes]]


@dataclass(frozen=True, slots=True)
class Record:
    """What is appended to a topic. `partition` -1 leaves the choice to the key, or to chance."""

    topic: str
    value: bytes
    key: bytes | None = None
    headers: Headers = ()
    partition: int = -1


@dataclass(frozen=True, slots=True)
class Report:
    """The broker's word on one record; `latency` is in seconds."""

    error: KafkaError | None
    latency: float


class AsyncProducer:
    """The library's producer with a thread that waits for its reports.

    The library sends again by itself, under sequence numbers that make the broker drop repetitions. A fatal error
    (the broker has forgotten the producer) ends its life; the next `send` begins a new one.
    """

    def __init__(self, properties: Mapping[str, Any]) -> None:
        self._properties = dict(properties)
        self._producer: Producer | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._ending = threading.Event()
        self._reports: list[tuple[asyncio.Future[Report], Report]] = []
        self.trouble: KafkaError | None = None
        """Why brokers cannot be reached, as long as none has answered since."""
        self.no_token: KafkaError | None = None
        """Why there was no token when one was asked for the last time in vain."""

    def start(self) -> None:
        """Begin. Raises `Fatal` for properties that the library does not take; nothing is asked of a broker."""
        self._loop = asyncio.get_running_loop()
        self._ending.clear()
        self._producer = self._make()
        self._thread = threading.Thread(target=self._listen, name="kafka-reports", daemon=True)
        self._thread.start()

    def _make(self) -> Producer:
        try:
            return Producer({**self._properties, "error_cb": self._troubled})
        except (KafkaException, ValueError, TypeError) as error:
            raise Fatal(f"the Kafka client cannot be set up: {_words(error)}") from error

    async def stop(self) -> None:
        """Wait a little for what is under way, then let go of it."""
        thread, self._thread = self._thread, None
        producer, self._producer = self._producer, None
        if thread is None or producer is None:
            return
        await asyncio.to_thread(self._end, producer, thread)
        _settle(self._reports)
        self._reports = []

    def _end(self, producer: Producer, thread: threading.Thread) -> None:
        producer.flush(_STOP_LIMIT if self.trouble is None else 0.1)
        producer.purge()
        producer.flush(1.0)
        self._ending.set()
        thread.join(_STOP_LIMIT)

    def send(self, record: Record) -> asyncio.Future[Report]:
        """Hand a record over. The future is never an exception: the report says what went wrong.

        Raises `Retryable` when too much is under way.
        """
        if self._producer is None or self._loop is None:
            raise Retryable("the producer is stopped")
        report: asyncio.Future[Report] = self._loop.create_future()
        try:
            self._producer.produce(
                record.topic,
                record.value,
                record.key,
                partition=record.partition,
                headers=list(record.headers),
                on_delivery=partial(self._reported, report),
            )
        except BufferError as error:
            raise Retryable("too much is under way to Kafka", kind="queue_full") from error
        except KafkaException as error:
            found = cause(error)
            if found.code() == KafkaError._FATAL:  # noqa: SLF001 - the library's public name of its own error
                self._begin_anew()
            failure = classify(found, record.topic)
            if not isinstance(failure, TooLargeRecord):
                raise failure from error
            report.set_result(Report(found, 0.0))
        return report

    def _begin_anew(self) -> None:
        old, self._producer = self._producer, self._make()
        if old is not None:
            old.purge()
            old.flush(0)

    def _troubled(self, error: KafkaError) -> None:
        if without_token(error):
            self.no_token = error
        # That all brokers are down comes last, and does not say why.
        if self.trouble is None or error.code() != KafkaError._ALL_BROKERS_DOWN:  # noqa: SLF001 - the library's public name
            self.trouble = error

    def _reported(self, future: asyncio.Future[Report], error: KafkaError | None, message: Message) -> None:
        if error is None:
            self.trouble = None
        self._reports.append((future, Report(error, message.latency() or 0.0)))

    def _listen(self) -> None:
        """Wait for reports, on a thread: one wake-up of the loop for all that came together."""
        while not self._ending.is_set():
            if (producer := self._producer) is not None:
                producer.poll(_POLL)
            else:
                self._ending.wait(_POLL)
            reports, self._reports = self._reports, []
            if reports and self._loop is not None and not self._loop.is_closed():
                self._loop.call_soon_threadsafe(_settle, reports)


def _settle(reports: Sequence[tuple[asyncio.Future[Report], Report]]) -> None:
    for future, report in reports:
        if not future.done():
            future.set_result(report)


def _words(error: Exception) -> str:
    return cause(error).str() if isinstance(error, KafkaException) else str(error)
