"""One segment: a file of records that follow one another, named by the number of its first."""

from __future__ import annotations

import mmap
import os
from array import array
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from struct import Struct
from typing import Final, Self

from xxhash import xxh3_64_intdigest

from collector.delivery.disk.record import HEADER_SIZE, MAGIC, SEAL, Header, intact, parse
from collector.delivery.log import NOTHING, Tally

SUFFIX: Final = ".seg"
ASIDE: Final = ".damaged"
"""What the name of a segment with damage ends in once nothing in it is needed any more."""
_MAGIC: Final = b"OtterySg"
_FIELDS: Final = Struct("<8sI4x16sQ3QQ")
_CHECKSUM: Final = Struct("<Q")
HEAD_SIZE: Final = _FIELDS.size + _CHECKSUM.size
_VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class Head:
    """What a segment begins with: its log, its first number, and what was appended before it."""

    log_id: bytes
    base: int
    before: Tally
    created_at: int

    def pack(self) -> bytes:
        """Return the head's bytes."""
        before = self.before
        packed = _FIELDS.pack(
            _MAGIC, _VERSION, self.log_id, self.base, before.requests, before.items, before.size, self.created_at
        )
        return packed + _CHECKSUM.pack(xxh3_64_intdigest(packed))


def parse_head(data: bytes) -> Head | None:
    """Return the head that `data` begins with, or None where no intact one of a known version is."""
    if len(data) < HEAD_SIZE:
        return None
    if _CHECKSUM.unpack_from(data, _FIELDS.size)[0] != xxh3_64_intdigest(data[: _FIELDS.size]):
        return None
    magic, version, log_id, base, requests, items, size, created_at = _FIELDS.unpack_from(data)
    if (magic, version) != (_MAGIC, _VERSION):
        return None
    return Head(log_id, base, Tally(requests, items, size), created_at)


@dataclass(slots=True, eq=False)
class Segment:
    """What the process knows of one segment file.

    Records have numbers from `base` up to but not including `end`; `before` and `total` count what was appended
    before the first and up to the last. `size` is in bytes of file. `newest` is the arrival time of the last record,
    `created` when the segment was begun, both in wall-clock nanoseconds. `numbers` and `offsets` are the index, which is made when it is first needed.
    """

    path: Path
    base: int
    before: Tally
    end: int
    total: Tally
    size: int
    newest: int = 0
    created: int = 0
    damaged: bool = False
    indexed: bool = False
    numbers: array[int] = field(default_factory=lambda: array("Q"))
    offsets: array[int] = field(default_factory=lambda: array("Q"))

    def add(self, header: Header, offset: int) -> None:
        """Take notice of one more record."""
        self.numbers.append(header.sequence)
        self.offsets.append(offset)
        self.end = header.sequence + 1
        self.total = header.before + header.tally
        self.newest = max(self.newest, header.received_at)

    def index(self) -> None:
        """Find the records of a segment that an earlier life wrote and closed. Raises OSError."""
        self.numbers, self.offsets = array("Q"), array("Q")
        with Walk(self.path, self.end) as walk:
            for offset, header in walk.records(verify=False):
                self.numbers.append(header.sequence)
                self.offsets.append(offset)
                self.newest = max(self.newest, header.received_at)
        self.damaged = self.damaged or walk.damaged > 0
        self.indexed = True

    def places(self, first: int, stop: int) -> Iterator[tuple[int, int]]:
        """Yield number and offset of the records from `first` up to but not including `stop`."""
        for position in range(bisect_left(self.numbers, first), len(self.numbers)):
            if self.numbers[position] >= stop:
                return
            yield self.numbers[position], self.offsets[position]


class Walk:
    """Goes through the records of a segment file, over whatever is damaged.

    Afterwards `damaged` counts the damaged places between good records, `torn` says how many bytes at the end are no
    good record (what a crash leaves), and `sealed` whether the segment was closed in order.
    """

    def __init__(self, path: Path, stop: int) -> None:
        self._stop = stop
        self.damaged = 0
        self.torn = 0
        self.sealed = False
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            self._data: mmap.mmap | bytes = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if size else b""
        self.head = parse_head(self._data[:HEAD_SIZE])
        self._number = self.head.base if self.head else int(path.stem)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if isinstance(self._data, mmap.mmap):
            self._data.close()

    def records(self, *, verify: bool) -> Iterator[tuple[int, Header]]:
        """Yield offset and header of each record numbered below `stop`; with `verify` only those with a whole body."""
        position = good = HEAD_SIZE if self.head else 0
        broken = 0 if self.head else 1
        while position < len(self._data):
            header = self._header(position, good)
            if header is None:
                broken += 1
                position = self._next(position + 1)
                continue
            if verify and not intact(header, self._data[position + HEADER_SIZE : position + header.length]):
                broken += 1
                position += header.length
                continue
            self.damaged, broken = self.damaged + broken, 0
            position, offset = position + header.length, position
            good, self._number = position, header.sequence + 1
            if header.kind == SEAL:
                self.sealed = True
            elif header.sequence < self._stop:
                yield offset, header
        self.torn = len(self._data) - good

    def _header(self, position: int, good: int) -> Header | None:
        """Return the header at `position`, if its number is possible so far behind the last good record."""
        header = parse(self._data[position : position + HEADER_SIZE])
        if header is None or position + header.length > len(self._data):
            return None
        skipped = (position - good) // HEADER_SIZE
        return header if self._number <= header.sequence <= self._number + skipped else None

    def _next(self, position: int) -> int:
        found = self._data.find(MAGIC, position)
        return found if found >= 0 else len(self._data)


def opened(path: Path, stop: int, *, verify: bool) -> tuple[Segment, Walk]:
    """Return a segment with its index, read from the file, and what was found on the way. Raises OSError."""
    with Walk(path, stop) as walk:
        segment: Segment | None = None
        for offset, header in walk.records(verify=verify):
            if segment is None:
                segment = _empty(path, walk.head, header)
            segment.add(header, offset)
        segment = segment or _empty(path, walk.head, None)
    segment.indexed = True
    segment.damaged = walk.damaged > 0 or walk.head is None
    segment.size = path.stat().st_size
    return segment, walk


def _empty(path: Path, head: Head | None, first: Header | None) -> Segment:
    """Return a segment without records; where its head is damaged its first record tells what came before."""
    base = head.base if head else int(path.stem)
    before = head.before if head else (first.before if first else NOTHING)
    created = head.created_at if head else 0
    return Segment(path, base, before, base, before, 0, newest=created, created=created)
