"""Appends batches to Kafka topics: the bytes as they came, wherever nobody has to look into them."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial

from confluent_kafka import KafkaError

from collector.api import Delivery, Fatal, OtteryError, Permanent, Retryable, Settings
from exporters.kafka.config import KafkaConfig
from exporters.kafka.errors import TooLargeRecord, classify, unreachable
from exporters.kafka.metrics import BYTES, LATENCY, RECORDS
from exporters.kafka.pack import Packer
from exporters.kafka.producer import AsyncProducer, Record, Report
from exporters.kafka.route import Part, Router
from exporters.kafka.shares import Refused, Share, parted, refusal

_OVERHEAD = 512
"""Bytes that a record has beside its value, key and headers, with room to spare."""
_LOOK_IN_A_THREAD = 1 << 20
_ONE_BY_ONE = {"batch.num.messages": 1, "linger.ms": 0, "max.in.flight": 1, "retry.backoff.ms": 10}
"""Properties under which no record is written with another, and none waits long because another was refused."""
_MOST_IN_VAIN = 64
"""Records that a topic refuses in a row while a refused one is taken apart, after which it is the topic, not the rows."""
_MOST_TOO_LARGE = 1024
"""The same where they are too large: smaller ones have better chances."""
_SHARE_OF_TIMEOUT = 0.95
"""Part of an attempt's time after which it says itself what is missing, rather than be cut off without a word."""


