"""How the detailed output writes values, times and ids."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

Row = dict[str, Any]

_TYPES = ("Empty", "Str", "Bool", "Int", "Double", "Slice", "Map", "Bytes", "Empty")
_LAST_SECOND = 253_402_300_799


def attributes(heading: str, found: list[Row], indent: str = "") -> Iterator[str]:
    """Yield the heading and a line an attribute, or nothing when there are none."""
    if found:
        yield f"{indent}{heading}"
    for attribute in found:
        yield f"{indent}     -> {attribute['key']}: {value(attribute['type'], attribute['value'])}"


def value(kind: int, text: str) -> str:
    """Return a value with its type: `Str(shop)`."""
    return f"{name_of(_TYPES, kind)}({text})"


def name_of(names: tuple[str, ...], number: int) -> str:
    """Return the name of an enum's number, or the number where it has none."""
    return names[number] if 0 <= number < len(names) else str(number)


def time(nanoseconds: int) -> str:
    """Return `2026-01-01 00:00:00.000000321 +0000 UTC`, or the bare number where no calendar reaches."""
    seconds, rest = divmod(nanoseconds, 1_000_000_000)
    if seconds > _LAST_SECOND:
        return str(nanoseconds)
    fraction = f".{rest:09d}".rstrip("0").rstrip(".")
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S}{fraction} +0000 UTC"


def hex_id(value: bytes | None) -> str:
    """Return an id in lower-case hex, and nothing when there is none."""
    return "" if value is None else value.hex()
