"""A gRPC server: a listening socket, its connections, and the tasks of their calls."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Coroutine
from functools import partial
from typing import Any, Final

from collector.listener import BACKLOG, TlsListener
from collector.receivers.addresses import most_connections
from collector.receivers.admission import Admission
from collector.receivers.config import MEBIBYTE, GrpcServerConfig
from collector.receivers.grpc.connection import GrpcConnection
from collector.receivers.grpc.engine import Engine, Make
from collector.receivers.grpc.methods import Methods

_LAST_WORD: Final = 0.5
"""Seconds that connections have to end by themselves once their calls are answered."""


class GrpcServer:
    """Serves `methods`, from `start` to `stop`, both in the running event loop."""

    def __init__(self, config: GrpcServerConfig, methods: Methods, admission: Admission, make: Make) -> None:
        self.config = config
        self.methods = methods
        self.admission = admission
        self.limit = config.max_recv_msg_size_mib * MEBIBYTE
        self._make = partial(make, self.limit, config.max_concurrent_streams)
        self._most = most_connections()
        self._connections: set[GrpcConnection] = set()
        self._gone = asyncio.Event()
        self._calls: asyncio.TaskGroup
        self._running: asyncio.Task[None] | None = None
        self._stopping = asyncio.Event()
        self._listening: asyncio.Server | TlsListener | None = None

    async def start(self, bound: Any, tls: ssl.SSLContext | None) -> None:
        """Listen on a bound socket."""
        ready = asyncio.Event()
        self._running = asyncio.create_task(self._run(ready))
        await ready.wait()
        make = partial(GrpcConnection, self)
        if tls is not None:
            self._listening = TlsListener(bound, tls, make, self._has_room)
            return
        self._listening = await asyncio.get_running_loop().create_server(make, sock=bound, backlog=BACKLOG)

    async def stop(self, grace: float) -> None:
        """Refuse new connections, let calls under way finish for `grace` seconds, cut the rest. Safe twice."""
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
        async with asyncio.TaskGroup() as self._calls:
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

    def make_engine(self) -> Engine:
        """Return the engine of a new connection."""
        return self._make()

    def admit(self, connection: GrpcConnection) -> bool:
        """Tell whether there is room for a connection, which is then one of ours."""
        if not self._has_room() or self._listening is None:
            return False
        self._connections.add(connection)
        return True

    def _has_room(self, handshakes: int = 0) -> bool:
        return len(self._connections) + handshakes < self._most

    def forget(self, connection: GrpcConnection) -> None:
        """Note that a connection has ended."""
        self._connections.discard(connection)
        self._gone.set()

    def spawn(self, call: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Start the task of a call."""
        return self._calls.create_task(call)