class KafkaExporter:
    """Writes traces, metrics and logs.

    A record under way stays under way when an attempt ends: the next attempt waits for the same report, so that a
    slow broker is never sent the same rows twice.
    """

    def __init__(self, config: KafkaConfig, settings: Settings) -> None:
        self._config = config
        self._settings = settings
        self._router = Router(config)
        self._producer = AsyncProducer(config.properties(settings.log))
        self._alone: AsyncProducer | None = None
        self._under_way: dict[str, asyncio.Future[Report]] = {}
        self._fixed = tuple((name, value.encode()) for name, value in config.record_headers.items())

    async def start(self) -> None:
        """Make the producer. Raises `Fatal` for a file that cannot be read or a property that the library refuses."""
        self._config.check_files()
        self._producer.start()

    async def stop(self) -> None:
        await self._producer.stop()
        if self._alone is not None:
            await self._alone.stop()
            self._alone = None

    async def push(self, delivery: Delivery) -> None:
        batch = delivery.batch
        config = self._config.of(batch.signal)
        heavy = config.encoding == "otlp_json" or self._router.looks_inside(batch) or batch.size > _LOOK_IN_A_THREAD
        shares = await asyncio.to_thread(self._shares, delivery) if heavy else self._shares(delivery)
        refused = await self._deliver(delivery, shares, self._producer)
        if refused and (left := await self._isolate(delivery, refused)):
            delivery.refused.clear()  # whoever asks once more wants a new answer
            raise await asyncio.to_thread(refusal, batch, left)

    def _shares(self, delivery: Delivery) -> list[Share]:
        """Return the records of a delivery.

        Raises `Permanent` naming the rows that no record may hold; nothing was sent then.
        """
        batch = delivery.batch
        headers = self._headers(delivery)
        room = _OVERHEAD + sum(len(name) + len(value) for name, value in headers)
        found: list[tuple[Record, Callable[[], list[int]]]] = []
        refused: list[Permanent] = []
        for part in self._router.parts(batch):
            limit = self._config.producer.max_message_bytes - room - len(part.key or b"")
            try:
                values = Packer(self._config.of(batch.signal).encoding, limit).pack(part.batch)
            except Permanent as error:
                refused.append(_renumbered(error, part))
            else:
                found += [
                    (Record(part.topic, value, part.key, headers), partial(parted, part, values, index))
                    for index, value in enumerate(values)
                ]
        if refused:
            rows = sorted(row for error in refused for row in error.rows or ())
            raise Permanent(refused[0].reason, rows=rows, kind=refused[0].kind)
        return [Share(str(number), record, rows) for number, (record, rows) in enumerate(found)]

    def _headers(self, delivery: Delivery) -> tuple[tuple[str, bytes], ...]:
        batch = delivery.batch
        metadata = batch.context.metadata
        along = [
            (key, value.encode())
            for key in self._config.include_metadata_keys
            for value in metadata.get(key.lower(), ())
        ]
        own = (("signal", batch.signal.value.encode()), ("token", delivery.token.encode()))
        return (*self._fixed, *along, *own)

    async def _deliver(self, delivery: Delivery, shares: Sequence[Share], way: AsyncProducer) -> Refused:
        """Send what has no answer yet, wait for the brokers' word on all of it, and return what they refuse for good."""
        settled = delivery.done | delivery.refused.keys()
        waiting = [(share, self._send(delivery, share, way)) for share in shares if share.name not in settled]
        patience = self._config.timeout * _SHARE_OF_TIMEOUT or None
        _, late = await asyncio.wait([r for _, r in waiting], timeout=patience) if waiting else (None, None)
        if late:
            raise self._unanswered(len(late), way)
        errors: list[OtteryError] = []
        for share, report in waiting:
            if (error := report.result().error) is None:
                continue
            failure = self._failure(error, share.record.topic, way)
            if isinstance(failure, Permanent):
                delivery.refused[share.name] = failure
            else:
                errors.append(failure)
        if errors:
            raise min(errors, key=_urgency)
        return [(share, delivery.refused[share.name]) for share in shares if share.name in delivery.refused]

    async def _isolate(self, delivery: Delivery, refused: Refused) -> Refused:
        """Send refused records again, each on its own and then in halves, and return what is refused then.

        On its own first: the brokers judge records that travel together as one. It ends at single rows, or where a
        topic has taken nothing for so long that the rest will not fare better.
        """
        for topic in {share.record.topic for share, error in refused if isinstance(error, TooLargeRecord)}:
            self._settings.log.warning("a topic's max.message.bytes is below producer.max_message_bytes", topic=topic)
        left: list[tuple[Share, Permanent]] = []
        in_vain: Counter[str] = Counter()
        level = [share.again() for share, _ in refused]
        while level:
            answers = await self._deliver(delivery, level, self._one_by_one())
            asked, denied = _by_topic(level), _by_topic([share for share, _ in answers])
            for topic in asked:
                in_vain[topic] = in_vain[topic] + denied[topic] if denied[topic] == asked[topic] else 0
            level = []
            for share, error in answers:
                hopeless = in_vain[share.record.topic] >= _most_in_vain(error)
                halves = () if hopeless else await asyncio.to_thread(share.halves, delivery.batch)
                level += halves
                left += () if halves else ((share, error),)
        return left

    def _one_by_one(self) -> AsyncProducer:
        """Return a producer that writes each record on its own, begun when it is first needed."""
        if self._alone is None:
            self._alone = AsyncProducer(self._config.properties(self._settings.log) | _ONE_BY_ONE)
            self._alone.start()
        return self._alone

    def _failure(self, error: KafkaError, topic: str, way: AsyncProducer) -> OtteryError:
        """Return what an error means, with its cause where it only says that time has run out."""
        late = error.code() == KafkaError._MSG_TIMED_OUT  # noqa: SLF001 - the library's public name of its own error
        if late and (trouble := way.trouble) is not None:
            return unreachable(trouble, self._config, way.no_token)
        return classify(error, topic)

    def _unanswered(self, records: int, way: AsyncProducer) -> OtteryError:
        """Say why reports are missing. Their records stay under way, and the next attempt waits for them."""
        if (trouble := way.trouble) is not None:
            return unreachable(trouble, self._config, way.no_token)
        brokers = ", ".join(self._config.brokers)
        return Retryable(f"{brokers}: no word on {records} records yet", kind="timeout")

    def _send(self, delivery: Delivery, share: Share, way: AsyncProducer) -> asyncio.Future[Report]:
        known = f"{delivery.token}#{share.name}"
        if (report := self._under_way.get(known)) is None:
            report = way.send(share.record)
            self._under_way[known] = report
            report.add_done_callback(partial(self._reported, delivery, share.name, share.record))
        return report

    def _reported(self, delivery: Delivery, name: str, record: Record, done: asyncio.Future[Report]) -> None:
        del self._under_way[f"{delivery.token}#{name}"]
        metrics, exporter = self._settings.metrics, self._settings.id
        report = done.result()
        outcome = "failure" if report.error else "success"
        metrics.add(RECORDS, exporter=exporter, topic=record.topic, outcome=outcome)
        if report.error is None:
            delivery.done.add(name)
            metrics.add(BYTES, len(record.value), exporter=exporter, topic=record.topic)
            metrics.observe(LATENCY, report.latency, exporter=exporter)


def _renumbered(error: Permanent, part: Part) -> Permanent:
    """Return the refusal with the rows' numbers in the whole batch."""
    return Permanent(error.reason, rows=part.numbers(error.rows or []), kind=error.kind)


def _urgency(error: OtteryError) -> int:
    """Order what went wrong: what an operator must mend before what may pass."""
    return 0 if isinstance(error, Fatal) else 1


def _most_in_vain(error: Permanent) -> int:
    return _MOST_TOO_LARGE if isinstance(error, TooLargeRecord) else _MOST_IN_VAIN


def _by_topic(shares: Sequence[Share]) -> Counter[str]:
    return Counter(share.record.topic for share in shares)
