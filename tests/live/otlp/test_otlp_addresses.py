"""Where the receiver listens: ports, unix sockets, shared ports, and addresses that cannot be had."""

import socket
import stat
from contextlib import AsyncExitStack
from pathlib import Path

import grpc
import httpx2
import pytest

from collector.api import Fatal, Signal
from collector.testing import sample_request
from tests.live.otlp.frames import EXPORT

PROTO = {"content-type": "application/x-protobuf"}


def unix(tmp_path):
    blocks = {name: {"transport": "unix", "endpoint": str(tmp_path / f"{name}.sock")} for name in ("grpc", "http")}
    return blocks, blocks["grpc"]["endpoint"], blocks["http"]["endpoint"]


async def post(path):
    transport = httpx2.AsyncHTTPTransport(uds=path)
    async with httpx2.AsyncClient(transport=transport, base_url="http://localhost", trust_env=False) as client:
        body = sample_request(Signal.TRACES)
        return (await client.post("/v1/traces", content=body, headers=PROTO)).status_code


async def test_both_protocols_are_served_on_unix_sockets(start_otlp, tmp_path):
    blocks, grpc_path, http_path = unix(tmp_path)
    async with start_otlp(**blocks) as otlp:
        assert (otlp.grpc_target, otlp.http_host) == (grpc_path, http_path)
        assert await post(http_path) == 200
        async with grpc.aio.insecure_channel(f"unix:{grpc_path}") as channel:
            assert await channel.unary_unary(EXPORT)(sample_request(Signal.TRACES)) == b""
        assert otlp.consumers[Signal.TRACES].items == 6


async def test_sockets_that_a_dead_process_left_are_taken_over(start_otlp, tmp_path):
    blocks, grpc_path, http_path = unix(tmp_path)
    for path in (grpc_path, http_path):
        with socket.socket(socket.AF_UNIX) as left:
            left.bind(path)
    async with start_otlp(**blocks):
        assert await post(http_path) == 200


@pytest.mark.parametrize("protocol", ["grpc", "http"])
async def test_a_file_that_is_no_socket_is_left_alone(start_otlp, tmp_path, protocol):
    blocks, *paths = unix(tmp_path)
    for path in paths:
        Path(path).write_text("precious")
    with pytest.raises(Fatal, match="there is a file that is no socket"):
        async with start_otlp(**blocks, protocols=[protocol]):
            pytest.fail("it started")
    assert [(tmp_path / f"{name}.sock").read_text() for name in ("grpc", "http")] == ["precious", "precious"]


@pytest.mark.parametrize("protocol", ["grpc", "http"])
async def test_a_socket_that_another_process_serves_is_left_alone(start_otlp, tmp_path, protocol):
    blocks, *_ = unix(tmp_path)
    async with start_otlp(**blocks, protocols=[protocol]):
        with pytest.raises(Fatal, match="another process serves it"):
            async with start_otlp(**blocks, protocols=[protocol]):
                pytest.fail("it started")
        assert stat.S_ISSOCK((tmp_path / f"{protocol}.sock").stat().st_mode)


@pytest.mark.parametrize("protocol", ["grpc", "http"])
async def test_a_port_in_use_is_an_error_that_names_it(start_otlp, protocol):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        endpoint = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(Fatal, match=f"cannot listen on {endpoint}: "):
            async with start_otlp(**{protocol: {"endpoint": endpoint}}, protocols=[protocol]):
                pytest.fail("it started")


async def test_a_receiver_that_cannot_have_its_second_address_gives_up_its_first(start_otlp):
    with socket.create_server(("127.0.0.1", 0)) as taken, socket.create_server(("127.0.0.1", 0)) as probe:
        first, second = (f"127.0.0.1:{bound.getsockname()[1]}" for bound in (probe, taken))
        probe.close()
        with pytest.raises(Fatal):
            async with start_otlp(grpc={"endpoint": first}, http={"endpoint": second}):
                pytest.fail("it started")
        async with start_otlp(grpc={"endpoint": first}, protocols=["grpc"]) as otlp, otlp.channel() as channel:
            assert await channel.unary_unary(EXPORT)(b"") == b""


async def test_several_receivers_share_a_port_where_that_is_asked_for(start_otlp):
    shared = {"so_reuseport": True}
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(start_otlp(grpc=shared, http=shared))
        blocks = {"grpc": {**shared, "endpoint": first.grpc_target}, "http": {**shared, "endpoint": first.http_host}}
        second = await stack.enter_async_context(start_otlp(**blocks))
        await first.receiver.stop()
        async with second.client() as client:
            assert (await client.post("/v1/traces", content=b"", headers=PROTO)).status_code == 200
        async with second.channel() as channel:
            assert await channel.unary_unary(EXPORT)(b"") == b""


async def test_a_name_is_served_at_its_first_address_by_both_protocols(start_otlp):
    async with start_otlp(grpc={"endpoint": "localhost:0"}, http={"endpoint": "localhost:0"}) as otlp:
        assert {where.rpartition(":")[0] for where in otlp.receiver.listening.values()} == {"127.0.0.1"}


async def test_a_receiver_stops_twice_and_listens_nowhere_then(start_otlp):
    async with start_otlp() as otlp:
        port = otlp.http_address[1]
        await otlp.receiver.stop()
        await otlp.receiver.stop()
        assert otlp.receiver.listening == {}
        with pytest.raises(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port)):
            pytest.fail("it listens")
