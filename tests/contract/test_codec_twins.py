"""Both twins of the codec give the same result, or refuse the same input, on valid and on hostile requests."""

import copy
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.control import reject

from collector.api import Rejected, Signal
from collector.wire import _python
from collector.wire.types import Limits
from tests.contract.strategies import delimited, hostile_requests, mutated, mutated_requests, requests

SMALL = Limits(depth=3, items=3, attributes=2)

thorough = settings(
    deadline=None,
    max_examples=100,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)


def outcome(call, *arguments):
    """What the call returns, or that it refuses."""
    try:
        return call(*arguments)
    except Rejected as error:
        return type(error)


def decoded(twin, signal, bodies, limits):
    result = outcome(twin.decode, signal, bodies, limits)
    if isinstance(result, type):
        return result
    columns, scan = result
    return columns.schema, [repr(row) for row in columns.to_pylist()], scan


def assert_twins_read_alike(native, signal, body):
    for limits in (Limits(), SMALL):
        assert outcome(native.scan, signal, body, limits) == outcome(_python.scan, signal, body, limits)
        assert decoded(native, signal, [body], limits) == decoded(_python, signal, [body], limits)
    assert as_json(native, signal, body) == as_json(_python, signal, body)


def as_json(twin, signal, body):
    document = outcome(twin.proto_to_json, signal, body)
    return document if isinstance(document, type) else repr(json.loads(document, parse_int=float))


@thorough
@given(request=requests())
def test_requests_are_read_alike(native, request):
    signal, body = request
    assert_twins_read_alike(native, signal, body)


@thorough
@given(request=mutated_requests())
def test_damaged_requests_are_read_or_refused_alike(native, request):
    signal, body = request
    assert_twins_read_alike(native, signal, body)


@thorough
@given(request=hostile_requests())
def test_requests_that_no_sender_writes_are_read_or_refused_alike(native, request):
    signal, body = request
    assert_twins_read_alike(native, signal, body)


@thorough
@given(data=st.data())
def test_columns_are_encoded_alike(native, data):
    signal, body = data.draw(requests())
    columns, _ = _python.decode(signal, [body, body], Limits())
    picked = columns.take(data.draw(st.permutations(range(columns.num_rows))))
    start = data.draw(st.integers(0, columns.num_rows))
    part = picked.slice(start, data.draw(st.integers(0, columns.num_rows)))
    assert native.encode(signal, part) == _python.encode(signal, part)


def read_json(twin, signal, document, limits=Limits()):  # noqa: B008 - a frozen value
    try:
        return twin.json_to_proto(signal, document, limits)
    except Rejected as error:
        return "rejected", error.field


@thorough
@given(request=requests())
def test_json_of_a_request_is_read_alike(native, request):
    signal, body = request
    document = native.proto_to_json(signal, body)
    assert read_json(native, signal, document) == read_json(_python, signal, document) == body


_numbers = st.integers(-(2**70), 2**70) | st.floats() | st.sampled_from([2**31, 2**32, 2**63, 2**64, 1.5, 1e18])
_texts = st.one_of(
    st.text(max_size=6),
    _numbers.map(str),
    st.sampled_from(
        [
            "NaN",
            "-Infinity",
            "inf",
            "1e5",
            "007",
            "-00",
            "0" * 5000 + "1",
            "1.0",
            "1e400",
            "-",
            "SPAN_KIND_SERVER",
            "/w==",
            "-_8",
            "a=",
        ]
    ),
    st.binary(max_size=17).map(bytes.hex),
)
_scalars = st.none() | st.booleans() | _numbers | _texts
_anything = st.recursive(
    _scalars,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["stringValue", "intValue", "kvlistValue", "values", "key"]), inner, max_size=3
        )
    ),
    max_leaves=4,
)


def places(value):
    """Every container in a document and the keys or indices in it."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield value, key
        yield from places(inner)


def snake(name):
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in name)


@st.composite
def changed_documents(draw):
    """A signal and a document in which some values, or names, are not what they should be."""
    signal, body = draw(requests())
    document = json.loads(_python.proto_to_json(signal, body))
    for _ in range(draw(st.integers(1, 3))):
        spots = list(places(document))
        if not spots:
            reject()
        holder, key = draw(st.sampled_from(spots))
        change = draw(st.sampled_from(["replace", "rename", "both", "wrap", "add"]))
        if change == "replace":
            holder[key] = draw(_anything)
        elif change == "wrap":
            holder[key] = draw(st.sampled_from([[holder[key]], {"values": holder[key]}, {"arrayValue": holder[key]}]))
        elif isinstance(holder, dict):
            if change == "rename":
                holder[snake(key)] = holder.pop(key)
            elif change == "both":
                holder[snake(key)] = copy.deepcopy(holder[key])
                holder[key] = draw(st.none() | _anything)
            else:
                name = draw(
                    st.sampled_from(["asInt", "asDouble", "intValue", "bytesValue", "arrayValue", "flags", "sum"])
                )
                holder[name] = draw(_anything)
    return signal, json.dumps(document, ensure_ascii=draw(st.booleans())).encode(errors="surrogatepass")


@thorough
@given(request=changed_documents())
def test_changed_json_is_read_or_refused_alike(native, request):
    signal, document = request
    for limits in (Limits(), SMALL):
        assert read_json(native, signal, document, limits) == read_json(_python, signal, document, limits)


@thorough
@given(data=st.data())
def test_damaged_json_is_read_or_refused_alike(native, data):
    signal, body = data.draw(requests())
    document = data.draw(mutated(st.just(_python.proto_to_json(signal, body))))
    assert read_json(native, signal, document) == read_json(_python, signal, document)


@thorough
@given(value=st.text() | _numbers | st.text(alphabet='\\u"dD8cC0/bnx{}', max_size=12).map(lambda text: f'"{text}"'))
def test_any_text_is_read_or_refused_alike(native, value):
    text = value if isinstance(value, str) else repr(value)
    for document in (text, f'{{"resourceLogs":[{{"schemaUrl":{text}}}]}}'):
        data = document.encode(errors="surrogatepass")
        assert read_json(native, Signal.LOGS, data) == read_json(_python, Signal.LOGS, data)


@pytest.mark.parametrize("signal", Signal)
def test_groups_nest_as_deep_in_messages_as_upb_allows(native, signal):
    for levels in range(5):
        for depth in (99 - levels, 100 - levels, 101 - levels):
            body = bytes([15 << 3 | 3]) * depth + bytes([15 << 3 | 4]) * depth
            for level in range(levels):
                body = delimited(1 if level == levels - 1 else 2, body)
            assert outcome(native.scan, signal, body, Limits()) == outcome(_python.scan, signal, body, Limits())
