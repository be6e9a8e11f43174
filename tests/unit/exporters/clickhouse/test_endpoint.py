import os
from pathlib import Path

import pytest

from collector.storage.engine import MEMORY
from exporters.clickhouse.endpoint import Endpoint, Host, parse_endpoint

NATIVE = "{} is a native port; Ottery speaks HTTP and uses {}"


@pytest.mark.parametrize(
    ("text", "endpoint"),
    [
        ("http://localhost:8123", Endpoint(hosts=(Host("localhost", 8123),))),
        ("http://localhost", Endpoint(hosts=(Host("localhost", 8123),))),
        ("https://ch.example.com", Endpoint(hosts=(Host("ch.example.com", 8443),), secure=True)),
        ("https://ch.example.com:443/otel", Endpoint((Host("ch.example.com", 443),), secure=True, database="otel")),
        (
            "tcp://localhost:9000",
            Endpoint(hosts=(Host("localhost", 8123),), notes=(NATIVE.format("localhost:9000", 8123),)),
        ),
        (
            "clickhouse://ch:9440?secure=true",
            Endpoint(hosts=(Host("ch", 8443),), secure=True, notes=(NATIVE.format("ch:9440", 8443),)),
        ),
        ("clickhouse://ch:8123", Endpoint(hosts=(Host("ch", 8123),))),
        ("http://ch:9000", Endpoint(hosts=(Host("ch", 9000),))),
        ("http://a:1,b:2,c", Endpoint(hosts=(Host("a", 1), Host("b", 2), Host("c", 8123)))),
        ("tcp://a:1,tcp://b:2", Endpoint(hosts=(Host("a", 1), Host("b", 2)))),
        ("http://[::1]:8123", Endpoint(hosts=(Host("::1", 8123),))),
        ("http://[::1]", Endpoint(hosts=(Host("::1", 8123),))),
        (
            "http://us%40er:p%2Fw@ch:1/db?dial_timeout=5s&max_execution_time=60",
            Endpoint(
                hosts=(Host("ch", 1),),
                database="db",
                username="us@er",
                password="p/w",
                params={"dial_timeout": "5s", "max_execution_time": "60"},
            ),
        ),
        (
            "http://ch?username=u&password=p&database=d",
            Endpoint(hosts=(Host("ch", 8123),), database="d", username="u", password="p"),
        ),
        ("chdb:///var/lib/ottery", Endpoint(path="/var/lib/ottery")),
        ("chdb:///var/lib/a%20b/", Endpoint(path="/var/lib/a b")),
        ("chdb://memory", Endpoint(path=MEMORY)),
        ("chdb://./data?max_threads=2&database=d", Endpoint(str(Path.cwd() / "data"), database="d")),
    ],
)
def test_an_endpoint_says_where_clickhouse_is(text, endpoint):
    if text.startswith("chdb://./"):
        endpoint = Endpoint(path=os.path.realpath("data"), database="d", params={"max_threads": "2"})
    assert parse_endpoint(text) == endpoint


def test_connection_params_come_before_those_of_the_endpoint():
    params = {"max_execution_time": "5", "secure": "true", "username": "u"}
    parsed = parse_endpoint("http://x:y@ch?max_execution_time=60&async_insert=1", params)
    assert parsed == Endpoint(
        hosts=(Host("ch", 8443),),
        secure=True,
        username="u",
        password="y",
        params={"max_execution_time": "5", "async_insert": "1"},
    )


def test_parameters_of_the_go_driver_are_no_settings_of_the_session():
    parsed = parse_endpoint("http://ch?dial_timeout=5s&compress=lz4&max_open_conns=3&max_threads=4&http_proxy=p")
    assert parsed.session_settings == {"max_threads": "4"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("localhost:9000", "an endpoint that begins with one of http://, https://, clickhouse://, tcp://, chdb://"),
        ("mysql://h", "begins with one of .* not 'mysql://h'"),
        ("", "not ''"),
        ("http://", "a host was expected"),
        ("http://:8123", "a host was expected before the port"),
        ("http://h:port", "a port from 1 to 65535 was expected, not 'port'"),
        ("http://h:0", "a port from 1 to 65535 was expected, not '0'"),
        ("http://h:65536", "a port from 1 to 65535 was expected, not '65536'"),
        ("http://a,,b", "a host was expected"),
        (
            "chdb://var/lib",
            "chdb:///absolute/path, chdb://./relative/path or chdb://memory was expected, not chdb://var",
        ),
    ],
)
def test_an_unreadable_endpoint_is_refused_with_what_was_expected(text, message):
    with pytest.raises(ValueError, match=message):
        parse_endpoint(text)


def test_a_refusal_never_shows_a_password():
    with pytest.raises(ValueError, match="was expected") as refused:
        parse_endpoint("mysqls://h/?password=secret")
    assert "secret" not in str(refused.value)
    assert "secret" not in repr(parse_endpoint("http://u:secret@h"))
