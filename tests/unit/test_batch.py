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


def test_joining_batches_joins_bytes_without_decoding():
    joined = Batch.join([_batch(b"a", items=1), _batch(b"b", b"c", items=4)])
    assert (joined.requests, joined.otlp, joined.items, joined.size) == ((b"a", b"b", b"c"), b"abc", 5, 3)
