"""The tables: made in every layout, used as they are, made again when they are gone."""

import time

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue, KeyValueList

from collector.api import Batch, Delivery, Fatal, Permanent, Signal, State
from collector.storage.clickhouse import DEFAULT_TABLES, Schema, create_tables
from collector.testing import RecordingReport, sample_batch, settings
from collector.wire.codec import codec
from tests.contract.strategies import REQUESTS
from tests.live.clickhouse.conftest import exporting, in_order, sample
from tests.oracles.clickhouse_rows import expected, fitted

ALL = {*DEFAULT_TABLES.values(), "otel_traces_trace_id_ts", "otel_traces_trace_id_ts_mv"}

MAP = "Map(LowCardinality(String), String)"
OLDER = {
    "otel_logs": f"""(
        Timestamp DateTime64(9), TimestampTime DateTime DEFAULT toDateTime(Timestamp), TraceId String, SpanId String,
        TraceFlags UInt8, SeverityText LowCardinality(String), SeverityNumber UInt8,
        ServiceName LowCardinality(String), Body String, ResourceSchemaUrl String, ResourceAttributes {MAP},
        ScopeSchemaUrl String, ScopeName String, ScopeVersion String, ScopeAttributes {MAP}, LogAttributes {MAP}
    ) ENGINE = MergeTree PARTITION BY toDate(TimestampTime) PRIMARY KEY (ServiceName, TimestampTime)
    ORDER BY (ServiceName, TimestampTime, Timestamp)""",
    "otel_traces": f"""(
        Timestamp DateTime64(9), TraceId String, SpanId String, ParentSpanId String, TraceState String,
        SpanName LowCardinality(String), SpanKind LowCardinality(String), ServiceName LowCardinality(String),
        ResourceAttributes {MAP}, ScopeName String, ScopeVersion String, SpanAttributes {MAP}, Duration Int64,
        StatusCode LowCardinality(String), StatusMessage String,
        Events Nested(Timestamp DateTime64(9), Name LowCardinality(String), Attributes {MAP}),
        Links Nested(TraceId String, SpanId String, TraceState String, Attributes {MAP})
    ) ENGINE = MergeTree PARTITION BY toDate(Timestamp)
    ORDER BY (ServiceName, SpanName, toUnixTimestamp(Timestamp), TraceId)""",
    "otel_metrics_sum": f"""(
        ResourceAttributes {MAP}, ResourceSchemaUrl String, ScopeName String, ScopeVersion String,
        ScopeAttributes {MAP}, ScopeDroppedAttrCount UInt32, ScopeSchemaUrl String,
        ServiceName LowCardinality(String), MetricName String, MetricDescription String, MetricUnit String,
        Attributes {MAP}, StartTimeUnix DateTime64(9), TimeUnix DateTime64(9), Value Float64, Flags UInt32,
        Exemplars Nested(FilteredAttributes {MAP}, TimeUnix DateTime64(9), Value Float64, SpanId String,
            TraceId String), AggregationTemporality Int32, IsMonotonic Boolean
    ) ENGINE = MergeTree PARTITION BY toDate(TimeUnix)
    ORDER BY (ServiceName, MetricName, Attributes, toUnixTimestamp64Nano(TimeUnix))""",
}
OLDEST_LOGS = f"""(
    Timestamp DateTime64(9), TraceId String, SpanId String, TraceFlags UInt32, SeverityText LowCardinality(String),
    SeverityNumber Int32, ServiceName LowCardinality(String), Body String, ResourceAttributes {MAP},
    LogAttributes {MAP}
) ENGINE = MergeTree PARTITION BY toDate(Timestamp) ORDER BY (ServiceName, SeverityText, toUnixTimestamp(Timestamp))"""


def _stored(store, signal, table, kind, items):
    message = REQUESTS[signal].FromString(sample_batch(signal, items).otlp)
    layout = store.layout(table)
    layout.pop("TimestampTime", None)
    return store.rows(table, layout) == in_order(fitted(expected(signal, message)[kind], layout))


async def test_tables_are_there_before_anything_is_sent(store):
    report = RecordingReport()
    async with exporting(store, settings("clickhouse", report=report)):
        assert store.tables() == ALL
    assert report.states == [(State.OK, "")]


