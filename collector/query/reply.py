"""Answers as HTTP has them: results with what they tell of themselves, and refusals."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterator, MutableMapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any, Final

from collector.api import Overloaded, TooLarge
from collector.query.access import Header
from collector.query.compression import encoded, in_blocks, response_encoding
from collector.query.failure import Failure
from collector.query.request import Request
from collector.query.statement import Answer, Rest
from collector.receivers.body import TooSlow

if TYPE_CHECKING:
    from collector.query.engine import About

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_TEXT: Final = b"text/plain; charset=UTF-8"
_TYPES: Final = {
    "csv": b"text/csv; charset=UTF-8; header=absent",
    "csvwithnames": b"text/csv; charset=UTF-8; header=present",
    "json": b"application/json; charset=UTF-8",
    "jsoncompact": b"application/json; charset=UTF-8",
    "jsoneachrow": b"application/x-ndjson; charset=UTF-8",
    "tabseparated": b"text/tab-separated-values; charset=UTF-8",
    "tsv": b"text/tab-separated-values; charset=UTF-8",
}


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer over HTTP: whole in `body`, or its beginning when `pieces`, made from `rest`, yields more."""

    status: int
    headers: Sequence[Header]
    body: bytes = b""
    pieces: Iterator[bytes] | None = None
    rest: Rest | None = None

    async def send(self, send: Send) -> None:
        """Send an answer that is whole."""
        length = (b"content-length", str(len(self.body)).encode())
        headers = self.headers if self.status == 204 else [*self.headers, length]
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": self.body})

    def next_piece(self) -> bytes | None:
        """Return the next piece, once it is made, or None after the last one."""
        return next(self.pieces, None) if self.pieces else None


OK: Final = Reply(200, [(b"content-type", _TEXT)], b"Ok.\n")


def answered(request: Request, about: About, answer: Answer) -> Reply:
    """Return the answer as the client asked for it: whole with its summary, or its beginning."""
    headers = [
        (b"content-type", _TYPES.get(answer.format.lower(), b"application/octet-stream")),
        (b"x-clickhouse-server-display-name", about.host.encode()),
        (b"x-clickhouse-query-id", request.query_id.encode()),
        (b"x-clickhouse-format", answer.format.encode()),
        (b"x-clickhouse-timezone", about.timezone.encode()),
    ]
    if encoding := response_encoding(request):
        headers.append((b"content-encoding", encoding.encode()))
    if answer.rest is not None:
        pieces = encoded(request, chain(answer.chunks, answer.rest))
        headers.append((b"x-clickhouse-exception-tag", answer.rest.tag.encode()))
        return Reply(200, headers, next(pieces, b""), pieces, answer.rest)
    headers.append((b"x-clickhouse-summary", json.dumps(dict(answer.summary), separators=(",", ":")).encode()))
    chunks = answer.chunks if any(answer.chunks) else ()
    return Reply(200, headers, b"".join(encoded(request, chunks)))


def refused(error: Exception, version: str, request: Request | None = None) -> Reply:
    """Return what a client is told of an error. `version` is the engine's, where it is known."""
    failure = _failure(error)
    headers = [(b"content-type", _TEXT), (b"x-clickhouse-exception-code", str(failure.code).encode())]
    if failure.status == 401:
        headers.append((b"www-authenticate", b'Basic realm="ClickHouse server HTTP API"'))
    told = failure.told(version)
    if request is None:
        return Reply(failure.status, headers, told)
    headers.append((b"x-clickhouse-query-id", request.query_id.encode()))
    return Reply(failure.status, headers, in_blocks(request, told))


def _failure(error: Exception) -> Failure:
    match error:
        case Failure():
            return error
        case TooLarge():
            return Failure(36, "BAD_ARGUMENTS", str(error), 413)
        case TooSlow():
            return Failure(209, "SOCKET_TIMEOUT", str(error), 408)
        case Overloaded():
            return Failure(202, "TOO_MANY_SIMULTANEOUS_QUERIES", str(error), 503)
        case _:
            return Failure(271, "CANNOT_DECOMPRESS", str(error), 400)
