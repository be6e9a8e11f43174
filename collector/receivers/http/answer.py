"""Answers, and refusals that only HTTP can say."""

from __future__ import annotations

from collections.abc import Iterable
from http import HTTPStatus
from typing import Final

from collector.receivers.refusal import Refusal, Refused

CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
_CLOSE: Final = b"connection: close\r\n"


class Answer:
    """An answer, which may be sent many times. `close` says that its connection ends with it."""

    __slots__ = ("_body", "_end", "_start", "close")

    def __init__(
        self, status: int, headers: Iterable[tuple[bytes, bytes]], body: bytes = b"", *, close: bool = False
    ) -> None:
        self._start = f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n".encode()
        lines = [b"%b: %b\r\n" % header for header in headers]
        if status != HTTPStatus.NO_CONTENT:
            lines.append(b"content-length: %d\r\n" % len(body))
        self._end = b"".join((*lines, b"\r\n"))
        self._body = body
        self.close = close

    def encode(self, date: bytes, *, close: bool, bodiless: bool) -> bytes:
        """Return what goes to the client; `date` is the line of that header. Answers to HEAD are `bodiless`."""
        return b"".join((self._start, date, _CLOSE if close else b"", self._end, b"" if bodiless else self._body))


def answer_to(refusal: Refusal) -> Answer:
    """Return the answer to a request that cannot be read, in JSON: nobody knows what its client understands."""
    return Answer(refusal.http, [(b"content-type", b"application/json"), *delay(refusal)], refusal.json(), close=True)


def delay(refusal: Refusal) -> list[tuple[bytes, bytes]]:
    """Return the header that tells the client when to come back, where it may."""
    return [(b"retry-after", str(refusal.retry_seconds()).encode())] if refusal.retry_after else []


class HttpRefused(Refused):
    """A request whose refusal also has `headers`. `close` says that its connection ends with it."""

    def __init__(self, refusal: Refusal, *headers: tuple[bytes, bytes], close: bool = False) -> None:
        super().__init__(refusal)
        self.headers = headers
        self.close = close
