"""uvicorn's HTTP/1.1 protocol, hardened against clients that are slow, endless or wrong.

uvicorn bounds neither the time nor the size of a request's head, answers malformed requests in plain text, and
closes a connection at once after an answer that says so. The last would lose the answer to a client that is still
sending: the operating system resets a connection that is closed with bytes unread.

A request may ask to go on in another protocol, as the HTTP client of the JDK does with each (`Upgrade: h2c`). It is
served as if it had not asked; httptools by itself would take such a request for one without a body.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final, cast

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from collector.receivers.refusal import Code, Refusal

HEAD_LIMIT: Final = 64 * 1024
"""Bytes of a request's head, or of the trailers behind its body."""

LINGER: Final = 2.0
"""Seconds for which bytes are read and thrown away after an answer that came before the end of its request."""

_MALFORMED = Refusal(Code.INVALID_ARGUMENT, 400, "this is not HTTP/1.1")
_HEAD_TOO_LARGE = Refusal(Code.RESOURCE_EXHAUSTED, 431, f"the head of a request may have {HEAD_LIMIT} bytes")
_TOO_SLOW = Refusal(Code.DEADLINE_EXCEEDED, 408, "the head of the request did not arrive in time")
_TOO_MANY = Refusal(Code.UNAVAILABLE, 503, "too many connections", retry_after=1.0)

_FRAMING = (b"content-length", b"transfer-encoding")

_SILENT = logging.getLogger("collector.receivers.uvicorn")
_SILENT.setLevel(logging.CRITICAL)  # a line for each bad request would let anybody flood the log
_SILENT.disabled = True


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """`header_timeout` for a request's head and `write_timeout` for an answer that its client does not read.

    Both are in seconds, 0 is none. `connections` may be open at once.
    """

    header_timeout: float = 5.0
    write_timeout: float = 30.0
    connections: int = 8192


