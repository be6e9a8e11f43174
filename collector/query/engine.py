"""Queries on the embedded engine: one handle each, with a session that ends with the query."""

from __future__ import annotations

import re
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from secrets import token_hex
from tempfile import NamedTemporaryFile
from threading import Lock
from typing import Any, Final

from collector.api import Fatal
from collector.query.config import ClickHouseServerConfig
from collector.query.failure import EngineFailure, Failure, readonly
from collector.query.guard import Guard
from collector.query.limits import limits, within
from collector.query.sql import (
    Insert,
    first_word,
    identifier,
    output_format,
    quoted,
    split_insert,
    split_settings,
    words,
)
from collector.query.statement import Answer, Query, Rest
from collector.storage.engine import claimed_engine, connect_engine, engine_path, open_engine, statement_class

_HELD: Final = 1 << 20
"""Bytes of a result that are gathered before its beginning is sent: a query that fails late still gets its status."""

_STREAMED: Final = frozenset(
    {
        "csv",
        "jsoncompacteachrow",
        "jsoncompactstringseachrow",
        "jsoneachrow",
        "jsonlines",
        "jsonstringseachrow",
        "native",
        "ndjson",
        "rowbinary",
        "tabseparated",
        "tabseparatedraw",
        "tsv",
        "tsvraw",
    }
)
"""Formats whose blocks stand alone, so that they can be made and sent one after the other."""

_LISTING: Final = re.compile(
    r"\s*SELECT\s+name,\s*value,\s*readonly(\s+AS\s+readonly)?\s+FROM\s+system\.settings(\s+LIMIT\s+\d+)?(\s+FORMAT\s+\w+)?\s*",
    re.IGNORECASE | re.ASCII,
)
"""What drivers ask before they send settings."""

_LOCAL: Final = "default: Cannot execute query in readonly mode"


@dataclass(frozen=True, slots=True)
class About:
    """What is asked of the engine once. `anchor` is a handle that keeps the engine up between queries."""

    path: str
    version: str
    timezone: str
    host: str
    guard: Guard
    anchor: Any


@dataclass(frozen=True, slots=True)
class Begun:
    """A result whose beginning is there, and the blocks that the engine has still to make."""

    chunks: Sequence[bytes]
    format: str
    blocks: Any


