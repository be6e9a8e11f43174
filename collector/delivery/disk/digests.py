"""Remembers which requests were taken, so that a client that got no answer may send them again.

A digest lies in the header of its record. When a segment is removed, those in it that still matter move to a small
file beside it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from struct import Struct
from typing import Final

from xxhash import xxh3_64_intdigest

from collector.delivery.disk.record import NO_DIGEST
from collector.delivery.disk.segment import Segment, Walk

SUFFIX: Final = ".digests"
_ENTRY: Final = Struct("<16sQQ")
_CHECKSUM: Final = Struct("<Q")
_MOST: Final = 100_000
"""Digests that one log remembers; the oldest are forgotten first."""


@dataclass(frozen=True, slots=True)
class Taken:
    """A request that was taken: its digest, when (wall-clock nanoseconds), and under which number."""

    digest: bytes
    time: int
    sequence: int


class Digests:
    """The requests of the last `window` nanoseconds."""

    def __init__(self, window: int) -> None:
        self.window = window
        self._taken: dict[bytes, Taken] = {}

    def add(self, taken: Taken) -> None:
        """Remember a request, and forget what is too old."""
        self._taken[taken.digest] = taken
        while len(self._taken) > _MOST or self._oldest().time < taken.time - self.window:
            del self._taken[self._oldest().digest]

    def _oldest(self) -> Taken:
        return next(iter(self._taken.values()))

    def find(self, digest: bytes, now: int) -> int | None:
        """Return the number of a request that was taken within the window."""
        taken = self._taken.get(digest)
        return taken.sequence if taken is not None and taken.time >= now - self.window else None


def recall(directory: Path, segments: Iterable[Segment], since: int) -> list[Taken]:
    """Return the requests that segments, and those that are gone, tell of, the oldest first. Raises OSError."""
    found = [taken for path in directory.glob(f"*{SUFFIX}") for taken in _read(path)]
    for segment in segments:
        if segment.newest >= since:
            found += _of(segment, since)
    return sorted((taken for taken in found if taken.time >= since), key=lambda taken: taken.time)


def collect(segment: Segment, since: int) -> bytes:
    """Return what `save` writes of a segment that is about to go. Raises OSError."""
    return b"".join(_ENTRY.pack(taken.digest, taken.time, taken.sequence) for taken in _of(segment, since))


def save(segment: Segment, entries: bytes, since: int) -> None:
    """Write down the requests of a segment that has gone, and remove what is too old. Raises OSError."""
    directory = segment.path.parent
    if entries:
        with segment.path.with_suffix(SUFFIX).open("wb") as file:
            file.write(entries + _CHECKSUM.pack(xxh3_64_intdigest(entries)))
            file.flush()
            os.fsync(file.fileno())
    for path in directory.glob(f"*{SUFFIX}"):
        if path.stat().st_mtime_ns < since:
            path.unlink()


def _of(segment: Segment, since: int) -> Iterator[Taken]:
    with Walk(segment.path, segment.end) as walk:
        for _, header in walk.records(verify=False):
            if header.digest != NO_DIGEST and header.received_at >= since:
                yield Taken(header.digest, header.received_at, header.sequence)


def _read(path: Path) -> Iterator[Taken]:
    """Yield what a file holds; a damaged one holds nothing, and costs no more than a request stored twice."""
    with suppress(OSError):
        data = path.read_bytes()
        entries, checksum = data[: -_CHECKSUM.size], data[-_CHECKSUM.size :]
        if len(entries) % _ENTRY.size == 0 and checksum == _CHECKSUM.pack(xxh3_64_intdigest(entries)):
            for fields in _ENTRY.iter_unpack(entries):
                yield Taken(*fields)
