"""The smallest part of ClickHouse's Native format that lets clickhouse-go connect and describe a table."""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from typing import Any

from clickhouse_cityhash.cityhash import CityHash128

_BLOCK_INFO = b"\x01\x00\x02\xff\xff\xff\xff\x00"
_CUSTOM_SERIALIZATION = 54454  # from this client protocol on, each column says how it is serialized
_UNCOMPRESSED = 0x02


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _text(value: str) -> bytes:
    data = value.encode()
    return _varint(len(data)) + data


def _column(kind: str, values: Sequence[Any]) -> tuple[str, bytes]:
    if kind == "UInt32":
        return kind, b"".join(struct.pack("<I", int(value)) for value in values)
    return "String", b"".join(_text(str(value)) for value in values)


def encode(answer: str, protocol: int) -> bytes:
    """Return a Native block of a JSONCompact answer; every type but UInt32 becomes String."""
    document = json.loads(answer)
    meta, rows = document["meta"], document["data"]
    out = [_BLOCK_INFO if protocol else b"", _varint(len(meta)), _varint(len(rows))]
    for index, column in enumerate(meta):
        kind, data = _column(column["type"], [row[index] for row in rows])
        custom = b"\x00" if protocol >= _CUSTOM_SERIALIZATION else b""
        out += [_text(column["name"]), _text(kind), custom, data]
    return b"".join(out)


def frame(data: bytes) -> bytes:
    """Return `data` as one of ClickHouse's compressed blocks, stored, with its checksum."""
    block = struct.pack("<BII", _UNCOMPRESSED, len(data) + 9, len(data)) + data
    checksum = CityHash128(block)
    return struct.pack("<QQ", checksum >> 64, checksum & 0xFFFFFFFFFFFFFFFF) + block
