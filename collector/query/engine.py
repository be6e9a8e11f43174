"""Queries on the embedded engine: one handle each, with a session that ends with the query."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Lock
from typing import Any, Final

from collector.api import Fatal
from collector.query.config import ClickHouseServerConfig
from collector.query.failure import EngineFailure, Failure
from collector.query.guard import Guard
from collector.query.sql import Insert, identifier, output_format, quoted, split_insert, split_settings, tokens
from collector.storage.engine import claimed_engine, connect_engine

_LISTING: Final = frozenset(
    {"select", "name", "value", "readonly", "as", "from", "system", ".", ",", "settings", "limit"}
)
"""Words of the question that drivers ask before they send settings."""


@dataclass(frozen=True, slots=True)
class Query:
    """One statement, with the rows of an insert behind it, and what came with it."""

    text: bytes
    database: str = ""
    format: str = "TabSeparated"
    settings: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Answer:
    """A result in its format, and what ClickHouse calls its summary."""

    body: bytes
    format: str
    summary: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class About:
    """What is asked of the engine once. `anchor` is a handle that keeps the engine up between queries."""

    version: str
    timezone: str
    host: str
    guard: Guard
    anchor: Any


class Engine:
    """Runs queries; every call blocks and may come from any thread."""

    def __init__(self, config: ClickHouseServerConfig) -> None:
        self._config = config
        self._lock = Lock()
        self._about: About | None = None

    def about(self) -> About:
        """Open the engine, once. Raises `Failure` while there is none to open."""
        with self._lock:
            if self._about is None:
                self._about = self._open()
            return self._about

    def _open(self) -> About:
        path = self._config.path or claimed_engine()
        if path is None:
            raise Failure(210, "NETWORK_ERROR", "no exporter of this process has opened its embedded engine yet", 503)
        try:
            anchor = connect_engine(path)
        except Fatal as error:
            raise Failure(210, "NETWORK_ERROR", str(error), 503) from error
        version, timezone, host = _cells(anchor, "SELECT version(), timezone(), hostName()")
        return About(version, timezone, host, Guard(_cells(anchor, "SELECT name FROM system.table_functions")), anchor)

    @property
    def version(self) -> str:
        """The engine's version, once it is open."""
        return self._about.version if self._about else ""

    def close(self) -> None:
        """Let go of the engine. Safe twice."""
        with self._lock:
            if self._about is not None:
                self._about.anchor.close()
                self._about = None

    def run(self, query: Query) -> Answer:
        """Return the result. Raises `Failure`."""
        about = self.about()
        insert = split_insert(query.text)
        statement = insert.statement if insert else query.text
        if len(statement) > self._config.max_query_size and not _inserts_values(statement):
            limit = self._config.max_query_size
            raise Failure(229, "QUERY_IS_TOO_LARGE", f"the statement is longer than the {limit} bytes accepted")
        started = time.monotonic_ns()
        with self._handle() as handle:
            answer = self._insert(handle, about, query, insert) if insert else self._select(handle, about, query)
        elapsed = str(time.monotonic_ns() - started)
        return Answer(answer.body, answer.format, {**answer.summary, "elapsed_ns": elapsed})

    @contextmanager
    def _handle(self) -> Iterator[Any]:
        handle = connect_engine(self._config.path or claimed_engine() or "")
        try:
            yield handle
        except RuntimeError as error:
            raise EngineFailure(str(error)) from error
        finally:
            handle.close()

    def _select(self, handle: Any, about: About, query: Query) -> Answer:
        try:
            sql, settings = query.text.decode(), dict(query.settings)
        except UnicodeDecodeError as error:
            raise Failure(36, "BAD_ARGUMENTS", "the statement is not UTF-8") from error
        if not self._config.writable:
            sql, own = split_settings(sql)
            settings |= own
            about.guard.check(handle, sql)
        elif not _inserts_values(query.text) and handle._conn.classify_query(sql)["statement_count"] > 1:  # noqa: SLF001 - chDB's public class does not pass it on
            raise Failure(62, "SYNTAX_ERROR", "Multi-statements are not allowed")
        self._prepare(handle, about, query, settings)
        self._lock_down(handle, sql)
        result = handle.query(sql, query.format, params=dict(query.parameters))
        return Answer(_bytes(result), output_format(query.text) or query.format, _summary(result))

    def _insert(self, handle: Any, about: About, query: Query, insert: Insert) -> Answer:
        statement = insert.statement.decode()
        if not self._config.writable:
            about.guard.check(handle, f"{statement} FORMAT {insert.format}")
        parameters = {f"param_{name}": value for name, value in query.parameters.items()}
        self._prepare(handle, about, query, {**query.settings, **parameters})
        with handle.send_insert(statement, insert.format) as rows:
            if insert.data:
                rows.append(insert.data)
            done = rows.finish()
        written = {"written_rows": str(done.rows_written), "written_bytes": str(done.bytes_written)}
        return Answer(b"", query.format, {"read_rows": "0", "read_bytes": "0", **written, "result_rows": "0"})

    def _prepare(self, handle: Any, about: About, query: Query, settings: Mapping[str, str]) -> None:
        if query.database:
            handle.query(f"USE {identifier(query.database)}")
        for name in settings:
            if not name.isidentifier():
                raise Failure(115, "UNKNOWN_SETTING", f"Unknown setting '{name}'")
            if not self._config.writable:
                about.guard.check_setting(name)
        limits = {
            "max_execution_time": f"{self._config.timeout:g}",
            "max_result_bytes": str(self._config.max_result_bytes),
        }
        if self._config.max_threads:
            limits["max_threads"] = str(self._config.max_threads)
        pairs = {**limits, **{name: value for name, value in settings.items() if not _lifts(name, value, limits)}}
        handle.query("SET " + ", ".join(f"{name} = {quoted(value)}" for name, value in pairs.items()))

    def _lock_down(self, handle: Any, sql: str) -> None:
        if self._config.writable:
            return
        words = {token.text.lower() for token in tokens(sql.encode()) if not token.text.isdigit()}
        # Drivers send only settings that are shown as changeable, and these are: they are set before the lock.
        handle.query("SET readonly = 2" if words <= _LISTING else "SET readonly = 1")


def _lifts(name: str, value: str, limits: Mapping[str, str]) -> bool:
    """Whether a setting asks for more than a limit allows."""
    if name not in limits:
        return False
    try:
        return not 0 < float(value) <= float(limits[name])
    except ValueError:
        return True


def _inserts_values(text: bytes) -> bool:
    return text.lstrip()[:6].upper() == b"INSERT"


def _cells(handle: Any, sql: str) -> list[str]:
    return _bytes(handle.query(sql, "TSV")).decode().split()


def _bytes(result: Any) -> bytes:
    return result.bytes() if result.size() else b""


def _summary(result: Any) -> dict[str, str]:
    return {
        "read_rows": str(result.storage_rows_read()),
        "read_bytes": str(result.storage_bytes_read()),
        "written_rows": str(result.rows_written()),
        "written_bytes": str(result.bytes_written()),
        "result_rows": str(result.rows_read()),
        "result_bytes": str(result.bytes_read()),
    }
