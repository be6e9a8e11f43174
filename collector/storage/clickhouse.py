"""The statements that make Ottery's ClickHouse tables: those of collector-contrib's exporter, name for name.

Beyond contrib, every table and view target keeps the tokens of its last inserts (`*_deduplication_window`), so that
a batch sent again under its token is stored once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from collector.storage.clickhouse_columns import ATTRIBUTE_INDEXES, JSON_SHAPES, SHAPES, ZSTD, TableShape

DEDUPLICATION_WINDOW = 10_000
"""Inserts whose tokens a table remembers."""

REPLICATED_WINDOW, REPLICATED_WINDOW_SECONDS = 10_000, 7 * 86_400
"""The same for replicated tables, which also forget by age: a week, for batches are retried without an end."""

TEXT_INDEX_VERSION = (26, 2)
"""First server version with text indexes."""

DEFAULT_TABLES: Mapping[str, str] = {
    "traces": "otel_traces",
    "logs": "otel_logs",
    "gauge": "otel_metrics_gauge",
    "sum": "otel_metrics_sum",
    "histogram": "otel_metrics_histogram",
    "exponential_histogram": "otel_metrics_exponential_histogram",
    "summary": "otel_metrics_summary",
}
"""Name of the table for each kind."""

_MAP = "Map(LowCardinality(String), String)"
_TEXT_INDEX = "TYPE text(tokenizer = 'array')"
_BLOOM_INDEX = "TYPE bloom_filter(0.01) GRANULARITY 1"


@dataclass(frozen=True, slots=True)
class Schema:
    """What the operator decided about the tables. `ttl` is in seconds, 0 keeps rows for ever."""

    database: str = "default"
    tables: Mapping[str, str] = field(default_factory=lambda: dict(DEFAULT_TABLES))
    cluster: str = ""
    engine: str = "MergeTree"
    engine_params: str = ""
    ttl: float = 0.0
    json: bool = False


def quote(identifier: str) -> str:
    """Return an identifier safe to stand in a statement."""
    escaped = identifier.replace("\\", "\\\\").replace("`", "\\`")
    return f"`{escaped}`"


def version_tuple(version: str) -> tuple[int, int]:
    """Return (year, release) of a server version such as `26.2.1.7`; (0, 0) when it is not one."""
    parts = version.split(".")
    if len(parts) < 2 or not (parts[0].isdigit() and parts[1].isdigit()):
        return (0, 0)
    return int(parts[0]), int(parts[1])


def create_database(schema: Schema) -> str:
    """Return the statement that makes the database."""
    return f"CREATE DATABASE IF NOT EXISTS {quote(schema.database)}{_on_cluster(schema)}"


def create_tables(schema: Schema, version: tuple[int, int]) -> Iterator[str]:
    """Yield the statements that make the tables and the view for a server of `version`, in the order to run them."""
    for kind, shape in (JSON_SHAPES if schema.json else SHAPES).items():
        yield _create_table(schema, schema.tables[kind], shape, version)
    yield _create_trace_lookup(schema)
    yield _create_trace_lookup_view(schema)


def lookup_table(schema: Schema) -> str:
    """Return the name of the table that knows when each trace began and ended."""
    return f"{schema.tables['traces']}_trace_id_ts"


def _create_table(schema: Schema, table: str, shape: TableShape, version: tuple[int, int]) -> str:
    parts = [part for column in shape.columns for part in _column(schema, shape, column)]
    parts += [_materialized(name) for name in shape.materialized]
    parts += [_items_alias(name) for name in shape.items]
    parts += _indexes(schema, shape, version)
    keys = [f"PARTITION BY toDate({shape.time})"]
    if shape.primary_key:
        keys.append(f"PRIMARY KEY {shape.primary_key}")
    keys.append(f"ORDER BY {shape.order_by}")
    keys += _ttl(schema, f"toDateTime({shape.time})")
    return _statement(schema, table, parts, schema.engine, keys)


def _statement(schema: Schema, table: str, parts: list[str], engine: str, keys: list[str]) -> str:
    body = ",\n    ".join(parts)
    settings = ["index_granularity = 8192", "ttl_only_drop_parts = 1", *_deduplication(engine)]
    return (
        f"CREATE TABLE IF NOT EXISTS {quote(schema.database)}.{quote(table)}{_on_cluster(schema)} (\n    {body}\n)"
        f" ENGINE = {engine}({schema.engine_params})\n" + "\n".join(keys) + "\nSETTINGS " + ", ".join(settings)
    )


def is_replicated(engine: str) -> bool:
    """Tell whether an engine keeps the tokens of inserts in Keeper, for all replicas."""
    return engine.startswith(("Replicated", "Shared"))


def _deduplication(engine: str) -> list[str]:
    if is_replicated(engine):
        return [
            f"replicated_deduplication_window = {REPLICATED_WINDOW}",
            f"replicated_deduplication_window_seconds = {REPLICATED_WINDOW_SECONDS}",
        ]
    return [f"non_replicated_deduplication_window = {DEDUPLICATION_WINDOW}"]


def _column(schema: Schema, shape: TableShape, column: str) -> Iterator[str]:
    if column not in shape.attributes:
        yield column.format(attributes="JSON" if schema.json else _MAP)
    elif schema.json:
        yield f"{column} JSON {ZSTD}"
        yield f"{column}Keys Array(LowCardinality(String)) {ZSTD}"
    else:
        yield f"{column} {_MAP} {ZSTD}"


def _materialized(attribute: str) -> str:
    name = quote(f"__otel_materialized_{attribute}")
    return f"{name} LowCardinality(String) MATERIALIZED ResourceAttributes['{attribute}'] {ZSTD}"


def _items_alias(attributes: str) -> str:
    pairs = f"CAST({attributes}, 'Array(Tuple(String, String))')"
    return f"{_items_name(attributes)} Array(String) ALIAS arrayMap(kv -> concat(kv.1, '=', kv.2), {pairs})"


def _items_name(attributes: str) -> str:
    return f"{attributes.removesuffix('s')}Items"


def _indexes(schema: Schema, shape: TableShape, version: tuple[int, int]) -> Iterator[str]:
    text = version >= TEXT_INDEX_VERSION
    if shape.trace_id:
        yield f"INDEX idx_trace_id TraceId {_TEXT_INDEX if text else 'TYPE bloom_filter(0.001) GRANULARITY 1'}"
    for name in shape.attributes:
        yield from _attribute_indexes(name, json=schema.json, items=text and name in shape.items)
    if shape.body:
        kind = "text(tokenizer = 'splitByNonAlpha')" if text else "tokenbf_v1(32768, 3, 0) GRANULARITY 8"
        yield f"INDEX idx_lower_body lower(Body) TYPE {kind}"
    yield from shape.indexes


def _attribute_indexes(name: str, *, json: bool, items: bool) -> Iterator[str]:
    index = f"INDEX {ATTRIBUTE_INDEXES[name]}"
    if json:
        yield f"{index}_keys {name}Keys {_BLOOM_INDEX}"
        return
    yield f"{index}_key mapKeys({name}) {_TEXT_INDEX if items else _BLOOM_INDEX}"
    if items:
        yield f"{index}_items {_items_name(name)} {_TEXT_INDEX}"
    else:
        yield f"{index}_value mapValues({name}) {_BLOOM_INDEX}"


def _create_trace_lookup(schema: Schema) -> str:
    parts = [
        f"TraceId String {ZSTD}",
        f"Start SimpleAggregateFunction(min, DateTime) {ZSTD}",
        f"End SimpleAggregateFunction(max, DateTime) {ZSTD}",
    ]
    keys = ["PARTITION BY toStartOfWeek(Start)", "ORDER BY (TraceId)", *_ttl(schema, "Start")]
    return _statement(schema, lookup_table(schema), parts, _aggregating(schema.engine), keys)


def _aggregating(engine: str) -> str:
    """Return the member of an engine family that collapses the rows of one trace into one."""
    family = engine.removesuffix("MergeTree")
    return f"{family}AggregatingMergeTree" if family in ("", "Replicated", "Shared") else engine


def _create_trace_lookup_view(schema: Schema) -> str:
    database, lookup = quote(schema.database), lookup_table(schema)
    return (
        f"CREATE MATERIALIZED VIEW IF NOT EXISTS {database}.{quote(lookup + '_mv')}{_on_cluster(schema)}\n"
        f"TO {database}.{quote(lookup)}\n"
        "AS SELECT TraceId, min(Timestamp) AS Start, max(Timestamp) AS End\n"
        f"FROM {database}.{quote(schema.tables['traces'])} WHERE TraceId != '' GROUP BY TraceId"
    )


def _on_cluster(schema: Schema) -> str:
    return f" ON CLUSTER {quote(schema.cluster)}" if schema.cluster else ""


def _ttl(schema: Schema, expression: str) -> list[str]:
    if schema.ttl <= 0:
        return []
    seconds = max(1, round(schema.ttl))
    for unit, length in (("Day", 86400), ("Hour", 3600), ("Minute", 60), ("Second", 1)):
        if seconds % length == 0:
            return [f"TTL {expression} + toInterval{unit}({seconds // length})"]
    return []


def insertable(description: Iterable[tuple[str, str, str]]) -> dict[str, str]:
    """Return column name to type of the columns that an insert may name.

    `description` has name, type and default kind of each column, as DESCRIBE TABLE gives them.
    """
    return {name: kind for name, kind, default in description if default not in ("ALIAS", "MATERIALIZED")}
