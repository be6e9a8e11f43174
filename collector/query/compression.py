"""Bodies of requests and answers under HTTP's encodings and ClickHouse's own."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, Protocol

import cramjam
import lz4.frame
import zstandard

from collector.api import Rejected, TooLarge
from collector.query.failure import Failure
from collector.query.native_blocks import pack, unpack
from collector.query.request import Request
from collector.receivers.inflate import inflate

Take = Callable[[int], None]

_INFLATED: Final = ("gzip", "deflate", "zstd", "lz4", "snappy")
_LEVEL: Final = 1


def decode_body(request: Request, body: bytes, limit: int, take: Take) -> bytes:
    """Return the body without its encodings, at most `limit` bytes.

    `take` is told of the bytes that decoding adds. Raises `Failure`, `Rejected` and `TooLarge`.
    """
    encoding = request.headers.get("content-encoding", "").strip().lower()
    if encoding == "br":
        body = _brotli(body, limit, take)
    elif encoding in _INFLATED:
        body = inflate(encoding, body, limit, take)
    elif encoding not in ("", "identity"):
        known = ", ".join((*_INFLATED, "br"))
        text = f"Unknown compression method {encoding[:40]!r}: one of {known} was expected"
        raise Failure(89, "UNKNOWN_COMPRESSION_METHOD", text, 415)
    return unpack(body, limit, take) if request.flag("decompress") else body


def _brotli(body: bytes, limit: int, take: Take) -> bytes:
    """Decode into a buffer that is no larger than the limit: the format does not say how large its content is."""
    room = min(limit, max(len(body) * 64, 1 << 16))
    while True:
        take(room)
        buffer = bytearray(room)
        try:
            return bytes(memoryview(buffer)[: cramjam.brotli.decompress_into(body, buffer)])
        except cramjam.DecompressionError as error:
            take(-room)
            if "whole buffer" not in str(error):
                raise Rejected(f"the body is not valid br: {error}") from error
        if room == limit:
            raise TooLarge(f"the body is larger than the {limit} bytes accepted once it is decompressed")
        room = min(limit, room * 8)


class Encoder(Protocol):
    """What encodes an answer piece by piece."""

    def compress(self, data: bytes, /) -> Any: ...
    def flush(self) -> Any: ...


def response_encoding(request: Request) -> str:
    """Return the `Content-Encoding` in which the answer goes out, by the client's wish; "" is none."""
    if request.arguments.get("enable_http_compression") == "0" or request.flag("compress"):
        return ""
    asked = request.headers.get("accept-encoding", "").lower().split(",")
    accepted = {name.partition(";")[0].strip() for name in asked if "q=0" not in name.replace(" ", "").split(";")}
    return next((name for name in _ENCODERS if name in accepted), "")


def in_blocks(request: Request, data: bytes) -> bytes:
    """Return data in ClickHouse's own compression, where the client asked for that; errors come in it too."""
    if not request.flag("compress"):
        return data
    return b"".join(pack(data, request.arguments.get("network_compression_method", "LZ4").upper()))


def encoded(request: Request, chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield an answer's pieces as the client asked for them."""
    if request.flag("compress"):
        yield from (in_blocks(request, chunk) for chunk in chunks)
        return
    encoding = response_encoding(request)
    if not encoding:
        yield from chunks
        return
    encoder = _ENCODERS[encoding]()
    for chunk in chunks:
        if piece := bytes(encoder.compress(chunk)):
            yield piece
    yield bytes(encoder.flush())


class _Lz4:
    """The frame compressor of lz4, which wants its head written first."""

    def __init__(self) -> None:
        self._frame = lz4.frame.LZ4FrameCompressor()
        self._head: bytes = self._frame.begin()

    def compress(self, data: bytes) -> bytes:
        head, self._head = self._head, b""
        return head + bytes(self._frame.compress(data))

    def flush(self) -> bytes:
        return self._head + bytes(self._frame.flush())


class _Brotli:
    """The compressor of cramjam, whose output is taken out of it."""

    def __init__(self) -> None:
        self._stream = cramjam.brotli.Compressor(_LEVEL)

    def compress(self, data: bytes) -> bytes:
        self._stream.compress(data)
        return bytes(self._stream.flush())

    def flush(self) -> bytes:
        return bytes(self._stream.finish())


_ENCODERS: Final[dict[str, Callable[[], Encoder]]] = {
    "zstd": lambda: zstandard.ZstdCompressor(_LEVEL).compressobj(),
    "lz4": _Lz4,
    "gzip": lambda: zlib.compressobj(_LEVEL, zlib.DEFLATED, 31),
    "deflate": lambda: zlib.compressobj(_LEVEL),
    "br": _Brotli,
}
"""Encoders by `Content-Encoding`, the preferred first."""
