"""The tables on the server: made when missing, then looked at, so that rows fit what is really there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from clickhouse_connect.driver.client import Client

from collector.api import Logger
from collector.storage.clickhouse import (
    DEDUPLICATION_WINDOW,
    Schema,
    create_database,
    create_tables,
    insertable,
    lookup_table,
    quote,
    version_tuple,
)

Layouts = Mapping[str, Mapping[str, str]]
"""For each kind of table that exists, column name to type."""


def create(client: Client, schema: Schema) -> None:
    """Make the database, the tables and the view that are missing."""
    settings = {"enable_json_type": 1} if schema.json else {}
    if schema.database != "default":
        client.command(create_database(schema))
    for statement in create_tables(schema, version_tuple(client.server_version or "")):
        client.command(statement, settings=settings)


def describe(client: Client, schema: Schema) -> Layouts:
    """Return the columns of every table. Raises clickhouse-connect's error for the first that is not there."""
    return {
        kind: insertable((name, type_, default) for name, type_, default, *_ in _describe(client, schema, kind))
        for kind in schema.tables
    }


def _describe(client: Client, schema: Schema, kind: str) -> Sequence[Sequence[Any]]:
    return client.query(f"DESCRIBE TABLE {qualified(schema, kind)}").result_rows


def warn_of_duplicates(client: Client, schema: Schema, log: Logger) -> None:
    """Log each table that forgets the tokens of inserts, where a batch that is sent again would be stored twice."""
    names = [*schema.tables.values(), lookup_table(schema)]
    found = client.query(
        "SELECT name, engine_full FROM system.tables WHERE database = {database:String} AND name IN {names:Array(String)}"
        " AND match(engine, '^(Aggregating|Replacing|Summing|Collapsing|VersionedCollapsing|Graphite)?MergeTree$')",
        parameters={"database": schema.database, "names": names},
    )
    setting = "non_replicated_deduplication_window"
    for name, engine in found.result_rows:
        if setting not in engine:
            statement = (
                f"ALTER TABLE {quote(schema.database)}.{quote(name)} MODIFY SETTING {setting}={DEDUPLICATION_WINDOW}"
            )
            log.warning("a table forgets inserts, so a retried batch may be stored twice", table=name, repair=statement)


def qualified(schema: Schema, kind: str) -> str:
    """Return the quoted name of a kind's table."""
    return f"{quote(schema.database)}.{quote(schema.tables[kind])}"
