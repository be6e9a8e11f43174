"""The reference for what processors do to attributes: a column at a time, with pyarrow."""

from __future__ import annotations

import hashlib
import re
import struct
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import xxhash

from collector.storage.arrow import (
    ATTRIBUTE,
    ATTRIBUTES,
    TYPE_ABSENT,
    TYPE_BOOL,
    TYPE_DOUBLE,
    TYPE_EMPTY,
    TYPE_INT,
    TYPE_STRING,
)
from collector.wire.clickhouse_arrays import children

_INT = re.compile(r"-?[0-9]{1,20}")
_DOUBLE = re.compile(r"-?(?:[0-9]+(?:\.[0-9]+)?(?:e[+-]?[0-9]+)?|Infinity)|NaN")

_Mask = npt.NDArray[np.bool_]
_HASHES: dict[str, Callable[[bytes], str]] = {
    "sha256": lambda data: hashlib.sha256(data).hexdigest(),
    "xxh64": xxhash.xxh64_hexdigest,
}


def attributes_find(column: pa.ListArray, key: str) -> pa.StringArray:
    places = _places(column, key)
    _, items = children(column)
    return items.field("value").take(pa.array(places, mask=places < 0))


def attributes_put(
    column: pa.ListArray, key: str, kind: int, values: pa.StringArray, *, insert: bool, update: bool
) -> pa.ListArray:
    if len(values) != len(column):
        raise ValueError(f"{len(values)} values for {len(column)} lists")
    places, given = _places(column, key), values.is_valid().to_numpy(zero_copy_only=False)
    offsets, items = children(column)
    if update:
        rows = given & (places >= 0)
        hit = np.zeros(len(items), np.bool_)
        hit[places[rows]] = True
        items = _replaced(items, hit, kind, values.filter(pa.array(rows)))
    appended = given & (places < 0) if insert else np.zeros(len(column), np.bool_)
    return _appended(offsets.to_numpy(), items, appended, _constant(key, kind, values.filter(pa.array(appended))))


def attributes_delete(column: pa.ListArray, keys: Sequence[str], matched: str | None) -> pa.ListArray:
    offsets, items = children(column)
    doomed = pc.is_in(items.field("key"), pa.array(keys, pa.string()))
    if matched is not None:
        doomed = pc.or_(doomed, _matches(items.field("key"), matched))
    if not pc.any(doomed).as_py():
        return column
    kept = pc.invert(doomed)
    counted = np.concatenate([[0], np.cumsum(kept.to_numpy(zero_copy_only=False), dtype=np.int32)]).astype(np.int32)
    return _lists(counted[offsets.to_numpy()], items.filter(kept))


def attributes_digest(column: pa.ListArray, keys: Sequence[str], algorithm: str) -> pa.ListArray:
    if algorithm not in _HASHES:
        raise ValueError(f"sha256 or xxh64 was expected, not {algorithm!r}")
    offsets, items = children(column)
    chosen = pc.is_in(items.field("key"), pa.array(keys, pa.string()))
    if not pc.any(chosen).as_py():
        return column
    picked = items.filter(chosen)
    hashed = [
        _hashed(kind, text, _HASHES[algorithm])
        for kind, text in zip(picked.field("type").to_pylist(), picked.field("value").to_pylist(), strict=True)
    ]
    hit = chosen.to_numpy(zero_copy_only=False)
    return _lists(offsets, _replaced(items, hit, TYPE_STRING, pa.array(hashed, pa.string())))


