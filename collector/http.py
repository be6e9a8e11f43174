"""ASGI applications inside our event loop: uvicorn without its own signal handlers, tasks and exits."""

from __future__ import annotations

import asyncio
import errno
import re
import socket
import time
from collections.abc import Sequence
from email.utils import formatdate
from typing import TYPE_CHECKING, Any

import uvicorn

from collector.api import Fatal
from collector.listener import BACKLOG

if TYPE_CHECKING:
    from uvicorn._types import ASGI3Application

_ENDPOINT = re.compile(r"(?:\[(?P<v6>[^\]]+)\]|(?P<host>[^:\[\]]*)):(?P<port>\d{1,5})")

_REASONS = {
    errno.EADDRINUSE: "another process listens there; stop it, or configure another address",
    errno.EADDRNOTAVAIL: "this machine has no such address",
    errno.EACCES: "the user that runs Ottery may not use this port; take one above 1023",
}

_LAST_WORD = 0.5
"""Seconds that a request which is cut has for an answer."""


def split_endpoint(endpoint: str) -> tuple[str, int]:
    """Return host and port of `host:port`, `[::1]:port` or `:port`, where no host means every interface.

    Raises ValueError for anything else.
    """
    match = _ENDPOINT.fullmatch(endpoint)
    if match is None or int(match["port"]) > 65535:
        raise ValueError(f"an endpoint such as localhost:4318 or [::1]:4318 was expected, not {endpoint!r}")
    return match["v6"] or match["host"] or "", int(match["port"])


def bind(endpoint: str, *, reuse_port: bool = False) -> socket.socket:
    """Return a TCP socket that is bound to `endpoint`; a name is bound at its first address, IPv4 before IPv6.

    Raises `Fatal` when the address cannot be bound.
    """
    host, port = split_endpoint(endpoint)
    try:
        bound = _bind(host, port, reuse_port=reuse_port)
    except OSError as error:
        reason = _REASONS.get(error.errno or 0) or error.strerror or error
        raise Fatal(f"cannot listen on {endpoint}: {reason}") from error
    # Connections inherit it. asyncio sets it only on sockets that name their protocol, and answers wait 40 ms without.
    bound.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return bound


def _bind(host: str, port: int, *, reuse_port: bool) -> socket.socket:
    if not host and socket.has_dualstack_ipv6():
        return socket.create_server(
            ("", port), family=socket.AF_INET6, dualstack_ipv6=True, reuse_port=reuse_port, backlog=BACKLOG
        )
    found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, _, _, _, address = min(found, key=lambda info: info[0] != socket.AF_INET)
    return socket.create_server(address[:2], family=family, reuse_port=reuse_port, backlog=BACKLOG)


class _Connections(set[Any]):
    """uvicorn's open connections, which can be waited for."""

    def __init__(self) -> None:
        super().__init__()
        self._left = asyncio.Event()

    def discard(self, connection: Any) -> None:
        """Note that a connection has ended."""
        super().discard(connection)
        self._left.set()

    async def gone(self) -> None:
        """Wait until there is none."""
        while self:
            self._left.clear()
            await self._left.wait()


class AsgiServer:
    """Serves an ASGI application on bound sockets, from `start` to `stop`, both in the running event loop.

    `grace` is how long, in seconds, `stop` lets requests under way finish.
    `options` are further ones of `uvicorn.Config`.
    """

    def __init__(
        self,
        app: ASGI3Application,
        sockets: Sequence[socket.socket],
        *,
        grace: int = 5,
        **options: Any,
    ) -> None:
        self._sockets = list(sockets)
        config = uvicorn.Config(
            app,
            loop="none",
            interface="asgi3",
            lifespan="off",
            ws="none",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            **{"http": "httptools", **options},
        )
        self._server = uvicorn.Server(config)
        self._connections = self._server.server_state.connections = _Connections()
        self._tasks = self._server.server_state.tasks
        self._grace = grace
        self._listening: list[asyncio.Server] = []
        self._date: asyncio.TimerHandle | None = None

    @property
    def port(self) -> int:
        """The port of the first socket, for those who asked for port 0."""
        return int(self._sockets[0].getsockname()[1])

    async def start(self) -> None:
        """Listen. `uvicorn.Server.serve` would poll ten times a second and take the process's signals."""
        config = self._server.config
        config.load()
        loop = asyncio.get_running_loop()
        for bound in self._sockets:
            server = await loop.create_server(self._protocol, sock=bound, ssl=config.ssl, backlog=BACKLOG)
            self._listening.append(server)
        self._refresh_date()

    def _protocol(self) -> asyncio.Protocol:
        config, state = self._server.config, self._server.server_state
        protocol: asyncio.Protocol = config.http_protocol_class(config=config, server_state=state, app_state={})  # type: ignore[call-arg] # uvicorn annotates the class as any protocol
        return protocol

    def _refresh_date(self) -> None:
        date = (b"date", formatdate(time.time(), usegmt=True).encode())
        self._server.server_state.default_headers = [date, *self._server.config.encoded_headers]
        self._date = asyncio.get_running_loop().call_later(1, self._refresh_date)

    async def stop(self) -> None:
        """Refuse new connections, finish the requests under way, cut the rest. Safe twice and without `start`."""
        if self._date is not None:
            self._date.cancel()
            self._date = None
        listening, self._listening = self._listening, []
        for server in listening:
            server.close()
        if listening:
            await self._finish()
        for bound in self._sockets:
            bound.close()

    async def _finish(self) -> None:
        for connection in list(self._connections):
            connection.shutdown()
        try:
            async with asyncio.timeout(self._grace):
                await self._connections.gone()
        except TimeoutError:
            await self._cut()

    async def _cut(self) -> None:
        """End every request and every connection, once those that have a last word could say it."""
        for task in self._tasks:
            task.cancel()
        try:
            async with asyncio.timeout(_LAST_WORD):
                await self._connections.gone()
        except TimeoutError:
            for connection in list(self._connections):
                connection.transport.abort()
