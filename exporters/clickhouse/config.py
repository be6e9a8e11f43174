"""Configuration of the ClickHouse exporter: the keys of collector-contrib's, and its defaults where not said."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal, Self, get_args

from pydantic import ConfigDict, Field, SecretStr, field_validator, model_validator

from collector.api import BatchConfig, ConfigModel, Duration, ExporterConfig, QueueConfig
from collector.api.config import parse_duration
from collector.storage.clickhouse import DEFAULT_TABLES, Schema
from exporters.clickhouse.endpoint import Endpoint, parse_endpoint

Strategy = Literal["in_order", "round_robin", "random"]
Compression = Literal["none", "lz4", "zstd", "gzip", "deflate", "br"]

_GO_COMPRESSION = {"true": "lz4", "1": "lz4", "false": "none", "0": "none"}


class Batching(BatchConfig):
    """`sending_queue.batch` in the sizes ClickHouse likes: few large inserts."""

    flush_timeout: Duration = 1.0
    min_size: int = Field(20_000, ge=0)
    max_size: int = Field(50_000, ge=0)


class Queue(QueueConfig):
    """`sending_queue` for ClickHouse. `num_consumers` is also the number of threads that convert and insert."""

    num_consumers: int = Field(4, ge=1)
    batch: Batching | None = Batching()


class TableEngine(ConfigModel):
    """`table_engine`: the engine of new tables."""

    name: str = Field("MergeTree", pattern=r"^\w+$")
    params: str = ""
    """What stands between the engine's parentheses."""


class MetricTable(ConfigModel):
    """The table of one metric type."""

    name: str


class MetricTables(ConfigModel):
    """`metrics_tables`: a table for each metric type."""

    gauge: MetricTable = MetricTable(name=DEFAULT_TABLES["gauge"])
    sum: MetricTable = MetricTable(name=DEFAULT_TABLES["sum"])
    summary: MetricTable = MetricTable(name=DEFAULT_TABLES["summary"])
    histogram: MetricTable = MetricTable(name=DEFAULT_TABLES["histogram"])
    exponential_histogram: MetricTable = MetricTable(name=DEFAULT_TABLES["exponential_histogram"])


class Tls(ConfigModel):
    """`tls`: how the server is verified, and the client's own certificate."""

    insecure: bool = False
    """Accepted for compatibility; whether TLS is used is what the endpoint's scheme says."""
    insecure_skip_verify: bool = False
    """Do not verify the server's certificate."""
    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""
    server_name_override: str = ""
    """Name expected in the certificate instead of the host's."""


class ClickHouseConfig(ExporterConfig):
    """`exporters.clickhouse`."""

    model_config = ConfigDict(coerce_numbers_to_str=True)

    endpoint: str
    """`http(s)://`, `clickhouse://`, `tcp://` (HTTP is spoken all the same) or `chdb:///path`; commas part hosts."""
    username: str = ""
    password: SecretStr = SecretStr("")
    database: str = "default"
    connection_params: dict[str, str] = Field(default_factory=dict)
    """Parameters of the Go driver that mean something here; all others become settings of the session."""
    ttl: Duration = 0.0
    """How long rows are kept; 0 is for ever."""
    create_schema: bool = True
    """Make the database, tables and view that are missing."""
    compress: Compression = "lz4"
    """How inserts are compressed; `true` is lz4."""
    async_insert: bool = False
    """Let the server gather inserts. Off, unlike contrib's: Ottery's batches are large already."""
    tls: Tls = Tls()
    logs_table_name: str = DEFAULT_TABLES["logs"]
    traces_table_name: str = DEFAULT_TABLES["traces"]
    metrics_table_name: str = ""
    """Deprecated: a prefix for the tables of all metric types."""
    metrics_tables: MetricTables = MetricTables()
    cluster_name: str = ""
    table_engine: TableEngine = TableEngine()
    json_columns: bool = Field(default=False, alias="json")
    """Attributes as JSON columns instead of maps; needs a server of 2025 or later."""
    timeout: Duration = 30.0
    sending_queue: Queue = Queue()

    @field_validator("endpoint")
    @classmethod
    def _endpoint_is_readable(cls, value: str) -> str:
        parse_endpoint(value)
        return value

    @field_validator("compress", mode="before")
    @classmethod
    def _compress_as_the_go_driver_reads_it(cls, value: Any) -> Any:
        return _GO_COMPRESSION.get(str(value).lower(), value)

    @model_validator(mode="after")
    def _parameters_are_readable(self) -> Self:
        _choice("connection_open_strategy", self.strategy, get_args(Strategy))
        _choice("compress", self.compression, get_args(Compression))
        for name in ("read_timeout", "dial_timeout"):
            parse_duration(self.target.params.get(name, 0))
        return self

    @model_validator(mode="after")
    def _one_way_to_name_metric_tables(self) -> Self:
        if self.metrics_table_name and "metrics_tables" in self.model_fields_set:
            raise ValueError("metrics_table_name is deprecated and cannot stand beside metrics_tables")
        return self

    @property
    def target(self) -> Endpoint:
        """The endpoint, overridden by the keys that say the same."""
        parsed = parse_endpoint(self.endpoint, self.connection_params)
        return replace(
            parsed,
            database=self.database if self.database != "default" else parsed.database or "default",
            username=self.username or parsed.username,
            password=self.password.get_secret_value() or parsed.password,
        )

    @property
    def strategy(self) -> str:
        """In which order several servers are tried."""
        return self.target.params.get("connection_open_strategy", "in_order")

    @property
    def compression(self) -> str:
        """The Content-Encoding of inserts, or `none`; what the endpoint says comes before `compress`."""
        value = self.target.params.get("compress", self.compress)
        return _GO_COMPRESSION.get(value.lower(), value)

    @property
    def insert_settings(self) -> dict[str, Any]:
        """Settings of every insert; parameters of the endpoint come before what other keys say."""
        params = self.target.session_settings
        asynchronous = params.get("async_insert", str(self.async_insert)).lower() in ("1", "true")
        return {
            "deduplicate_blocks_in_dependent_materialized_views": 1,
            "wait_for_async_insert": 1,
            "async_insert_deduplicate": int(asynchronous),
            **({"enable_json_type": 1} if self.json_columns else {}),
            **params,
            "async_insert": int(asynchronous),
        }

    @property
    def schema_options(self) -> Schema:
        """What the tables are to look like."""
        prefix = self.metrics_table_name
        metrics = {
            kind: f"{prefix}_{kind}" if prefix else getattr(self.metrics_tables, kind).name
            for kind in MetricTables.model_fields
        }
        return Schema(
            database=self.target.database,
            tables={"traces": self.traces_table_name, "logs": self.logs_table_name, **metrics},
            cluster=self.cluster_name,
            engine=self.table_engine.name or "MergeTree",
            engine_params=self.table_engine.params,
            ttl=self.ttl,
            json=self.json_columns,
        )


def _choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ValueError(f"{name}: one of {', '.join(choices)} was expected, not {value!r}")