@pytest.mark.parametrize(
    ("signal", "table", "kind"),
    [
        (Signal.LOGS, "otel_logs", "logs"),
        (Signal.TRACES, "otel_traces", "traces"),
        (Signal.METRICS, "otel_metrics_sum", "sum"),
    ],
)
async def test_tables_of_older_exporters_are_written_as_they_are(store, signal, table, kind):
    store.command(f"CREATE DATABASE {store.database}")
    store.command(f"CREATE TABLE {store.database}.{table} {OLDER[table]}")
    async with exporting(store) as exporter:
        await exporter.push(sample(signal, 10))
    assert _stored(store, signal, table, kind, 10)


async def test_the_oldest_logs_table_lacks_columns_and_is_written_all_the_same(store):
    store.command(f"CREATE DATABASE {store.database}")
    store.command(f"CREATE TABLE {store.database}.otel_logs {OLDEST_LOGS}")
    async with exporting(store) as exporter:
        await exporter.push(sample(Signal.LOGS, 10))
    assert _stored(store, Signal.LOGS, "otel_logs", "logs", 10)


async def test_a_table_that_forgets_inserts_is_warned_of_with_its_repair(store):
    around = settings("clickhouse")
    store.command(f"CREATE DATABASE {store.database}")
    store.command(f"CREATE TABLE {store.database}.otel_logs {OLDEST_LOGS}")
    async with exporting(store, around):
        pass
    ((level, _, values),) = around.log.lines
    assert (level, values["table"]) == ("warning", "otel_logs")
    store.command(values["repair"])
    async with exporting(store, around) as exporter:
        for _ in range(2):
            await exporter.push(sample(Signal.LOGS, 10))
    assert len(around.log.lines) == 1
    assert store.count("otel_logs") == 10


async def test_a_rollup_that_would_count_twice_is_warned_of_with_its_repair(store):
    around = settings("clickhouse")
    async with exporting(store):
        store.command(
            f"CREATE TABLE {store.database}.rollup (SpanName String, spans UInt64) ENGINE = SummingMergeTree"
            " ORDER BY SpanName"
        )
        store.command(
            f"CREATE MATERIALIZED VIEW {store.database}.rollup_mv TO {store.database}.rollup"
            f" AS SELECT SpanName, count() AS spans FROM {store.database}.otel_traces GROUP BY SpanName"
        )
    async with exporting(store, around):
        ((_, _, values),) = around.log.lines
    assert values["table"] == "rollup"
    store.command(values["repair"])
    async with exporting(store, around) as exporter:
        for _ in range(2):
            await exporter.push(sample(Signal.TRACES, 21))
    assert len(around.log.lines) == 1
    assert store.value(f"SELECT sum(spans) FROM {store.database}.rollup") == 21


async def test_without_create_schema_tables_are_the_operators_to_make(store):
    async with exporting(store, create_schema=False) as exporter:
        delivery = sample(Signal.TRACES)
        with pytest.raises(Fatal, match=store.database):
            await exporter.push(delivery)
        store.command(f"CREATE DATABASE {store.database}")
        with pytest.raises(Fatal, match="otel_traces"):
            await exporter.push(delivery)
        store.command(next(create_tables(Schema(database=store.database), (26, 9))))
        await exporter.push(delivery)
    assert store.tables() == {"otel_traces"}
    assert store.count("otel_traces") == 10


async def test_tables_that_vanish_are_made_again(store):
    async with exporting(store) as exporter:
        await exporter.push(sample(Signal.LOGS))
        store.command(f"DROP DATABASE {store.database}")
        with pytest.raises(Fatal):
            await exporter.push(sample(Signal.LOGS, 5, "log:1-1"))
        await exporter.push(sample(Signal.LOGS, 5, "log:1-1"))
    assert store.tables() == ALL
    assert store.count("otel_logs") == 5


async def test_a_column_that_is_dropped_meanwhile_is_left_out(store):
    async with exporting(store) as exporter:
        await exporter.push(sample(Signal.LOGS))
        store.command(f"ALTER TABLE {store.database}.otel_logs DROP COLUMN EventName")
        with pytest.raises(Fatal, match="EventName"):
            await exporter.push(sample(Signal.LOGS, 5, "log:1-1"))
        await exporter.push(sample(Signal.LOGS, 5, "log:1-1"))
    assert store.count("otel_logs") == 15


