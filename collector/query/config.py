"""Configuration of the ClickHouse HTTP server."""

from __future__ import annotations

from typing import Any

from pydantic import Field, SecretStr, field_validator

from collector.api import ConfigModel, Duration
from collector.http import split_endpoint

MIB = 1 << 20


class ClickHouseServerConfig(ConfigModel):
    """`extensions.clickhouse_server`."""

    endpoint: str = "localhost:8123"
    """`host:port` to listen on."""
    path: str = ""
    """Data directory of the engine; without one, that of the exporter with a `chdb://` endpoint."""
    writable: bool = False
    """Take statements that change data or tables, and all that the engine can do with files and the network."""
    users: dict[str, SecretStr] = Field(default_factory=dict)
    """Passwords by user name; without any, the user `default` needs none."""
    cors_allowed_origins: tuple[str, ...] = ()
    """Origins of web pages that may ask, or `*`."""
    max_body_size: int = Field(256 * MIB, ge=1)
    """Largest request body in bytes, also after decompression."""
    max_query_size: int = Field(MIB // 4, ge=1)
    """Longest statement in bytes, without the rows of an insert."""
    max_result_bytes: int = Field(64 * MIB, ge=1)
    """Largest result, in bytes before formatting, in a format that must be made whole; the others are streamed."""
    max_memory: int = Field(1024 * MIB, ge=0)
    """Memory in bytes that one query may use; 0 is no limit."""
    max_concurrent_queries: int = Field(16, ge=1, le=256)
    """Queries that run at once; more are refused with code 202."""
    timeout: Duration = 60.0
    """Longest time for one query, and for a client to send its request."""
    max_threads: int = Field(0, ge=0)
    """Threads that one query may use; 0 is the engine's default, one a core."""

    @field_validator("endpoint")
    @classmethod
    def _endpoint_is_readable(cls, value: str) -> str:
        split_endpoint(value)
        return value

    @field_validator("users", mode="before")
    @classmethod
    def _no_users_is_none(cls, value: Any) -> Any:
        return {} if value is None else value
