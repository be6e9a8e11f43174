"""Decompression of request bodies that stops as soon as a limit is passed, never after.

Names are those of `Content-Encoding`: `gzip`, `zlib`, `deflate` (a zlib stream, as the RFC has it, or the bare one
that some clients send), `zstd`, `lz4` (frames), `snappy` (a block, or frames under the wrong name) and
`x-snappy-framed`.
"""

from __future__ import annotations

import sys
import zlib
from collections.abc import Callable
from typing import Final, Protocol

import cramjam
import lz4.frame

from collector.api import Rejected, TooLarge

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

Take = Callable[[int], None]
"""Is told of each piece of output before it is kept; may raise `Overloaded`."""

_WINDOW = 64 * 1024
_MAX_FRAMES = 1024
_MAX_SNAPPY_CHUNKS = 65536
_SNAPPY_CHUNK = 65536
_SNAPPY_HEADER = b"\xff\x06\x00\x00sNaPpY"
_SNAPPY_BEST_RATIO = 64  # a copy of at most 64 bytes costs at least two
_ZSTD_OPTIONS = {
    int(zstd.DecompressionParameter.window_log_max): 25
}  # 32 MiB: the Go encoder's window at its best level
_FAULTS = (zlib.error, zstd.ZstdError, cramjam.DecompressionError, RuntimeError)  # lz4 raises RuntimeError


class _Stream(Protocol):
    """What zlib, zstd and lz4 agree on: input is consumed whole unless `max_length` bytes come out."""

    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes | None: ...
    def decompress(self, data: memoryview, max_length: int, /) -> bytes: ...


def inflate(encoding: str, body: bytes, limit: int, take: Take) -> bytes:
    """Return the decoded body of at most `limit` bytes.

    Raises `TooLarge` beyond the limit, `Rejected` for a body that is not what its encoding says, and what `take`
    raises.
    """
    if not body:
        return body
    try:
        return _DECODERS[encoding](body, limit, take)
    except _FAULTS as error:
        raise Rejected(f"the body is not valid {encoding}: {error}") from error


def _streamed(new: Callable[[], _Stream], body: bytes, limit: int, take: Take, frames: int) -> bytes:
    """Decode up to `frames` streams that stand one after the other, in windows of input."""
    view, stream, chunks, room, fresh = memoryview(body), new(), [], limit, True
    for start in range(0, len(view), _WINDOW):
        window = view[start : start + _WINDOW]
        while window:
            if fresh:
                frames -= 1
            if frames < 0:
                raise Rejected("the body has more compressed streams behind each other than are accepted")
            chunk = stream.decompress(window, room + 1)
            room -= len(chunk)
            if room < 0:
                raise TooLarge(f"the body is larger than the {limit} bytes accepted once it is decompressed")
            take(len(chunk))
            chunks.append(chunk)
            fresh = stream.eof
            window = memoryview(stream.unused_data or b"") if fresh else window[:0]
            stream = new() if fresh else stream
    if not fresh:
        raise Rejected("the compressed body ends too early")
    return b"".join(chunks)


def _gzip(body: bytes, limit: int, take: Take) -> bytes:
    return _streamed(lambda: zlib.decompressobj(31), body, limit, take, _MAX_FRAMES)


def _zlib(body: bytes, limit: int, take: Take) -> bytes:
    return _streamed(zlib.decompressobj, body, limit, take, 1)


def _deflate(body: bytes, limit: int, take: Take) -> bytes:
    has_header = len(body) > 1 and body[0] & 15 == zlib.DEFLATED and (body[0] << 8 | body[1]) % 31 == 0
    wbits = zlib.MAX_WBITS if has_header else -zlib.MAX_WBITS
    return _streamed(lambda: zlib.decompressobj(wbits), body, limit, take, 1)


def _zstd(body: bytes, limit: int, take: Take) -> bytes:
    return _streamed(lambda: zstd.ZstdDecompressor(options=_ZSTD_OPTIONS), body, limit, take, _MAX_FRAMES)


def _lz4(body: bytes, limit: int, take: Take) -> bytes:
    return _streamed(lz4.frame.LZ4FrameDecompressor, body, limit, take, _MAX_FRAMES)


def _snappy(body: bytes, limit: int, take: Take) -> bytes:
    if body.startswith(_SNAPPY_HEADER):
        return _snappy_framed(body, limit, take)
    size = _snappy_block_size(body)
    if size > limit:
        raise TooLarge(f"the body is larger than the {limit} bytes accepted once it is decompressed")
    take(size)
    return bytes(cramjam.snappy.decompress_raw(body))


def _snappy_block_size(block: bytes | memoryview) -> int:
    """Return the decoded size that a block declares, once it is believable: memory is allocated by it."""
    size = int(cramjam.snappy.decompress_raw_len(block))
    if size > len(block) * _SNAPPY_BEST_RATIO:
        raise Rejected("the body is not valid snappy: it declares more bytes than it can hold")
    return size


def _snappy_framed(body: bytes, limit: int, take: Take) -> bytes:
    """Walk over the chunks before anything is decoded: each says how large it gets."""
    view, position, size = memoryview(body), 0, 0
    for _ in range(_MAX_SNAPPY_CHUNKS):
        if position >= len(view):
            break
        kind, length = view[position], int.from_bytes(view[position + 1 : position + 4], "little")
        chunk = view[position + 4 : position + 4 + length]
        size += _snappy_chunk_size(kind, chunk)
        position += 4 + length
        if size > limit:
            raise TooLarge(f"the body is larger than the {limit} bytes accepted once it is decompressed")
    else:
        raise Rejected("the body has more snappy chunks than are accepted")
    take(size)
    return bytes(cramjam.snappy.decompress(body, output_len=size))


def _snappy_chunk_size(kind: int, chunk: memoryview) -> int:
    size = 0
    if kind == 0:
        size = _snappy_block_size(chunk[4:])
    elif kind == 1:
        size = max(0, len(chunk) - 4)
    if size > _SNAPPY_CHUNK:
        raise Rejected("the body is not valid snappy: a chunk is larger than 64 KiB")
    return size


_DECODERS: Final[dict[str, Callable[[bytes, int, Take], bytes]]] = {
    "gzip": _gzip,
    "zlib": _zlib,
    "deflate": _deflate,
    "zstd": _zstd,
    "lz4": _lz4,
    "snappy": _snappy,
    "x-snappy-framed": _snappy_framed,
}
ENCODINGS: Final = tuple(_DECODERS)
"""The encodings that `inflate` knows."""