class Engine:
    """Runs queries; every call blocks and may come from any thread."""

    def __init__(self, config: ClickHouseServerConfig) -> None:
        self._config = config
        self._lock = Lock()
        self._about: About | None = None

    @property
    def version(self) -> str:
        """The engine's version, once it is open."""
        return self._about.version if self._about else ""

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
            anchor = open_engine(path)
        except Fatal as error:
            raise Failure(210, "NETWORK_ERROR", str(error), 503) from error
        version, timezone, host = _cells(anchor, "SELECT version(), timezone(), hostName()")
        guard = Guard(_cells(anchor, "SELECT name FROM system.table_functions"))
        return About(engine_path(path), version, timezone, host, guard, anchor)

    def close(self) -> None:
        """Let go of the engine. Safe twice."""
        with self._lock:
            if self._about is not None:
                self._about.anchor.close()
                self._about = None

    def kill(self, query: Query) -> None:
        """End a query that runs in another thread; without one, do nothing."""
        with self._failures(), closing(connect_engine(self.about().path)) as handle:
            handle.query(f"KILL QUERY WHERE Settings['log_comment'] = {quoted(query.name)} ASYNC")

    def run(self, query: Query) -> Answer:
        """Return the result, or its beginning. Raises `Failure`."""
        about, started = self.about(), time.monotonic_ns()
        insert = split_insert(query.text)
        statement = insert.statement if insert else query.text
        if len(statement) > self._config.max_query_size and not (insert or first_word(statement) == "INSERT"):
            limit = self._config.max_query_size
            raise Failure(229, "QUERY_IS_TOO_LARGE", f"the statement is longer than the {limit} bytes accepted")
        with ExitStack() as stack:
            stack.enter_context(self._failures())
            handle = stack.enter_context(closing(connect_engine(about.path)))
            run = partial(self._insert, insert=insert) if insert else self._statement
            answer = run(handle, about, query)
            if isinstance(answer, Begun):
                rest = self._rest(answer.blocks, stack.pop_all())
                return Answer(answer.chunks, answer.format, {}, Rest(rest, token_hex(8), about.version))
        return replace(answer, summary={**answer.summary, "elapsed_ns": str(time.monotonic_ns() - started)})

    def _rest(self, blocks: Any, stack: ExitStack) -> Generator[bytes]:
        """Yield the rest of a result, and let go of its handle at the end."""
        with stack, closing(blocks):
            for block in blocks:
                yield _bytes(block)

    @contextmanager
    def _failures(self) -> Iterator[None]:
        try:
            yield
        except (Failure, Fatal):
            raise
        except Exception as error:
            if "Code: " not in str(error):
                raise
            raise EngineFailure(str(error)) from error

    def _insert(self, handle: Any, about: About, query: Query, insert: Insert) -> Answer:
        if query.read_only or not self._config.writable:
            raise readonly(_LOCAL)
        parameters = {f"param_{name}": value for name, value in query.parameters.items()}
        sql, own = split_settings(_text(insert.statement))
        self._prepare(handle, about, query, {**query.settings, **parameters, **own}, streamed=True)
        # chDB's streaming insert is no use here: what fails behind the parser (a constraint, too many parts, the
        # limit of partitions, a view) it does not tell, and the rows are gone.
        with NamedTemporaryFile(suffix=".rows") as rows:
            rows.write(insert.data)
            rows.flush()
            done = handle.query(f"{sql} FROM INFILE {quoted(rows.name)} COMPRESSION 'none' FORMAT {insert.format}")
        written = {"written_rows": str(done.rows_read()), "written_bytes": str(done.bytes_read())}
        return Answer((), query.format, {"read_rows": "0", "read_bytes": "0", **written, "result_rows": "0"})

    def _statement(self, handle: Any, about: About, query: Query) -> Answer | Begun:
        sql, settings = _text(query.text), dict(query.settings)
        if not self._config.writable:
            sql, own = split_settings(sql)
            settings |= own
        named = output_format(query.text) or query.format
        streamed = not query.whole and _is_streamed(sql, named, settings)
        self._prepare(handle, about, query, settings, streamed=streamed)
        self._check_class(handle, sql, read_only=query.read_only or not self._config.writable)
        if not self._config.writable:
            about.guard.check(handle, sql)
            # Drivers send only settings that are shown as changeable, and these are: they are set before the lock.
            handle.query("SET readonly = 2" if _LISTING.fullmatch(sql) else "SET readonly = 1")
        return (_stream if streamed else _whole)(handle, sql, query, named)

    def _check_class(self, handle: Any, sql: str, *, read_only: bool) -> None:
        """Raise `Failure` unless the text is one statement, and reads only where it must."""
        if not read_only and first_word(sql.encode()) == "INSERT":
            return
        statements, kind = statement_class(handle, sql)
        if statements > 1:
            raise Failure(62, "SYNTAX_ERROR", "Syntax error (Multi-statements are not allowed)")
        if read_only and statements and kind != "READ_ONLY":
            raise readonly(_LOCAL)

    def _prepare(self, handle: Any, about: About, query: Query, settings: Mapping[str, str], *, streamed: bool) -> None:
        if query.database:
            handle.query(f"USE {identifier(query.database)}")
        for name in settings:
            if not (name.isascii() and name.replace(".", "_").isidentifier()):
                raise Failure(115, "UNKNOWN_SETTING", f"Unknown setting '{name[:100]}'")
            if not self._config.writable:
                about.guard.check_setting(name)
        chosen = within(settings, limits(self._config, streamed=streamed)) | {"log_comment": query.name}
        handle.query("SET " + ", ".join(f"{name} = {quoted(value)}" for name, value in chosen.items()))


def _is_streamed(sql: str, name: str, settings: Mapping[str, str]) -> bool:
    """Whether a result can be sent block by block: only plain queries can, and totals would be lost."""
    if name.lower() not in _STREAMED or settings.get("extremes", "0") != "0":
        return False
    return first_word(sql.encode()) in ("SELECT", "WITH") and "totals" not in words(sql)


def _whole(handle: Any, sql: str, query: Query, name: str) -> Answer:
    result = handle.query(sql, query.format, params=dict(query.parameters))
    summary = {
        "read_rows": str(result.storage_rows_read()),
        "read_bytes": str(result.storage_bytes_read()),
        "written_rows": str(result.rows_written()),
        "written_bytes": str(result.bytes_written()),
        "result_rows": str(result.rows_read()),
        "result_bytes": str(result.bytes_read()),
    }
    return Answer((_bytes(result),), name, summary)


def _stream(handle: Any, sql: str, query: Query, name: str) -> Answer | Begun:
    """Gather the beginning of a result; most are whole then."""
    blocks = handle.send_query(sql, query.format, params=dict(query.parameters))
    chunks: list[bytes] = []
    size = rows = read_rows = read_bytes = 0
    for block in blocks:
        chunks.append(_bytes(block))
        size += len(chunks[-1])
        rows += block.rows_read()
        read_rows += block.storage_rows_read()
        read_bytes += block.storage_bytes_read()
        if size > _HELD:
            return Begun(chunks, name, blocks)
    summary = {
        "read_rows": str(read_rows),
        "read_bytes": str(read_bytes),
        "written_rows": "0",
        "written_bytes": "0",
        "result_rows": str(rows),
        "result_bytes": str(size),
    }
    return Answer(chunks, name, summary)


def _text(statement: bytes) -> str:
    try:
        return statement.decode()
    except UnicodeDecodeError as error:
        raise Failure(36, "BAD_ARGUMENTS", "the statement is not UTF-8") from error


def _cells(handle: Any, sql: str) -> list[str]:
    return _bytes(handle.query(sql, "TSV")).decode().split()


def _bytes(result: Any) -> bytes:
    return result.bytes() if result.size() else b""