class AttributeMasks:
    """Patterns, each with the text that replaces what it matches, applied one after the other."""

    def __init__(self, patterns: Sequence[tuple[str, str]]) -> None:
        self._patterns = [(pattern, mask.replace("\\", "\\\\")) for pattern, mask in patterns]
        for pattern, _ in patterns:
            _matches(pa.array([""]), pattern)

    def lists(self, column: pa.ListArray, keys: Sequence[str] | None) -> tuple[pa.ListArray, int]:
        offsets, items = children(column)
        masked, changed = self._masked(items.field("value"))
        nothing = pa.array([TYPE_EMPTY, TYPE_ABSENT], pa.uint8())
        changed = pc.and_(changed, pc.invert(pc.is_in(items.field("type"), nothing)))
        if keys is not None:
            changed = pc.and_(changed, pc.is_in(items.field("key"), pa.array(keys, pa.string())))
        hit = changed.to_numpy(zero_copy_only=False)
        if not hit.any():
            return column, 0
        return _lists(offsets, _replaced(items, hit, TYPE_STRING, masked.filter(changed))), int(hit.sum())

    def texts(self, column: pa.StringArray) -> tuple[pa.StringArray, int]:
        masked, changed = self._masked(column)
        return masked, int(pc.sum(changed).as_py() or 0)

    def _masked(self, texts: pa.StringArray) -> tuple[pa.StringArray, pa.BooleanArray]:
        masked = texts
        for pattern, mask in self._patterns:
            masked = pc.replace_substring_regex(masked, pattern, mask)
        return masked, pc.not_equal(masked, texts).fill_null(pa.scalar(value=False))


def _matches(texts: pa.StringArray, pattern: str) -> pa.BooleanArray:
    try:
        return pc.match_substring_regex(texts, pattern)
    except pa.ArrowInvalid as error:
        raise ValueError(str(error)) from error


def _places(column: pa.ListArray, key: str) -> npt.NDArray[np.int64]:
    """Return where in the items of each list the key stands for the last time, -1 where it does not."""
    offsets, items = children(column)
    found = np.flatnonzero(pc.equal(items.field("key"), key).to_numpy(zero_copy_only=False))
    places = np.full(len(column), -1, np.int64)
    places[np.searchsorted(offsets.to_numpy(), found, side="right") - 1] = found
    return places


def _replaced(items: pa.StructArray, hit: _Mask, kind: int, values: pa.StringArray) -> pa.StructArray:
    """Return the items with other values where `hit` is true, which has as many true values as there are values."""
    mask = pa.array(hit)
    columns = [
        items.field("key"),
        pc.if_else(mask, pa.scalar(kind, pa.uint8()), items.field("type")),
        pc.replace_with_mask(items.field("value"), mask, values),
        pc.if_else(mask, pa.scalar(None, pa.binary()), items.field("raw")),
    ]
    return pa.StructArray.from_arrays(columns, fields=list(ATTRIBUTE))


def _constant(key: str, kind: int, values: pa.StringArray) -> pa.StructArray:
    count = len(values)
    columns = [
        pa.repeat(key, count),
        pa.repeat(pa.scalar(kind, pa.uint8()), count),
        values,
        pa.nulls(count, pa.binary()),
    ]
    return pa.StructArray.from_arrays(columns, fields=list(ATTRIBUTE))


def _appended(
    offsets: npt.NDArray[np.int32], items: pa.StructArray, rows: _Mask, appended: pa.StructArray
) -> pa.ListArray:
    """Return the lists with one more item at the end of those where `rows` is true."""
    before = np.concatenate([[0], np.cumsum(rows)])
    ends = (offsets + before).astype(np.int32)
    order = np.empty(len(items) + len(appended), np.int64)
    order[np.arange(len(items)) + np.repeat(before[:-1], np.diff(offsets))] = np.arange(len(items))
    order[ends[1:][rows] - 1] = len(items) + np.arange(len(appended))
    return _lists(ends, pa.concat_arrays([items, appended]).take(pa.array(order)))


def _lists(offsets: pa.Int32Array | npt.NDArray[np.int32], items: pa.StructArray) -> pa.ListArray:
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), items, type=ATTRIBUTES)


def _hashed(kind: int, text: str, hashed: Callable[[bytes], str]) -> str:
    subject = _subject(kind, text)
    return hashed(subject) if subject else ""


def _subject(kind: int, text: str) -> bytes:
    if kind == TYPE_BOOL:
        return b"\x01" if text == "true" else b"\x00"
    if kind == TYPE_INT and _INT.fullmatch(text) and -(2**63) <= int(text) < 2**63:
        return struct.pack("<q", int(text))
    if kind == TYPE_DOUBLE and _DOUBLE.fullmatch(text):
        return struct.pack("<d", float(text))
    return text.encode()
