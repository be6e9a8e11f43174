"""Limits, users and clients that go away: the extension in this process, on the data of one module."""

import asyncio
import contextlib
import gzip
import socket

import httpx2
import pytest

from collector.query.config import ClickHouseServerConfig
from collector.query.factory import FACTORY
from collector.testing import RecordingLog, settings

LONG = "SELECT count() FROM numbers(100000000000000) WHERE NOT ignore(sipHash64(number))"
ENDLESS = "SELECT number FROM numbers(100000000000000)"


class Served:
    """One server and a client of it."""

    def __init__(self, server, client):
        self.server = server
        self.client = client
        self.port = client.base_url.port

    async def ask(self, query, headers=None, **params):
        return await self.client.get("/", params={"query": query, **params}, headers=headers)

    async def post(self, body, headers=None, **params):
        return await self.client.post("/", params=params, content=body, headers=headers)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    pytest.importorskip("chdb", reason="the embedded engine is not installed: pip install 'ottery[embedded]'")
    return tmp_path_factory.mktemp("limits")


@pytest.fixture
async def serve(data):
    """A function that starts a server with some configuration."""
    async with contextlib.AsyncExitStack() as stack:

        async def start(**config):
            config = {"endpoint": "localhost:0", "path": str(data), **config}
            server = FACTORY.create(ClickHouseServerConfig.model_validate(config), settings("clickhouse_server"))
            await server.start()
            stack.push_async_callback(server.stop)
            address = server.listening["ClickHouse over HTTP"]
            client = httpx2.AsyncClient(base_url=address, timeout=60, trust_env=False)
            return Served(server, await stack.enter_async_context(client))

        yield start


async def until_running(served, count):
    """Ask the engine until it runs so many queries beside the one that asks."""
    await until(served, "SELECT count() - 1 FROM system.processes", f"{count}\n")


async def until(served, query, expected):
    """Ask again until the answer is the expected one; an engine in another thread can only be asked."""
    async with asyncio.timeout(20):
        while True:
            answer = await served.ask(query)
            if answer.text == expected:
                return


def told(answer):
    return answer.status_code, answer.headers.get("x-clickhouse-exception-code")


async def test_a_query_ends_at_its_time(serve):
    served = await serve(timeout="1s")

    answer = await served.ask(LONG)

    assert (*told(answer), "Timeout exceeded" in answer.text) == (408, "159", True)


async def test_a_client_may_ask_for_less_time_but_not_for_more(serve):
    served = await serve(timeout="2s")
    setting = "SELECT getSetting('max_execution_time')"

    assert (await served.ask(setting, max_execution_time="1")).text == "1\n"
    assert (await served.ask(setting, max_execution_time="0")).text == "2\n"
    assert (await served.ask(setting, max_execution_time="3600")).text == "2\n"
    assert (await served.ask(setting, max_execution_time="x")).text == "2\n"
    assert (await served.ask(f"{setting} SETTINGS max_execution_time = 3600")).text == "2\n"


async def test_a_query_ends_at_its_memory(serve):
    served = await serve(max_memory=50_000_000)

    answer = await served.ask("SELECT length(groupArray(number)) FROM numbers(100000000)")

    assert told(answer) == (500, "241")


async def test_a_result_that_must_be_whole_ends_at_its_size(serve):
    served = await serve(max_result_bytes=1_000_000)

    whole = await served.ask("SELECT number FROM numbers(1000000) FORMAT JSON")
    streamed = await served.ask("SELECT number FROM numbers(1000000) FORMAT TSV")

    assert told(whole) == (500, "396")
    assert (streamed.status_code, streamed.text.count("\n")) == (200, 1_000_000)


async def test_a_statement_that_is_too_long_is_refused(serve):
    served = await serve(max_query_size=1000)

    assert told(await served.post(b"SELECT 1 -- " + b"x" * 1000)) == (413, "229")
    assert (await served.post(b"SELECT 1")).text == "1\n"


@pytest.mark.parametrize("writable", [False, True], ids=["read-only", "writable"])
async def test_a_statement_may_be_as_long_as_the_limit(serve, writable):
    served = await serve(max_query_size=1 << 19, writable=writable)
    sql = f"SELECT 1 IN ({','.join(repr(str(number)) for number in range(60_000))})"

    answer = await served.post(sql.encode())

    assert (len(sql) > 400_000, answer.text) == (True, "1\n")


