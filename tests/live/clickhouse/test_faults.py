"""What goes wrong with a server, and what the exporter makes of it."""

import asyncio
import os
import re
import socket

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from collector.api import Batch, Context, Delivery, Fatal, Permanent, Retryable, Signal, State
from collector.testing import SAMPLE_TIME, RecordingReport, settings
from collector.wire.codec import codec
from exporters.clickhouse.errors import TooMuch
from tests.live.clickhouse.conftest import exporting, sample
from tests.live.clickhouse.gateway import gateway

DAY = 86_400 * 10**9
YEAR_2299 = 10_382_169_600 * 10**9
YEAR_2106 = "2106-01-01 00:00:00.000000000"


class _Reports(RecordingReport):
    """Lets a test wait for a state that a thread reports."""

    def __init__(self):
        super().__init__()
        self.loop = asyncio.get_running_loop()
        self.changed = asyncio.Event()

    def __call__(self, state, message=""):
        super().__call__(state, message)
        self.loop.call_soon_threadsafe(self.changed.set)

    async def until(self, state):
        async with asyncio.timeout(60):
            while not self.states or self.states[-1][0] is not state:
                self.changed.clear()
                await self.changed.wait()
        return self.states[-1][1]


async def test_a_server_that_comes_late_gets_its_tables_though_nothing_is_sent(own_clickhouse, own_store):
    own_clickhouse.stop()
    report = _Reports()
    async with exporting(own_store, settings("clickhouse", report=report), ready=False) as exporter:
        assert await report.until(State.DEGRADED) == (
            f"HTTPConnection(host='localhost', port={own_clickhouse.port}): Failed to establish a new connection:"
            " [Errno 111] Connection refused"
        )
        with pytest.raises(Retryable, match="Connection refused"):
            await exporter.push(sample(Signal.TRACES))
        await asyncio.to_thread(own_clickhouse.restart)
        await report.until(State.OK)
        own_store.client = own_clickhouse.client
        assert "otel_traces_trace_id_ts_mv" in own_store.tables()
        await exporter.push(sample(Signal.TRACES))
    assert own_store.count("otel_traces") == 10


async def test_an_exporter_stops_at_once_while_its_server_is_down():
    with socket.create_server(("127.0.0.1", 0)) as bound:
        port = bound.getsockname()[1]

    class Nowhere:
        endpoint, database = f"http://127.0.0.1:{port}", "d"

    async with asyncio.timeout(10):
        async with exporting(Nowhere, ready=False):
            pass


async def test_a_server_that_is_not_there_is_passed_over_for_the_next(http_store, clickhouse):
    with socket.create_server(("127.0.0.1", 0)) as bound:
        closed = bound.getsockname()[1]
    http_store.endpoint = f"http://127.0.0.1:{closed},127.0.0.1:{clickhouse.port}"
    async with exporting(http_store) as exporter:
        await exporter.push(sample(Signal.TRACES))
    assert http_store.count("otel_traces") == 10


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"username": "nobody", "password": "wrong"}, "nobody: Authentication failed"),
        ({"connection_params": {"no_such_setting": "1"}}, "no_such_setting"),
        ({"table_engine": {"name": "MergeTee"}}, "MergeTee"),
        ({"table_engine": {"name": "MergeTree", "params": "("}}, "Syntax error"),
        ({"cluster_name": "nowhere"}, "nowhere"),
        ({"connection_params": {"readonly": "1"}}, "(?i)readonly"),
    ],
    ids=["password", "setting", "engine", "params", "cluster", "readonly"],
)
async def test_what_an_operator_got_wrong_is_told_and_costs_no_row(http_store, keys, message):
    report = _Reports()
    around = settings("clickhouse", report=report)
    async with exporting(http_store, around, ready=False, **keys) as exporter:
        assert re.search(message, await report.until(State.FAILED))
        with pytest.raises(Fatal, match=message):
            await exporter.push(sample(Signal.TRACES))


