"""Hypothesis strategies for columns that somebody else made: right in type and length, with any contents."""

import random

import pyarrow as pa
from hypothesis import strategies as st
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue, KeyValueList

_KEY = KeyValue(key="a", value=AnyValue(int_value=1))
_TEXTS = ["", "a", "b", "é", "007", "+1", "-0", "1e400", "NaN", "true", "AA==", "A", "[]", str(2**63)]
_BLOBS = [
    None,
    b"",
    b"\xff",
    AnyValue(string_value="a").SerializeToString(),
    AnyValue(array_value=ArrayValue(values=[AnyValue()])).SerializeToString(),
    AnyValue(array_value=ArrayValue(values=[AnyValue(array_value=ArrayValue())] * 2)).SerializeToString(),
    AnyValue(kvlist_value=KeyValueList(values=[_KEY, _KEY])).SerializeToString(),
    b"\x2a\x04\x0a\x02\x0a\x00",  # an array whose field is written longer than it need be
    b"\x0a\x01\xe9",
]


@st.composite
def changed(draw, columns):
    """`columns` with some of their leaves filled anew, rows picked, and cut."""
    chance = random.Random(draw(st.integers(0, 2**32)))
    change = _Change(draw(st.frozensets(st.integers(0, 70), max_size=5)), chance)
    arrays = [change.array(column) for column in columns.columns]
    made = pa.RecordBatch.from_arrays(arrays, schema=columns.schema)
    if made.num_rows and draw(st.booleans()):
        made = made.take(pa.array(chance.choices(range(made.num_rows), k=chance.randrange(8)), pa.int64()))
    start = draw(st.integers(0, min(made.num_rows, 2)))
    return made.slice(start, max(1, made.num_rows - start - draw(st.integers(0, 2))))


class _Change:
    """Fills the leaves of the given numbers, counted in the order of the schema, with values from `chance`."""

    def __init__(self, leaves, chance):
        self._leaves = leaves
        self._chance = chance
        self._passed = 0

    def array(self, array):
        kind = array.type
        if pa.types.is_struct(kind):
            fields = [self.array(array.field(index)) for index in range(kind.num_fields)]
            return pa.StructArray.from_arrays(fields, fields=list(kind))
        if pa.types.is_list(kind):
            return pa.ListArray.from_arrays(array.offsets, self.array(array.values), type=kind)
        if pa.types.is_dictionary(kind):
            indices, values = self.array(array.indices), self.array(array.dictionary)
            return pa.DictionaryArray.from_arrays(indices, values, safe=False)
        self._passed += 1
        return self._leaf(array) if self._passed - 1 in self._leaves else array

    def _leaf(self, array):
        kind, count = array.type, len(array)
        if pa.types.is_string(kind):
            if self._chance.random() < 0.3:
                return self._text(count)
            return pa.array(self._chance.choices(_TEXTS, k=count), kind)
        if pa.types.is_binary(kind):
            return pa.array(self._chance.choices(_BLOBS, k=count), kind)
        if pa.types.is_fixed_size_binary(kind):
            ids = [None, bytes(kind.byte_width), bytes(range(kind.byte_width))]
            return pa.array(self._chance.choices(ids, k=count), kind)
        if pa.types.is_boolean(kind):
            return pa.array(self._chance.choices([True, False], k=count), kind)
        return pa.array([self._number(kind) for _ in range(count)], kind)

    def _number(self, kind):
        if self._chance.random() < 0.8:
            return self._chance.randrange(9)
        if pa.types.is_floating(kind):
            return self._chance.choice([None, float("nan"), -0.0, 1.5])
        if pa.types.is_unsigned_integer(kind):
            return self._chance.choice([None, 2**kind.bit_width - 1])
        return self._chance.choice([None, -1, 2 ** (kind.bit_width - 1) - 1])

    def _text(self, count):
        """Values cut anywhere from bytes of which not all need be UTF-8."""
        data = self._chance.choice(["aéb€c".encode(), b"ascii", b"a\xffb"])
        ends = sorted(self._chance.choices(range(len(data) + 1), k=count + 1))
        offsets = pa.array(ends, pa.int32()).buffers()[1]
        return pa.Array.from_buffers(pa.string(), count, [None, offsets, pa.py_buffer(data)])
