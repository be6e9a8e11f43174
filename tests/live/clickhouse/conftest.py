"""ClickHouse in both of its forms, each test with a database of its own, and what is stored there read cell by cell."""

import asyncio
import json
import math
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import pytest

from collector.api import Delivery
from collector.testing import sample_batch, settings
from exporters.clickhouse.config import ClickHouseConfig
from exporters.clickhouse.factory import FACTORY


@dataclass
class Store:
    """A database, where it is, and a client that looks into it."""

    endpoint: str
    client: Any
    database: str = field(default_factory=lambda: f"t{uuid4().hex[:12]}")

    def command(self, sql):
        return self.client.command(sql)

    def query(self, sql):
        return self.client.query(sql).result_rows

    def value(self, sql):
        ((value,),) = self.query(sql)
        return value

    def keep_parts(self):
        """Merge nothing, so that the rows of the trace lookup stand as they were inserted."""
        self.command(f"SYSTEM STOP MERGES {self.database}.otel_traces_trace_id_ts")

    def count(self, table):
        return self.value(f"SELECT count() FROM {self.database}.{table}")

    def tables(self):
        return {name for (name,) in self.query(f"SHOW TABLES FROM {self.database}")}

    def layout(self, table):
        """The columns that are stored as they were sent."""
        found = self.query(f"DESCRIBE TABLE {self.database}.{table}")
        return {name: kind for name, kind, default, *_ in found if default not in ("ALIAS", "MATERIALIZED")}

    def rows(self, table, layout=None):
        """Every row, sorted; times as numbers in the unit of their column."""
        layout = layout or self.layout(table)
        columns = [f"{_readable(f'`{name}`', kind)} AS `{name}`" for name, kind in layout.items()]
        found = self.client.query(
            f"SELECT {', '.join(columns)} FROM {self.database}.{table} SETTINGS prefer_column_name_to_alias = 1"
        )
        return in_order([{name: _plain(row[name]) for name in layout} for row in found.named_results()])


def _readable(name, kind):
    if "DateTime" not in kind:
        return name
    function = "toUnixTimestamp64Nano" if "DateTime64" in kind else "toUnixTimestamp"
    return f"arrayMap(t -> {function}(t), {name})" if kind.startswith("Array(") else f"{function}({name})"


def _plain(value):
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return "NaN" if isinstance(value, float) and math.isnan(value) else value


def in_order(rows):
    """Sort rows by all that they hold; the order of keys in a map does not matter."""
    return sorted(rows, key=lambda row: json.dumps(row, sort_keys=True))


def _served(server):
    return Store(server.url, server.client)


@pytest.fixture
def http_store(clickhouse):
    store = _served(clickhouse)
    yield store
    store.command(f"DROP DATABASE IF EXISTS {store.database}")


@pytest.fixture
def own_store(own_clickhouse):
    return _served(own_clickhouse)


@pytest.fixture(scope="module")
def _embedded(tmp_path_factory):
    """The engine of this process, until the module ends: other suites have it on paths of their own."""
    import clickhouse_connect

    path = str(tmp_path_factory.mktemp("chdb"))
    client = clickhouse_connect.get_client(interface="chdb", path=path)
    yield Store(f"chdb://{path}", client)
    client.close()


@pytest.fixture(params=["http", "chdb"])
def store(request):
    """A server, then the engine in this process."""
    if request.param == "http":
        yield request.getfixturevalue("http_store")
        return
    pytest.importorskip("chdb", reason="the embedded engine is not installed: pip install 'ottery[embedded]'")
    shared = request.getfixturevalue("_embedded")
    store = Store(shared.endpoint, shared.client)
    yield store
    store.command(f"DROP DATABASE IF EXISTS {store.database}")


@asynccontextmanager
async def exporting(store, around=None, *, ready=True, **keys):
    """An exporter into the database, once it has made its tables unless `ready` is false."""
    config = ClickHouseConfig.model_validate({"endpoint": store.endpoint, "database": store.database, **keys})
    exporter = FACTORY.create(config, around or settings("clickhouse"))
    await exporter.start()
    try:
        if ready:
            await asyncio.to_thread(exporter._contact.join, 60)
        yield exporter
    finally:
        await exporter.stop()


def sample(signal, items=10, token="log:0-0"):
    return Delivery(sample_batch(signal, items), token)
