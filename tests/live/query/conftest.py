"""Servers for the tests of the query protocol, and raw requests to them."""

import contextlib
import socket

import httpx2
import pytest

_GO_TABLE = """CREATE TABLE {} (id UInt64, name LowCardinality(String), at DateTime64(9),
attributes Map(LowCardinality(String), String), events Array(String), size Nullable(Float64))
ENGINE = MergeTree ORDER BY id"""
_GO_ROWS = """
(1, 'first', toDateTime64('2026-01-02 03:04:05.678901234', 9, 'UTC'), {'a': 'b'}, ['x', 'y'], 0.5),
(2, 'second', toDateTime64('2026-01-02 03:04:06.678901234', 9, 'UTC'), {}, [], NULL)"""


class Asked:
    """Raw requests, as curl sends them."""

    def __init__(self, server):
        self.server = server
        self.client = httpx2.Client(base_url=server.url, timeout=60, trust_env=False)
        self.client.headers.pop("accept-encoding")

    def get(self, path="/", headers=None, **params):
        return self.client.get(path, params=params, headers=headers)

    def post(self, sql, headers=None, **params):
        return self.client.post("/", params=params, content=sql, headers=headers)


@pytest.fixture(scope="session")
def raw(clickhouse):
    """Raw requests to the writable server."""
    asked = Asked(clickhouse)
    yield asked
    asked.client.close()


@pytest.fixture(scope="session")
def read_only(serve_clickhouse, tmp_path_factory):
    """Raw requests to a server that only reads: a table `t` of two rows, and two that clickhouse-go reads."""
    server = serve_clickhouse(tmp_path_factory.mktemp("read_only"))
    server.command("CREATE TABLE t (a UInt64, b String) ENGINE = MergeTree ORDER BY a")
    server.command("INSERT INTO t VALUES (1, 'x'), (2, 'y')")
    for name in ("go_gzip", "go_lz4"):
        server.command(_GO_TABLE.format(name))
        server.command(f"INSERT INTO {name} VALUES {_GO_ROWS}")
    server.options.clear()
    server.restart()
    asked = Asked(server)
    yield asked
    asked.client.close()


class Listener:
    """A port that counts who connects to it."""

    def __init__(self):
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._socket.setblocking(False)
        self.address = f"127.0.0.1:{self._socket.getsockname()[1]}"

    def contacts(self):
        count = 0
        with contextlib.suppress(BlockingIOError):
            while True:
                self._socket.accept()[0].close()
                count += 1
        return count

    def close(self):
        self._socket.close()


@pytest.fixture(scope="session")
def listener():
    """A server of somebody else's that must not be contacted."""
    with contextlib.closing(Listener()) as server:
        yield server
