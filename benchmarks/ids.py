"""Item ids that can be found again in any format a collector writes to ClickHouse.

An id is eight bytes: a prefix that nothing else in the payload holds, and the item's number behind a bijection
of 40-bit integers, so that ids look random to a compressor and still decode to the number. Collectors write it
as sixteen hexadecimal digits, whatever the format around it, so counting needs no parser for each format.
"""

from __future__ import annotations

import re

import numpy as np
import numpy.typing as npt

Bytes = npt.NDArray[np.uint8]
Numbers = npt.NDArray[np.uint64]

PREFIX = bytes.fromhex("be9c4a")
_BITS = 40
_MASK = np.uint64(2**_BITS - 1)
_FACTOR = np.uint64(0x9E3779B97F | 1)
_INVERSE = np.uint64(pow(int(_FACTOR), -1, 2**_BITS))
_LOW_NIBBLES = np.uint8(0x77)
_HEX_ID = re.compile(PREFIX.hex().encode() + rb"([0-9a-f]{10})")
_TRACE_SIZE = 8


def span_ids(numbers: Numbers) -> Bytes:
    """Return the ids of items as rows of eight bytes."""
    mixed = (numbers * _FACTOR) & _MASK
    ids = mixed.astype(">u8").view(np.uint8).reshape(-1, 8)
    ids[:, :3] = np.frombuffer(PREFIX, np.uint8)
    return ids


def trace_ids(numbers: Numbers) -> Bytes:
    """Return trace ids as rows of sixteen bytes; eight neighbours share a trace.

    Only digits 0 to 7 occur in their hexadecimal form, so none can hold the prefix of an item's id.
    """
    traces = numbers // np.uint64(_TRACE_SIZE) + np.uint64(1)
    halves = np.stack([traces * np.uint64(0xD6E8FEB86659FD93), traces * np.uint64(0xA0761D6478BD642F)], axis=1)
    return halves.astype(">u8").view(np.uint8).reshape(-1, 16) & _LOW_NIBBLES


def find_numbers(data: bytes) -> Numbers:
    """Return the numbers of all items whose id stands in `data` in hexadecimal, in order of appearance."""
    digits = b"".join(b"000000" + match for match in _HEX_ID.findall(data))
    mixed = np.frombuffer(bytes.fromhex(digits.decode()), ">u8").astype(np.uint64)
    return (mixed * _INVERSE) & _MASK


def numbers_of(ids: Bytes) -> Numbers:
    """Return the numbers of ids, rows of eight bytes: the inverse of `span_ids`."""
    mixed = ids.copy()
    mixed[:, :3] = 0
    values = np.ascontiguousarray(mixed).view(">u8").reshape(-1).astype(np.uint64)
    return (values * _INVERSE) & _MASK
