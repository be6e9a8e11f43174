"""Pushes batches to ClickHouse, one insert a table and day, as Arrow columns."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import Any

import pyarrow as pa
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError

from collector.api import Delivery, OtteryError, Settings, State
from collector.wire.clickhouse import Part, Rows, convert, parts
from exporters.clickhouse import tables
from exporters.clickhouse.config import ClickHouseConfig
from exporters.clickhouse.errors import TooMuch, classify, concerns_schema
from exporters.clickhouse.store import Store, open_store, session_settings

_ATTEMPTS_WHOLE = 3
"""Attempts to insert a part whole before a server short of memory gets it in halves."""


class ClickHouseExporter:
    """Writes traces, logs and metrics. Calls that block, and the conversion, run on threads of its own.

    Nothing is asked of the server at construction or by `start`; the first contact makes the tables, and
    whatever that contact failed to learn is asked again by the next.
    """

    def __init__(self, config: ClickHouseConfig, settings: Settings) -> None:
        self._config = config
        self._settings = settings
        self._schema = config.schema_options
        self._store: Store = open_store(config)
        self._threads = ThreadPoolExecutor(config.sending_queue.num_consumers, thread_name_prefix=settings.id)
        self._preparing = Lock()
        self._layouts: tables.Layouts | None = None
        self._insert_settings = _insert_settings(config)

    async def start(self) -> None:
        for note in self._config.target.notes:
            self._settings.log.warning(note)
        self._threads.submit(self._first_contact)

    async def stop(self) -> None:
        await asyncio.to_thread(self._close)

    async def push(self, delivery: Delivery) -> None:
        await asyncio.get_running_loop().run_in_executor(self._threads, self._send, delivery)

    def _close(self) -> None:
        self._threads.shutdown(wait=True, cancel_futures=True)
        self._store.close()

    def _first_contact(self) -> None:
        try:
            self._store.run(self._prepare)
        except ClickHouseError as error:
            self._settings.report(State.DEGRADED, str(classify(error)))
        else:
            self._settings.report(State.OK)

    def _prepare(self, client: Client) -> tables.Layouts:
        """Return the tables as they are on the server, made first where they are missing."""
        with self._preparing:
            if self._layouts is None:
                if self._config.create_schema:
                    tables.create(client, self._schema)
                layouts = tables.describe(client, self._schema)
                tables.warn_of_duplicates(client, self._schema, self._settings.log)
                self._layouts = layouts
            return self._layouts

    def _send(self, delivery: Delivery) -> None:
        """Insert what is left to insert of a delivery. Raises `Retryable`, `Permanent` or `Fatal`."""
        batch = delivery.batch
        for part in parts(batch.signal, batch.columns, batch.context.received_at):
            self._send_part(part, delivery)

    def _send_part(self, part: Part, delivery: Delivery) -> None:
        if part.name in delivery.done:
            return
        try:
            self._insert(part, delivery.token)
        except TooMuch as error:
            patient = error.kind == "memory" and delivery.attempt < _ATTEMPTS_WHOLE
            if patient or part.rows.batch.num_rows == 1:
                raise
            for half in _halves(part):
                self._send_part(half, delivery)
        delivery.done.add(part.name)

    def _insert(self, part: Part, token: str) -> None:
        settings = {"insert_deduplication_token": f"{token}:{part.name}", **self._insert_settings}
        try:
            self._store.run(lambda client: self._insert_with(client, part, settings))
        except ClickHouseError as error:
            if concerns_schema(error):
                self._layouts = None
            failure: OtteryError = classify(error)
            raise failure from error

    def _insert_with(self, client: Client, part: Part, settings: dict[str, Any]) -> None:
        layout = self._prepare(client)[part.kind]
        columns = convert(part, layout)
        compression = "none" if self._config.target.path else self._config.compress
        client.raw_insert(
            tables.qualified(self._schema, part.kind),
            column_names=columns.schema.names,
            insert_block=_compressed(_arrow_stream(columns), compression),
            settings=settings,
            fmt="ArrowStream",
            compression=None if compression == "none" else compression,
        )


def _insert_settings(config: ClickHouseConfig) -> dict[str, Any]:
    asynchronous = int(config.async_insert)
    settings = {
        "deduplicate_blocks_in_dependent_materialized_views": 1,
        "async_insert": asynchronous,
        "wait_for_async_insert": 1,
        "async_insert_deduplicate": asynchronous,
    }
    return settings | session_settings(config.target.params)


def _halves(part: Part) -> Iterator[Part]:
    rows, middle = part.rows, part.rows.batch.num_rows // 2
    yield Part(part.kind, f"{part.name}.0", Rows(rows.batch.slice(0, middle), rows.times[:middle]))
    yield Part(part.kind, f"{part.name}.1", Rows(rows.batch.slice(middle), rows.times[middle:]))


def _arrow_stream(columns: pa.RecordBatch) -> pa.Buffer:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, columns.schema) as writer:
        writer.write_batch(columns)
    return sink.getvalue()


def _compressed(body: pa.Buffer, method: str) -> bytes:
    """Return the body as a Content-Encoding names it: lz4 is its frame format, deflate is zlib's."""
    if method == "none":
        return bytes(body)
    if method == "deflate":
        return zlib.compress(body, 1)
    codec = {"br": "brotli"}.get(method, method)
    level = {"br": 1, "gzip": 1, "zstd": 1}.get(method)
    compressed: bytes = pa.Codec(codec, compression_level=level).compress(body, asbytes=True)
    return compressed
