"""A listening socket whose connections are counted before their TLS handshake: one that does not begin it is one, too."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from typing import Final

BACKLOG: Final = 2048
"""Connections that wait to be accepted."""

HANDSHAKE_TIMEOUT: Final = 10.0
"""Seconds that a client has to agree on TLS; asyncio would wait a minute."""

_PAUSE: Final = 1.0
"""Seconds until the next try where the process has no descriptor left, as asyncio's servers have it."""


class TlsListener:
    """Accepts connections until `close`. `room` is asked, with the handshakes under way, whether one more is taken."""

    def __init__(
        self,
        bound: socket.socket,
        tls: ssl.SSLContext,
        make: Callable[[], asyncio.Protocol],
        room: Callable[[int], bool],
    ) -> None:
        self._bound = bound
        self._tls = tls
        self._make = make
        self._room = room
        self._handshakes: set[asyncio.Task[None]] = set()
        bound.setblocking(False)
        bound.listen(BACKLOG)
        self._accepting = asyncio.create_task(self._accept())

    def close(self) -> None:
        """Accept no more, and give up handshakes."""
        for task in (self._accepting, *self._handshakes):
            task.cancel()

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        with self._bound:
            while True:
                try:
                    client, _ = await loop.sock_accept(self._bound)
                except OSError:
                    await asyncio.sleep(_PAUSE)
                    continue
                if not self._room(len(self._handshakes)):
                    client.close()
                    continue
                handshake = asyncio.create_task(self._shake(client))
                self._handshakes.add(handshake)
                handshake.add_done_callback(self._handshakes.discard)

    async def _shake(self, client: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        with suppress(OSError):  # whatever the client does instead of a handshake ends its connection
            await loop.connect_accepted_socket(
                self._make, client, ssl=self._tls, ssl_handshake_timeout=HANDSHAKE_TIMEOUT
            )
