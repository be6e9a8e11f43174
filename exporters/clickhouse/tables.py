"""The tables on a server: made when missing, then looked at, so that rows fit what is really there."""

from __future__ import annotations

from collections.abc import Mapping
from threading import Lock

from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError

from collector.api import Logger
from collector.storage.clickhouse import (
    DEDUPLICATION_WINDOW,
    Schema,
    create_database,
    create_tables,
    insertable,
    is_replicated,
    lookup_table,
    quote,
    version_tuple,
)
from exporters.clickhouse.errors import message

_WRITTEN_TO = r"""
WITH
    (SELECT groupArray((database, name)) FROM system.tables
     WHERE database = {database:String} AND name IN {names:Array(String)}) AS own,
    (SELECT groupUniqArrayArray(arrayZip(dependencies_database, dependencies_table)) FROM system.tables
     WHERE has(own, (database, name))) AS views,
    (SELECT groupArray(extractGroups(create_table_query, ' TO `?([^`. ]+)`?\.`?([^`. ]+)`?')) FROM system.tables
     WHERE has(views, (database, name))) AS targets
SELECT database, name, engine, engine_full FROM system.tables
WHERE has(own, (database, name)) OR has(targets, [database, name])
"""

Layout = Mapping[str, str]
"""Column name to ClickHouse type of the columns of one table that an insert may name."""


class Tables:
    """What is known of the tables of each server. Called from many threads.

    Only what a server has answered is remembered: after a failure it is asked again.
    """

    def __init__(self, schema: Schema, log: Logger, *, create: bool) -> None:
        self._schema = schema
        self._log = log
        self._create = create
        self._lock = Lock()
        self._ready: set[str] = set()
        self._layouts: dict[tuple[str, str], Layout] = {}

    def ready(self, client: Client) -> None:
        """Make what is missing, once for each server. Raises clickhouse-connect's errors."""
        with self._lock:
            if client.uri not in self._ready:
                if self._create:
                    create_missing(client, self._schema)
                self._warn_of_duplicates(client)
                self._ready.add(client.uri)

    def layout(self, client: Client, kind: str) -> Layout:
        """Return the columns of a kind's table. Raises clickhouse-connect's error where there is none."""
        known = self._layouts.get((client.uri, kind))
        if known is None:
            self.ready(client)
            rows = client.query(f"DESCRIBE TABLE {self.name(kind)}").result_rows
            known = insertable((name, type_, default) for name, type_, default, *_ in rows)
            self._layouts[client.uri, kind] = known
        return known

    def forget(self) -> None:
        """Look again at everything: the tables are not what they were."""
        with self._lock:
            self._ready.clear()
            self._layouts.clear()

    def name(self, kind: str) -> str:
        """Return the quoted name of a kind's table."""
        return f"{quote(self._schema.database)}.{quote(self._schema.tables[kind])}"

    def _warn_of_duplicates(self, client: Client) -> None:
        """Log each table that forgets the tokens of inserts, where a batch that is sent again is stored twice.

        Looked at are the tables, and those that materialized views fill from them.
        """
        names = [*self._schema.tables.values(), lookup_table(self._schema)]
        parameters = {"database": self._schema.database, "names": names}
        setting = "non_replicated_deduplication_window"
        try:
            found = client.query(_WRITTEN_TO, parameters=parameters).result_rows
        except ClickHouseError as error:
            if getattr(error, "code", None) is None:
                raise
            self._log.warning("cannot tell whether the tables remember inserts", reason=message(error))
            return
        for database, name, engine, definition in found:
            if engine.endswith("MergeTree") and not is_replicated(engine) and setting not in definition:
                table = f"{quote(database)}.{quote(name)}"
                self._log.warning(
                    "a table forgets inserts, so a batch that is sent again may be stored twice",
                    table=name,
                    repair=f"ALTER TABLE {table} MODIFY SETTING {setting} = {DEDUPLICATION_WINDOW}",
                )


def create_missing(client: Client, schema: Schema) -> None:
    """Make the database, the tables and the view that are not there."""
    settings = {"enable_json_type": 1} if schema.json else {}
    if schema.database != "default":
        client.command(create_database(schema))
    for statement in create_tables(schema, version_tuple(client.server_version or "")):
        client.command(statement, settings=settings)
