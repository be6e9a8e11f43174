"""Arrow arrays in the form ClickHouse stores, made a column at a time, never a row at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from collector.storage.arrow import TYPE_ABSENT, TYPE_BYTES, TYPE_DOUBLE, TYPE_EMPTY, TYPE_KVLIST, TYPE_STRING

Nanoseconds = npt.NDArray[np.uint64]

DAY_NS = 86_400 * 10**9
LATEST_NS = 4_291_747_200 * 10**9
"""2106-01-01: the last new year that DateTime, the type of keys, partitions and TTL, can hold."""

_HEX = np.frombuffer(b"".join(b"%02x" % byte for byte in range(256)), dtype=np.uint16)
_CONTROL = "[\x00-\x1f]"


def nanoseconds(column: pa.UInt64Array) -> Nanoseconds:
    """Return times as numpy, those past `LATEST_NS` pulled back to it."""
    values: Nanoseconds = column.to_numpy(zero_copy_only=False)
    return np.minimum(values, np.uint64(LATEST_NS)) if len(values) and values.max() > LATEST_NS else values


def time_array(values: Nanoseconds, target: str) -> pa.Array:
    """Return times for a column of ClickHouse type `target`: DateTime64 in nanoseconds, DateTime in seconds."""
    if "DateTime64" in target:
        return pa.array(values.view(np.int64)).view(pa.timestamp("ns"))
    return pa.array((values // np.uint64(10**9)).astype(np.uint32))


def hex_ids(ids: pa.FixedSizeBinaryArray) -> pa.StringArray:
    """Return ids in lower-case hex, null ones as empty strings."""
    count, width = len(ids), ids.type.byte_width
    if ids.null_count == count:
        return pa.repeat("", count)
    raw = np.frombuffer(ids.buffers()[1], np.uint8, count * width, ids.offset * width)
    if ids.null_count:
        valid = ids.is_valid().to_numpy(zero_copy_only=False)
        raw = raw.reshape(count, width)[valid].reshape(-1)
        offsets = np.zeros(count + 1, np.int32)
        np.cumsum(valid * np.int32(width * 2), out=offsets[1:])
    else:
        offsets = np.arange(count + 1, dtype=np.int32) * np.int32(width * 2)
    return pa.StringArray.from_buffers(count, pa.py_buffer(offsets), pa.py_buffer(_HEX[raw]))


def enum_names(codes: pa.Int32Array, names: tuple[str, ...]) -> pa.DictionaryArray:
    """Return the name of each code; codes that have none get an empty string."""
    numbers = codes.to_numpy(zero_copy_only=False)
    known = (numbers >= 0) & (numbers < len(names))
    indices = np.where(known, numbers, len(names)).astype(np.int8)
    return pa.DictionaryArray.from_arrays(pa.array(indices), pa.array([*names, ""]))


def shared(indices: pa.Int32Array, values: pa.Array) -> pa.DictionaryArray:
    """Return `values` taken by `indices` without copying them for every row.

    ClickHouse refuses a dictionary that holds a value twice, so equal values are merged.
    """
    encoded = values.dictionary_encode()
    if len(encoded.dictionary) < len(values):
        return pa.DictionaryArray.from_arrays(encoded.indices.take(indices), encoded.dictionary)
    return pa.DictionaryArray.from_arrays(indices, values)


def children(lists: pa.ListArray) -> tuple[pa.Int32Array, pa.Array]:
    """Return offsets that begin at 0 and the items they point into, of a list array that may be a slice."""
    offsets = lists.offsets
    first = offsets[0].as_py()
    return (pc.subtract(offsets, first) if first else offsets), lists.flatten()


def nested(lists: pa.ListArray, build: Callable[[pa.StructArray], pa.Array]) -> pa.ListArray:
    """Return one column of a Nested: the lists with each item replaced by what `build` makes of it."""
    offsets, items = children(lists)
    return pa.ListArray.from_arrays(offsets, build(items))


def attributes(lists: pa.ListArray, target: str) -> pa.Array:
    """Return attributes for a column of ClickHouse type `target`: Map, sorted by key, or JSON as text."""
    if "Map(" not in target:
        return attribute_json(lists)
    return pa.MapArray.from_arrays(*_by_key(lists))


def shared_attributes(indices: pa.Int32Array, lists: pa.ListArray, target: str) -> pa.Array:
    """Return what `attributes` returns, for attributes that many rows share.

    Keys and values are dictionaries, so that a row costs two indices an attribute and no text.
    """
    if "Map(" not in target:
        return attribute_json(lists).take(indices)
    offsets, *texts = _by_key(lists)
    starts, positions = _expand(offsets.to_numpy(), indices.to_numpy())
    keys, values = (shared(pa.array(positions), column) for column in texts)
    return pa.MapArray.from_arrays(pa.array(starts), keys, values)


def _by_key(lists: pa.ListArray) -> tuple[pa.Int32Array, pa.StringArray, pa.StringArray]:
    """Return offsets, keys and values of attributes, sorted by key within each row.

    ClickHouse compares, groups and hashes maps in the order they are written in, so equal attributes that came in
    another order would be another series.
    """
    offsets, items = children(lists)
    keys, values = items.field("key"), items.field("value")
    encoded = keys.dictionary_encode()
    owners = np.repeat(np.arange(len(lists)), np.diff(offsets.to_numpy()))
    places = owners * len(encoded.dictionary) + _ranks(encoded)
    if (places[1:] >= places[:-1]).all():
        return offsets, keys, values
    order = pa.array(np.argsort(places, kind="stable"))
    return offsets, keys.take(order), values.take(order)


def _ranks(texts: pa.DictionaryArray) -> npt.NDArray[np.int64]:
    """Return for each text how many of the distinct ones come before it."""
    order = pc.sort_indices(texts.dictionary).to_numpy()
    ranks = np.empty(len(order), np.int64)
    ranks[order] = np.arange(len(order))
    found: npt.NDArray[np.int64] = ranks[texts.indices.to_numpy()]
    return found


def attribute_paths(lists: pa.ListArray) -> pa.ListArray:
    """Return the keys of each row's attributes, sorted; the keys within a map stand behind its own and a dot."""
    offsets, items = children(lists)
    owners = np.repeat(np.arange(len(lists)), np.diff(offsets.to_numpy()))
    paths = items.field("key")
    maps = pc.equal(items.field("type"), TYPE_KVLIST).to_numpy(zero_copy_only=False)
    if maps.any():
        inner_owners, inner_paths = _inner_paths(owners[maps], items.filter(pa.array(maps)))
        owners = np.concatenate([owners[~maps], inner_owners])
        paths = pa.concat_arrays([paths.filter(pa.array(~maps)), inner_paths])
    return _sorted_texts(len(lists), owners, paths)