@pytest.mark.parametrize("compressed", [False, True], ids=["plain", "compressed"])
async def test_a_body_that_is_too_large_is_refused(serve, compressed):
    served = await serve(max_body_size=100_000)
    body = b"SELECT 1 -- " + b"x" * 1_000_000
    headers = {"content-encoding": "gzip"} if compressed else {}

    answer = await served.post(gzip.compress(body) if compressed else body, headers=headers)

    assert told(answer) == (413, "36")
    assert (await served.post(b"SELECT 1")).text == "1\n"


async def test_a_query_whose_client_goes_away_is_ended_and_its_place_free(serve):
    served, observer = await serve(max_concurrent_queries=1), await serve()
    asking = asyncio.ensure_future(served.ask(LONG))
    await until_running(observer, 1)
    assert told(await served.ask("SELECT 1")) == (503, "202")

    asking.cancel()
    await until_running(observer, 0)

    await until(served, "SELECT 1", "1\n")


async def test_a_stream_whose_client_goes_away_is_ended(serve):
    served, observer = await serve(), await serve()

    async with served.client.stream("GET", "/", params={"query": ENDLESS}) as answer:
        pieces = answer.aiter_raw()
        await anext(pieces)
        await until_running(observer, 1)

    await until_running(observer, 0)


async def test_a_stream_whose_client_does_not_read_is_ended(serve):
    served, observer = await serve(timeout="1s"), await serve()
    loop = asyncio.get_running_loop()
    with socket.socket() as idle:
        idle.setblocking(False)
        await loop.sock_connect(idle, ("127.0.0.1", served.port))
        await loop.sock_sendall(
            idle, f"GET /?query={ENDLESS.replace(' ', '%20')} HTTP/1.1\r\nhost: localhost\r\n\r\n".encode()
        )
        await until_running(observer, 1)

        await until_running(observer, 0)


@contextlib.asynccontextmanager
async def stalled(served, *lines):
    """A client that sends the beginning of a body and no more."""
    reader, writer = await asyncio.open_connection("localhost", served.port)
    head = "".join(f"{line}\r\n" for line in ("POST / HTTP/1.1", "host: localhost", "content-length: 100", *lines))
    writer.write(f"{head}\r\nSELECT 1".encode())
    yield reader
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()


async def test_a_body_that_does_not_come_is_given_up_and_takes_nobodys_place(serve):
    served = await serve(timeout="1s", max_concurrent_queries=1)
    async with stalled(served) as first, stalled(served) as second:
        assert (await served.ask("SELECT 1")).text == "1\n"

        for reader in (first, second):
            assert await asyncio.wait_for(reader.readline(), 20) == b"HTTP/1.1 408 Request Timeout\r\n"


async def test_a_stranger_is_refused_before_a_body_is_read(serve):
    served = await serve(users=USERS)
    async with stalled(served, "x-clickhouse-user: nobody") as reader:
        assert await asyncio.wait_for(reader.readline(), 20) == b"HTTP/1.1 403 Forbidden\r\n"


async def test_stopping_ends_the_queries_under_way(serve):
    served = await serve()
    observer = await serve()
    asking = asyncio.ensure_future(served.ask(LONG))
    await until_running(observer, 1)

    await served.server.stop()

    assert told(await asking) == (500, "394")
    await until_running(observer, 0)


USERS = {"grafana": "secret", "other": ""}
BASIC = {"grafana": "Z3JhZmFuYTpzZWNyZXQ=", "wrong": "Z3JhZmFuYTp3cm9uZw=="}


@pytest.mark.parametrize(
    ("headers", "params", "expected"),
    [
        pytest.param({}, {}, (401, "516"), id="nothing"),
        pytest.param({"authorization": f"Basic {BASIC['grafana']}"}, {}, (200, None), id="basic"),
        pytest.param({"authorization": f"Basic {BASIC['wrong']}"}, {}, (403, "516"), id="basic, wrong"),
        pytest.param({"authorization": "Basic %%%"}, {}, (403, "516"), id="basic, unreadable"),
        pytest.param({"authorization": "Bearer x"}, {}, (403, "516"), id="bearer"),
        pytest.param({"x-clickhouse-user": "grafana", "x-clickhouse-key": "secret"}, {}, (200, None), id="headers"),
        pytest.param({"x-clickhouse-user": "grafana", "x-clickhouse-key": "x"}, {}, (403, "516"), id="headers, wrong"),
        pytest.param({"x-clickhouse-user": "other"}, {}, (200, None), id="empty password"),
        pytest.param({}, {"user": "grafana", "password": "secret"}, (200, None), id="URL"),
        pytest.param({}, {"user": "grafana"}, (403, "516"), id="URL, no password"),
        pytest.param({}, {"user": "nobody", "password": "secret"}, (403, "516"), id="unknown"),
        pytest.param({"x-clickhouse-user": "default"}, {}, (403, "516"), id="default"),
    ],
)
async def test_only_users_are_answered(serve, headers, params, expected):
    served = await serve(users=USERS)

    answer = await served.ask("SELECT 1", headers=headers, **params)

    assert told(answer) == expected
    assert (await served.client.get("/ping")).text == "Ok.\n"