async def test_names_are_the_operators(store):
    names = {"gauge": {"name": "g"}, "sum": {"name": "s`s"}}
    async with exporting(store, logs_table_name="my logs", traces_table_name="spans", metrics_tables=names) as exporter:
        for signal in Signal:
            await exporter.push(sample(signal))
    assert store.tables() == {
        "my logs",
        "spans",
        "spans_trace_id_ts",
        "spans_trace_id_ts_mv",
        "g",
        "s`s",
        "otel_metrics_summary",
        "otel_metrics_histogram",
        "otel_metrics_exponential_histogram",
    }
    assert [store.count(name) for name in ("`my logs`", "spans", "spans_trace_id_ts", "g", "`s\\`s`")] == [
        10,
        10,
        3,
        2,
        2,
    ]


async def test_rows_past_their_time_to_live_go(store):
    now = time.time_ns()
    request = ExportLogsServiceRequest()
    records = request.resource_logs.add().scope_logs.add().log_records
    for hours in (0, 71, 73, 1000):
        records.add(time_unix_nano=now - hours * 3600 * 10**9)
    async with exporting(store, ttl="72h") as exporter:
        batch = Batch(Signal.LOGS, codec(), requests=(request.SerializeToString(),))
        await exporter.push(Delivery(batch, "log:0-0"))
    store.command(f"OPTIMIZE TABLE {store.database}.otel_logs FINAL")
    oldest = store.value(f"SELECT max(age('hour', Timestamp, now64())) FROM {store.database}.otel_logs")
    assert oldest in (71, 72)


async def test_computed_columns_and_the_trace_lookup_say_what_the_rows_say(store):
    request = ExportLogsServiceRequest()
    group = request.resource_logs.add()
    group.resource.attributes.add(key="k8s.pod.name").value.string_value = "pod-1"
    group.scope_logs.add().log_records.add(time_unix_nano=1)
    async with exporting(store) as exporter:
        await exporter.push(Delivery(Batch(Signal.LOGS, codec(), requests=(request.SerializeToString(),)), "log:0-0"))
        await exporter.push(sample(Signal.TRACES, 8))
    assert store.query(
        f"SELECT `__otel_materialized_k8s.pod.name`, ResourceAttributeItems, LogAttributeItems"
        f" FROM {store.database}.otel_logs"
    ) == [("pod-1", ["k8s.pod.name=pod-1"], [])]
    lookup = "SELECT TraceId, toUnixTimestamp(min(Start)), toUnixTimestamp(max(End)) FROM {}.{} GROUP BY 1 ORDER BY 1"
    assert store.query(lookup.format(store.database, "otel_traces_trace_id_ts")) == store.query(
        f"SELECT TraceId, toUnixTimestamp(min(Timestamp)), toUnixTimestamp(max(Timestamp))"
        f" FROM {store.database}.otel_traces GROUP BY 1 ORDER BY 1"
    )


def _json_attributes():
    inner = KeyValueList(values=[KeyValue(key="city", value=AnyValue(string_value="Bergen"))])
    items = ArrayValue(values=[AnyValue(int_value=1), AnyValue(int_value=2)])
    values = {
        "http.route": AnyValue(string_value='/a"b\\'),
        "http.status": AnyValue(int_value=2**53 + 1),
        "ratio": AnyValue(double_value=0.5),
        "cached": AnyValue(bool_value=True),
        "digest": AnyValue(bytes_value=b"\x00\xff"),
        "items": AnyValue(array_value=items),
        "address": AnyValue(kvlist_value=inner),
        "nothing": AnyValue(),
        "not.a.number": AnyValue(double_value=float("nan")),
    }
    return [KeyValue(key=key, value=value) for key, value in values.items()]


