"""`ottery query`: SQL over the ClickHouse HTTP protocol, printed as a table or in any ClickHouse format."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote, urlsplit

import orjson
from rich.table import Table
from rich.text import Text

from collector.commands.output import Failed, err, print_table

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

_ROWS: Final = "JSONCompactStringsEachRowWithNamesAndTypes"
_MAX_ROWS: Final = 1000
_CHUNK: Final = 1 << 16
_OWN_FORMAT: Final = re.compile(r"\bFORMAT\s+\w+\s*;?\s*$", re.IGNORECASE)
_NUMBER: Final = re.compile(r"(LowCardinality\(|Nullable\()*(U?Int|Float|Decimal|BFloat)")


def query(sql: str, url: str, output_format: str | None) -> int:
    """Run one statement and print its result; without a format, as a table of at most 1000 rows.

    `url` is `http(s)://[user:password@]host:port[/database]`. Raises Failed where nothing answers there, or where
    the server refuses the statement.
    """
    with _connected(url) as client:
        if output_format is None and not _OWN_FORMAT.search(sql):
            _print_rows(client, sql)
        else:
            _copy(client, sql, output_format)
    return 0


@contextmanager
def _connected(url: str) -> Iterator[Client]:
    try:
        import clickhouse_connect  # noqa: PLC0415 - the extra `clickhouse` brings it
        from clickhouse_connect.driver.exceptions import ClickHouseError  # noqa: PLC0415 - as above
    except ImportError as error:
        raise Failed("a query needs clickhouse-connect: pip install 'ottery[clickhouse]'") from error
    logging.getLogger("clickhouse_connect").addHandler(logging.NullHandler())  # what it knows is in its exceptions
    place, options = _options(url)
    try:
        client = clickhouse_connect.get_client(**options)
    except (ClickHouseError, OSError) as error:
        raise Failed(_unreachable(place, error)) from error
    try:
        yield client
    except ClickHouseError as error:
        raise Failed(_first_line(error)) from error
    finally:
        client.close()


def _options(url: str) -> tuple[str, dict[str, Any]]:
    """Return the address that messages may show, and the client's options."""
    parts = urlsplit(url)
    try:
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if parts.scheme not in ("http", "https") or not host:
        raise Failed("--url: http://host:port was expected, such as http://localhost:8123")
    secure = parts.scheme == "https"
    port = port or (8443 if secure else 8123)
    options: dict[str, Any] = {"host": host, "port": port, "secure": secure, "autogenerate_session_id": False}
    if parts.username:
        options |= {"username": unquote(parts.username), "password": unquote(parts.password or "")}
    if database := parts.path.strip("/"):
        options["database"] = database
    return f"{parts.scheme}://{host}:{port}", options


def _unreachable(place: str, error: Exception) -> str:
    said = _first_line(error)
    if "refused" in str(error).lower():
        return f"nothing listens at {place}; start Ottery with `ottery run`, or name the server with --url"
    return f"{place} does not answer as ClickHouse does: {said}"


def _first_line(error: Exception) -> str:
    """Return what a server said, in one line."""
    return " ".join(str(error).split()) or type(error).__name__


def _copy(client: Client, sql: str, output_format: str | None) -> None:
    sys.stdout.flush()
    with _stream(client, sql, output_format) as stream:
        while chunk := stream.read(_CHUNK):
            sys.stdout.buffer.write(chunk)
    sys.stdout.buffer.flush()


def _print_rows(client: Client, sql: str) -> None:
    with _stream(client, sql, _ROWS) as stream:
        rows: Iterator[list[Any]] = map(orjson.loads, stream)
        names, types = next(rows, []), next(rows, [])
        if not names:
            return
        table = Table(header_style="bold")
        for name, kind in zip(names, types, strict=True):
            table.add_column(Text(name), justify="right" if _NUMBER.match(kind) else "left", overflow="fold")
        for row in islice(rows, _MAX_ROWS):
            table.add_row(*(Text("NULL", "dim") if value is None else Text(value) for value in row))
        more = next(rows, None) is not None
    print_table(table)
    count = f"the first {_MAX_ROWS} rows; --format TSV prints all" if more else f"{table.row_count} rows"
    err().print(count, style="dim")


def _stream(client: Client, sql: str, output_format: str | None) -> Any:
    """Return the server's answer as a file of bytes that closes with its context."""
    return client.raw_stream(sql.strip().rstrip(";"), fmt=output_format)
