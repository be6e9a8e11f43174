"""ClickHouse for the live suites: the embedded engine in a process of its own, behind ClickHouse's HTTP protocol."""

import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

_LIMIT = 60.0
_pause = threading.Event()


class ClickHouse:
    """A server on a port of its own. `start` after `stop` or `kill` finds the same data on the same port."""

    def __init__(self, directory: Path, *, writable=True):
        self.directory = directory
        self.options = ["--writable"] if writable else []
        with socket.create_server(("127.0.0.1", 0)) as bound:
            self.port = bound.getsockname()[1]
        self.host = "localhost"
        self.url = f"http://{self.host}:{self.port}"
        self.output = directory / "output.txt"
        self._process = None
        self._client = None

    def start(self):
        command = [sys.executable, "-m", "collector.query.server", "--path", str(self.directory / "data")]
        command += ["--port", str(self.port), *self.options]
        with self.output.open("ab") as output:
            self._process = subprocess.Popen(command, stdout=output, stderr=output, cwd=self.directory)
        end = time.monotonic() + _LIMIT
        while not self.answers():
            if self._process.poll() is not None or time.monotonic() > end:
                pytest.fail(f"the ClickHouse server did not start:\n{self.output.read_text()[-4000:]}")
            _pause.wait(0.02)

    def answers(self):
        """Whether a query is answered right now."""
        try:
            with urllib.request.urlopen(f"{self.url}/?query=SELECT%201", timeout=10) as answer:
                return answer.read() == b"1\n"
        except OSError:
            return False

    @property
    def client(self):
        """A clickhouse-connect client."""
        if self._client is None:
            import clickhouse_connect

            self._client = clickhouse_connect.get_client(
                host=self.host, port=self.port, autogenerate_session_id=False, query_retries=0
            )
        return self._client

    def query(self, sql, parameters=None, settings=None):
        """Return rows as dicts."""
        return list(self.client.query(sql, parameters=parameters, settings=settings).named_results())

    def command(self, sql, **options):
        """Run a statement that returns no rows."""
        return self.client.command(sql, **options)

    def stop(self):
        """End it as an operator does."""
        self._end(self._process.terminate)

    def kill(self):
        """End it as the kernel does when memory runs out."""
        self._end(self._process.kill)

    def restart(self):
        """Start it again on the same data, ended or not."""
        if self.runs:
            self.stop()
        self.start()

    @property
    def runs(self):
        return self._process is not None and self._process.poll() is None

    def _end(self, end):
        if self._client is not None:
            self._client.close()
            self._client = None
        end()
        self._process.wait(timeout=_LIMIT)


@pytest.fixture(scope="session")
def serve_clickhouse():
    """A function of a directory that starts a server; all of them end with the session."""
    pytest.importorskip("chdb", reason="the embedded engine is not installed: pip install 'ottery[embedded]'")
    servers = []

    def serve(directory, **options):
        servers.append(ClickHouse(directory, **options))
        servers[-1].start()
        return servers[-1]

    yield serve
    for server in servers:
        if server.runs:
            server.stop()


@pytest.fixture(scope="session")
def clickhouse(serve_clickhouse, tmp_path_factory):
    """One server for the whole session; a test makes tables or a database of its own."""
    return serve_clickhouse(tmp_path_factory.mktemp("clickhouse"))


@pytest.fixture
def own_clickhouse(serve_clickhouse, tmp_path):
    """A server for one test, which may stop, kill and restart it."""
    server = serve_clickhouse(tmp_path)
    yield server
    if server.runs:
        server.stop()
