"""`group_by`: which rows belong into which file, by a resource attribute that a client has chosen."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from collector.api import Batch, Permanent
from collector.storage.arrow import TYPE_STRING
from exporters.file.config import FileConfig

_LONGEST_NAME = 255
_LONGEST_PATH = 4000


class Groups:
    """Leads rows to files below the fixed part of `path`."""

    def __init__(self, config: FileConfig) -> None:
        self._attribute = config.group_by.resource_attribute
        before, _, after = posixpath.expanduser(config.path).partition("*")
        self._prefix = _clean(before)
        self._suffix = after

    def split(self, batch: Batch, can_open: Callable[[Path], bool]) -> list[tuple[Path, Batch]]:
        """Return the parts of a batch with their files; a batch with one value is the part itself.

        Raises `Permanent` with the rows whose resource does not have the attribute as text that can name a file.
        """
        values = _values(batch.columns.column("resource"), self._attribute)
        names: list[str | None] = pc.unique(values).to_pylist()
        paths = {name: self.path(name) for name in names if name is not None}
        bad = [name for name in names if name is None or not (_possible(paths[name]) and can_open(paths[name]))]
        if bad:
            rows = pc.indices_nonzero(pc.is_in(values, value_set=pa.array(bad, pa.string()))).to_pylist()
            raise Permanent(f"{self._attribute} of the resource names no file", rows, kind="no_path")
        if len(paths) == 1:
            return [(path, batch) for path in paths.values()]
        return [(path, batch.filter(pc.equal(values, name))) for name, path in paths.items()]

    def path(self, name: str) -> Path:
        """Return the file for a value: never one outside of the fixed part of `path`."""
        for climbing in ("./", "../"):
            name = name.removeprefix(climbing)
        whole = posixpath.normpath(self._prefix + name + self._suffix)
        if not whole.startswith(self._prefix):
            whole = posixpath.join(self._prefix, posixpath.normpath(f"/{name}{self._suffix}").lstrip("/"))
        return Path(whole)


def _clean(prefix: str) -> str:
    """Return the fixed part in its shortest form, still with the slash at its end."""
    cleaned = posixpath.normpath(prefix)
    return f"{cleaned}/" if prefix.endswith("/") and not cleaned.endswith("/") else cleaned


def _possible(path: Path) -> bool:
    parts = [os.fsencode(part) for part in path.parts]
    whole = sum(map(len, parts)) + len(parts)
    return whole <= _LONGEST_PATH and all(len(part) <= _LONGEST_NAME and b"\0" not in part for part in parts)


def _values(resources: pa.DictionaryArray, attribute: str) -> pa.StringArray:
    """Return the text of the attribute for each row, null where a resource does not have it as text."""
    attributes = pc.struct_field(resources.dictionary, "attributes")
    flat, owners = pc.list_flatten(attributes), pc.list_parent_indices(attributes)
    is_text = pc.equal(pc.struct_field(flat, "type"), TYPE_STRING)
    found = pc.and_(pc.equal(pc.struct_field(flat, "key"), attribute), is_text)
    texts, owners = pc.struct_field(flat, "value").filter(found), owners.filter(found)
    entries = pa.array(range(len(resources.dictionary)), owners.type)
    by_entry = texts.take(pc.index_in(entries, value_set=owners))
    return by_entry.take(resources.indices)
