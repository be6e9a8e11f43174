"""Appends batches to Kafka topics: the bytes as they came, wherever nobody has to look into them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from confluent_kafka import KafkaError

from collector.api import Batch, Delivery, Fatal, Metric, OtteryError, Permanent, Retryable, Settings
from collector.wire.codec import codec
from exporters.kafka.config import KafkaConfig
from exporters.kafka.errors import TooLargeRecord, classify, unreachable
from exporters.kafka.pack import Packer
from exporters.kafka.producer import AsyncProducer, Record, Report
from exporters.kafka.route import Part, Router

RECORDS = Metric(
    "otelcol_kafka_exporter_records",
    "counter",
    ("exporter", "topic", "outcome"),
    "Records by what the brokers said: success or failure; a failed one is sent again.",
)
BYTES = Metric(
    "otelcol_kafka_exporter_bytes_uncompressed",
    "counter",
    ("exporter", "topic"),
    "Bytes of records before compression.",
)
LATENCY = Metric(
    "otelcol_kafka_exporter_write_latency_seconds",
    "histogram",
    ("exporter",),
    "Seconds from handing a record over until the brokers have it.",
    (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
)

_OVERHEAD = 512
"""Bytes that a record has beside its value, key and headers, with room to spare."""
_LOOK_IN_A_THREAD = 1 << 20
_SHARE_OF_TIMEOUT = 0.95
"""Part of an attempt's time after which it says itself what is missing, rather than be cut off without a word."""


@dataclass(frozen=True, slots=True)
class Share:
    """A record under a name that is the same at every attempt. `rows` tells the numbers of its rows in the batch."""

    name: str
    record: Record
    rows: Callable[[], list[int]]


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
        self._under_way: dict[str, asyncio.Future[Report]] = {}
        self._fixed = tuple((name, value.encode()) for name, value in config.record_headers.items())

    async def start(self) -> None:
        """Make the producer. Raises `Fatal` for a file that cannot be read or a property that the library refuses."""
        self._config.check_files()
        self._producer.start()

    async def stop(self) -> None:
        await self._producer.stop()

    async def push(self, delivery: Delivery) -> None:
        batch = delivery.batch
        config = self._config.of(batch.signal)
        heavy = config.encoding == "otlp_json" or self._router.looks_inside(batch) or batch.size > _LOOK_IN_A_THREAD
        shares = await asyncio.to_thread(self._shares, delivery) if heavy else self._shares(delivery)
        if refused := await self._deliver(delivery, shares):
            raise await asyncio.to_thread(_refusal, batch, refused)

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
                    (Record(part.topic, value, part.key, headers), partial(_rows, part, values, index))
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

    async def _deliver(self, delivery: Delivery, shares: Sequence[Share]) -> list[tuple[Share, Permanent]]:
        """Send what is not there yet, wait for the brokers' word on all of it, and return what they refuse for good."""
        waiting = [
            (share, self._send(delivery, share.name, share.record))
            for share in shares
            if share.name not in delivery.done
        ]
        if not waiting:
            return []
        patience = self._config.timeout * _SHARE_OF_TIMEOUT or None
        _, late = await asyncio.wait([report for _, report in waiting], timeout=patience)
        if late:
            raise self._unanswered(len(late))
        refused: list[tuple[Share, Permanent]] = []
        errors: list[OtteryError] = []
        for share, report in waiting:
            if (error := report.result().error) is None:
                continue
            failure = self._failure(error, share.record.topic)
            if isinstance(failure, TooLargeRecord) and (halves := _halves(delivery.batch, share)):
                parts = await self._deliver(delivery, halves)
                refused += parts
                if not parts:
                    delivery.done.add(share.name)
            elif isinstance(failure, Permanent):
                refused.append((share, failure))
            else:
                errors.append(failure)
        if errors:
            raise min(errors, key=_urgency)
        return refused

    def _failure(self, error: KafkaError, topic: str) -> OtteryError:
        """Return what an error means, with its cause where it only says that time has run out."""
        late = error.code() == KafkaError._MSG_TIMED_OUT  # noqa: SLF001 - the library's public name of its own error
        if late and (trouble := self._producer.trouble) is not None:
            return unreachable(trouble, self._config)
        return classify(error, topic)

    def _unanswered(self, records: int) -> OtteryError:
        """Say why reports are missing. Their records stay under way, and the next attempt waits for them."""
        if (trouble := self._producer.trouble) is not None:
            return unreachable(trouble, self._config)
        brokers = ", ".join(self._config.brokers)
        return Retryable(f"{brokers}: no word on {records} records yet", kind="timeout")

    def _send(self, delivery: Delivery, name: str, record: Record) -> asyncio.Future[Report]:
        known = f"{delivery.token}#{name}"
        if (report := self._under_way.get(known)) is None:
            report = self._producer.send(record)
            self._under_way[known] = report
            report.add_done_callback(partial(self._reported, delivery, name, record))
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


def _rows(part: Part, values: Sequence[bytes], index: int) -> list[int]:
    """Return the numbers in the whole batch of the rows that one of a part's values holds: they lie there in order."""
    before = sum(_read(part.batch, value).columns.num_rows for value in values[:index])
    count = _read(part.batch, values[index]).columns.num_rows
    return part.numbers(list(range(before, before + count)))


def _read(batch: Batch, value: bytes) -> Batch:
    """Return what a record's value holds."""
    wire = codec()
    json = value.startswith(b"{")
    request = wire.twin.json_to_proto(batch.signal, value, wire.limits) if json else value
    return Batch(batch.signal, wire, requests=(request,), items=0)


def _refusal(batch: Batch, refused: Sequence[tuple[Share, Permanent]]) -> Permanent:
    """Return one refusal for all. It names rows only where the brokers have others: those must not be sent again."""
    first = refused[0][1]
    rows = sorted(row for share, _ in refused for row in share.rows())
    if len(rows) == batch.columns.num_rows:
        return first
    return Permanent(first.reason, rows=rows, kind=first.kind, rest_stored=True)


def _halves(batch: Batch, share: Share) -> list[Share]:
    """Return a record that a broker found too large in two, or nothing where it holds one item."""
    wire, record = codec(), share.record
    json = record.value.startswith(b"{")
    whole = _read(batch, record.value)
    count = whole.columns.num_rows
    middle = count // 2
    if not middle:
        return []
    halves: list[Share] = []
    for start, end in ((0, middle), (middle, count)):
        half = whole.slice(start, end - start).otlp
        value = wire.to_json(batch.signal, half) if json else half
        smaller = Record(record.topic, value, record.key, record.headers)
        halves.append(Share(f"{share.name}.{len(halves)}", smaller, partial(_some, share, start, end)))
    return halves


def _some(share: Share, start: int, end: int) -> list[int]:
    return share.rows()[start:end]


def _urgency(error: OtteryError) -> int:
    """Order what went wrong: what an operator must mend before what may pass."""
    return 0 if isinstance(error, Fatal) else 1
