import pyarrow as pa

from collector.api import Batch, Signal


class _Codec:
    def decode(self, signal, requests):
        raise AssertionError("nobody needs columns here")

    def encode(self, signal, columns):
        raise AssertionError("nobody needs bytes here")


def _batch(*requests: bytes, items: int) -> Batch:
    return Batch(Signal.TRACES, _Codec(), requests=requests, items=items)


def test_an_untouched_batch_hands_out_the_very_bytes_that_came():
    request = b"\x0a\x00"
    assert _batch(request, items=1).otlp is request


class _Counting:
    def __init__(self):
        self.encoded = 0

    def decode(self, signal, requests):
        raise AssertionError("nobody needs columns here")

    def encode(self, signal, columns):
        self.encoded += 1
        return columns.column(0)[0].as_py()


def test_joining_batches_keeps_changed_columns_until_somebody_asks_for_their_bytes():
    codec = _Counting()
    columns = pa.record_batch({"as bytes": [b"b"]})
    changed = Batch(Signal.TRACES, codec, columns=columns)
    untouched = Batch(Signal.TRACES, codec, requests=[b"a", b"c"], items=2)
    joined = Batch.join([Batch.join([untouched, changed]), untouched])
    assert (joined.sources, joined.items, codec.encoded) == ((b"a", b"c", columns, b"a", b"c"), 5, 0)
    assert joined.size == 4 + columns.nbytes
    assert joined.requests == (b"a", b"c", b"b", b"a", b"c")
    assert joined.otlp == b"acbac"
    assert (joined.sources, joined.size) == ((b"acbac",), 5)
    assert (changed.otlp, codec.encoded) == (b"b", 1)


def test_joining_batches_joins_bytes_without_decoding():
    joined = Batch.join([_batch(b"a", items=1), _batch(b"b", b"c", items=4)])
    assert (joined.requests, joined.otlp, joined.items, joined.size) == ((b"a", b"b", b"c"), b"abc", 5, 3)