class GuardedProtocol(HttpToolsProtocol):
    """One connection."""

    def __init__(self, *args: Any, limits: ConnectionLimits, **options: Any) -> None:
        super().__init__(*args, **options)
        self.logger = _SILENT
        self._limits = limits
        self._gentle: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._unread: asyncio.TimerHandle | None = None
        self._in_head = True
        self._complete = True
        self._head_bytes = 0
        self._discarding = False
        self._lingering = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as in uvicorn
        """Begin, or turn the client away when there are too many connections."""
        super().connection_made(transport)
        self._gentle = cast("asyncio.Transport", _GentleTransport(self))
        if len(self.connections) > self._limits.connections:
            self._discarding = True
            transport.write(_raw(_TOO_MANY))
            transport.close()
        else:
            self._arm()

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        self._disarm()
        self._read_again()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """Wait for a client that does not read, but not for ever."""
        if self._limits.write_timeout:
            self._unread = self.loop.call_later(self._limits.write_timeout, self.transport.abort)
        super().pause_writing()

    def resume_writing(self) -> None:
        """Go on with a client that reads again."""
        self._read_again()
        super().resume_writing()

    def _read_again(self) -> None:
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None

    def data_received(self, data: bytes) -> None:
        """Parse, unless an answer has ended this connection already."""
        if self._discarding:
            return
        self._unset_keepalive_if_required()
        self._head_bytes += len(data)
        try:
            self._parse(data)
        except httptools.HttpParserError:
            self._refuse(_MALFORMED)
        self._watch()

    def _parse(self, data: bytes) -> None:
        while data:
            try:
                self.parser.feed_data(data)
            except httptools.HttpParserUpgrade as upgrade:
                data = data[upgrade.args[0] :]
                self._decline_upgrade()
            else:
                return

    def _decline_upgrade(self) -> None:
        """Go on with the body of the request whose head was read, in a parser that knows only its framing."""
        framing = [(name, value) for name, value in self.headers if name in _FRAMING]
        lines = [b"POST / HTTP/1.1", *(b"%b: %b" % header for header in framing), b"", b""]
        self.parser = httptools.HttpRequestParser(_Rest(self))
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        self.parser.feed_data(b"\r\n".join(lines))

    def _watch(self) -> None:
        if self._discarding:
            return
        if self._head_bytes > HEAD_LIMIT:
            self._refuse(_HEAD_TOO_LARGE)
        elif not self._in_head:
            self._disarm()
        elif self._timer is None:
            self._arm()

    def on_message_begin(self) -> None:
        """Note that a request begins."""
        self._in_head, self._complete = True, False
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Note that the head is whole, and have the answer end the connection gently."""
        self._in_head, self._head_bytes = False, 0
        super().on_headers_complete()
        if self.cycle is not None and self._gentle is not None:
            self.cycle.transport = self._gentle

    def on_body(self, body: bytes) -> None:
        """Take a part of the body; what comes between parts belongs to no head."""
        self._head_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Note that the request is whole, unless the parser only stops for another protocol."""
        if self.parser.should_upgrade():
            return
        self._complete, self._head_bytes = True, 0
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Go on to the next request, unless this one was answered before it was whole."""
        if self._complete:
            super().on_response_complete()
        else:
            self.finish()

    def finish(self) -> None:
        """Close after an answer: at once when the request has been read, else when the client has seen the answer."""
        if self._lingering:
            return
        self._disarm()
        if self._complete or self.transport.is_closing():
            self.transport.close()
            return
        self._discarding = self._lingering = True
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.flow.resume_reading()
        self._timer = self.loop.call_later(LINGER, self.transport.close)

    def _refuse(self, refusal: Refusal) -> None:
        """Answer for the application, where no answer is under way that this one would be taken for."""
        cycle = self.cycle
        if cycle is not None and not cycle.response_complete:
            if not cycle.more_body or cycle.response_started or self.pipeline:
                cycle.keep_alive = False
                self._discarding = True
                return
            cycle.disconnected = True
            cycle.message_event.set()
        self.transport.write(_raw(refusal))
        self._complete = False
        self.finish()

    def _arm(self) -> None:
        if self._limits.header_timeout:
            self._timer = self.loop.call_later(self._limits.header_timeout, self._head_is_late)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _head_is_late(self) -> None:
        self._timer = None
        if self._complete:  # nothing of a request was sent
            self.transport.close()
        else:
            self._refuse(_TOO_SLOW)


class _Rest:
    """What a parser calls that reads on after a declined upgrade: its first head is one that was read already."""

    def __init__(self, protocol: GuardedProtocol) -> None:
        self._protocol = protocol
        self._repeating = True
        self.on_body = protocol.on_body
        self.on_message_complete = protocol.on_message_complete

    def on_message_begin(self) -> None:
        if not self._repeating:
            self._protocol.on_message_begin()

    def on_url(self, url: bytes) -> None:
        if not self._repeating:
            self._protocol.on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._repeating:
            self._protocol.on_header(name, value)

    def on_headers_complete(self) -> None:
        if not self._repeating:
            self._protocol.on_headers_complete()
        self._repeating = False


class _GentleTransport:
    """The transport of an answer, which closes through the protocol."""

    __slots__ = ("close", "is_closing", "write")

    def __init__(self, protocol: GuardedProtocol) -> None:
        self.write = protocol.transport.write
        self.is_closing = protocol.transport.is_closing
        self.close = protocol.finish


def _raw(refusal: Refusal) -> bytes:
    body = refusal.json()
    lines = [
        f"HTTP/1.1 {refusal.http} {HTTPStatus(refusal.http).phrase}",
        "content-type: application/json",
        f"content-length: {len(body)}",
        "connection: close",
    ]
    if refusal.retry_after:
        lines.append(f"retry-after: {refusal.retry_seconds()}")
    return "\r\n".join([*lines, "", ""]).encode() + body
