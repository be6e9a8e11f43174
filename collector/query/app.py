"""The ClickHouse HTTP protocol as a bare ASGI application."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator, MutableMapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any, Final

from collector.api import Overloaded, Rejected, TooLarge
from collector.api.settings import Logger
from collector.query.access import Header, authenticate, cors
from collector.query.compression import decode_body, encoded, in_blocks, response_encoding
from collector.query.config import ClickHouseServerConfig
from collector.query.engine import Engine
from collector.query.failure import Failure, bad_request
from collector.query.greeting import greeting
from collector.query.jobs import Jobs, Place
from collector.query.request import Request
from collector.query.statement import Answer, Rest
from collector.receivers.admission import Admission, Lease
from collector.receivers.body import Disconnected, TooSlow, read_body

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
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
_BODIES: Final = 2
"""How many of the largest bodies may be held at once, by all requests."""


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer over HTTP: whole in `body`, or its beginning when `pieces`, made from `rest`, yields more."""

    status: int
    headers: Sequence[Header]
    body: bytes = b""
    pieces: Iterator[bytes] | None = None
    rest: Rest | None = None


class ClickHouseHttp:
    """Answers the requests of all connections. Queries run in threads of its own until `stop`."""

    def __init__(self, config: ClickHouseServerConfig, engine: Engine, log: Logger) -> None:
        self._config = config
        self._engine = engine
        self._log = log
        self._jobs = Jobs(config.max_concurrent_queries, config.timeout)
        self._admission = Admission(_BODIES * config.max_body_size)

    def end_queries(self) -> None:
        """Have every query under way killed; their clients are told."""
        self._jobs.end()

    def stop(self) -> None:
        """End the queries under way; blocks until they have. Safe twice."""
        self._jobs.stop()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        try:
            request = Request.read(scope["method"], scope["query_string"], scope["headers"])
        except Failure as failure:
            return await _send_whole(send, self._refusal(None, failure))
        reply = self._plain(scope["path"], request)
        if reply is not None:
            return await _send_whole(send, self._with_cors(request, reply))
        return await self._exchange(request, receive, send)

    def _plain(self, path: str, request: Request) -> Reply | None:
        """Return the answer to what asks nothing of the engine."""
        if request.method == "OPTIONS":
            return Reply(204, cors(self._config, request, preflight=True))
        if path in ("/ping", "/replicas_status"):
            return Reply(200, [(b"content-type", _TEXT)], b"Ok.\n")
        if path != "/":
            text = f"There is nothing at {path[:200]}; the paths are / and /ping"
            return self._refusal(request, Failure(60, "UNKNOWN_TABLE", text, 404))
        if request.method not in ("GET", "HEAD", "POST"):
            return self._refusal(request, bad_request("GET or POST was expected"))
        if request.method != "POST" and not request.arguments.get("query"):
            return Reply(200, [(b"content-type", _TEXT)], b"Ok.\n")
        return None

    async def _exchange(self, request: Request, receive: Receive, send: Send) -> None:
        """Run a query and send its result, while somebody waits for it."""
        try:
            with self._jobs.place() as place, self._admission.lease() as lease:
                reply = await self._reply(request, receive, place, lease)
                if reply.rest is None:
                    await _send_whole(send, reply)
                else:
                    await self._send_stream(send, receive, reply, place)
        except (Disconnected, Failure, Overloaded) as error:
            if not isinstance(error, Disconnected):
                await _send_whole(send, self._refusal(request, _failure(error)))

    async def _reply(self, request: Request, receive: Receive, place: Place, lease: Lease) -> Reply:
        try:
            authenticate(self._config, request)
            body = await read_body(receive, lease, self._config.max_body_size, self._config.timeout)
            async with asyncio.TaskGroup() as group:
                watch = group.create_task(_watch(receive, place))
                try:
                    reply = await self._run(request, body, place, lease)
                finally:
                    watch.cancel()
            return self._with_cors(request, reply)
        except (Failure, Rejected, Overloaded, TooSlow) as error:
            return self._with_cors(request, self._refusal(request, _failure(error)))

    async def _run(self, request: Request, body: bytes, place: Place, lease: Lease) -> Reply:
        try:
            return await place.run(self._query, request, body, place, lease)
        except (Failure, Rejected, Overloaded) as error:
            return self._refusal(request, _failure(error))
        except Exception as error:  # noqa: BLE001 - a client gets an answer, the operator the traceback
            self._log.exception("a query failed for a reason that is a bug", error=type(error).__name__)
            return self._refusal(request, Failure(1002, "UNKNOWN_EXCEPTION", "internal error, see Ottery's log"))

    def _query(self, request: Request, raw: bytes, place: Place, lease: Lease) -> Reply:
        """Answer a query; in a thread."""
        body = decode_body(request, raw, self._config.max_body_size, lease.take)
        query = request.query(body)
        about = self._engine.about()
        answer = greeting(about, request, query)
        if answer is None:
            place.kill = lambda: self._engine.kill(query)
            answer = self._engine.run(query)
        headers = [
            (b"content-type", _TYPES.get(answer.format.lower(), b"application/octet-stream")),
            (b"x-clickhouse-server-display-name", about.host.encode()),
            (b"x-clickhouse-query-id", request.query_id.encode()),
            (b"x-clickhouse-format", answer.format.encode()),
            (b"x-clickhouse-timezone", about.timezone.encode()),
        ]
        return _encoded(request, headers, answer)

    def _refusal(self, request: Request | None, failure: Failure) -> Reply:
        headers: list[Header] = [
            (b"content-type", _TEXT),
            (b"x-clickhouse-exception-code", str(failure.code).encode()),
        ]
        if request is not None:
            headers.append((b"x-clickhouse-query-id", request.query_id.encode()))
        if failure.status == 401:
            headers.append((b"www-authenticate", b'Basic realm="ClickHouse server HTTP API"'))
        told = failure.told(self._engine.version)
        return Reply(failure.status, headers, in_blocks(request, told) if request else told)

    def _with_cors(self, request: Request, reply: Reply) -> Reply:
        return replace(reply, headers=[*reply.headers, *cors(self._config, request)])

    async def _send_stream(self, send: Send, receive: Receive, reply: Reply, place: Place) -> None:
        """Send a result piece by piece; a client that goes away, or does not read, ends it."""
        async with asyncio.TaskGroup() as group:
            watch = group.create_task(_watch(receive, place))
            try:
                async with asyncio.timeout(None) as deadline:
                    await self._pieces(send, reply, place, deadline, watch)
            except TimeoutError:
                place.end()
            finally:
                watch.cancel()

    async def _pieces(
        self, send: Send, reply: Reply, place: Place, deadline: asyncio.Timeout, watch: asyncio.Task[None]
    ) -> None:
        clock = asyncio.get_running_loop().time
        await send({"type": "http.response.start", "status": reply.status, "headers": reply.headers})
        piece: bytes | None = reply.body
        while piece is not None and not watch.done():
            deadline.reschedule(clock() + self._config.timeout)
            await send({"type": "http.response.body", "body": piece, "more_body": True})
            deadline.reschedule(None)
            piece = await place.run(_next, reply.pieces)
        if reply.rest is None or not reply.rest.broken:
            await send({"type": "http.response.body", "body": b"", "more_body": False})


