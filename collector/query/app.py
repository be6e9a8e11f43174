"""The ClickHouse HTTP protocol as a bare ASGI application."""

from __future__ import annotations

import asyncio
import hmac
import json
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final

from collector.api import OtteryError, Rejected, TooLarge
from collector.api.settings import Logger
from collector.query.compression import decode_body, encode_body, response_encoding
from collector.query.config import ClickHouseServerConfig
from collector.query.engine import Engine
from collector.query.failure import Failure, bad_request, readonly
from collector.query.request import Request

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Header = tuple[bytes, bytes]

_TEXT: Final = b"text/plain; charset=UTF-8"
_TYPES: Final = {
    "csv": b"text/csv; charset=UTF-8; header=absent",
    "csvwithnames": b"text/csv; charset=UTF-8; header=present",
    "json": b"application/json; charset=UTF-8",
    "tsv": b"text/tab-separated-values; charset=UTF-8",
    "tabseparated": b"text/tab-separated-values; charset=UTF-8",
}


class Gone(OtteryError):
    """The client went away before its request was complete."""


@dataclass(frozen=True, slots=True)
class _Reply:
    status: int
    body: bytes
    headers: Sequence[Header]


class ClickHouseHttp:
    """Answers the requests of all connections. Queries run in threads of its own until `stop`."""

    def __init__(self, config: ClickHouseServerConfig, engine: Engine, log: Logger) -> None:
        self._config = config
        self._engine = engine
        self._log = log
        self._threads = ThreadPoolExecutor(config.max_concurrent_queries, thread_name_prefix="clickhouse_server")
        self._running = 0

    def stop(self) -> None:
        """Take no more queries; those under way go on to their end."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        request = Request({}, {}, "")
        try:
            request = Request.read(scope["query_string"], scope["headers"])
            plain = self._plain(scope, request)
            reply = _Reply(200, plain, [(b"content-type", _TEXT)]) if plain else None
            reply = reply or await self._query(scope, request, receive)
        except Failure as failure:
            reply = self._refusal(request, failure)
        except Rejected as error:
            status = 413 if isinstance(error, TooLarge) else 400
            reply = self._refusal(request, Failure(36, "BAD_ARGUMENTS", str(error), status))
        except Gone:
            return
        except Exception as error:  # noqa: BLE001 - a client gets an answer, the operator the traceback
            self._log.exception("a query failed for a reason that is a bug", error=type(error).__name__)
            reply = self._refusal(request, Failure(1002, "UNKNOWN_EXCEPTION", "internal error"))
        length = (b"content-length", str(len(reply.body)).encode())
        await send({"type": "http.response.start", "status": reply.status, "headers": [*reply.headers, length]})
        await send({"type": "http.response.body", "body": reply.body})

    def _plain(self, scope: Scope, request: Request) -> bytes:
        """Return what the paths that ask nothing of the engine answer."""
        path = scope["path"]
        if path in ("/ping", "/replicas_status"):
            return b"Ok.\n"
        if path != "/":
            raise Failure(60, "UNKNOWN_TABLE", f"there is nothing at {path[:200]}; the paths are / and /ping", 404)
        if scope["method"] in ("GET", "HEAD") and not request.arguments.get("query"):
            return b"Ok.\n"
        if scope["method"] not in ("GET", "HEAD", "POST"):
            raise bad_request("GET or POST was expected")
        return b""

    async def _query(self, scope: Scope, request: Request, receive: Receive) -> _Reply:
        self._authenticate(request)
        if request.arguments.get("session_id"):
            # Sessions would only matter for temporary tables and SET, which the settings of a request replace.
            self._log.debug("session_id is ignored", query_id=request.query_id)
        body = await self._body(receive)
        loop = asyncio.get_running_loop()
        if self._running >= self._config.max_concurrent_queries:
            raise Failure(202, "TOO_MANY_SIMULTANEOUS_QUERIES", f"{self._running} queries run already", 503)
        self._running += 1
        try:
            return await loop.run_in_executor(self._threads, self._run, scope["method"], request, body)
        finally:
            self._running -= 1

    def _authenticate(self, request: Request) -> None:
        user, password = request.credentials()
        users = self._config.users
        expected = users.get(user)
        if expected is None and (users or user != "default"):
            expected, password = None, ""
        elif expected is None or hmac.compare_digest(expected.get_secret_value().encode(), password.encode()):
            return
        text = f"{user[:100]}: Authentication failed: password is incorrect, or there is no user with such name."
        given = any(name in request.headers for name in ("authorization", "x-clickhouse-user"))
        raise Failure(516, "AUTHENTICATION_FAILED", text, 403 if given or "user" in request.arguments else 401)

    async def _body(self, receive: Receive) -> bytes:
        chunks: list[bytes] = []
        size = 0
        try:
            async with asyncio.timeout(self._config.timeout):
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise Gone("the client closed the connection within a request")
                    size += len(message.get("body", b""))
                    if size > self._config.max_body_size:
                        raise TooLarge(f"the body is larger than the {self._config.max_body_size} bytes accepted")
                    chunks.append(message.get("body", b""))
                    if not message.get("more_body", False):
                        return b"".join(chunks)
        except TimeoutError as error:
            raise Failure(209, "SOCKET_TIMEOUT", "the body did not arrive in time", 408) from error

    def _run(self, method: str, request: Request, raw: bytes) -> _Reply:
        """Answer a query; in a thread."""
        body = decode_body(request, raw, self._config.max_body_size)
        query = request.query(body)
        if method != "POST" and self._config.writable:
            self._refuse_writes(query.text)
        answer = self._engine.run(query)
        about = self._engine.about()
        encoding = response_encoding(request)
        headers = [
            (b"content-type", _TYPES.get(answer.format.lower(), b"application/octet-stream")),
            (b"x-clickhouse-server-display-name", about.host.encode()),
            (b"x-clickhouse-query-id", request.query_id.encode("latin-1", "replace")),
            (b"x-clickhouse-format", answer.format.encode()),
            (b"x-clickhouse-timezone", about.timezone.encode()),
            (b"x-clickhouse-summary", json.dumps(dict(answer.summary), separators=(",", ":")).encode()),
        ]
        if encoding:
            headers.append((b"content-encoding", encoding.encode()))
        return _Reply(200, encode_body(encoding, answer.body), headers)

    def _refuse_writes(self, text: bytes) -> None:
        if (
            not text.lstrip()[:8]
            .upper()
            .startswith((b"SELECT", b"SHOW", b"WITH", b"DESC", b"EXPLAIN", b"EXISTS", b"("))
        ):
            raise readonly("Cannot execute query in readonly mode. For queries over HTTP, method GET implies readonly.")

    def _refusal(self, request: Request, failure: Failure) -> _Reply:
        version = self._engine.version
        said = f"{failure} (version {version})\n" if version else f"{failure}\n"
        headers: list[Header] = [
            (b"content-type", _TEXT),
            (b"x-clickhouse-exception-code", str(failure.code).encode()),
            (b"x-clickhouse-query-id", request.query_id.encode("latin-1", "replace")),
        ]
        if failure.status == 401:
            headers.append((b"www-authenticate", b'Basic realm="ClickHouse server HTTP API"'))
        return _Reply(failure.status, said.encode(errors="replace"), headers)
