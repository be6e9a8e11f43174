"""The body of one insert: rows of one table as a block in Native format or as an Arrow stream, compressed.

This is the one place where rows become what goes over the wire.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import pyarrow as pa

from collector.wire.clickhouse import Part, convert
from collector.wire.clickhouse_native import COMPRESSIONS, AnyPart, WirePart, holds_json
from exporters.clickhouse.tables import Layout

_LEVELS = {"brotli": 1, "gzip": 1, "zstd": 1}


@dataclass(frozen=True, slots=True)
class Body:
    """What one INSERT sends: the columns it names, and their values in a format of ClickHouse."""

    columns: tuple[str, ...]
    data: bytes
    format: str


def insert_body(part: AnyPart, layout: Layout, compression: str) -> Body:
    """Return the body that inserts `part` into a table of `layout`.

    `compression` is a Content-Encoding that ClickHouse knows (lz4 is its frame format, deflate is zlib's), or
    `none`. The body is one block: ClickHouse tells repeated blocks by the insert's token and their number in it.
    """
    if isinstance(part, WirePart):
        return (
            _arrow_body(part.part(), layout, compression) if holds_json(layout) else _block(part, layout, compression)
        )
    return _arrow_body(part, layout, compression)


def _block(part: WirePart, layout: Layout, compression: str) -> Body:
    built_in = compression in COMPRESSIONS
    columns, data = part.block(layout, compression if built_in else "none")
    return Body(tuple(columns), data if built_in else _compressed(pa.py_buffer(data), compression), "Native")


def _arrow_body(part: Part, layout: Layout, compression: str) -> Body:
    columns = convert(part, layout)
    data = _compressed(_arrow_stream(columns), compression)
    return Body(tuple(columns.schema.names), data, "ArrowStream")


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
