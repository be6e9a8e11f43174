"""Blocks made of columns are those of the requests that the columns can be encoded as, byte for byte."""

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord

from collector.api import Batch, Rejected, Signal
from collector.testing import SAMPLE_TIME, sample_batch
from collector.wire.clickhouse import COLUMNS
from collector.wire.clickhouse_native import WirePart, inserts
from collector.wire.codec import WireCodec
from collector.wire.types import Limits
from tests.contract.columns import changed
from tests.contract.strategies import REQUESTS, hostile_requests, requests

SMALL = Limits(depth=2, items=3, attributes=2)

thorough = settings(deadline=None, max_examples=100, suppress_health_check=list(HealthCheck))


def blocks(native, signal, sources, limits=Limits()):  # noqa: B008 - a frozen value
    """What is inserted: kind, day and count of each part, and its block."""
    rows = native.ClickHouseRows(signal, sources, limits, SAMPLE_TIME)
    layouts = {kind: [(name, "DateTime64(9)") for name in columns] for kind, columns in COLUMNS.items()}
    return [(part, rows.block(number, layouts[part[0]], "none")) for number, part in enumerate(rows.parts())]


def blocks_of_request(native, signal, columns, limits):
    return blocks(native, signal, [native.encode(signal, columns)], limits)


def outcome(call, *arguments):
    try:
        return call(*arguments)
    except (Rejected, ValueError) as error:
        return type(error)


def assert_the_same_blocks(native, signal, columns):
    for limits in (Limits(), SMALL):
        straight = outcome(blocks, native, signal, [columns], limits)
        over = outcome(blocks_of_request, native, signal, columns, limits)
        if limits is SMALL and isinstance(over, type):
            # Encoding looks at everything before a limit is; straight, whichever comes first is told.
            assert isinstance(straight, type)
        else:
            assert straight == over


@thorough
@given(data=st.data())
def test_any_columns_give_the_blocks_of_their_request(native, data):
    signal, body = data.draw(requests())
    columns, _ = native.decode(signal, [body, body], Limits())
    assert_the_same_blocks(native, signal, data.draw(changed(columns)))


@thorough
@given(request=hostile_requests())
def test_columns_of_strange_requests_give_the_blocks_of_the_requests(native, request):
    signal, body = request
    decoded = outcome(native.decode, signal, [body], Limits())
    if not isinstance(decoded, type):
        assert blocks(native, signal, [decoded[0]]) == blocks(native, signal, [body])


@thorough
@given(data=st.data())
def test_requests_and_columns_may_stand_side_by_side(native, data):
    signal, body = data.draw(requests())
    columns, _ = native.decode(signal, [body], Limits())
    assert blocks(native, signal, [body, columns, body]) == blocks(native, signal, [body] * 3)


def _logs(native, *records):
    request = REQUESTS[Signal.LOGS]()
    request.resource_logs.add().scope_logs.add(log_records=records)
    return native.decode(Signal.LOGS, [request.SerializeToString()], Limits())[0]


def _with(columns, name, values):
    index = columns.schema.get_field_index(name)
    return columns.set_column(index, columns.schema.field(index), values)


@pytest.mark.parametrize("middle", [3, -1, 2**31 - 1, -(2**31)])
def test_texts_whose_offsets_lead_nowhere_are_refused(native, middle):
    offsets = pa.array([0, middle, 2], pa.int32()).buffers()[1]
    text = pa.Array.from_buffers(pa.string(), 2, [None, offsets, pa.py_buffer(b"ab")])
    columns = _with(_logs(native, LogRecord(), LogRecord()), "severity_text", text)
    with pytest.raises(ValueError, match="offsets that do not ascend"):
        blocks(native, Signal.LOGS, [columns])


def test_texts_that_are_cut_inside_a_character_are_refused(native):
    offsets = pa.array([0, 1, 2], pa.int32()).buffers()[1]
    text = pa.Array.from_buffers(pa.string(), 2, [None, offsets, pa.py_buffer("é".encode())])
    columns = _with(_logs(native, LogRecord(), LogRecord()), "severity_text", text)
    for use in (lambda: blocks(native, Signal.LOGS, [columns]), lambda: native.encode(Signal.LOGS, columns)):
        with pytest.raises(ValueError, match="not UTF-8 in severity_text"):
            use()


def test_only_the_rows_of_a_slice_are_looked_at(native):
    request = LogRecord(attributes=[KeyValue(key="k", value=AnyValue(string_value="v"))])
    columns = _logs(native, request, request)
    lists = columns.column("attributes")
    offsets = pa.array([0, 1, 2], pa.int32()).buffers()[1]
    keys = pa.Array.from_buffers(pa.string(), 2, [None, offsets, pa.py_buffer(b"\xffk")])
    pairs = pa.StructArray.from_arrays([keys, *lists.values.flatten()[1:]], fields=list(lists.values.type))
    spoilt = _with(columns, "attributes", pa.ListArray.from_arrays(lists.offsets, pairs, type=lists.type))
    with pytest.raises(ValueError, match="not UTF-8 in key"):
        blocks(native, Signal.LOGS, [spoilt])
    assert blocks(native, Signal.LOGS, [spoilt.slice(1)]) == blocks(native, Signal.LOGS, [columns.slice(1)])


def _renamed(kind):
    if pa.types.is_list(kind):
        return pa.list_(pa.field("element", _renamed(kind.value_type), nullable=False))
    if pa.types.is_struct(kind):
        return pa.struct([pa.field(field.name, _renamed(field.type), field.nullable) for field in kind])
    return kind


@pytest.mark.parametrize("signal", list(Signal))
def test_what_a_schema_says_beside_its_types_does_not_matter(native, signal):
    (request,) = sample_batch(signal, 3).requests
    columns, _ = native.decode(signal, [request], Limits())
    fields = [field.with_type(_renamed(field.type)) for field in columns.schema]
    renamed = [
        pa.array(column.to_pylist(), field.type) if pa.types.is_list(field.type) else column
        for column, field in zip(columns.columns, fields, strict=True)
    ]
    schema = pa.schema(fields, metadata={"made": "elsewhere"})
    other = pa.RecordBatch.from_arrays(renamed, schema=schema)
    assert blocks(native, signal, [other]) == blocks(native, signal, [request])
    assert native.encode(signal, other) == native.encode(signal, columns)


def test_columns_of_another_signal_are_refused(native):
    with pytest.raises(ValueError, match="columns of Traces must have the field"):
        blocks(native, Signal.TRACES, [_logs(native, LogRecord())])
    with pytest.raises((TypeError, ValueError)):
        blocks(native, Signal.TRACES, ["columns"])


def test_limits_hold_for_columns(native):
    columns = _logs(native, LogRecord(), LogRecord(), LogRecord())
    assert blocks(native, Signal.LOGS, [columns], Limits(items=3))
    with pytest.raises(Rejected, match="more than 2 items"):
        blocks(native, Signal.LOGS, [columns], Limits(items=2))


class _NoBytes(WireCodec):
    def encode(self, signal, columns):
        raise AssertionError("nobody needs bytes here")


@pytest.mark.parametrize("signal", list(Signal))
def test_a_changed_batch_is_inserted_without_being_encoded(native, signal):
    codec = _NoBytes(native)
    original = sample_batch(signal, 3)
    changed_one = Batch(signal, codec, columns=codec.decode(signal, original.requests)).slice(1, 2)
    untouched = Batch(signal, codec, requests=original.requests, items=3)
    made = list(inserts(Batch.join([changed_one, untouched])))
    assert all(isinstance(part, WirePart) for part in made)
    assert sum(part.count for part in made) == 5
