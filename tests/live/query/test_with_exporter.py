"""The exporter and the server on one engine in one process: rows are inserted while they are asked for."""

import asyncio
import contextlib

import httpx2
import pytest

from collector.api import Delivery, Signal
from collector.query.config import ClickHouseServerConfig
from collector.query.factory import FACTORY as SERVER
from collector.testing import sample_batch, settings
from exporters.clickhouse.config import ClickHouseConfig
from exporters.clickhouse.factory import FACTORY as EXPORTER

BATCHES = 12
SPANS = 50
ASKERS = 4


@pytest.fixture
async def exporter(tmp_path):
    pytest.importorskip("chdb", reason="the embedded engine is not installed: pip install 'ottery[embedded]'")
    config = ClickHouseConfig(endpoint=f"chdb://{tmp_path}/data")
    component = EXPORTER.create(config, settings("clickhouse"))
    await component.start()
    yield component
    await component.stop()


@pytest.fixture
async def ask():
    """A function that asks a server which was not told where the data lies."""
    server = SERVER.create(ClickHouseServerConfig(endpoint="localhost:0"), settings("clickhouse_server"))
    await server.start()
    address = server.listening["ClickHouse over HTTP"]
    async with contextlib.AsyncExitStack() as stack:
        client = await stack.enter_async_context(httpx2.AsyncClient(base_url=address, timeout=60, trust_env=False))

        async def run(sql):
            return await client.post("/", content=sql)

        yield run
    await server.stop()


async def test_queries_see_whole_inserts_while_more_are_made(exporter, ask):
    await exporter.push(Delivery(sample_batch(Signal.TRACES, SPANS), "first"))
    ended = asyncio.Event()

    async def insert():
        async with asyncio.TaskGroup() as group:
            for number in range(BATCHES):
                group.create_task(exporter.push(Delivery(sample_batch(Signal.TRACES, SPANS), f"token-{number}")))
        ended.set()

    async def watch():
        counts = []
        while not ended.is_set():
            answer = await ask("SELECT count() FROM otel_traces")
            assert answer.status_code == 200, answer.text
            counts.append(int(answer.text))
        return counts

    async with asyncio.TaskGroup() as group:
        group.create_task(insert())
        watching = [group.create_task(watch()) for _ in range(ASKERS)]

    assert (await ask("SELECT count() FROM otel_traces")).text == f"{SPANS * (1 + BATCHES)}\n"
    for counts in (task.result() for task in watching):
        assert counts == sorted(counts)
        assert {count % SPANS for count in counts} == {0}


async def test_the_server_goes_on_when_the_exporter_has_let_go_of_the_engine(exporter, ask):
    await exporter.push(Delivery(sample_batch(Signal.LOGS, SPANS), "token"))
    assert (await ask("SELECT count() FROM otel_logs")).text == f"{SPANS}\n"

    await exporter.stop()

    assert (await ask("SELECT count() FROM otel_logs")).text == f"{SPANS}\n"


async def test_files_are_out_of_reach_for_the_exporters_engine_too(exporter, ask, tmp_path):
    (tmp_path / "secret.csv").write_text("a\nhunter2\n")
    await exporter.push(Delivery(sample_batch(Signal.LOGS, SPANS), "token"))

    answer = await ask(f"SELECT * FROM `{tmp_path}/secret.csv`")

    assert (answer.status_code, answer.headers["x-clickhouse-exception-code"]) == (404, "60")


TRACE_LOOKUP = """
WITH (SELECT TraceId FROM otel_traces LIMIT 1) AS wanted,
  (SELECT min(Start) FROM "default"."otel_traces_trace_id_ts" WHERE TraceId = wanted) AS trace_start,
  (SELECT max(End) + 1 FROM "default"."otel_traces_trace_id_ts" WHERE TraceId = wanted) AS trace_end
SELECT "SpanId" AS spanID, multiply("Duration", 0.000001) AS duration,
  arrayMap(key -> map('key', key, 'value', "SpanAttributes"[key]), mapKeys("SpanAttributes")) AS tags,
  arrayMap((name, at) -> tuple(name, toString(toUnixTimestamp64Milli(at)))::Tuple(name String, timestamp String),
    "Events".Name, "Events".Timestamp) AS logs
FROM "default"."otel_traces"
WHERE "TraceId" = wanted AND "Timestamp" >= trace_start AND "Timestamp" <= trace_end LIMIT 1000
"""
LOG_SEARCH = """
SELECT "Timestamp" AS "timestamp", "Body" AS "body", "SeverityText" AS "level", "LogAttributes" AS "labels"
FROM "default"."otel_logs"
WHERE ( timestamp >= fromUnixTimestamp64Milli(0) AND timestamp <= now64() ) ORDER BY timestamp DESC LIMIT 1000
"""


async def test_queries_of_grafanas_shape_are_answered(exporter, ask):
    await exporter.push(Delivery(sample_batch(Signal.TRACES, SPANS), "traces"))
    await exporter.push(Delivery(sample_batch(Signal.LOGS, SPANS), "logs"))

    spans = await ask(f"{TRACE_LOOKUP} FORMAT JSON")
    logs = await ask(f"{LOG_SEARCH} FORMAT JSON")

    one_trace = await ask("SELECT count() FROM otel_traces WHERE TraceId = (SELECT TraceId FROM otel_traces LIMIT 1)")
    assert (spans.status_code, spans.json()["rows"]) == (200, int(one_trace.text)), spans.text
    assert (logs.status_code, logs.json()["rows"]) == (200, SPANS), logs.text
