"""The head of a request."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import inf
from typing import Final, TypeAlias
from urllib.parse import unquote

import httptools

from collector.receivers.http.answer import HttpRefused
from collector.receivers.refusal import Code, Refusal

Header: TypeAlias = tuple[bytes, bytes]
"""A name in lower case, and a value."""

MALFORMED: Final = Refusal(Code.INVALID_ARGUMENT, 400, "this is not HTTP/1.1")
_VERSIONS: Final = ("1.1", "1.0")
_LONGEST: Final = 18  # digits that a length may have and be believed
_ONE_HOST: Final = Refusal(Code.INVALID_ARGUMENT, 400, "a request has one Host header")
_CHUNKED: Final = Refusal(Code.UNIMPLEMENTED, 501, "Transfer-Encoding must be chunked")


@dataclass(slots=True)
class Head:
    """What came before the body. `target` is what the request is for, as it was sent.

    `keep_alive` says whether the client may go on over the connection. `fields` has the headers by name, those that
    came more than once joined by commas, as RFC 9110 reads them; `length` is what the client says of its body in
    bytes.
    """

    method: bytes
    target: bytes
    version: str
    headers: Sequence[Header]
    keep_alive: bool
    fields: dict[bytes, bytes] = field(init=False)
    length: float = field(init=False)

    def __post_init__(self) -> None:
        fields = dict(self.headers)
        if len(fields) < len(self.headers):
            fields.clear()
            for name, value in self.headers:
                fields[name] = fields[name] + b", " + value if name in fields else value
        self.fields = fields
        digits = fields.get(b"content-length", b"0")
        if len(digits) > _LONGEST:
            digits = digits.lstrip(b"0") or b"0"
        self.length = int(digits) if len(digits) <= _LONGEST else inf

    @property
    def chunked(self) -> bool:
        """Whether its body says by itself where it ends."""
        return b"transfer-encoding" in self.fields

    @property
    def expects(self) -> bool:
        """Whether its client waits for leave to send its body."""
        return self.version == "1.1" and self.fields.get(b"expect", b"").lower() == b"100-continue"

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
        if self.version not in _VERSIONS:
            raise HttpRefused(MALFORMED, close=True)
        if self.version == "1.1" and b"," in fields.get(b"host", b","):
            raise HttpRefused(_ONE_HOST, close=True)
        if self.chunked and fields[b"transfer-encoding"].strip().lower() != b"chunked":
            raise HttpRefused(_CHUNKED, close=True)


def size_of(headers: Sequence[Header]) -> int:
    """Return the bytes of headers as they were sent, without blanks that say nothing."""
    return sum(len(name) + len(value) + 4 for name, value in headers)


NO_HEAD: Final = Head(b"", b"", "1.1", (), keep_alive=False)
"""That of a request which could not be read."""
