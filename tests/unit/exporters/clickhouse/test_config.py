import pytest
from pydantic import ValidationError

from collector.storage.clickhouse import DEFAULT_TABLES, Schema
from exporters.clickhouse.config import ClickHouseConfig
from exporters.clickhouse.endpoint import Endpoint, Host

URL = "http://localhost:8123"


def _config(**keys):
    return ClickHouseConfig.model_validate({"endpoint": URL, **keys})


def test_defaults_are_contribs_but_for_larger_batches_and_no_asynchronous_inserts():
    config = _config()
    assert config.target == Endpoint(hosts=(Host("localhost", 8123),), database="default")
    assert config.schema_options == Schema()
    assert (config.create_schema, config.compression, config.strategy) == (True, "lz4", "in_order")
    assert config.insert_settings == {
        "deduplicate_blocks_in_dependent_materialized_views": 1,
        "async_insert": 0,
        "wait_for_async_insert": 1,
        "async_insert_deduplicate": 0,
    }
    queue, batch = config.sending_queue, config.sending_queue.batch
    assert (config.timeout, queue.num_consumers) == (30.0, 4)
    assert (batch.flush_timeout, batch.min_size, batch.max_size, batch.sizer) == (1.0, 20_000, 50_000, "items")


def test_every_key_of_contribs_example_is_read():
    config = _config(
        endpoint="tcp://127.0.0.1:9000?dial_timeout=10s",
        database="otel",
        async_insert=True,
        ttl="72h",
        compress="zstd",
        create_schema=False,
        logs_table_name="l",
        traces_table_name="t",
        timeout="5s",
        metrics_tables={
            "gauge": {"name": "g"},
            "sum": {"name": "s"},
            "summary": {"name": "y"},
            "histogram": {"name": "h"},
            "exponential_histogram": {"name": "e"},
        },
        retry_on_failure={
            "enabled": True,
            "initial_interval": "5s",
            "max_interval": "30s",
            "max_elapsed_time": "300s",
        },
        sending_queue={"num_consumers": 10, "batch": {"min_size": 5000, "flush_timeout": "5s"}},
        cluster_name="my_cluster",
        table_engine={"name": "ReplicatedMergeTree", "params": "'/p', '{replica}'"},
        json=True,
    )
    tables = {
        "traces": "t",
        "logs": "l",
        "gauge": "g",
        "sum": "s",
        "summary": "y",
        "histogram": "h",
        "exponential_histogram": "e",
    }
    assert config.schema_options == Schema(
        database="otel",
        tables=tables,
        cluster="my_cluster",
        engine="ReplicatedMergeTree",
        engine_params="'/p', '{replica}'",
        ttl=259200.0,
        json=True,
    )
    assert config.insert_settings == {
        "deduplicate_blocks_in_dependent_materialized_views": 1,
        "async_insert": 1,
        "wait_for_async_insert": 1,
        "async_insert_deduplicate": 1,
        "enable_json_type": 1,
    }
    assert (config.compression, config.create_schema, config.timeout) == ("zstd", False, 5.0)


@pytest.mark.parametrize(
    ("endpoint", "keys", "expected"),
    [
        (URL, {}, ("default", "", "")),
        ("http://u:p@h/d", {}, ("d", "u", "p")),
        ("http://u:p@h/d", {"database": "e", "username": "v", "password": "q"}, ("e", "v", "q")),
        ("http://u:p@h/d", {"database": "default"}, ("d", "u", "p")),
        (URL, {"password": 1234, "username": "u"}, ("default", "u", "1234")),
    ],
)
def test_keys_come_before_what_the_endpoint_says(endpoint, keys, expected):
    target = _config(endpoint=endpoint, **keys).target
    assert (target.database, target.username, target.password) == expected


@pytest.mark.parametrize(
    ("keys", "compression"),
    [
        ({"compress": True}, "lz4"),
        ({"compress": "true"}, "lz4"),
        ({"compress": False}, "none"),
        ({"compress": "br"}, "br"),
        ({"compress": "zstd", "endpoint": URL + "?compress=gzip"}, "gzip"),
        ({"compress": "zstd", "connection_params": {"compress": "true"}}, "lz4"),
    ],
)
def test_compression_is_read_as_contrib_reads_it(keys, compression):
    assert _config(**keys).compression == compression


@pytest.mark.parametrize(
    ("keys", "asynchronous"),
    [
        ({}, 0),
        ({"async_insert": True}, 1),
        ({"async_insert": True, "endpoint": URL + "?async_insert=false"}, 0),
        ({"connection_params": {"async_insert": 1}}, 1),
    ],
)
def test_the_endpoints_word_on_asynchronous_inserts_counts(keys, asynchronous):
    settings = _config(**keys).insert_settings
    assert (settings["async_insert"], settings["async_insert_deduplicate"]) == (asynchronous, asynchronous)


def test_unknown_parameters_become_settings_of_every_insert():
    assert _config(connection_params={"max_execution_time": 60}).insert_settings["max_execution_time"] == "60"


def test_the_deprecated_table_name_is_a_prefix():
    tables = _config(metrics_table_name="m").schema_options.tables
    assert tables == {
        "traces": DEFAULT_TABLES["traces"],
        "logs": DEFAULT_TABLES["logs"],
        "gauge": "m_gauge",
        "sum": "m_sum",
        "summary": "m_summary",
        "histogram": "m_histogram",
        "exponential_histogram": "m_exponential_histogram",
    }


@pytest.mark.parametrize(
    ("keys", "where", "message"),
    [
        ({"endpoint": "localhost:9000"}, ("endpoint",), "begins with one of"),
        ({"compress": "snappy"}, ("compress",), "'none', 'lz4', 'zstd', 'gzip', 'deflate' or 'br'"),
        ({"endpoint": URL + "?compress=snappy"}, (), "compress: one of none, lz4, .* was expected, not 'snappy'"),
        (
            {"connection_params": {"connection_open_strategy": "first"}},
            (),
            "connection_open_strategy: one of in_order, round_robin, random was expected, not 'first'",
        ),
        ({"endpoint": URL + "?read_timeout=5"}, (), "a duration such as 200ms"),
        ({"metrics_table_name": "m", "metrics_tables": {}}, (), "metrics_table_name is deprecated"),
        ({"table_engine": {"name": "Merge Tree"}}, ("table_engine", "name"), "should match pattern"),
        ({"log_table_name": "x"}, ("log_table_name",), "Extra inputs are not permitted"),
        ({"sending_queue": {"num_consumers": 0}}, ("sending_queue", "num_consumers"), "greater than or equal to 1"),
    ],
)
def test_what_cannot_work_is_refused_where_it_stands(keys, where, message):
    with pytest.raises(ValidationError, match=message) as refused:
        _config(**keys)
    assert [error["loc"] for error in refused.value.errors()] == [where]


def test_a_password_is_never_shown():
    assert "secret" not in repr(_config(password="secret"))
