import pytest

from collector.api import Batch, Permanent, Signal
from collector.testing import sample_batch, sample_request
from collector.wire.codec import codec
from exporters.kafka.pack import Packer


def _rows(signal, values, encoding):
    wire = codec()
    requests = [wire.twin.json_to_proto(signal, v, wire.limits) if encoding == "otlp_json" else v for v in values]
    return wire.decode(signal, requests).to_pylist()


def _several(signal, count, items=3):
    return Batch.join([sample_batch(signal, items) for _ in range(count)])


def test_requests_that_fit_are_joined_as_the_bytes_that_came():
    batch = _several(Signal.TRACES, 3)
    assert Packer("otlp_proto", 1_000_000).pack(batch) == [sample_request(Signal.TRACES, 3) * 3]


def test_whole_requests_fill_a_value_up_to_the_limit():
    request = sample_request(Signal.TRACES, 3)
    packed = Packer("otlp_proto", 2 * len(request)).pack(_several(Signal.TRACES, 5))
    assert packed == [request * 2, request * 2, request]


@pytest.mark.parametrize("signal", list(Signal))
@pytest.mark.parametrize("encoding", ["otlp_proto", "otlp_json"])
def test_a_request_over_the_limit_is_split_by_items_and_none_is_lost(signal, encoding):
    batch = sample_batch(signal, 40)
    packer = Packer(encoding, 6000)
    values = packer.pack(batch)
    assert len(values) > 1
    assert max(map(len, values)) <= 6000
    assert _rows(signal, values, encoding) == batch.columns.to_pylist()


@pytest.mark.parametrize("signal", list(Signal))
def test_json_is_measured_as_json(signal):
    batch = _several(signal, 6)
    one = len(codec().to_json(signal, sample_request(signal, 3)))
    values = Packer("otlp_json", 2 * one).pack(batch)
    assert max(map(len, values)) <= 2 * one
    assert _rows(signal, values, "otlp_json") == batch.columns.to_pylist()


@pytest.mark.parametrize(
    ("signal", "name"),
    [
        pytest.param(Signal.TRACES, "span 0000000000000002 of trace 00000000000000000000000000000001", id="span"),
        pytest.param(Signal.LOGS, "the log record of 1767225601000000000 ns", id="log record"),
        pytest.param(Signal.METRICS, "a data point of metric 'shop.metric_1'", id="data point"),
    ],
)
def test_items_that_do_not_fit_alone_are_refused_by_name(signal, name):
    small = len(sample_batch(signal, 1).otlp)
    batch = sample_batch(signal, 3)
    sizes = [len(batch.slice(row, 1).otlp) for row in range(3)]
    limit = sizes[1] - 1
    refused = [row for row, size in enumerate(sizes) if size > limit]
    assert small <= max(sizes)
    with pytest.raises(Permanent) as error:
        Packer("otlp_proto", limit).pack(batch)
    assert (error.value.rows, error.value.kind) == (refused, "message_too_large")
    assert 1 in refused
    first = sizes[refused[0]]
    assert error.value.reason.endswith(f"has {first} bytes as otlp_proto; producer.max_message_bytes leaves {limit}")
    if refused[0] == 1:
        assert error.value.reason.startswith(name)
