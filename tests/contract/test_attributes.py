"""What processors do to attributes, on both implementations."""

import hashlib
import struct

import pyarrow as pa
import pytest
import xxhash
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.storage.arrow import ATTRIBUTES, TYPE_BOOL, TYPE_DOUBLE, TYPE_INT, TYPE_KVLIST, TYPE_STRING
from collector.wire import _python_attributes, attributes

KEYS = ("a", "b", "user.email", "é")


@pytest.fixture(params=["python", "native"])
def chosen(request, monkeypatch):
    """Each implementation in turn, under the functions that processors call."""
    implementation = _python_attributes if request.param == "python" else request.getfixturevalue("native")
    monkeypatch.setattr(attributes, "operations", lambda: implementation)


def _attribute(key, value, kind=TYPE_STRING, raw=None):
    return {"key": key, "type": kind, "value": value, "raw": raw}


def _column(*lists):
    return pa.array(lists, ATTRIBUTES)


def _pairs(column):
    return [[(item["key"], item["type"], item["value"], item["raw"]) for item in row] for row in column.to_pylist()]


NESTED = _attribute("map", '{"card":"4111"}', TYPE_KVLIST, b"raw")
COLUMN = _column(
    [_attribute("a", "1", TYPE_INT), _attribute("b", "two"), NESTED],
    [],
    [_attribute("b", "three"), _attribute("a", "x"), _attribute("b", "four")],
)


@pytest.mark.usefixtures("chosen")
class TestOperations:
    def test_find_gives_the_last_value_of_each_list(self):
        assert attributes.find(COLUMN, "b").to_pylist() == ["two", None, "four"]
        assert attributes.find(COLUMN.slice(2), "a").to_pylist() == ["x"]

    @pytest.mark.parametrize(
        ("how", "expected"),
        [
            ({}, [("new", 0), ("new", 0), ("four", 2)]),
            ({"update": False}, [("1", 0), ("new", 0), ("x", 1)]),
            ({"insert": False}, [("new", 0), None, ("x", 1)]),
        ],
        ids=["upsert", "insert", "update"],
    )
    def test_put_sets_a_value(self, how, expected):
        values = pa.array(["new", "new", None])
        made = attributes.put(COLUMN, "a", values, **how)
        assert made.type == ATTRIBUTES
        told = attributes.find(made, "a").to_pylist()
        assert told == [None if item is None else item[0] if item[0] != "four" else "x" for item in expected]

    def test_put_replaces_type_and_raw_and_keeps_the_place(self):
        made = attributes.put(COLUMN, "map", pa.array(["5", None, None]), kind=TYPE_INT)
        assert _pairs(made)[0] == [
            ("a", TYPE_INT, "1", None),
            ("b", TYPE_STRING, "two", None),
            ("map", TYPE_INT, "5", None),
        ]
        assert _pairs(made)[1:] == _pairs(COLUMN)[1:]

    def test_put_wants_a_value_for_each_list(self):
        with pytest.raises(ValueError, match="1 values for 3 lists"):
            attributes.put(COLUMN, "a", pa.array(["x"]))

    def test_delete_by_key_and_by_pattern(self):
        made = attributes.delete(COLUMN, ["b"], pattern="^m.p$")
        assert made.type == ATTRIBUTES
        assert [[pair[0] for pair in row] for row in _pairs(made)] == [["a"], [], ["a"]]

    def test_a_column_that_does_not_change_is_returned_as_it_is(self):
        assert attributes.delete(COLUMN, ["c"]) is COLUMN
        assert attributes.digest(COLUMN, ["c"]) is COLUMN
        assert attributes.Masks([("9999", "x")]).attributes(COLUMN) == (COLUMN, 0)

    @pytest.mark.parametrize(
        ("kind", "text", "hashed"),
        [
            (TYPE_STRING, "some", b"some"),
            (TYPE_INT, "-2", struct.pack("<q", -2)),
            (TYPE_DOUBLE, "1.5", struct.pack("<d", 1.5)),
            (TYPE_BOOL, "true", b"\x01"),
            (TYPE_KVLIST, "{}", b"{}"),
        ],
        ids=["string", "int", "double", "bool", "map"],
    )
    def test_digest_hashes_what_the_collector_hashes(self, kind, text, hashed):
        column = _column([_attribute("k", text, kind), _attribute("other", "o")])
        assert _pairs(attributes.digest(column, ["k"]))[0] == [
            ("k", TYPE_STRING, hashlib.sha256(hashed).hexdigest(), None),
            ("other", TYPE_STRING, "o", None),
        ]
        assert attributes.find(attributes.digest(column, ["k"], "xxh64"), "k").to_pylist() == [
            xxhash.xxh64_hexdigest(hashed)
        ]

    def test_digest_leaves_what_is_empty_empty(self):
        assert attributes.find(attributes.digest(_column([_attribute("k", "")]), ["k"]), "k").to_pylist() == [""]

    def test_masks_replace_every_match_in_order(self):
        masks = attributes.Masks([(r"\d{4}", "****"), (r"t(\w+)", r"\1$1"), (r"\*x", "!")])
        column = _column(
            [_attribute("n", "41111", TYPE_INT), NESTED, _attribute("t", "two 1234x"), _attribute("e", "é")]
        )
        made, changed = masks.attributes(column)
        assert changed == 3
        assert _pairs(made)[0] == [
            ("n", TYPE_STRING, "****1", None),
            ("map", TYPE_STRING, '{"card":"****"}', None),
            ("t", TYPE_STRING, r"\1$1 ***!", None),
            ("e", TYPE_STRING, "é", None),
        ]

    def test_masks_look_at_some_keys_only(self):
        made, changed = attributes.Masks([(".+", "-")]).attributes(COLUMN, ["a"])
        assert (changed, attributes.find(made, "b").to_pylist()) == (2, ["two", None, "four"])

    def test_masks_of_texts(self):
        made, changed = attributes.Masks([("e+", "E")]).texts(pa.array(["see", None, "x", "é"]))
        assert (made.to_pylist(), changed) == (["sE", None, "x", "é"], 1)

    def test_classes_know_ascii(self):
        made, changed = attributes.Masks([(r"\d", "0"), (r"[\s_]", "-"), (r"\bk\b", "K")]).texts(
            pa.array(["1 ٣\u00a0_", "k é k"])
        )
        assert (made.to_pylist(), changed) == (["0-٣\u00a0-", "K-é-K"], 2)

    def test_a_pattern_that_is_none_is_refused(self):
        with pytest.raises(ValueError, match=r"missing|unclosed"):
            attributes.Masks([("(", "x")])
        with pytest.raises(ValueError, match=r"missing|unclosed"):
            attributes.delete(COLUMN, [], pattern="[")


