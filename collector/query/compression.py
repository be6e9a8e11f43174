"""Bodies of requests and answers under HTTP's encodings and ClickHouse's own."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable
from typing import Any, Final

import cramjam
import lz4.frame
import zstandard

from collector.query.failure import Failure
from collector.query.request import Request
from collector.receivers.inflate import inflate

_DECODED: Final = {"gzip": "gzip", "deflate": "deflate", "zstd": "zstd", "lz4": "lz4", "snappy": "snappy"}
_LEVEL: Final = 1


def decode_body(request: Request, body: bytes, limit: int) -> bytes:
    """Return the body without its encodings, at most `limit` bytes. Raises `Failure`, `Rejected` and `TooLarge`."""
    encoding = request.headers.get("content-encoding", "").strip().lower()
    if encoding and encoding != "identity":
        if encoding not in _DECODED:
            known = ", ".join(_DECODED)
            raise Failure(
                89,
                "UNKNOWN_COMPRESSION_METHOD",
                f"Content-Encoding {encoding[:40]!r}: one of {known} was expected",
                415,
            )
        body = inflate(_DECODED[encoding], body, limit, _taken)
    return body


def _taken(_size: int) -> None:
    """Nothing counts what is decoded but the limit of a body."""


def response_encoding(request: Request) -> str:
    """Return the encoding in which the answer goes out, by the client's wish."""
    if not request.flag("enable_http_compression") and "enable_http_compression" in request.arguments:
        return ""
    accepted = {
        name.partition(";")[0].strip() for name in request.headers.get("accept-encoding", "").lower().split(",")
    }
    return next((name for name in _ENCODERS if name in accepted), "")


def encode_body(encoding: str, body: bytes) -> bytes:
    """Return the body under an encoding of HTTP's."""
    return bytes(_ENCODERS[encoding](body)) if encoding else body


_ENCODERS: Final[dict[str, Callable[[bytes], Any]]] = {
    "lz4": lz4.frame.compress,
    "zstd": lambda body: zstandard.compress(body, _LEVEL),
    "br": lambda body: cramjam.brotli.compress(body, _LEVEL),
    "gzip": lambda body: gzip.compress(body, _LEVEL),
    "deflate": lambda body: zlib.compress(body, _LEVEL),
    "snappy": cramjam.snappy.compress,
}
