from pathlib import Path

import pytest

from collector.storage.clickhouse import (
    DEFAULT_TABLES,
    Schema,
    create_database,
    create_tables,
    insertable,
    is_replicated,
    lookup_table,
    quote,
    version_tuple,
)

GOLDEN = Path(__file__).parents[2] / "golden" / "clickhouse"

DEFAULTS = Schema()
CLUSTER = Schema(
    database="otel",
    tables={**DEFAULT_TABLES, "traces": "spans", "logs": "lo`gs"},
    cluster="my cluster",
    engine="ReplicatedMergeTree",
    engine_params="'/tables/{uuid}/{shard}', '{replica}'",
    ttl=72 * 3600,
)


@pytest.mark.parametrize(
    ("golden", "schema", "version"),
    [
        pytest.param("current.sql", DEFAULTS, (26, 9), id="current"),
        pytest.param("before_text_indexes.sql", DEFAULTS, (26, 1), id="before-text-indexes"),
        pytest.param("json.sql", Schema(json=True), (26, 9), id="json"),
        pytest.param("cluster.sql", CLUSTER, (25, 8), id="cluster"),
    ],
)
def test_tables_are_made_by_these_statements(golden, schema, version):
    statements = [create_database(schema), *create_tables(schema, version)]
    assert "".join(f"{statement};\n\n" for statement in statements) == (GOLDEN / golden).read_text()


@pytest.mark.parametrize(
    ("seconds", "clause"),
    [
        (0.0, []),
        (0.4, ["TTL toDateTime(Timestamp) + toIntervalSecond(1)"]),
        (90.0, ["TTL toDateTime(Timestamp) + toIntervalSecond(90)"]),
        (1800.0, ["TTL toDateTime(Timestamp) + toIntervalMinute(30)"]),
        (5400.0, ["TTL toDateTime(Timestamp) + toIntervalMinute(90)"]),
        (7200.0, ["TTL toDateTime(Timestamp) + toIntervalHour(2)"]),
        (259200.0, ["TTL toDateTime(Timestamp) + toIntervalDay(3)"]),
    ],
)
def test_a_ttl_is_said_in_the_largest_unit_that_fits(seconds, clause):
    traces = next(create_tables(Schema(ttl=seconds), (26, 9)))
    assert [line for line in traces.splitlines() if line.startswith("TTL")] == clause


@pytest.mark.parametrize(
    ("engine", "lookup"),
    [
        ("MergeTree", "AggregatingMergeTree"),
        ("ReplicatedMergeTree", "ReplicatedAggregatingMergeTree"),
        ("SharedMergeTree", "SharedAggregatingMergeTree"),
        ("ReplacingMergeTree", "ReplacingMergeTree"),
    ],
)
def test_the_trace_lookup_collapses_where_the_engine_family_allows(engine, lookup):
    statement = list(create_tables(Schema(engine=engine), (26, 9)))[-2]
    assert [line for line in statement.splitlines() if "ENGINE" in line] == [f") ENGINE = {lookup}()"]


@pytest.mark.parametrize(
    ("engine", "replicated"),
    [("MergeTree", False), ("ReplicatedMergeTree", True), ("SharedReplacingMergeTree", True)],
)
def test_engines_that_keep_tokens_for_all_replicas_are_known(engine, replicated):
    assert is_replicated(engine) is replicated


def test_the_trace_lookup_is_named_after_the_traces_table():
    assert lookup_table(CLUSTER) == "spans_trace_id_ts"


@pytest.mark.parametrize(
    ("name", "quoted"),
    [("otel", "`otel`"), ("a`b", "`a\\`b`"), ("a\\", "`a\\\\`"), ("x; DROP TABLE y", "`x; DROP TABLE y`")],
)
def test_an_identifier_cannot_leave_its_quotes(name, quoted):
    assert quote(name) == quoted


@pytest.mark.parametrize(
    ("text", "version"),
    [("26.9.2.1", (26, 9)), ("22.8.15.25.altinitystable", (22, 8)), ("", (0, 0)), ("head", (0, 0)), ("a.b", (0, 0))],
)
def test_year_and_release_are_read_from_a_server_version(text, version):
    assert version_tuple(text) == version


def test_columns_that_the_server_computes_are_left_out_of_inserts():
    description = [
        ("Timestamp", "DateTime64(9)", ""),
        ("TimestampTime", "DateTime", "DEFAULT"),
        ("k8s", "LowCardinality(String)", "MATERIALIZED"),
        ("Items", "Array(String)", "ALIAS"),
    ]
    assert insertable(description) == {"Timestamp": "DateTime64(9)", "TimestampTime": "DateTime"}
