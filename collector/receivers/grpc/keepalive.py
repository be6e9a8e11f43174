"""The clocks of a connection: its age, its idleness, pings of ours, and how often its client may ping."""

from __future__ import annotations

import asyncio
import random
from typing import Final, Protocol

from collector.receivers.config import Keepalive as Config

STRIKES: Final = 2
"""Pings that may come too early between two answers, as in gRPC's own servers."""

_UNASKED: Final = 7200.0  # seconds between pings of a client without calls, where it may not ping then
_JITTER: Final = 0.1  # so that connections of one moment do not all end in one moment


class Connection(Protocol):
    """What the clocks do to a connection."""

    def drain(self, why: bytes) -> None:
        """Tell the client to go on over another connection, and close when its calls are answered."""

    def ping(self) -> None:
        """Send a ping."""

    def abort(self) -> None:
        """Cut the connection."""

    def scold(self, why: bytes) -> None:
        """Cut the connection because its client asks too much."""


class Clocks:
    """The clocks of one connection, from `start` to `stop`. A clock that is configured as 0 does not run."""

    def __init__(self, config: Config, connection: Connection, loop: asyncio.AbstractEventLoop) -> None:
        self._server = config.server_parameters
        self._policy = config.enforcement_policy
        self._connection = connection
        self._loop = loop
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._heard = 0.0
        self._pinged: float | None = None
        self._strikes = 0

    def start(self) -> None:
        """Begin with a new connection."""
        self._heard = self._loop.time()
        age = self._server.max_connection_age
        self._set("age", age * random.uniform(1 - _JITTER, 1 + _JITTER), self._grow_old)  # noqa: S311 - no secret
        self._set("ping", self._server.time, self._look)
        self.idle()

    def stop(self) -> None:
        """Stop all clocks."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()

    def heard(self, now: float) -> None:
        """Note that bytes came."""
        self._heard = now

    def idle(self) -> None:
        """Note that no call is under way."""
        self._set("idle", self._server.max_connection_idle, lambda: self._connection.drain(b"connection idle"))

    def busy(self) -> None:
        """Note that a call is under way."""
        if timer := self._timers.pop("idle", None):
            timer.cancel()

    def answered(self) -> None:
        """Note that something was sent; clients measure their bandwidth with pings beside it."""
        self._strikes, self._pinged = 0, None

    def pinged(self, times: int, *, calls: bool) -> None:
        """Note that the client pinged."""
        now = self._heard
        rest = self._policy.min_time if calls or self._policy.permit_without_stream else _UNASKED
        for _ in range(min(times, STRIKES + 2)):
            if self._pinged is not None and now - self._pinged < rest:
                self._strikes += 1
            self._pinged = now
        if self._strikes > STRIKES:
            self._connection.scold(b"too_many_pings")

    def _set(self, name: str, delay: float, then: object) -> None:
        if timer := self._timers.pop(name, None):
            timer.cancel()
        if delay and callable(then):
            self._timers[name] = self._loop.call_later(delay, then)

    def _grow_old(self) -> None:
        self._connection.drain(b"max_age")
        self._set("age", self._server.max_connection_age_grace, self._connection.abort)

    def _look(self) -> None:
        """Ping a client that was silent, and see to it again when one is due that was not."""
        silent = self._loop.time() - self._heard
        if silent < self._server.time:
            self._set("ping", self._server.time - silent, self._look)
            return
        asked = self._heard
        self._connection.ping()
        self._set("ping", self._server.timeout, lambda: self._expect(asked))

    def _expect(self, asked: float) -> None:
        if self._heard > asked:
            self._look()
        else:
            self._connection.abort()
