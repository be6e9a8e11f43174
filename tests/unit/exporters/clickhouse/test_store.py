import socket

import pytest
from clickhouse_connect.driver.exceptions import DatabaseError, OperationalError
from urllib3.exceptions import ConnectTimeoutError, MaxRetryError, NewConnectionError, ProtocolError, ReadTimeoutError

from exporters.clickhouse.config import ClickHouseConfig
from exporters.clickhouse.errors import classify
from exporters.clickhouse.store import HttpStore, open_store


class _Store(HttpStore):
    """Connects to nothing: a client is the host's name, and `errors` are raised by calls to it."""

    def __init__(self, config):
        super().__init__(config.target, config)
        self.asked = []

    def _client(self, host):
        self.asked.append(host.name)
        return host.name


def _store(**params):
    return _Store(ClickHouseConfig(endpoint="http://a,b,c", connection_params=params))


def _caused(cause):
    error = OperationalError("Error executing HTTP request")
    error.__cause__ = cause
    return error


REFUSED = MaxRetryError(None, "/", NewConnectionError(None, "Connection refused"))


def test_servers_are_tried_in_order():
    store = _store()
    assert [store.run(lambda client: client, key) for key in ("x", "y", "z")] == ["a", "a", "a"]


@pytest.mark.parametrize("strategy", ["round_robin", "random"])
def test_batches_are_spread_over_servers_and_a_retry_goes_where_the_batch_went_before(strategy):
    store = _store(connection_open_strategy=strategy)
    keys = [f"log:{number}" for number in range(60)]
    first = [store.run(lambda client: client, key) for key in keys]
    assert [store.run(lambda client: client, key) for key in keys] == first
    assert {name: first.count(name) > 10 for name in "abc"} == {"a": True, "b": True, "c": True}


@pytest.mark.parametrize(
    "cause",
    [
        REFUSED,
        MaxRetryError(None, "/", ConnectTimeoutError(None, "timed out")),
        NewConnectionError(None, "no route to host"),
    ],
    ids=["refused", "timeout", "no-route"],
)
def test_a_server_that_cannot_be_reached_is_passed_over(cause):
    store = _store()

    def call(client):
        if client != "c":
            raise _caused(cause)
        return client

    assert (store.run(call), store.asked) == ("c", ["a", "b", "c"])


@pytest.mark.parametrize(
    "error",
    [
        _caused(ProtocolError("Connection aborted", ConnectionResetError(104, "reset"))),
        _caused(ReadTimeoutError(None, "/", "read timed out")),
        DatabaseError("Code: 60", code=60),
    ],
    ids=["reset", "no-answer", "refusal"],
)
def test_rows_that_may_have_arrived_are_sent_nowhere_else(error):
    store = _store()

    def call(_):
        raise error

    with pytest.raises(type(error)):
        store.run(call)
    assert store.asked == ["a"]


def test_the_last_server_that_cannot_be_reached_says_why():
    def call(_):
        raise _caused(REFUSED)

    with pytest.raises(OperationalError) as failed:
        _store().run(call)
    assert str(classify(failed.value)) == "None: Connection refused"


def test_a_port_where_nobody_listens_is_told_without_the_statement():
    with socket.create_server(("127.0.0.1", 0)) as bound:
        port = bound.getsockname()[1]
    store = open_store(ClickHouseConfig(endpoint=f"http://127.0.0.1:{port}"))
    with pytest.raises(OperationalError) as failed:
        store.run(lambda client: client.command("SELECT 1"))
    store.close()
    where = f"HTTPConnection(host='127.0.0.1', port={port})"
    assert (
        str(classify(failed.value)) == f"{where}: Failed to establish a new connection: [Errno 111] Connection refused"
    )
