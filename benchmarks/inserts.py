"""What a collector inserted: decompressed, counted and searched for ids, whatever its format."""

from __future__ import annotations

import gzip
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass

import cramjam
import lz4.block
import lz4.frame
import numpy as np
import pyarrow as pa
import zstandard

from benchmarks.ids import Numbers, find_numbers

_CHECKSUM = 16
_BLOCK_HEADER = struct.Struct("<BII")  # method, size with this header, size decompressed
_LZ4, _ZSTD, _NONE = 0x82, 0x90, 0x02

_ENCODINGS: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    "gzip": gzip.decompress,
    "deflate": zlib.decompress,
    "zstd": lambda data: zstandard.ZstdDecompressor().stream_reader(data).read(),
    "lz4": lz4.frame.decompress,
    "br": lambda data: bytes(cramjam.brotli.decompress(data)),
}


def decompress(body: bytes, encoding: str) -> bytes:
    """Undo `Content-Encoding`, or ClickHouse's own blocks where `encoding` is `clickhouse`.

    Raises ValueError for an encoding or a block method that is not known.
    """
    if encoding == "clickhouse":
        return _blocks(body)
    if encoding not in _ENCODINGS:
        raise ValueError(f"content encoding {encoding!r} is not known to the sink")
    return _ENCODINGS[encoding](body)


def _blocks(body: bytes) -> bytes:
    parts = []
    at = 0
    while at < len(body):
        method, size, plain_size = _BLOCK_HEADER.unpack_from(body, at + _CHECKSUM)
        data = body[at + _CHECKSUM + _BLOCK_HEADER.size : at + _CHECKSUM + size]
        parts.append(_block(method, data, plain_size))
        at += _CHECKSUM + size
    return b"".join(parts)


def _block(method: int, data: bytes, plain_size: int) -> bytes:
    if method == _LZ4:
        return bytes(lz4.block.decompress(data, plain_size))
    if method == _ZSTD:
        return zstandard.ZstdDecompressor().decompress(data, plain_size)
    if method == _NONE:
        return data
    raise ValueError(f"a block with the unknown compression method {method:#x}")


@dataclass(frozen=True, slots=True)
class Insert:
    """One INSERT as it came: the format named in the statement, how the body is compressed, the body."""

    format: str
    encoding: str
    body: bytes

    def read(self) -> tuple[int, Numbers]:
        """Return the number of rows and the numbers of the items in them.

        Arrow is parsed, so its rows are counted; other formats are searched, so a row is an id.
        """
        data = decompress(self.body, self.encoding)
        if self.format not in {"ArrowStream", "Arrow"}:
            numbers = find_numbers(data)
            return len(numbers), numbers
        table = _open(self.format, data).read_all()
        return table.num_rows, find_numbers(_plain(table))


def _open(name: str, data: bytes) -> pa.RecordBatchStreamReader | pa.RecordBatchFileReader:
    return pa.ipc.open_stream(data) if name == "ArrowStream" else pa.ipc.open_file(data)


def _plain(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue())


class Ledger:
    """Which of the items 0 to `expected` arrived, and how often."""

    def __init__(self, expected: int) -> None:
        self._seen = np.zeros(expected, np.uint32)
        self.rows = 0
        self.foreign = 0

    def add(self, rows: int, numbers: Numbers) -> None:
        """Count the rows of one INSERT."""
        known = numbers[numbers < len(self._seen)]
        self._seen += np.bincount(known.astype(np.int64), minlength=len(self._seen)).astype(np.uint32)
        self.rows += rows
        self.foreign += len(numbers) - len(known)

    def summary(self) -> dict[str, int]:
        """Rows, distinct items, items that came more than once, and ids that nobody sent."""
        return {
            "rows": self.rows,
            "arrived": int(np.count_nonzero(self._seen)),
            "doubled": int(np.count_nonzero(self._seen > 1)),
            "foreign": self.foreign,
        }
