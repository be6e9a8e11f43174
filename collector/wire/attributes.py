"""What processors do to attributes: looked up, set, deleted, hashed and masked, a column at a time.

`column` is a column of attribute lists (`collector.storage.arrow.ATTRIBUTES`): `attributes` of a batch, or that of a
resource, scope, event, link or exemplar. Each function returns a new column, or the same one where nothing changed.
They run in the compiled codec where that is in use and in `_python_attributes` elsewhere, with equal results.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, Protocol, cast

from collector.storage.arrow import TYPE_STRING
from collector.wire import _python_attributes
from collector.wire.codec import codec

if TYPE_CHECKING:
    import pyarrow as pa

Algorithm = Literal["sha256", "xxh64"]

_ASCII = {
    "d": "[0-9]",
    "D": "[^0-9]",
    "w": "[0-9A-Za-z_]",
    "W": "[^0-9A-Za-z_]",
    "s": "[\\t\\n\\f\\r ]",
    "S": "[^\\t\\n\\f\\r ]",
    "b": "(?-u:\\b)",
}
"""What these mean in RE2 and in Go; the compiled codec would take all of Unicode."""


class CompiledMasks(Protocol):
    """Patterns made ready by one of the two implementations."""

    def lists(self, column: pa.ListArray, keys: Sequence[str] | None) -> tuple[pa.ListArray, int]:
        """Return the lists, masked, and how many values were changed."""

    def texts(self, column: pa.StringArray) -> tuple[pa.StringArray, int]:
        """Return the texts, masked, and how many were changed."""


class Operations(Protocol):
    """One implementation: a module with these functions."""

    def attributes_find(self, column: pa.ListArray, key: str) -> pa.StringArray: ...
    def attributes_put(
        self, column: pa.ListArray, key: str, kind: int, values: pa.StringArray, *, insert: bool, update: bool
    ) -> pa.ListArray: ...
    def attributes_delete(self, column: pa.ListArray, keys: Sequence[str], matched: str | None) -> pa.ListArray: ...
    def attributes_digest(self, column: pa.ListArray, keys: Sequence[str], algorithm: str) -> pa.ListArray: ...
    def AttributeMasks(self, patterns: Sequence[tuple[str, str]]) -> CompiledMasks: ...  # noqa: N802 - a class there


def operations() -> Operations:
    """Return the implementation that goes with the codec in use."""
    twin = codec().twin
    return cast("Operations", twin if hasattr(twin, "AttributeMasks") else _python_attributes)


def find(column: pa.ListArray, key: str) -> pa.StringArray:
    """Return the text of attribute `key` of each list, null where it has none. Of equal keys the last one counts."""
    return operations().attributes_find(column, key)


def put(
    column: pa.ListArray,
    key: str,
    values: pa.StringArray,
    *,
    kind: int = TYPE_STRING,
    insert: bool = True,
    update: bool = True,
) -> pa.ListArray:
    """Return the lists with attribute `key` set to `kind` and the text of each row; null leaves a list as it is.

    `insert` appends the attribute where there is none, `update` replaces the value of one that is there. The text must
    be that of its `kind`, which is a `TYPE_*` of a scalar. Raises ValueError when there is not one value a list.
    """
    return operations().attributes_put(column, key, kind, values, insert=insert, update=update)


def delete(column: pa.ListArray, keys: Sequence[str], *, pattern: str | None = None) -> pa.ListArray:
    """Return the lists without the attributes whose key is one of `keys`, or has a match of `pattern`.

    Raises ValueError when the pattern is no regular expression.
    """
    chosen = operations()
    return chosen.attributes_delete(column, list(keys), _adapted(chosen, pattern) if pattern is not None else None)


def digest(column: pa.ListArray, keys: Sequence[str], algorithm: Algorithm = "sha256") -> pa.ListArray:
    """Return the lists with the values of `keys` replaced by their hash, in lower-case hex.

    What is hashed is what the OpenTelemetry Collector's attributes processor hashes: the text of a string, one byte
    of a boolean, eight little-endian bytes of a number; beyond it the text of anything else. Empty stays empty.
    """
    return operations().attributes_digest(column, list(keys), algorithm)


class Masks:
    r"""Patterns to look for in values, each with the text that takes the place of every match.

    Patterns are those of RE2, which are Go's, and are applied one after the other; `\d`, `\w`, `\s` and `\b` know
    ASCII. Masks are literal. Raises ValueError for a pattern that is no regular expression.
    """

    def __init__(self, patterns: Sequence[tuple[str, str]]) -> None:
        chosen = operations()
        adapted = [(_adapted(chosen, pattern), mask) for pattern, mask in patterns]
        self._compiled = chosen.AttributeMasks(adapted)

    def attributes(self, column: pa.ListArray, keys: Sequence[str] | None = None) -> tuple[pa.ListArray, int]:
        """Return the lists with values masked, those of `keys` or all, and how many were changed.

        The text of a value of any type is looked at; one that is changed becomes a string.
        """
        return self._compiled.lists(column, None if keys is None else list(keys))

    def texts(self, column: pa.StringArray) -> tuple[pa.StringArray, int]:
        """Return texts, such as the bodies of log records, masked, and how many were changed."""
        return self._compiled.texts(column)


def _adapted(chosen: Operations, pattern: str) -> str:
    if chosen is _python_attributes:
        return pattern
    return re.sub(r"\\(.)", lambda found: _ASCII.get(found[1], found[0]), pattern, flags=re.DOTALL)
