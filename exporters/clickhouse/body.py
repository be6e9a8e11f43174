"""The body of one insert: rows of one table as an Arrow stream, compressed.

This is the one place where rows become what goes over the wire.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import pyarrow as pa

from collector.wire.clickhouse import Part, convert
from exporters.clickhouse.tables import Layout

FORMAT = "ArrowStream"

_LEVELS = {"brotli": 1, "gzip": 1, "zstd": 1}


@dataclass(frozen=True, slots=True)
class Body:
    """What one INSERT sends: the columns it names, and their values in `FORMAT`."""

    columns: tuple[str, ...]
    data: bytes


def insert_body(part: Part, layout: Layout, compression: str) -> Body:
    """Return the body that inserts `part` into a table of `layout`.

    `compression` is a Content-Encoding that ClickHouse knows (lz4 is its frame format, deflate is zlib's), or
    `none`. The body is one block: ClickHouse tells repeated blocks by the insert's token and their number in it.
    """
    columns = convert(part, layout)
    return Body(tuple(columns.schema.names), _compressed(_arrow_stream(columns), compression))


def _arrow_stream(columns: pa.RecordBatch) -> pa.Buffer:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, columns.schema) as writer:
        writer.write_batch(columns)
    return sink.getvalue()


def _compressed(body: pa.Buffer, method: str) -> bytes:
    if method == "none":
        plain: bytes = body.to_pybytes()
        return plain
    if method == "deflate":
        return zlib.compress(body, 1)
    codec = "brotli" if method == "br" else method
    compressed: bytes = pa.Codec(codec, compression_level=_LEVELS.get(codec)).compress(body, asbytes=True)
    return compressed
