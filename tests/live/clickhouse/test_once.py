"""Nothing is stored twice: repeated, halved, interrupted and refused inserts."""

import asyncio

import pytest

from collector.api import Fatal, Permanent, Retryable, Signal
from collector.storage.clickhouse import DEFAULT_TABLES
from tests.live.clickhouse.conftest import exporting, sample
from tests.live.clickhouse.meddler import Meddler

METRICS = ("gauge", "sum", "histogram", "exponential_histogram", "summary")


def _counts(store):
    """Rows by table, those that a view has written too."""
    tables = [*DEFAULT_TABLES.values(), "otel_traces_trace_id_ts"]
    return {table: count for table in tables if (count := store.count(table))}


@pytest.mark.parametrize("asynchronous", [False, True], ids=["insert", "async-insert"])
@pytest.mark.parametrize(
    ("signal", "stored"),
    [
        (Signal.TRACES, {"otel_traces": 20, "otel_traces_trace_id_ts": 5}),
        (Signal.LOGS, {"otel_logs": 20}),
        (Signal.METRICS, {DEFAULT_TABLES[kind]: 4 for kind in METRICS}),
    ],
)
async def test_a_batch_that_is_sent_again_is_stored_once_in_tables_and_in_what_views_write(
    store, signal, stored, asynchronous
):
    async with exporting(store, async_insert=asynchronous) as exporter:
        store.keep_parts()
        for _ in range(3):
            await exporter.push(sample(signal, 20))
        assert _counts(store) == stored
        await exporter.push(sample(signal, 20, token="log:1-1"))
        assert _counts(store) == {table: 2 * count for table, count in stored.items()}


async def test_a_new_process_does_not_store_what_the_last_one_did(own_clickhouse, own_store):
    async with exporting(own_store) as exporter:
        await exporter.push(sample(Signal.TRACES, 20))
    own_clickhouse.kill()
    own_clickhouse.restart()
    own_store.client = own_clickhouse.client
    async with exporting(own_store) as exporter:
        await exporter.push(sample(Signal.TRACES, 20))
    assert _counts(own_store) == {"otel_traces": 20, "otel_traces_trace_id_ts": 5}


async def test_tables_that_were_stored_are_not_sent_again_when_another_fails(store):
    async with exporting(store, create_schema=False) as exporter:
        async with exporting(store):
            pass
        store.command(f"DROP TABLE {store.database}.otel_metrics_sum")
        delivery = sample(Signal.METRICS, 20)
        with pytest.raises(Fatal, match="otel_metrics_sum"):
            await exporter.push(delivery)
        assert delivery.done == {"gauge:2026-01-01"}


async def test_an_answer_that_is_lost_leaves_the_batch_stored_once(http_store, clickhouse):
    async with Meddler(("127.0.0.1", clickhouse.port)) as meddler:
        http_store.endpoint = meddler.url
        async with exporting(http_store) as exporter:
            await exporter.push(sample(Signal.TRACES, 20))
        assert meddler.struck.is_set()
    assert _counts(http_store) == {"otel_traces": 20, "otel_traces_trace_id_ts": 5}


@pytest.mark.parametrize("after", [2_000, 20_000, None], ids=["early", "late", "before-the-answer"])
async def test_a_server_killed_within_an_insert_has_the_batch_once_after_a_retry(own_clickhouse, own_store, after):
    direct = own_store.endpoint
    async with exporting(own_store, compress="none") as exporter:
        await exporter.push(sample(Signal.LOGS, 1))
    async with Meddler(("127.0.0.1", own_clickhouse.port), own_clickhouse.kill, after) as meddler:
        own_store.endpoint = meddler.url
        async with exporting(own_store, compress="none") as exporter:
            with pytest.raises(Retryable):
                await exporter.push(sample(Signal.TRACES, 200))
    own_clickhouse.restart()
    own_store.client, own_store.endpoint = own_clickhouse.client, direct
    async with exporting(own_store) as exporter:
        await exporter.push(sample(Signal.TRACES, 200))
    assert _counts(own_store) == {"otel_logs": 1, "otel_traces": 200, "otel_traces_trace_id_ts": 50}


async def test_a_part_halved_for_a_strange_partition_key_is_stored_once(store):
    async with exporting(store):
        layout = ", ".join(f"`{name}` {kind}" for name, kind in store.layout("otel_logs").items())
    store.command(f"DROP TABLE {store.database}.otel_logs")
    store.command(
        f"CREATE TABLE {store.database}.otel_logs ({layout}) ENGINE = MergeTree PARTITION BY SpanId ORDER BY Timestamp"
        " SETTINGS non_replicated_deduplication_window = 1000"
    )
    async with exporting(store) as exporter:
        for _ in range(2):
            delivery = sample(Signal.LOGS, 250)
            await exporter.push(delivery)
            assert delivery.done == {
                "logs:2026-01-01/halved",
                "logs:2026-01-01.0/halved",
                "logs:2026-01-01.0.0",
                "logs:2026-01-01.0.1",
                "logs:2026-01-01.1/halved",
                "logs:2026-01-01.1.0",
                "logs:2026-01-01.1.1",
            }
    assert store.count("otel_logs") == 250


async def test_rows_that_a_constraint_refuses_are_named_and_all_others_stored_once(store):
    async with exporting(store) as exporter:
        store.command(f"ALTER TABLE {store.database}.otel_logs ADD CONSTRAINT c CHECK Body NOT LIKE 'order %7 placed'")
        for _ in range(2):
            with pytest.raises(Permanent) as refused:
                await exporter.push(sample(Signal.LOGS, 40))
            error = refused.value
            assert (error.rows, error.kind, error.rest_stored) == ([7, 17, 27, 37], "clickhouse_469", True)
            assert "Constraint `c`" in error.reason
    assert store.count("otel_logs") == 36


async def test_a_table_that_refuses_every_row_is_held_for_an_operator(store):
    async with exporting(store) as exporter:
        store.command(f"ALTER TABLE {store.database}.otel_logs ADD CONSTRAINT c CHECK Body = ''")
        with pytest.raises(Fatal, match="the table refuses every row"):
            await exporter.push(sample(Signal.LOGS, 300))
        store.command(f"ALTER TABLE {store.database}.otel_logs DROP CONSTRAINT c")
        await exporter.push(sample(Signal.LOGS, 300))
    assert store.count("otel_logs") == 300


async def test_batches_pushed_side_by_side_are_all_stored(store):
    async with exporting(store) as exporter:
        store.keep_parts()
        async with asyncio.TaskGroup() as pushes:
            for number in range(16):
                for signal in Signal:
                    pushes.create_task(exporter.push(sample(signal, 20, token=f"log:{number}-{number}")))
    assert _counts(store) == {
        "otel_traces": 320,
        "otel_traces_trace_id_ts": 80,
        "otel_logs": 320,
        **{DEFAULT_TABLES[kind]: 64 for kind in METRICS},
    }
