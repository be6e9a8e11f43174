import math

import numpy as np
import orjson
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

from collector.api import Signal
from collector.wire import clickhouse_arrays as arrays
from collector.wire.codec import codec
from tests.contract.strategies import attributes
from tests.oracles.clickhouse_rows import paths, text

SPAN_IDS = pa.array([b"\x00\x01\x02\x03\x04\x05\x06\x07", None, b"\xff" * 8, b"\xab\xcd" * 4], pa.binary(8))


@pytest.mark.parametrize(
    ("ids", "texts"),
    [
        (SPAN_IDS, ["0001020304050607", "", "ffffffffffffffff", "abcdabcdabcdabcd"]),
        (SPAN_IDS.slice(2), ["ffffffffffffffff", "abcdabcdabcdabcd"]),
        (SPAN_IDS.slice(1, 2), ["", "ffffffffffffffff"]),
        (SPAN_IDS.slice(1, 1), [""]),
        (SPAN_IDS.slice(0, 0), []),
        (pa.array([b"\x10" * 16], pa.binary(16)), ["10" * 16]),
    ],
    ids=["with-null", "slice", "slice-from-null", "all-null", "none", "trace-ids"],
)
def test_ids_are_lower_case_hex_and_absent_ones_empty(ids, texts):
    assert arrays.hex_ids(ids).to_pylist() == texts


def test_times_past_the_last_that_keys_can_hold_are_pulled_back():
    column = pa.array([0, 1, arrays.LATEST_NS, arrays.LATEST_NS + 1, 2**64 - 1], pa.uint64())
    assert arrays.nanoseconds(column).tolist() == [0, 1, *[arrays.LATEST_NS] * 3]


@pytest.mark.parametrize(
    ("target", "stored"),
    [
        ("DateTime64(9)", pa.array([1_999_999_999], pa.timestamp("ns"))),
        ("Array(DateTime64(9))", pa.array([1_999_999_999], pa.timestamp("ns"))),
        ("DateTime", pa.array([1], pa.uint32())),
        ("DateTime('UTC')", pa.array([1], pa.uint32())),
    ],
)
def test_times_have_the_unit_of_their_column(target, stored):
    assert arrays.time_array(np.array([1_999_999_999], np.uint64), target).equals(stored)


def test_enum_codes_without_a_name_are_empty():
    names = arrays.enum_names(pa.array([1, 0, 2, -1, 2**31 - 1], pa.int32()), ("Unset", "Ok"))
    assert names.to_pylist() == ["Ok", "Unset", "", "", ""]


def test_values_that_envelopes_share_are_stored_once():
    found = arrays.shared(pa.array([2, 0, 1, 0], pa.int32()), pa.array(["a", "b", "a"]))
    assert (found.to_pylist(), found.dictionary.to_pylist()) == (["a", "a", "b", "a"], ["a", "b"])


def _attribute_lists(lists):
    """The attributes of log records, one list a record, as the codec gives them."""
    request = ExportLogsServiceRequest()
    records = request.resource_logs.add().scope_logs.add().log_records
    for pairs in lists:
        records.add(attributes=pairs)
    return codec().decode(Signal.LOGS, [request.SerializeToString()]).column("attributes")


def _json(value):
    """The value of an attribute as JSON can say it."""
    match value.WhichOneof("value"):
        case "array_value":
            return [_json(item) for item in value.array_value.values]
        case "kvlist_value":
            return {pair.key: _json(pair.value) for pair in value.kvlist_value.values}
        case "double_value":
            return orjson.loads(text(value)) if math.isfinite(value.double_value) else text(value)
        case "bytes_value":
            return text(value)
        case None:
            return None
        case kind:
            return getattr(value, kind)


@given(st.lists(attributes, min_size=1, max_size=4), st.integers(0, 3))
@settings(deadline=None)
def test_attributes_become_maps_that_are_sorted_by_key(lists, start):
    start = min(start, len(lists) - 1)
    found = arrays.attributes(_attribute_lists(lists).slice(start), "Map(LowCardinality(String), String)")
    expected = [{pair.key: text(pair.value) for pair in pairs} for pairs in lists[start:]]
    assert found.to_pylist() == [sorted(pairs.items(), key=lambda pair: pair[0].encode()) for pairs in expected]


@given(st.lists(attributes, min_size=1, max_size=4), st.integers(0, 3))
@settings(deadline=None)
def test_attributes_become_json_objects_of_the_same_values(lists, start):
    start = min(start, len(lists) - 1)
    found = arrays.attributes(_attribute_lists(lists).slice(start), "JSON")
    assert [orjson.loads(document) for document in found.to_pylist()] == [
        {pair.key: _json(pair.value) for pair in pairs} for pairs in lists[start:]
    ]


@given(st.lists(attributes, min_size=1, max_size=4), st.integers(0, 3))
@settings(deadline=None)
def test_paths_of_attributes_follow_maps_and_are_sorted(lists, start):
    start = min(start, len(lists) - 1)
    found = arrays.attribute_paths(_attribute_lists(lists).slice(start))
    assert found.to_pylist() == [paths(pairs) for pairs in lists[start:]]


@given(st.lists(attributes, min_size=1, max_size=3), st.lists(st.integers(0, 2), max_size=6))
@settings(deadline=None)
def test_shared_attributes_are_repeated_as_rows_need_them(lists, indices):
    indices = [index % len(lists) for index in indices]
    columns = _attribute_lists(lists)
    for target in ("Map(LowCardinality(String), String)", "JSON"):
        shared = arrays.shared_attributes(pa.array(indices, pa.int32()), columns, target)
        assert shared.to_pylist() == arrays.attributes(columns, target).take(pa.array(indices, pa.int32())).to_pylist()


@pytest.mark.parametrize("code", range(32))
def test_control_characters_are_escaped_in_json(code):
    request = ExportLogsServiceRequest()
    pair = request.resource_logs.add().scope_logs.add().log_records.add().attributes.add(key=f"k{chr(code)}")
    pair.value.string_value = f'"\\{chr(code)}'
    lists = codec().decode(Signal.LOGS, [request.SerializeToString()]).column("attributes")
    (document,) = arrays.attribute_json(lists).to_pylist()
    assert orjson.loads(document) == {f"k{chr(code)}": f'"\\{chr(code)}'}


def test_the_service_name_of_each_resource_is_found_or_empty():
    request = ExportLogsServiceRequest()
    for name in ("shop", None, "till"):
        pairs = request.resource_logs.add().scope_logs.add().log_records.add().attributes
        pairs.add(key="first").value.string_value = "x"
        if name:
            pairs.add(key="service.name").value.string_value = name
    lists = codec().decode(Signal.LOGS, [request.SerializeToString()]).column("attributes")
    assert arrays.service_names(lists).to_pylist() == ["shop", "", "till"]
    assert arrays.service_names(lists.slice(1)).to_pylist() == ["", "till"]
