import asyncio
import signal

import httpx2
import pytest

from collector.api import Fatal
from collector.http import AsgiServer, bind, split_endpoint


async def hello(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"5")]})
    await send({"type": "http.response.body", "body": b"hello"})


@pytest.mark.parametrize(
    ("endpoint", "parts"),
    [
        pytest.param("localhost:4318", ("localhost", 4318), id="name"),
        pytest.param("127.0.0.1:0", ("127.0.0.1", 0), id="v4"),
        pytest.param("[::1]:4318", ("::1", 4318), id="v6"),
        pytest.param(":8888", ("", 8888), id="every interface"),
    ],
)
def test_an_endpoint_is_host_and_port(endpoint, parts):
    assert split_endpoint(endpoint) == parts


@pytest.mark.parametrize("endpoint", ["localhost", "localhost:", "::1:4318", "localhost:65536", "http://localhost:1"])
def test_an_endpoint_of_another_shape_is_an_error_that_shows_the_right_one(endpoint):
    with pytest.raises(ValueError, match=r"such as localhost:4318 or \[::1\]:4318 was expected, not '"):
        split_endpoint(endpoint)


async def test_a_server_answers_until_it_is_stopped_and_leaves_signals_alone():
    before = signal.getsignal(signal.SIGTERM)
    server = AsgiServer(hello, [bind("localhost:0")])
    await server.start()
    async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{server.port}") as client:
        answer = await client.get("/")
        assert (answer.status_code, answer.text, "server" in answer.headers) == (200, "hello", False)
        assert answer.headers["date"].endswith(" GMT")
        assert signal.getsignal(signal.SIGTERM) is before
        await server.stop()
        with pytest.raises(httpx2.ConnectError):
            await client.get("/")
    await server.stop()


async def test_a_server_that_never_started_closes_its_socket():
    bound = bind("127.0.0.1:0")
    await AsgiServer(hello, [bound]).stop()
    assert bound.fileno() == -1


async def test_a_request_under_way_is_finished_before_the_server_stops():
    arrived, release = asyncio.Event(), asyncio.Event()

    async def slow(scope, receive, send):
        arrived.set()
        await release.wait()
        await hello(scope, receive, send)

    server = AsgiServer(slow, [bind("127.0.0.1:0")])
    await server.start()
    async with httpx2.AsyncClient() as client, asyncio.TaskGroup() as tasks:
        answer = tasks.create_task(client.get(f"http://127.0.0.1:{server.port}/"))
        await arrived.wait()
        stopping = tasks.create_task(server.stop())
        release.set()
    assert (answer.result().text, stopping.done()) == ("hello", True)


async def test_a_request_that_never_ends_is_cut_after_the_grace_period():
    arrived = asyncio.Event()

    async def stuck(scope, receive, send):
        arrived.set()
        await asyncio.Event().wait()

    server = AsgiServer(stuck, [bind("127.0.0.1:0")], grace=0)
    await server.start()
    _, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
    await arrived.wait()
    await server.stop()
    writer.close()


async def test_a_request_that_is_cut_may_answer_first():
    arrived = asyncio.Event()

    async def stuck(scope, receive, send):
        arrived.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await send({"type": "http.response.start", "status": 503, "headers": [(b"content-length", b"0")]})
            await send({"type": "http.response.body", "body": b""})
            raise

    server = AsgiServer(stuck, [bind("127.0.0.1:0")], grace=0)
    await server.start()
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
    await arrived.wait()
    await server.stop()
    answer = await reader.read()
    assert answer.startswith(b"HTTP/1.1 503 ")
    writer.close()


def test_an_address_in_use_is_an_error_that_names_it():
    bound = bind("127.0.0.1:0")
    endpoint = f"127.0.0.1:{bound.getsockname()[1]}"
    with bound, pytest.raises(Fatal, match=f"cannot listen on {endpoint}: another process listens there; stop it"):
        bind(endpoint)