@pytest.mark.parametrize(
    ("user", "expected"), [("default", (200, None)), ("grafana", (403, "516"))], ids=["default", "another"]
)
async def test_without_users_there_is_one_without_a_password(serve, user, expected):
    served = await serve()

    assert told(await served.ask("SELECT 1", headers={"x-clickhouse-user": user})) == expected


@pytest.mark.parametrize(
    ("headers", "config", "expected"),
    [
        pytest.param({"host": "127.0.0.1:8123"}, {}, (200, None), id="address"),
        pytest.param({"host": "[::1]:8123"}, {}, (200, None), id="address of version 6"),
        pytest.param({"host": "[::1]"}, {}, (200, None), id="address of version 6, no port"),
        pytest.param({"host": "LOCALHOST"}, {}, (200, None), id="no port"),
        pytest.param({"host": "app.localhost:8123"}, {}, (200, None), id="below localhost"),
        pytest.param({"host": "localhost.evil.example:8123"}, {}, (403, "497"), id="a name like localhost"),
        pytest.param({"host": "[::1"}, {}, (403, "497"), id="unreadable"),
        pytest.param({"host": "evil.example:8123"}, {}, (403, "497"), id="rebound name"),
        pytest.param({"host": "evil.example"}, {"endpoint": ":0"}, (200, None), id="not on loopback"),
        pytest.param({"host": "db.example", "x-clickhouse-user": "other"}, {"users": USERS}, (200, None), id="users"),
        pytest.param({"origin": "https://evil.example"}, {}, (403, "497"), id="page"),
        pytest.param({"origin": "null"}, {}, (403, "497"), id="page of a file"),
        pytest.param({"origin": "http://localhost:8123"}, {}, (403, "497"), id="page of this machine"),
    ],
)
async def test_no_web_page_asks_that_was_not_allowed_to(serve, headers, config, expected):
    served = await serve(**config)

    assert told(await served.ask("SELECT 1", headers=headers)) == expected


@pytest.mark.parametrize(
    ("config", "warnings"),
    [
        pytest.param({"endpoint": "localhost:0"}, 0, id="loopback"),
        pytest.param({"endpoint": ":0"}, 1, id="every interface"),
        pytest.param({"endpoint": ":0", "users": USERS}, 0, id="every interface, users"),
    ],
)
async def test_an_open_door_is_warned_of(data, config, warnings):
    log = RecordingLog()
    server = FACTORY.create(ClickHouseServerConfig(path=str(data), **config), settings("clickhouse_server", log=log))

    await server.start()
    await server.stop()

    assert len([line for line in log.lines if line[0] == "warning"]) == warnings


async def test_pages_of_allowed_origins_may_read_answers(serve):
    served = await serve(cors_allowed_origins=["https://good.example"])
    good, evil = {"origin": "https://good.example"}, {"origin": "https://evil.example"}

    assert (await served.ask("SELECT 1", headers=good)).headers["access-control-allow-origin"] == good["origin"]
    assert (await served.ask("SELECT x", headers=good)).headers["access-control-allow-origin"] == good["origin"]
    assert "access-control-allow-origin" not in (await served.ask("SELECT 1", headers=evil)).headers
    preflight = await served.client.options("/", headers={**good, "access-control-request-method": "POST"})
    assert (preflight.status_code, preflight.headers["access-control-allow-methods"]) == (204, "GET, POST")


async def test_a_second_engine_is_refused_in_words(serve, data, tmp_path):
    first, second = await serve(), await serve(path=str(tmp_path))
    assert (await first.ask("SELECT 1")).text == "1\n"

    answer = await second.ask("SELECT 1")

    assert told(answer) == (503, "210")
    assert f"the embedded engine cannot be opened on {tmp_path}" in answer.text