def _encoded(request: Request, headers: list[Header], answer: Answer) -> Reply:
    """Return the answer as the client asked for it: whole with its summary, or its beginning."""
    if encoding := response_encoding(request):
        headers.append((b"content-encoding", encoding.encode()))
    if answer.rest is not None:
        pieces = encoded(request, chain(answer.chunks, answer.rest))
        headers.append((b"x-clickhouse-exception-tag", answer.rest.tag.encode()))
        return Reply(200, headers, next(pieces, b""), pieces, answer.rest)
    headers.append((b"x-clickhouse-summary", json.dumps(dict(answer.summary), separators=(",", ":")).encode()))
    chunks = answer.chunks if any(answer.chunks) else ()
    return Reply(200, headers, b"".join(encoded(request, chunks)))


def _failure(error: Exception) -> Failure:
    """Return what a client is told of an error."""
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


def _next(pieces: Iterator[bytes] | None) -> bytes | None:
    return next(pieces, None) if pieces else None


async def _watch(receive: Receive, place: Place) -> None:
    """End a query when its client goes away."""
    while (await receive())["type"] != "http.disconnect":
        pass
    place.end()


async def _send_whole(send: Send, reply: Reply) -> None:
    length = (b"content-length", str(len(reply.body)).encode())
    headers = reply.headers if reply.status == 204 else [*reply.headers, length]
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": reply.body})
