"""The head of a request."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias
from urllib.parse import unquote

import httptools

from collector.receivers.http.answer import HttpRefused
from collector.receivers.refusal import Code, Refusal

Header: TypeAlias = tuple[bytes, bytes]
"""A name in lower case, and a value."""

MALFORMED: Final = Refusal(Code.INVALID_ARGUMENT, 400, "this is not HTTP/1.1")
_ONE_HOST: Final = Refusal(Code.INVALID_ARGUMENT, 400, "a request has one Host header")
_CHUNKED: Final = Refusal(Code.UNIMPLEMENTED, 501, "Transfer-Encoding must be chunked")


@dataclass(slots=True)
class Head:
    """What came before the body. `target` is what the request is for, as it was sent.

    `keep_alive` says whether the client may go on over the connection. `fields` has the headers by name, those that
    came more than once joined by commas, as RFC 9110 reads them.
    """

    method: bytes
    target: bytes
    version: str
    headers: Sequence[Header]
    keep_alive: bool
    fields: dict[bytes, bytes] = field(init=False)

    def __post_init__(self) -> None:
        fields = dict(self.headers)
        if len(fields) < len(self.headers):
            fields.clear()
            for name, value in self.headers:
                fields[name] = fields[name] + b", " + value if name in fields else value
        self.fields = fields

    @property
    def size(self) -> int:
        """Bytes of it, nearly."""
        return len(self.target) + size_of(self.headers)

    @property
    def path(self) -> str:
        """The path of the target, unquoted. Raises `HttpRefused` for a target that has none."""
        try:
            path: bytes = httptools.parse_url(self.target).path or b""
            return unquote(path.decode("ascii"))
        except (httptools.HttpParserInvalidURLError, UnicodeDecodeError):
            raise HttpRefused(MALFORMED, close=True) from None

    def check(self) -> None:
        """Raise `HttpRefused` for a head that could be read in two ways."""
        fields = self.fields
        if self.version == "1.1" and b"," in fields.get(b"host", b","):
            raise HttpRefused(_ONE_HOST, close=True)
        if b"transfer-encoding" in fields and fields[b"transfer-encoding"].strip().lower() != b"chunked":
            raise HttpRefused(_CHUNKED, close=True)


def size_of(headers: Sequence[Header]) -> int:
    """Return the bytes of headers as they were sent, without blanks that say nothing."""
    return sum(len(name) + len(value) + 4 for name, value in headers)


NO_HEAD: Final = Head(b"", b"", "1.1", (), keep_alive=False)
"""That of a request which could not be read."""