_lists = st.lists(
    st.lists(
        st.builds(
            _attribute,
            st.sampled_from(KEYS),
            st.text("a1é\n *x", max_size=6) | st.sampled_from(["-7", "1.5", "1e9", "NaN", "-Infinity", "true"]),
            st.sampled_from([0, TYPE_STRING, TYPE_BOOL, TYPE_INT, TYPE_DOUBLE, TYPE_KVLIST, 8]),
            st.none() | st.binary(max_size=2),
        ),
        max_size=4,
    ),
    max_size=6,
)


@given(lists=_lists, start=st.integers(0, 3), drawn=st.data())
@settings(max_examples=150, deadline=None)
def test_both_implementations_agree(native, lists, start, drawn):
    column = pa.array(lists, ATTRIBUTES).slice(start)
    key, keys = drawn.draw(st.sampled_from(KEYS)), drawn.draw(st.lists(st.sampled_from(KEYS)))
    given_values = drawn.draw(st.lists(st.none() | st.text(max_size=3), min_size=len(column), max_size=len(column)))
    values, algorithm = pa.array(given_values, pa.string()), drawn.draw(st.sampled_from(["sha256", "xxh64"]))
    insert, update = drawn.draw(st.booleans()), drawn.draw(st.booleans())
    patterns = drawn.draw(
        st.lists(st.sampled_from([("a+", "b"), ("1", ""), ("x*", "\\0$"), ("b|é", "a"), ("^ ", "a")]))
    )
    calls = [
        lambda twin: twin.attributes_find(column, key),
        lambda twin: twin.attributes_put(column, key, TYPE_INT, values, insert=insert, update=update),
        lambda twin: twin.attributes_delete(column, keys, "^u"),
        lambda twin: twin.attributes_digest(column, keys, algorithm),
        lambda twin: twin.AttributeMasks(patterns).lists(column, keys)[0],
        lambda twin: twin.AttributeMasks(patterns).lists(column, None)[1],
        lambda twin: twin.AttributeMasks(patterns).texts(values)[0],
    ]
    for call in calls:
        made, reference = call(native), call(_python_attributes)
        assert made == reference
        if isinstance(made, pa.Array):
            made.validate(full=True)
            assert made.type == reference.type
