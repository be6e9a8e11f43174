"""Inserts made straight from OTLP bytes against those made of columns; live tests compare what both store."""

import lz4.frame
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.api import Batch, Context, Signal
from collector.testing import SAMPLE_TIME, sample_batch
from collector.wire.clickhouse import Part, parts
from collector.wire.clickhouse_native import WirePart, inserts
from collector.wire.codec import WireCodec
from exporters.clickhouse.body import insert_body
from tests.contract.strategies import REQUESTS, messages

DAY = 86_400 * 10**9


def _batch(twin, signal, requests, received_at=SAMPLE_TIME):
    return Batch(signal, WireCodec(twin), requests=requests, context=Context(received_at=received_at))


def _spans(twin, times):
    request = REQUESTS[Signal.TRACES]()
    scope = request.resource_spans.add().scope_spans.add()
    for number, time in enumerate(times, 1):
        scope.spans.add(trace_id=b"t" * 16, span_id=number.to_bytes(8, "big"), start_time_unix_nano=time)
    return _batch(twin, Signal.TRACES, [request.SerializeToString()], received_at=3 * DAY)


def _told(found):
    return [(part.kind, part.name, part.count) for part in found]


@pytest.mark.parametrize("signal", list(Signal))
@given(drawn=st.data())
@settings(max_examples=40, deadline=None)
def test_both_ways_make_the_same_inserts(native, signal, drawn):
    message = drawn.draw(messages(signal))
    batch = _batch(native, signal, [message.SerializeToString()] * 2)
    made = list(inserts(batch))
    assert all(isinstance(part, WirePart) for part in made)
    assert _told(made) == _told(parts(signal, batch.columns, SAMPLE_TIME))


@pytest.mark.parametrize(
    "times",
    [
        pytest.param([DAY, DAY + 1, 2 * DAY, DAY + 2], id="midnight"),
        pytest.param([0, 0], id="no-time"),
        pytest.param([2**64 - 1, DAY], id="far-future"),
        pytest.param([day * DAY for day in range(120, 0, -1)], id="more-days-than-an-insert-may-span"),
    ],
)
def test_rows_of_several_days_go_in_the_same_inserts(native, times):
    batch = _spans(native, times)
    assert _told(inserts(batch)) == _told(parts(Signal.TRACES, batch.columns, 3 * DAY))


def test_without_the_compiled_codec_rows_are_made_of_columns():
    from collector.wire import _python

    (part,) = inserts(_spans(_python, [DAY]))
    assert isinstance(part, Part)


def test_a_part_is_halved_as_its_columns_would_be(native):
    first, second = list(inserts(_spans(native, [DAY, 2 * DAY, 2 * DAY + 1, 2 * DAY + 2])))
    assert (first.first, second.first) == (0, 1)
    assert [(half.name, half.rows.positions.tolist()) for half in second.halves()] == [
        ("traces:1970-01-03.0", [1]),
        ("traces:1970-01-03.1", [2, 3]),
    ]


def test_a_table_that_keeps_json_gets_columns(native):
    (part,) = inserts(_spans(native, [DAY]))
    assert insert_body(part, {"SpanAttributes": "JSON"}, "none").format == "ArrowStream"
    assert insert_body(part, {"SpanAttributes": "Map(String, String)"}, "none").format == "Native"


def test_a_body_is_the_same_under_every_compression(native):
    batch = sample_batch(Signal.LOGS, 3)
    (part,) = inserts(_batch(native, Signal.LOGS, batch.requests))
    layout = {"Timestamp": "DateTime64(9)", "Mine": "String", "Body": "String"}
    plain = insert_body(part, layout, "none")
    assert plain.columns == ("Timestamp", "Body")
    for compression, inflate in (("lz4", lz4.frame.decompress), ("zstd", zstandard.decompress)):
        assert inflate(insert_body(part, layout, compression).data) == plain.data


def test_names_that_do_not_exist_are_refused(native):
    rows = native.ClickHouseRows(Signal.LOGS, [], WireCodec(native).limits, 0)
    assert rows.parts() == []
    with pytest.raises(IndexError, match="there is no such part"):
        rows.block(0, [], "none")
    with pytest.raises(ValueError, match="brotli"):
        rows.block(0, [], "brotli")