def _inner_paths(owners: npt.NDArray[np.int64], maps: pa.StructArray) -> tuple[npt.NDArray[np.int64], pa.StringArray]:
    """Return the paths of what stands in maps, each with its owner. Python sees each distinct map once."""
    encoded = maps.field("value").dictionary_encode()
    inner = pa.array(
        [list(_paths(orjson.loads(text))) for text in encoded.dictionary.to_pylist()], pa.list_(pa.string())
    )
    found = inner.take(encoded.indices)
    lengths = found.value_lengths().to_numpy()
    prefixes = maps.field("key").take(pa.array(np.repeat(np.arange(len(maps)), lengths)))
    return np.repeat(owners, lengths), pc.binary_join_element_wise(prefixes, found.flatten(), ".")


def _paths(members: dict[str, Any]) -> Iterator[str]:
    for key, value in members.items():
        if isinstance(value, dict):
            yield from (f"{key}.{path}" for path in _paths(value))
        else:
            yield key


def _sorted_texts(rows: int, owners: npt.NDArray[np.int64], texts: pa.StringArray) -> pa.ListArray:
    """Return for each of `rows` the texts that it owns, sorted, each once."""
    encoded = texts.dictionary_encode()
    distinct = max(len(encoded.dictionary), 1)
    owners, found = np.divmod(np.unique(owners * distinct + _ranks(encoded)), distinct)
    offsets = np.searchsorted(owners, np.arange(rows + 1)).astype(np.int32)
    in_order = encoded.dictionary.take(pc.sort_indices(encoded.dictionary))
    values = pa.DictionaryArray.from_arrays(pa.array(found.astype(np.int32)), in_order)
    return pa.ListArray.from_arrays(pa.array(offsets), values)


def attribute_json(lists: pa.ListArray) -> pa.StringArray:
    """Return each row's attributes as a JSON object; values keep their types, bytes are base64 strings.

    Doubles that JSON does not know (NaN, infinities) become strings; an empty value becomes null.
    """
    offsets, items = children(lists)
    kinds, texts = items.field("type"), items.field("value")
    unnumeric = pc.and_(pc.equal(kinds, TYPE_DOUBLE), pc.is_in(texts, pa.array(["NaN", "Infinity", "-Infinity"])))
    quoted = pc.or_(pc.is_in(kinds, pa.array([TYPE_STRING, TYPE_BYTES], pa.uint8())), unnumeric)
    empty = pc.is_in(kinds, pa.array([TYPE_EMPTY, TYPE_ABSENT], pa.uint8()))
    values = pc.if_else(empty, "null", pc.if_else(quoted, _json_string(texts), texts))
    members = pc.binary_join_element_wise(_json_string(items.field("key")), values, ":")
    body = pc.binary_join(pa.ListArray.from_arrays(offsets, members), ",")
    return pc.binary_join_element_wise("{", body, "}", "")


def service_names(lists: pa.ListArray) -> pa.StringArray:
    """Return the `service.name` among each resource's attributes, or an empty string."""
    offsets, items = children(lists)
    found = np.flatnonzero(pc.equal(items.field("key"), "service.name").to_numpy(zero_copy_only=False))
    owners = np.searchsorted(offsets.to_numpy(), found, side="right") - 1
    positions = np.full(len(lists), -1, np.int64)
    positions[owners] = found
    taken = items.field("value").take(pa.array(positions, mask=positions < 0))
    return taken.fill_null("")


def _expand(
    offsets: npt.NDArray[np.int32], indices: npt.NDArray[np.int32]
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    """Return the offsets and the item positions of lists repeated as `indices` say."""
    lengths = np.diff(offsets)[indices]
    starts = np.zeros(len(indices) + 1, np.int32)
    np.cumsum(lengths, out=starts[1:])
    shift = np.repeat(offsets[:-1][indices] - starts[:-1], lengths)
    return starts, (np.arange(starts[-1], dtype=np.int32) + shift).astype(np.int32, copy=False)


def _json_string(texts: pa.StringArray) -> pa.StringArray:
    escaped = pc.replace_substring(pc.replace_substring(texts, "\\", "\\\\"), '"', '\\"')
    if pc.any(pc.match_substring_regex(escaped, _CONTROL)).as_py():
        for code in range(32):
            escaped = pc.replace_substring(escaped, chr(code), f"\\u{code:04x}")
    return pc.binary_join_element_wise('"', escaped, '"', "")
