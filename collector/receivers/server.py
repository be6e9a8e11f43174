"""A server of connections, whatever they speak: its listening socket, and the tasks of its requests."""

from __future__ import annotations

import asyncio
import socket
import ssl
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from typing import Final, Protocol

from collector.api import Logger
from collector.listener import BACKLOG, TlsListener
from collector.receivers.addresses import most_connections

_LAST_WORD: Final = 0.5
"""Seconds that connections have to end by themselves once their requests are answered."""


class Connection(Protocol):
    """One connection, as its server sees it."""

    def drain(self) -> None:
        """Take no further requests, and close when those under way are answered."""

    def cut(self) -> None:
        """Answer the requests under way that there is no more time for, and close."""

    def abort(self) -> None:
        """Close at once."""


class Server(ABC):
    """Serves from `start` to `stop`, both in the running event loop."""

    def __init__(self, log: Logger) -> None:
        self._log = log
        self._most = most_connections()
        self._connections: set[Connection] = set()
        self._gone = asyncio.Event()
        self._tasks: asyncio.TaskGroup
        self._running: asyncio.Task[None] | None = None
        self._stopping = asyncio.Event()
        self._listening: asyncio.Server | TlsListener | None = None

    @abstractmethod
    def connection(self) -> asyncio.Protocol:
        """Return a new connection, which asks to be admitted once it is made."""

    async def start(self, bound: socket.socket, tls: ssl.SSLContext | None) -> None:
        """Listen on a bound socket."""
        ready = asyncio.Event()
        self._running = asyncio.create_task(self._run(ready))
        await ready.wait()
        if tls is not None:
            self._listening = TlsListener(bound, tls, self.connection, self._has_room)
            return
        loop = asyncio.get_running_loop()
        self._listening = await loop.create_server(self.connection, sock=bound, backlog=BACKLOG)

    async def stop(self, grace: float) -> None:
        """Refuse new connections, let requests under way finish for `grace` seconds, cut the rest. Safe twice."""
        listening, self._listening = self._listening, None
        if listening is not None:
            listening.close()
        running, self._running = self._running, None
        if running is None:
            return
        for connection in list(self._connections):
            connection.drain()
        if not await self._ended(grace):
            for connection in list(self._connections):
                connection.cut()
            if not await self._ended(_LAST_WORD):
                for connection in list(self._connections):
                    connection.abort()
        self._stopping.set()
        await running

    async def _run(self, ready: asyncio.Event) -> None:
        async with asyncio.TaskGroup() as self._tasks:
            ready.set()
            await self._stopping.wait()

    async def _ended(self, within: float) -> bool:
        """Wait until no connection is left; return whether that came in time."""
        try:
            async with asyncio.timeout(within):
                while self._connections:
                    self._gone.clear()
                    await self._gone.wait()
        except TimeoutError:
            return False
        return True

    # For connections.

    def admit(self, connection: Connection) -> bool:
        """Tell whether there is room for a connection, which is then one of ours."""
        if not self._has_room() or self._listening is None:
            return False
        self._connections.add(connection)
        return True

    def _has_room(self, handshakes: int = 0) -> bool:
        return len(self._connections) + handshakes < self._most

    def forget(self, connection: Connection) -> None:
        """Note that a connection has ended."""
        self._connections.discard(connection)
        self._gone.set()

    def spawn(self, request: Callable[[], Awaitable[None]], connection: Connection) -> asyncio.Task[None]:
        """Start the task of a request."""
        return self._tasks.create_task(self._contain(request, connection))

    async def _contain(self, request: Callable[[], Awaitable[None]], connection: Connection) -> None:
        """Let nothing out that would end all other requests with this one."""
        try:
            await request()
        except (asyncio.CancelledError, KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # noqa: BLE001 - whatever it is, it is about this one
            self._log.error("a request failed inside the server", error=type(error).__name__)
            connection.abort()