async def test_too_many_parts_are_waited_for(store):
    async with exporting(store) as exporter:
        table = f"{store.database}.otel_logs"
        store.command(f"SYSTEM STOP MERGES {table}")
        store.command(f"ALTER TABLE {table} MODIFY SETTING parts_to_delay_insert = 1, parts_to_throw_insert = 1")
        await exporter.push(sample(Signal.LOGS, 5, "log:0-0"))
        with pytest.raises(Retryable, match="Too many parts") as failed:
            await exporter.push(sample(Signal.LOGS, 5, "log:1-1"))
        assert (type(failed.value), failed.value.kind) == (Retryable, "parts")
        store.command(f"ALTER TABLE {table} RESET SETTING parts_to_delay_insert, parts_to_throw_insert")
        await exporter.push(sample(Signal.LOGS, 5, "log:1-1"))
    assert store.count("otel_logs") == 10


async def test_a_server_short_of_memory_gets_halves_after_three_attempts(store):
    async with exporting(store, connection_params={"max_memory_usage": 120_000_000}) as exporter:
        delivery = sample(Signal.LOGS, 20_000)
        for attempt in (1, 2):
            delivery.attempt = attempt
            with pytest.raises(TooMuch, match="memory limit"):
                await exporter.push(delivery)
        assert delivery.done == set()
        delivery.attempt = 3
        await exporter.push(delivery)
        assert "logs:2026-01-01/halved" in delivery.done
    assert store.count("otel_logs") == 20_000


async def test_a_row_that_a_gateway_finds_too_large_alone_is_refused_and_the_others_are_stored(http_store, clickhouse):
    request = ExportLogsServiceRequest()
    records = request.resource_logs.add().scope_logs.add().log_records
    for number in range(8):
        body = os.urandom(50_000).hex() if number == 5 else str(number)
        records.add(time_unix_nano=SAMPLE_TIME).body.string_value = body
    batch = Batch(Signal.LOGS, codec(), requests=(request.SerializeToString(),), items=8)
    delivery = Delivery(batch, "log:0-0")
    with gateway(clickhouse.url, most=20_000) as address:
        http_store.endpoint = address
        async with exporting(http_store) as exporter:
            with pytest.raises(Permanent, match="too large alone") as refused:
                await exporter.push(delivery)
    assert (refused.value.rows, refused.value.rest_stored) == ([5], True)
    http_store.endpoint = clickhouse.url
    assert http_store.query(f"SELECT Body FROM {http_store.database}.otel_logs ORDER BY Body") == [
        (body,) for body in "0123467"
    ]


def _spans(times):
    request = ExportTraceServiceRequest()
    spans = request.resource_spans.add().scope_spans.add().spans
    for number, start in enumerate(times, 1):
        ids = {"trace_id": number.to_bytes(16, "big"), "span_id": number.to_bytes(8, "big")}
        spans.add(start_time_unix_nano=start, end_time_unix_nano=start, **ids)
    context = Context(received_at=SAMPLE_TIME)
    return Batch(Signal.TRACES, codec(), requests=(request.SerializeToString(),), context=context)


async def test_times_from_1970_to_2299_in_one_batch_cost_no_row(store):
    times = [0, 1, DAY, SAMPLE_TIME, YEAR_2299, 2**64 - 1, *(SAMPLE_TIME - day * DAY for day in range(1, 150))]
    async with exporting(store) as exporter:
        for _ in range(2):
            await exporter.push(Delivery(_spans(times), "log:0-0"))
    table = f"{store.database}.otel_traces"
    assert store.count("otel_traces") == len(times)
    assert store.query(
        f"SELECT toString(toTimeZone(Timestamp, 'UTC')), count() FROM {table}"
        " WHERE Timestamp < '1971-01-01' OR Timestamp > '2100-01-01' GROUP BY 1 ORDER BY 1"
    ) == [("1970-01-01 00:00:00.000000001", 1), ("1970-01-02 00:00:00.000000000", 1), (YEAR_2106, 2)]
    days = store.query(f"SELECT DISTINCT toDate(Timestamp, 'UTC') FROM {table}")
    assert len(days) == 3 + 150
    assert store.value(f"SELECT count() FROM {table} WHERE toDate(Timestamp, 'UTC') = '2026-01-01'") == 2


async def test_a_huge_batch_is_stored_whole(http_store):
    async with exporting(http_store) as exporter:
        await exporter.push(sample(Signal.TRACES, 50_000))
    assert http_store.value(f"SELECT uniqExact(SpanId) FROM {http_store.database}.otel_traces") == 50_000
    assert http_store.count("otel_traces") == 50_000
