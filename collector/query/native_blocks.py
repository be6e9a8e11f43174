"""ClickHouse's own compression, that of `compress=1` and `decompress=1`: checked blocks of LZ4 or ZSTD.

A block is a CityHash128 of what follows, a method, the sizes of the block without its hash and of its content, and
the compressed content.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from typing import Final

import lz4.block
import zstandard
from clickhouse_cityhash.cityhash import CityHash128

from collector.api import Rejected, TooLarge
from collector.receivers.inflate import inflate

_NONE: Final = 0x02
_LZ4: Final = 0x82
_ZSTD: Final = 0x90
_HEAD: Final = struct.Struct("<BII")
_HASH: Final = struct.Struct("<QQ")
_LOW: Final = (1 << 64) - 1
_BLOCK: Final = 1 << 20


def pack(data: bytes, method: str = "LZ4") -> Iterator[bytes]:
    """Yield the blocks of some data."""
    view = memoryview(data)
    for start in range(0, len(view), _BLOCK):
        part = view[start : start + _BLOCK]
        if method == "ZSTD":
            kind, content = _ZSTD, zstandard.compress(part, 1)
        else:
            kind, content = _LZ4, lz4.block.compress(part, store_size=False)
        block = _HEAD.pack(kind, _HEAD.size + len(content), len(part)) + content
        yield _hash(block) + block


def unpack(body: bytes, limit: int, take: Callable[[int], None]) -> bytes:
    """Return the content of blocks, at most `limit` bytes.

    `take` is told of each block's size before it is decoded. Raises `Rejected` for what is no such block or whose
    hash is wrong, and `TooLarge` beyond the limit.
    """
    view, parts, size = memoryview(body), [], 0
    while view:
        if len(view) < _HASH.size + _HEAD.size:
            raise Rejected("the compressed body ends within a block's head")
        kind, length, content = _HEAD.unpack_from(view, _HASH.size)
        block = view[_HASH.size : _HASH.size + length]
        if not _HEAD.size <= length == len(block):
            raise Rejected("the compressed body ends within a block, or a block's size is wrong")
        if _hash(block) != view[: _HASH.size]:
            raise Rejected("the compressed body has a block whose checksum does not match")
        size += content
        if size > limit:
            raise TooLarge(f"the body is larger than the {limit} bytes accepted once it is decompressed")
        take(content)
        parts.append(_content(kind, block[_HEAD.size :], content))
        view = view[_HASH.size + length :]
    return b"".join(parts)


def _hash(block: bytes | memoryview) -> bytes:
    number = CityHash128(block)
    return _HASH.pack(number >> 64, number & _LOW)


def _counted(_size: int) -> None:
    """Nothing more: a block's size was counted from its head."""


def _content(kind: int, data: memoryview, size: int) -> bytes:
    try:
        if kind == _LZ4:
            content = lz4.block.decompress(data, uncompressed_size=size)
        elif kind == _ZSTD:
            content = inflate("zstd", bytes(data), size, _counted)
        elif kind == _NONE:
            content = bytes(data)
        else:
            raise Rejected(f"the compressed body has a block of method {kind:#x}; LZ4, ZSTD or none was expected")
    except lz4.block.LZ4BlockError as error:
        raise Rejected(f"the compressed body has a block that cannot be decoded: {error}") from error
    if len(content) != size:
        raise Rejected("the compressed body has a block whose content is not as long as it says")
    return bytes(content)
