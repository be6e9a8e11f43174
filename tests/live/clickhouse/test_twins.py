"""What ClickHouse holds after an insert that was made straight from OTLP bytes, and after one made of columns."""

import asyncio
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from collector.api import Batch, Context, Delivery, Signal
from collector.storage.clickhouse import DEFAULT_TABLES
from collector.testing import SAMPLE_TIME
from collector.wire.codec import Limits, WireCodec, load_twin
from tests.contract.strategies import messages
from tests.live.clickhouse.conftest import Store, exporting

GOLDEN = Path(__file__).parents[2] / "golden" / "otlp"


@pytest.fixture(scope="session")
def native():
    return pytest.importorskip("ottery_native", reason="the compiled codec is not installed, run `make native`")


@pytest.fixture
def stores(http_store):
    """Two databases of one server."""
    other = Store(http_store.endpoint, http_store.client)
    yield http_store, other
    other.command(f"DROP DATABASE IF EXISTS {other.database}")


async def _push(store, twin, signal, requests):
    async with exporting(store) as exporter:
        batch = Batch(signal, WireCodec(twin), requests=requests, context=Context(received_at=SAMPLE_TIME))
        await exporter.push(Delivery(batch, f"log:{time.monotonic_ns()}"))


def _compare(stores, signal, requests):
    for store, name in zip(stores, ("python", "native"), strict=True):
        asyncio.run(_push(store, load_twin(name), signal, requests))
    for table in DEFAULT_TABLES.values():
        reference, compiled = (store.rows(table) for store in stores)
        assert compiled == reference, table


@pytest.mark.parametrize("signal", list(Signal))
@given(drawn=st.data())
@settings(max_examples=1, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
def test_both_ways_store_the_same_rows_of_any_requests(stores, native, signal, drawn):
    drawn_messages = drawn.draw(st.lists(messages(signal), min_size=4, max_size=4))
    _compare(stores, signal, [message.SerializeToString() for message in drawn_messages])


@pytest.mark.parametrize("signal", list(Signal))
def test_both_ways_store_the_same_rows_of_the_official_examples(stores, native, signal):
    document = (GOLDEN / f"{signal.value}.json").read_bytes()
    _compare(stores, signal, [native.json_to_proto(signal, document, Limits())])
