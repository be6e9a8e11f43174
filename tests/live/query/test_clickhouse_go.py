"""clickhouse-go over HTTP, as Grafana's data source and the OpenTelemetry Collector use it."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

_SOURCE = Path(__file__).parent / "go"
_ROWS = [
    {
        "id": 1,
        "name": "first",
        "at": "2026-01-02T03:04:05.678901234Z",
        "attributes": {"a": "b"},
        "events": ["x", "y"],
        "size": 0.5,
    },
    {
        "id": 2,
        "name": "second",
        "at": "2026-01-02T03:04:06.678901234Z",
        "attributes": {},
        "events": [],
        "size": None,
    },
]
_NUMBERS = {"count": 500_000, "sum": 124_999_750_000}


@pytest.fixture(scope="module")
def ask(tmp_path_factory):
    """A function that runs the client: the name of a compression, a mode, a server."""
    if shutil.which("go") is None:
        pytest.skip("Go is not installed: clickhouse-go was NOT tested")
    client = tmp_path_factory.mktemp("go") / "client"
    environment = {**os.environ, "GOFLAGS": "-mod=readonly -buildvcs=false"}
    subprocess.run(["go", "build", "-o", client, "."], cwd=_SOURCE, env=environment, check=True, timeout=600)

    def run(method, mode, server):
        command = [client, f"{server.host}:{server.port}", method, mode]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run


@pytest.mark.timeout(600)
@pytest.mark.parametrize("method", ["none", "gzip", "deflate", "br", "lz4", "zstd"])
def test_what_it_inserts_it_reads_back_under_every_compression(ask, clickhouse, method):
    found = ask(method, "write", clickhouse)

    assert found == {"rows": _ROWS, "numbers": _NUMBERS, "timezone": found["timezone"], "error": 60, "drop": 0}
    assert clickhouse.query(f"SELECT count() AS n FROM go_{method}") == [{"n": 3}]


@pytest.mark.timeout(600)
@pytest.mark.parametrize("method", ["gzip", "lz4"])
def test_it_reads_from_a_read_only_server_and_may_not_write(ask, read_only, method):
    found = ask(method, "read", read_only.server)

    assert found == {"rows": _ROWS, "numbers": _NUMBERS, "timezone": found["timezone"], "error": 60, "drop": 164}
