"""The place of a cursor on disk: two slots that are written in turn, so that one of them is always whole.

One write and one sync a time, without a rename and without a directory to sync; the space is taken when the file is
made, so a full disk does not keep a cursor from moving.
"""

from __future__ import annotations

import os
from pathlib import Path
from struct import Struct
from typing import Final

from xxhash import xxh3_64_intdigest

from collector.delivery.files import reserve, sync_data, sync_directory
from collector.delivery.place import BadPlace, Place

SUFFIX: Final = ".cursor"
_MAGIC: Final = b"OttCur\x00\x01"
_HEAD: Final = Struct("<8sQIQ")
_SLOT: Final = 32 << 10


class PlaceFile:
    """One cursor's place, or as small a text of another kind. Not thread-safe. Every method raises OSError where the disk does not do it."""

    def __init__(self, path: Path, *, sync: bool) -> None:
        self.path = path
        self._sync = sync
        self._generation = 0
        self._file: int | None = None

    def load(self) -> Place | None:
        """Return the last place that was written whole, None where there is no file. Raises `BadPlace`."""
        text = self.read()
        return None if text is None else Place.from_json(text)

    def read(self) -> bytes | None:
        """Return what was last written whole, None where there is no file. Raises `BadPlace`."""
        try:
            data = self.path.read_bytes()
        except FileNotFoundError:
            return None
        slots = [slot for start in (0, _SLOT) if (slot := _read(data[start : start + _SLOT]))]
        if not slots:
            raise BadPlace(f"{self.path.name} holds no whole place")
        self._generation, text = max(slots)
        return text

    def save(self, text: bytes) -> None:
        """Write what `Place.to_json` gave so that it outlives the process and, where asked for, a loss of power."""
        generation = self._generation + 1
        slot = _HEAD.pack(_MAGIC, generation, len(text), _checksum(generation, text)) + text
        if len(slot) > _SLOT:
            raise OSError(f"the place of {self.path.name} has {len(slot)} bytes, more than its slot of {_SLOT}")
        file = self._open()
        os.pwrite(file, slot, generation % 2 * _SLOT)
        if self._sync:
            sync_data(file)
        self._generation = generation

    def close(self) -> None:
        """Let go of the file."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _open(self) -> int:
        if self._file is None:
            fresh = not self.path.exists()
            file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
            try:
                reserve(file, 2 * _SLOT)
                if fresh and self._sync:
                    os.fsync(file)
                    sync_directory(self.path.parent)
            except OSError:
                os.close(file)
                raise
            self._file = file
        return self._file


def _read(slot: bytes) -> tuple[int, bytes] | None:
    if len(slot) < _HEAD.size:
        return None
    magic, generation, length, checksum = _HEAD.unpack_from(slot)
    text = slot[_HEAD.size : _HEAD.size + length]
    if magic != _MAGIC or len(text) != length or _checksum(generation, text) != checksum:
        return None
    return generation, text


def _checksum(generation: int, text: bytes) -> int:
    return xxh3_64_intdigest(text, seed=generation)
