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


def test_data_outlives_a_kill(own_clickhouse):
    own_clickhouse.command("CREATE TABLE t (a UInt64) ENGINE = MergeTree ORDER BY a")
    own_clickhouse.client.insert("t", [[1]], column_names=["a"])

    own_clickhouse.kill()
    assert not own_clickhouse.answers()
    own_clickhouse.restart()

    assert own_clickhouse.query("SELECT a FROM t") == [{"a": 1}]
