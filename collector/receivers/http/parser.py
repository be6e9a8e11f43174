"""Reading requests: httptools, with what it leaves to its caller.

A request may ask to go on in another protocol, as the HTTP client of the JDK does with each (`Upgrade: h2c`). It is
read as if it had not asked; httptools by itself would take such a request for one without a body.
"""

from __future__ import annotations

from typing import Final, Protocol

import httptools

from collector.receivers.http.head import Head, Header, size_of

HEADERS_LIMIT: Final = 256
"""Headers of a request, or trailers: each costs more than its bytes."""

_FRAMING = (b"content-length", b"transfer-encoding")


class TooManyHeaders(Exception):
    """A head has more than `HEADERS_LIMIT` headers."""


class Sink(Protocol):
    """What is told of requests. It must not raise."""

    def begun(self) -> None:
        """Take notice that a head has begun."""

    def headed(self, head: Head, /) -> None:
        """Take a head."""

    def body(self, data: bytes, /) -> None:
        """Take a part of the body."""

    def complete(self, trailers: int, /) -> None:
        """Take notice that the request is whole, with so many bytes of trailers."""


class Parser:
    """Reads what comes over one connection."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._target = b""
        self._headers: list[Header] = []
        self._framing: list[Header] = []
        self._repeated = False
        self._chunks: list[bytes] = []
        self.on_body = self._chunks.append  # a body may be sent in a chunk for every byte
        self._inner = httptools.HttpRequestParser(self)

    def feed(self, data: bytes | memoryview) -> None:
        """Read on. Raises `httptools.HttpParserError` for what is no HTTP/1.1, and `TooManyHeaders`."""
        try:
            while data:
                try:
                    self._inner.feed_data(data)
                except httptools.HttpParserUpgrade as upgrade:
                    data = data[upgrade.args[0] :]
                    self._decline()
                else:
                    break
        except httptools.HttpParserCallbackError as error:
            if isinstance(error.__context__, TooManyHeaders):
                raise error.__context__ from None
            raise
        if self._chunks:
            self._hand_on_body()

    def _decline(self) -> None:
        """Go on with the body of the request whose head was read, in a parser that is told only of its framing."""
        lines = [b"POST / HTTP/1.1", *(b"%b: %b" % header for header in self._framing), b"", b""]
        self._inner = httptools.HttpRequestParser(self)
        self._inner.set_dangerous_leniencies(lenient_data_after_close=True)
        self._repeated = True
        self._inner.feed_data(b"\r\n".join(lines))

    def _hand_on_body(self) -> None:
        chunks = self._chunks
        self._sink.body(chunks[0] if len(chunks) == 1 else b"".join(chunks))
        chunks.clear()

    # What httptools calls.

    def on_message_begin(self) -> None:
        self._target, self._headers = b"", []
        if not self._repeated:
            self._sink.begun()

    def on_url(self, url: bytes) -> None:
        self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if len(self._headers) == HEADERS_LIMIT:
            raise TooManyHeaders
        self._headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        inner, headers = self._inner, self._headers
        self._headers = []  # of trailers, which nobody reads
        if self._repeated:
            self._repeated = False
            return
        if inner.should_upgrade():
            self._framing = [header for header in headers if header[0] in _FRAMING]
        version = inner.get_http_version()
        keep_alive = version == "1.1" and inner.should_keep_alive()
        self._sink.headed(Head(inner.get_method(), self._target, version, headers, keep_alive))

    def on_message_complete(self) -> None:
        if not self._inner.should_upgrade():
            if self._chunks:
                self._hand_on_body()
            self._sink.complete(size_of(self._headers) if self._headers else 0)
