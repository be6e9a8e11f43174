"""gRPC for Go, on which the OpenTelemetry Collector is built, calls, and every call is answered well and arrives once."""

import asyncio
import json
import shutil
import subprocess
from pathlib import Path

import pytest

from collector.api import Signal
from collector.testing import sample_request

SOURCE = Path(__file__).parent / "go"
FOLDER = Path(__file__).parents[3] / "build" / "sdk-go"
REQUEST = sample_request(Signal.TRACES)


@pytest.fixture(scope="session")
def client():
    """The compiled program."""
    try:
        return install()
    except (OSError, subprocess.SubprocessError) as error:
        pytest.skip(f"NO GO, ITS GRPC WAS NOT TESTED: {error}")


def install():
    if not shutil.which("go"):
        raise FileNotFoundError("go is not installed")
    shutil.copytree(SOURCE, FOLDER, dirs_exist_ok=True)
    subprocess.run(["go", "build", "-mod=mod", "-o", "client", "."], cwd=FOLDER, check=True, timeout=200)
    return FOLDER / "client"


async def run(client, target, compression, calls, parallel):
    """Run the program and return how often each status was an answer."""
    pipe = asyncio.subprocess.PIPE
    words = [target, compression, str(calls), str(parallel)]
    process = await asyncio.create_subprocess_exec(client, *words, stdin=pipe, stdout=pipe, stderr=pipe)
    output, errors = await asyncio.wait_for(process.communicate(REQUEST), 60)
    assert process.returncode == 0, errors.decode()
    return json.loads(output)


@pytest.mark.parametrize("compression", ["none", "gzip", "zstd", "snappy"])
async def test_what_is_sent_arrives_with_each_compression_of_collectors(otlp, client, compression):
    assert await run(client, otlp.grpc_target, compression, 20, 4) == {"OK": 20}
    assert [batch.otlp for batch in otlp.consumers[Signal.TRACES].batches] == [REQUEST] * 20


@pytest.mark.parametrize(
    "grpc",
    [
        pytest.param({}, id="as it is"),
        pytest.param({"max_concurrent_streams": 3}, id="few calls at once"),
        pytest.param(
            {"keepalive": {"server_parameters": {"max_connection_age": "100ms", "max_connection_age_grace": "9s"}}},
            id="connections that end under way",
        ),
    ],
)
async def test_no_call_fails_of_many_at_once(start_otlp, client, grpc):
    async with start_otlp(grpc=grpc) as otlp:
        assert await run(client, otlp.grpc_target, "none", 3000, 100) == {"OK": 3000}
        assert len(otlp.consumers[Signal.TRACES].batches) == 3000


async def test_a_unix_socket_is_called(start_otlp, client, tmp_path):
    async with start_otlp(grpc={"transport": "unix", "endpoint": str(tmp_path / "otlp.sock")}) as otlp:
        assert await run(client, f"unix:{otlp.grpc_target}", "gzip", 100, 10) == {"OK": 100}
        assert len(otlp.consumers[Signal.TRACES].batches) == 100
