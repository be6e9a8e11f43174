"""What ClickHouse holds after a push, cell by cell, against what the messages say."""

import asyncio
import time

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from collector.api import Batch, Context, Delivery, Signal
from collector.storage.clickhouse import DEFAULT_TABLES
from collector.testing import SAMPLE_TIME, sample_batch
from collector.wire.codec import codec
from tests.contract.strategies import REQUESTS, messages
from tests.live.clickhouse.conftest import exporting, in_order
from tests.oracles.clickhouse_rows import expected, fitted

KINDS = {
    Signal.TRACES: ("traces",),
    Signal.LOGS: ("logs",),
    Signal.METRICS: ("gauge", "sum", "histogram", "exponential_histogram", "summary"),
}


def _message(signal, batch):
    return REQUESTS[signal].FromString(batch.otlp)


def _check(store, signal, message, received_at):
    wanted = expected(signal, message, received_at)
    for kind in KINDS[signal]:
        table = DEFAULT_TABLES[kind]
        layout = store.layout(table)
        assert store.rows(table) == in_order(fitted(wanted.get(kind, []), layout)), table


@pytest.mark.parametrize("signal", list(Signal))
@given(drawn=st.data())
@settings(max_examples=2, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
def test_every_field_of_any_request_is_read_back_as_the_message_has_it(store, signal, drawn):
    request = b"".join(
        message.SerializeToString() for message in drawn.draw(st.lists(messages(signal), min_size=8, max_size=8))
    )

    async def push():
        async with exporting(store) as exporter:
            batch = Batch(signal, codec(), requests=(request,), context=Context(received_at=SAMPLE_TIME))
            await exporter.push(Delivery(batch, f"log:{time.monotonic_ns()}"))

    asyncio.run(push())
    _check(store, signal, REQUESTS[signal].FromString(request), SAMPLE_TIME)
    for kind in KINDS[signal]:
        store.command(f"TRUNCATE TABLE {store.database}.{DEFAULT_TABLES[kind]}")


@pytest.mark.parametrize("compress", ["none", "lz4", "zstd", "gzip", "deflate", "br"])
async def test_every_compression_carries_the_same_rows(http_store, compress):
    batch = sample_batch(Signal.TRACES, 50)
    async with exporting(http_store, compress=compress) as exporter:
        await exporter.push(Delivery(batch, "log:0-0"))
    _check(http_store, Signal.TRACES, _message(Signal.TRACES, batch), 0)
