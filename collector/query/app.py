"""The ClickHouse HTTP protocol as a bare ASGI application."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final

from collector.api import Overloaded, Rejected
from collector.api.settings import Logger
from collector.query.access import authenticate, check_page, cors
from collector.query.compression import decode_body
from collector.query.config import ClickHouseServerConfig
from collector.query.engine import Engine
from collector.query.failure import Failure, bad_request
from collector.query.greeting import greeting
from collector.query.jobs import Jobs, Place
from collector.query.reply import OK, Reply, Send, answered, refused
from collector.query.request import Request
from collector.receivers.admission import Admission, Lease
from collector.receivers.body import Disconnected, TooSlow, read_body

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]

_BODIES: Final = 2
"""How many of the largest bodies may be held at once, by all requests."""


class ClickHouseHttp:
    """Answers the requests of all connections. Queries run in threads of its own until `stop`.

    `local` means that only programs of this machine reach it.
    """

    def __init__(self, config: ClickHouseServerConfig, engine: Engine, log: Logger, *, local: bool) -> None:
        self._config = config
        self._local = local
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
            return await refused(failure, self._engine.version).send(send)
        try:
            plain = self._plain(scope["path"], request)
            if plain is not None:
                return await self._with_cors(request, plain).send(send)
            return await self._exchange(request, receive, send)
        except (Failure, Rejected, Overloaded, TooSlow) as error:
            return await self._refused(request, error).send(send)
        except Disconnected:
            return None

    def _plain(self, path: str, request: Request) -> Reply | None:
        """Return the answer to what asks nothing of the engine. Raises `Failure`."""
        if request.method == "OPTIONS":
            return Reply(204, cors(self._config, request, preflight=True))
        if path in ("/ping", "/replicas_status"):
            return OK
        if path != "/":
            raise Failure(60, "UNKNOWN_TABLE", f"There is nothing at {path[:200]}; the paths are / and /ping", 404)
        if request.method not in ("GET", "HEAD", "POST"):
            raise bad_request("GET or POST was expected")
        return OK if request.method != "POST" and not request.arguments.get("query") else None

    async def _exchange(self, request: Request, receive: Receive, send: Send) -> None:
        """Run a query and send its result, while somebody waits for it."""
        check_page(self._config, request, local=self._local)
        authenticate(self._config, request)
        with self._admission.lease() as lease:
            body = b"".join(await read_body(receive, lease, self._config.max_body_size, self._config.timeout))
            with self._jobs.place() as place:
                async with asyncio.TaskGroup() as group:
                    watch = group.create_task(_watch(receive, place))
                    try:
                        reply = await self._reply(request, body, place, lease)
                        await self._send(send, reply, place, watch)
                    finally:
                        watch.cancel()

    async def _reply(self, request: Request, body: bytes, place: Place, lease: Lease) -> Reply:
        try:
            return self._with_cors(request, await place.run(self._query, request, body, place, lease))
        except (Failure, Rejected, Overloaded) as error:
            return self._refused(request, error)
        except Exception as error:  # noqa: BLE001 - a client gets an answer, the operator the traceback
            self._log.exception("a query failed for a reason that is a bug", error=type(error).__name__)
            return self._refused(request, Failure(1002, "UNKNOWN_EXCEPTION", "internal error, see Ottery's log"))

    def _query(self, request: Request, raw: bytes, place: Place, lease: Lease) -> Reply:
        """Answer a query; in a thread."""
        query = request.query(decode_body(request, raw, self._config.max_body_size, lease.take))
        about = self._engine.about()
        answer = greeting(about, request, query)
        if answer is None:
            place.kill = lambda: self._engine.kill(query)
            answer = self._engine.run(query)
        return answered(request, about, answer)

    def _refused(self, request: Request, error: Exception) -> Reply:
        return self._with_cors(request, refused(error, self._engine.version, request))

    def _with_cors(self, request: Request, reply: Reply) -> Reply:
        return replace(reply, headers=[*reply.headers, *cors(self._config, request)])

    async def _send(self, send: Send, reply: Reply, place: Place, watch: asyncio.Task[None]) -> None:
        """Send a result, in pieces while it is made; a client that goes away, or does not read, ends it."""
        rest = reply.rest
        if rest is None:
            return await reply.send(send)
        whole = False
        try:
            with suppress(TimeoutError, Failure):
                whole = await self._send_pieces(send, reply, place, watch)
                if whole and not rest.broken:
                    await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            if not whole:
                place.end()
            with suppress(Failure):
                await place.run(rest.close)

    async def _send_pieces(self, send: Send, reply: Reply, place: Place, watch: asyncio.Task[None]) -> bool:
        """Return whether all of a result was sent before its client went away.

        Raises TimeoutError when the client, and `Failure` when the engine takes too long.
        """
        await send({"type": "http.response.start", "status": reply.status, "headers": reply.headers})
        piece: bytes | None = reply.body
        while piece is not None and not watch.done():
            async with asyncio.timeout(self._config.timeout):
                await send({"type": "http.response.body", "body": piece, "more_body": True})
            piece = await place.run(reply.next_piece)
        return piece is None


async def _watch(receive: Receive, place: Place) -> None:
    """End a query when its client goes away."""
    while (await receive())["type"] != "http.disconnect":
        pass
    place.end()
