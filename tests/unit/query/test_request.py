"""What a request says."""

import pytest

from collector.query.access import authenticate, cors
from collector.query.config import ClickHouseServerConfig
from collector.query.failure import EngineFailure, Failure
from collector.query.limits import limits, within
from collector.query.request import Request


def request(url=b"", method="POST", **headers):
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return Request.read(method, url, raw)


def test_url_and_body_make_one_statement():
    query = request(b"query=INSERT+INTO+t+FORMAT+TSV&database=d&param_a=1&max_threads=2&default_format=CSV").query(
        b"1\n"
    )

    assert query.text == b"INSERT INTO t FORMAT TSV\n1\n"
    assert (query.database, query.format, query.read_only) == ("d", "CSV", False)
    assert (query.parameters, query.settings) == ({"a": "1"}, {"max_threads": "2"})


def test_parameters_of_the_protocol_are_no_settings():
    url = (
        b"query=SELECT+1&user=u&password=p&session_id=s&session_timeout=1&compress=1&decompress=0&query_id=q"
        b"&wait_end_of_query=1&buffer_size=1&client_protocol_version=54460&send_progress_in_http_headers=1"
        b"&cancel_http_readonly_queries_on_client_close=1&enable_http_compression=1"
    )

    assert request(url).query(b"").settings == {}


def test_two_queries_in_the_url_are_one():
    assert request(b"query=SELECT+&query=1").query(b"").text == b"SELECT 1"


def test_no_query_is_a_failure():
    with pytest.raises(Failure, match="Empty query"):
        request().query(b" \n")


@pytest.mark.parametrize(
    ("url", "headers", "expected"),
    [
        (b"", {}, ("default", "")),
        (b"user=u&password=p", {}, ("u", "p")),
        (b"", {"x_clickhouse_user": "u", "x_clickhouse_key": "p"}, ("u", "p")),
        (b"", {"authorization": "Basic dTpwOnE="}, ("u", "p:q")),
        (b"", {"authorization": "basic OnA="}, ("default", "p")),
        (b"user=x", {"authorization": "Basic dTpw"}, ("u", "p")),
    ],
)
def test_credentials_come_by_any_way(url, headers, expected):
    assert request(url, **headers).credentials() == expected


def test_a_password_is_compared_even_for_nobody():
    config = ClickHouseServerConfig(users={"u": "p"})

    authenticate(config, request(b"user=u&password=p"))
    for url in (b"user=u&password=x", b"user=n&password=", b"user=n", b""):
        with pytest.raises(Failure, match="Authentication failed"):
            authenticate(config, request(url))


def test_any_origin_is_allowed_by_a_star():
    config = ClickHouseServerConfig(cors_allowed_origins=["*"])

    assert (b"access-control-allow-origin", b"*") in cors(config, request(origin="https://a.example"))
    assert cors(config, request()) == ()


def test_limits_of_the_operator_hold():
    bounds = limits(ClickHouseServerConfig(timeout=2.0, max_memory=0, max_threads=4), streamed=False)

    assert bounds == {
        "max_execution_time": "2",
        "max_result_bytes": "67108864",
        "max_threads": "4",
        "max_query_size": "528384",
        "max_parser_depth": "1000",
        "max_parser_backtracks": "1000000",
    }
    asked = {"max_execution_time": "9", "max_threads": "1", "max_result_bytes": "0", "other": "5"}
    assert within(asked, bounds) == {**bounds, "max_threads": "1", "other": "5"}


@pytest.mark.parametrize(
    ("said", "code", "status", "text"),
    [
        ("Code: 60. DB::Exception: x. (UNKNOWN_TABLE)", 60, 404, "Code: 60. DB::Exception: x. (UNKNOWN_TABLE)"),
        (
            "Streaming query failed: Code: 159. DB::Exception: x. (TIMEOUT_EXCEEDED) (version 1)",
            159,
            408,
            "Code: 159. DB::Exception: x. (TIMEOUT_EXCEEDED) (version 1)",
        ),
        ("Code: 9999. DB::Exception: x", 9999, 500, "Code: 9999. DB::Exception: x (UNKNOWN_EXCEPTION)"),
        ("no code", 1002, 500, "Code: 1002. DB::Exception: no code (UNKNOWN_EXCEPTION)"),
    ],
)
def test_what_the_engine_says_is_told(said, code, status, text):
    failure = EngineFailure(said)

    assert (failure.code, failure.status, str(failure)) == (code, status, text)
    assert failure.told("2") == f"{text}{'' if 'version' in text else ' (version 2)'}\n".encode()
