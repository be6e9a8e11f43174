import gzip
import zlib

import lz4.frame
import pyarrow as pa
import pytest
import zstandard

from collector.api import Signal
from collector.testing import SAMPLE_TIME, sample_batch
from collector.wire.clickhouse import parts
from exporters.clickhouse.body import insert_body

LAYOUT = {"Timestamp": "DateTime64(9)", "Mine": "String", "Body": "String"}


def _part():
    (part,) = parts(Signal.LOGS, sample_batch(Signal.LOGS, 3).columns, SAMPLE_TIME)
    return part


@pytest.mark.parametrize(
    ("compression", "inflate"),
    [
        ("none", bytes),
        ("lz4", lz4.frame.decompress),
        ("zstd", zstandard.decompress),
        ("gzip", gzip.decompress),
        ("deflate", zlib.decompress),
        ("br", lambda data: pa.input_stream(pa.BufferReader(data), compression="brotli").read()),
    ],
)
def test_a_body_is_one_block_of_columns_under_its_compression(compression, inflate):
    body = insert_body(_part(), LAYOUT, compression)
    batches = list(pa.ipc.open_stream(inflate(body.data)))
    assert body.columns == ("Timestamp", "Body")
    assert [batch.to_pydict()["Body"] for batch in batches] == [[f"order {index} placed" for index in range(3)]]


def test_the_same_rows_always_give_the_same_body():
    assert insert_body(_part(), LAYOUT, "lz4") == insert_body(_part(), LAYOUT, "lz4")
