"""clickhouse-connect over HTTP: what it does with a ClickHouse server works here too."""

import pyarrow as pa
import pytest
from clickhouse_connect.driver.exceptions import DatabaseError


def test_rows_inserted_as_columns_are_read_back(clickhouse):
    clickhouse.command("CREATE OR REPLACE TABLE rows (a UInt64, b String) ENGINE = MergeTree ORDER BY a")

    clickhouse.client.insert("rows", [[1, "x"], [2, "y"]], column_names=["a", "b"])

    assert clickhouse.query("SELECT * FROM rows ORDER BY a") == [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}]


def test_an_arrow_table_is_inserted_and_read_back(clickhouse):
    clickhouse.command("CREATE OR REPLACE TABLE arrows (a UInt64, b String) ENGINE = MergeTree ORDER BY a")
    table = pa.table({"a": pa.array([1, 2], pa.uint64()), "b": ["x", "y"]})

    clickhouse.client.insert_arrow("arrows", table)

    assert clickhouse.client.query_arrow("SELECT * FROM arrows ORDER BY a").to_pydict() == table.to_pydict()


def test_an_error_has_its_code_and_name(clickhouse):
    with pytest.raises(DatabaseError) as caught:
        clickhouse.query("SELECT * FROM nowhere")

    assert (caught.value.code, caught.value.name) == (60, "UNKNOWN_TABLE")


@pytest.mark.parametrize(
    ("definition", "code"),
    [
        ("(a UInt64, CONSTRAINT small CHECK a < 150) ENGINE = MergeTree ORDER BY a", 469),
        ("(a UInt64) ENGINE = MergeTree PARTITION BY a ORDER BY a", 252),
    ],
    ids=["constraint", "partitions"],
)
def test_an_insert_that_fails_behind_the_parser_is_not_answered_as_done(clickhouse, definition, code):
    clickhouse.command(f"CREATE OR REPLACE TABLE refusing {definition}")

    with pytest.raises(DatabaseError) as caught:
        clickhouse.client.insert("refusing", [[number] for number in range(200)], column_names=["a"])

    assert caught.value.code == code
    assert clickhouse.query("SELECT count() AS rows FROM refusing") == [{"rows": 0}]


def test_data_outlives_a_kill(own_clickhouse):
    own_clickhouse.command("CREATE TABLE t (a UInt64) ENGINE = MergeTree ORDER BY a")
    own_clickhouse.client.insert("t", [[1]], column_names=["a"])

    own_clickhouse.kill()
    assert not own_clickhouse.answers()
    own_clickhouse.restart()

    assert own_clickhouse.query("SELECT a FROM t") == [{"a": 1}]