async def test_json_columns_keep_types_and_have_their_paths_beside_them(store):
    request = ExportLogsServiceRequest()
    group = request.resource_logs.add()
    group.resource.attributes.add(key="service.name").value.string_value = "shop"
    group.scope_logs.add().log_records.add(time_unix_nano=10**18, attributes=_json_attributes())
    async with exporting(store, json=True) as exporter:
        for _ in range(2):
            batch = Batch(Signal.LOGS, codec(), requests=(request.SerializeToString(),))
            await exporter.push(Delivery(batch, "log:0-0"))
        for signal in (Signal.TRACES, Signal.METRICS):
            await exporter.push(sample(signal))
    ((attributes, keys, resource, city, status),) = store.query(
        "SELECT LogAttributes, LogAttributesKeys, ResourceAttributes, LogAttributes.address.city::String,"
        f" LogAttributes.http.status::Int64 FROM {store.database}.otel_logs"
    )
    assert attributes == {
        "http": {"route": '/a"b\\', "status": 2**53 + 1},
        "ratio": 0.5,
        "cached": True,
        "digest": "AP8=",
        "items": [1, 2],
        "address": {"city": "Bergen"},
        "not": {"a": {"number": "NaN"}},
    }
    paths = [
        "address.city",
        "cached",
        "digest",
        "http.route",
        "http.status",
        "items",
        "not.a.number",
        "nothing",
        "ratio",
    ]
    assert (keys, resource, city, status) == (paths, {"service": {"name": "shop"}}, "Bergen", 2**53 + 1)
    assert [store.count(table) for table in ("otel_traces", "otel_metrics_gauge", "otel_metrics_histogram")] == [
        10,
        2,
        2,
    ]
    assert store.layout("otel_metrics_sum")["TimeUnix"] == "DateTime64(9)"


async def test_a_row_with_one_json_path_twice_is_refused_and_its_neighbours_are_stored(store):
    request = ExportLogsServiceRequest()
    records = request.resource_logs.add().scope_logs.add().log_records
    for number in range(3):
        records.add(time_unix_nano=10**18).attributes.add(key="a.b").value.int_value = number
    records[1].attributes.add(key="a").value.kvlist_value.values.add(key="b").value.int_value = 9
    async with exporting(store, json=True) as exporter:
        batch = Batch(Signal.LOGS, codec(), requests=(request.SerializeToString(),))
        with pytest.raises(Permanent, match="Duplicate path") as refused:
            await exporter.push(Delivery(batch, "log:0-0"))
    assert refused.value.rows == [1]
    stored = f"SELECT LogAttributes.a.b::Int64, LogAttributesKeys FROM {store.database}.otel_logs ORDER BY 1"
    assert store.query(stored) == [(0, ["a.b"]), (2, ["a.b"])]


async def test_queries_of_dashboards_find_what_was_stored(store):
    async with exporting(store) as exporter:
        for signal in Signal:
            await exporter.push(sample(signal, 20))
    trace = f"{2:032x}"
    assert store.query(
        f"WITH '{trace}' AS trace_id,"
        f" (SELECT min(Start) FROM {store.database}.otel_traces_trace_id_ts WHERE TraceId = trace_id) AS start,"
        f" (SELECT max(End) + 1 FROM {store.database}.otel_traces_trace_id_ts WHERE TraceId = trace_id) AS end"
        " SELECT SpanId, Duration / 1e6, arrayZip(Events.Name, Events.Attributes), Links.TraceId"
        f" FROM {store.database}.otel_traces"
        " WHERE TraceId = trace_id AND Timestamp >= start AND Timestamp <= end ORDER BY Timestamp LIMIT 2"
    ) == [
        (f"{5:016x}", 5.0, [("cache.miss", {"http.route": "/orders/4"})], [f"{3:032x}"]),
        (f"{6:016x}", 5.0, [("cache.miss", {"http.route": "/orders/5"})], [f"{3:032x}"]),
    ]
    logs = f"FROM {store.database}.otel_logs"
    assert store.query(
        f"SELECT Body {logs} WHERE toStartOfFiveMinutes(Timestamp) >= toDateTime('2026-01-01 00:00:00', 'UTC')"
        " AND Timestamp >= toDateTime64('2026-01-01 00:00:00', 9, 'UTC') AND SeverityText = 'ERROR'"
        " ORDER BY (toStartOfFiveMinutes(Timestamp), Timestamp) DESC LIMIT 1"
    ) == [("order 17 placed",)]
    assert store.value(f"SELECT count() {logs} WHERE hasToken(lower(Body), 'placed')") == 20
    assert store.value(f"SELECT count() {logs} WHERE mapContains(LogAttributes, 'http.route')") == 20
    assert store.value(f"SELECT count() {logs} WHERE has(LogAttributeItems, 'http.route=/orders/3')") == 3
    assert store.query(
        "SELECT MetricName, sum(Value), any(IsMonotonic), any(AggregationTemporality)"
        f" FROM {store.database}.otel_metrics_sum WHERE Attributes['http.route'] != '' GROUP BY 1"
    ) == [("shop.metric_1", 1 + 6 + 11 + 16, True, 2)]
