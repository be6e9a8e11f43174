"""Pushes batches to ClickHouse, one insert a table and day, as columns."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Event, Thread

from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError

from collector.api import Delivery, Fatal, OtteryError, Permanent, Settings, Signal, State
from collector.wire.clickhouse_native import AnyPart, inserts
from exporters.clickhouse.body import insert_body
from exporters.clickhouse.config import ClickHouseConfig
from exporters.clickhouse.errors import TooMuch, classify, concerns_schema
from exporters.clickhouse.refusals import Refusals
from exporters.clickhouse.store import Store, open_store
from exporters.clickhouse.tables import Tables

_ATTEMPTS_WHOLE = 3
"""Attempts to insert a part whole before a server short of memory gets it in halves."""

_FIRST_WAIT, _LONGEST_WAIT = 0.5, 30.0
"""Seconds between attempts to reach a server that was down at the start."""


class ClickHouseExporter:
    """Writes traces, logs and metrics. Calls that block, and the conversion, run on threads of its own.

    Nothing is asked of the server at construction. From `start` on it is tried until the tables are made, and
    meanwhile every push tries as well.
    """

    def __init__(self, config: ClickHouseConfig, settings: Settings) -> None:
        self._config = config
        self._settings = settings
        self._tables = Tables(config.schema_options, settings.log, create=config.create_schema)
        self._store: Store = open_store(config)
        self._threads = ThreadPoolExecutor(config.sending_queue.num_consumers, thread_name_prefix=settings.id)
        self._attempts: dict[tuple[Signal, str], asyncio.Future[None]] = {}
        self._stopping = Event()
        self._contact = Thread(target=self._make_contact, name=f"{settings.id}_contact")
        self._insert_settings = config.insert_settings
        self._compression = "none" if config.target.path else config.compression

    async def start(self) -> None:
        for note in self._config.target.notes:
            self._settings.log.warning(note)
        self._contact.start()

    async def stop(self) -> None:
        await asyncio.to_thread(self._close)

    async def push(self, delivery: Delivery) -> None:
        """Send a batch. An attempt that was given up goes on, and the next one for the same rows waits for its end."""
        name = (delivery.batch.signal, delivery.token)
        attempt = self._attempts.get(name)
        if attempt is None:
            attempt = asyncio.get_running_loop().run_in_executor(self._threads, self._send, delivery)
            self._attempts[name] = attempt
            attempt.add_done_callback(partial(self._ended, name))
        await asyncio.shield(attempt)

    def _ended(self, name: tuple[Signal, str], attempt: asyncio.Future[None]) -> None:
        del self._attempts[name]
        if not attempt.cancelled():
            attempt.exception()  # is nobody's business when nobody waits any more

    def _close(self) -> None:
        self._stopping.set()
        if self._contact.is_alive():
            self._contact.join()
        self._threads.shutdown(wait=True, cancel_futures=True)
        self._store.close()

    def _make_contact(self) -> None:
        """Try until the tables are there, so that they are also where nothing is sent."""
        wait = 0.0
        while not self._stopping.wait(wait):
            try:
                self._store.run(self._tables.ready)
            except (ClickHouseError, OtteryError, OSError) as error:
                cause = classify(error) if isinstance(error, ClickHouseError) else error
                self._settings.report(State.FAILED if isinstance(cause, Fatal) else State.DEGRADED, str(cause))
                wait = min(max(wait * 2, _FIRST_WAIT), _LONGEST_WAIT)
            else:
                self._settings.report(State.OK)
                return

    def _send(self, delivery: Delivery) -> None:
        """Insert what is left to insert of a delivery. Raises `Retryable`, `Permanent` or `Fatal`."""
        refusals = Refusals()
        for part in inserts(delivery.batch):
            self._send_part(part, delivery, refusals)
        refusals.check()

    def _send_part(self, part: AnyPart, delivery: Delivery, refusals: Refusals) -> None:
        """Insert a part, in halves where it is not taken whole.

        Once halved it stays so: the token of the whole would not keep the rows of a half from being stored again.
        """
        if part.name in delivery.done:
            return
        halved = f"{part.name}/halved"
        if halved not in delivery.done:
            try:
                self._insert(part, delivery.token)
            except TooMuch as error:
                if error.kind == "size" and part.count == 1:
                    refusals.give_up(part.first, Permanent(f"a row that is too large alone: {error}", kind="size"))
                    return
                patient = error.kind == "memory" and delivery.attempt < _ATTEMPTS_WHOLE
                if patient or part.count == 1:
                    raise
            except Permanent as error:
                refusals.refused(error)
                if part.count == 1:
                    refusals.give_up(part.first, error)
                    return
            else:
                refusals.inserted()
                delivery.done.add(part.name)
                return
            delivery.done.add(halved)
        for half in part.halves():
            self._send_part(half, delivery, refusals)

    def _insert(self, part: AnyPart, token: str) -> None:
        token = f"{token}:{part.name}"
        try:
            self._store.run(lambda client: self._insert_with(client, part, token), token)
        except ClickHouseError as error:
            if concerns_schema(error):
                self._tables.forget()
            raise classify(error) from error

    def _insert_with(self, client: Client, part: AnyPart, token: str) -> None:
        body = insert_body(part, self._tables.layout(client, part.kind), self._compression)
        client.raw_insert(
            self._tables.name(part.kind),
            column_names=body.columns,
            insert_block=body.data,
            settings={"insert_deduplication_token": token, **self._insert_settings},
            fmt=body.format,
            compression=None if self._compression == "none" else self._compression,
        )
