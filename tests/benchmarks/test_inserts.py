import gzip

import lz4.block
import numpy as np
import pyarrow as pa
import pytest
import zstandard

from benchmarks.ids import span_ids
from benchmarks.inserts import Insert, Ledger


def _texts(*numbers):
    return [bytes(row).hex() for row in span_ids(np.array(numbers, dtype=np.uint64))]


def _row_binary(*numbers):
    return b"".join(b"\x10" + text.encode() for text in _texts(*numbers))


def _block(method, data, plain):
    head = bytes([method]) + (len(data) + 9).to_bytes(4, "little") + len(plain).to_bytes(4, "little")
    return bytes(16) + head + data


def _clickhouse(body):
    half = len(body) // 2
    first, second = body[:half], body[half:]
    return _block(0x82, lz4.block.compress(first, store_size=False), first) + _block(
        0x90, zstandard.compress(second), second
    )


@pytest.mark.parametrize(
    ("encoding", "compress"),
    [("", bytes), ("gzip", gzip.compress), ("zstd", zstandard.compress), ("clickhouse", _clickhouse)],
    ids=["plain", "gzip", "zstd", "clickhouse-blocks"],
)
def test_items_of_an_insert_are_found_through_its_compression(encoding, compress):
    rows, numbers = Insert("RowBinary", encoding, compress(_row_binary(4, 5, 6))).read()
    assert (rows, numbers.tolist()) == (3, [4, 5, 6])


def _arrow(ids, compression=None):
    batch = pa.record_batch({"SpanId": ids})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema, options=pa.ipc.IpcWriteOptions(compression=compression)) as writer:
        writer.write_batch(batch)
    return sink.getvalue().to_pybytes()


@pytest.mark.parametrize("compression", [None, "zstd"])
def test_items_of_an_arrow_stream_are_found_and_its_rows_counted(compression):
    rows, numbers = Insert("ArrowStream", "", _arrow(pa.array(_texts(1, 2)), compression)).read()
    assert (rows, numbers.tolist()) == (2, [1, 2])


def test_a_dictionary_cannot_hide_a_doubled_row():
    rows, numbers = Insert("ArrowStream", "", _arrow(pa.array(_texts(1, 2, 2)).dictionary_encode())).read()
    assert (rows, numbers.tolist()) == (3, [1, 2])


def test_an_unknown_encoding_is_refused():
    with pytest.raises(ValueError, match="'snappy' is not known"):
        Insert("RowBinary", "snappy", b"").read()


def test_the_ledger_tells_what_is_missing_doubled_and_foreign():
    ledger = Ledger(5)
    ledger.add(3, np.array([0, 1, 2], dtype=np.uint64))
    ledger.add(3, np.array([2, 3, 77], dtype=np.uint64))
    assert ledger.summary() == {"rows": 6, "arrived": 4, "doubled": 1, "foreign": 1}
