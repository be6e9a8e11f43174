"""clickhouse-connect over HTTP: what it does with a ClickHouse server works here too."""

import asyncio
from datetime import UTC, datetime

import clickhouse_connect
import pyarrow as pa
import pytest
from clickhouse_connect.driver.exceptions import DatabaseError, StreamFailureError


@pytest.fixture(params=["lz4", "zstd", "gzip", False], ids=str)
def client(request, clickhouse):
    """A client under each of its compressions."""
    with clickhouse_connect.get_client(
        host=clickhouse.host, port=clickhouse.port, compress=request.param, query_retries=0, tz_mode="aware"
    ) as made:
        yield made


@pytest.fixture
def reader(read_only):
    """A client of the server that only reads."""
    server = read_only.server
    with clickhouse_connect.get_client(host=server.host, port=server.port, query_retries=0) as made:
        yield made


def test_rows_of_all_types_are_inserted_and_read_back(client):
    client.command(
        "CREATE OR REPLACE TABLE types (a UInt64, b LowCardinality(String), c DateTime64(9, 'UTC'),"
        " d Map(LowCardinality(String), String), e Array(Float64), f Nullable(Bool)) ENGINE = MergeTree ORDER BY a"
    )
    at = datetime(2026, 1, 2, 3, 4, 5, 678901, UTC)
    rows = [(1, "x", at, {"k": "v"}, [0.5, -1.0], True), (2, "y", at, {}, [], None)]

    summary = client.insert("types", rows, column_names=list("abcdef"))

    assert summary.written_rows == 2
    assert client.query("SELECT * FROM types ORDER BY a").result_rows == rows


def test_an_arrow_table_is_inserted_and_read_back(client):
    client.command("CREATE OR REPLACE TABLE arrows (a UInt64, b String) ENGINE = MergeTree ORDER BY a")
    table = pa.table({"a": pa.array(range(50_000), pa.uint64()), "b": [f"text {n % 7}" for n in range(50_000)]})

    client.insert_arrow("arrows", table)

    assert client.query_arrow("SELECT * FROM arrows ORDER BY a").to_pydict() == table.to_pydict()


def test_bytes_are_inserted_as_they_are(client):
    client.command("CREATE OR REPLACE TABLE bytes_in (a UInt64, b String) ENGINE = MergeTree ORDER BY a")

    client.raw_insert("bytes_in", ["a", "b"], b"1\tx\n2\ty\n", fmt="TSV")

    assert client.raw_query("SELECT * FROM bytes_in ORDER BY a", fmt="CSV") == b'1,"x"\n2,"y"\n'


def test_parameters_are_bound(client):
    found = client.query(
        "SELECT {a:UInt8} AS a, {b:String} AS b, {c:Array(String)} AS c", parameters={"a": 1, "b": "it's", "c": ["x"]}
    )

    assert found.first_row == (1, "it's", ["x"])


def test_settings_hold_for_one_query(client):
    sql = "SELECT getSetting('max_block_size')"

    assert client.query(sql, settings={"max_block_size": 123}).first_row == (123,)
    assert client.query(sql).first_row != (123,)


def test_a_large_result_is_streamed(client):
    with client.query_row_block_stream("SELECT number FROM numbers(500000)") as stream:
        assert sum(row[0] for block in stream for row in block) == 124_999_750_000


def test_an_error_in_the_middle_of_a_stream_is_raised(client):
    sql = "SELECT number, throwIf(number = 3000000) FROM numbers(3500000) SETTINGS max_block_size = 65536"
    with (
        pytest.raises(StreamFailureError, match="FUNCTION_THROW_IF"),
        client.query_row_block_stream(sql) as stream,
    ):
        for _ in stream:
            pass


def test_an_error_has_its_code_and_name(client):
    with pytest.raises(DatabaseError) as caught:
        client.query("SELECT * FROM nowhere")

    assert (caught.value.code, caught.value.name) == (60, "UNKNOWN_TABLE")


def test_an_insert_into_nothing_has_its_code(client):
    with pytest.raises(DatabaseError) as caught:
        client.insert("nowhere", [[1]], column_names=["a"])

    assert (caught.value.code, caught.value.name) == (60, "UNKNOWN_TABLE")


def test_a_violated_constraint_is_an_error_and_writes_nothing(client):
    client.command("CREATE OR REPLACE TABLE bounded (a UInt64, CONSTRAINT c CHECK a < 10) ENGINE = Memory")

    with pytest.raises(DatabaseError) as caught:
        client.insert("bounded", [[1], [11]], column_names=["a"])

    assert caught.value.code == 469
    assert client.query("SELECT count() FROM bounded").first_row == (0,)


def test_a_read_only_server_is_read_with_settings_and_parameters(reader):
    found = reader.query(
        "SELECT a, getSetting('max_block_size') FROM t WHERE b = {b:String}",
        parameters={"b": "y"},
        settings={"max_block_size": 7},
    )

    assert found.result_rows == [(2, 7)]
    assert reader.query_arrow("SELECT a FROM t ORDER BY a").to_pydict() == {"a": [1, 2]}
    with pytest.raises(DatabaseError) as caught:
        reader.insert("t", [[3, "z"]], column_names=["a", "b"])
    assert caught.value.code == 164


def test_long_parameters_are_sent_as_a_form(client):
    texts = [f"text {number}" for number in range(20_000)]

    assert client.query("SELECT length({a:Array(String)})", parameters={"a": texts}).first_row == (20_000,)


async def test_many_clients_insert_and_query_at_once(clickhouse):
    clickhouse.command("CREATE OR REPLACE TABLE busy (a UInt64) ENGINE = MergeTree ORDER BY a")

    def connected():
        return clickhouse_connect.get_client(
            host=clickhouse.host, port=clickhouse.port, autogenerate_session_id=False, query_retries=0
        )

    def insert(number):
        with connected() as client:
            client.insert("busy", [[number]] * 100, column_names=["a"])

    def ask():
        with connected() as client:
            return client.query("SELECT count() FROM busy").first_row[0]

    async with asyncio.TaskGroup() as group:
        counts = [group.create_task(asyncio.to_thread(ask)) for _ in range(3)]
        for number in range(6):
            group.create_task(asyncio.to_thread(insert, number))
        counts += [group.create_task(asyncio.to_thread(ask)) for _ in range(3)]

    assert {task.result() % 100 for task in counts} == {0}
    assert clickhouse.query("SELECT count() AS n FROM busy") == [{"n": 600}]


def test_data_outlives_a_kill(own_clickhouse):
    own_clickhouse.command("CREATE TABLE t (a UInt64) ENGINE = MergeTree ORDER BY a")
    own_clickhouse.client.insert("t", [[1]], column_names=["a"])

    own_clickhouse.kill()
    assert not own_clickhouse.answers()
    own_clickhouse.restart()

    assert own_clickhouse.query("SELECT a FROM t") == [{"a": 1}]
