"""Writes records to segments, many at a time, in a thread of its own."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from math import inf
from pathlib import Path

from collector.delivery.config import LogConfig
from collector.delivery.disk.record import NOTHING_FOLLOWS, SEAL, Entry, Header, frame
from collector.delivery.disk.segment import HEAD_SIZE, SUFFIX, Head, Segment
from collector.delivery.files import sync_data, sync_directory
from collector.delivery.log import Tally

_BUFFERS = 512
"""Buffers of one system call; the system takes 1024."""


@dataclass(slots=True)
class Written:
    """What was written: the segment, and where each entry lies in it or why it could not be framed."""

    segment: Segment
    places: list[tuple[int, Header] | Exception] = field(default_factory=list)
    size: int = 0


class Writer:
    """Appends to the newest segment. Not thread-safe: the log calls it from one thread, one call at a time."""

    def __init__(self, directory: Path, log_id: bytes, config: LogConfig) -> None:
        self._directory = directory
        self._log_id = log_id
        self._config = config
        self._most = min(config.segment_size, config.max_size // 4)
        self._oldest = config.max_age * 1e9 / 4 if config.max_age else inf
        self._began = 0
        self._segment: Segment | None = None
        self._file = -1
        self._size = 0

    def write(self, entries: Sequence[Entry], sequence: int, before: Tally, now: int) -> Written:
        """Write entries under numbers from `sequence` on, and sync where that is asked for always.

        Raises OSError when the disk does not take them; then none of them is kept, and the next call tries anew.
        """
        segment = self._segment
        if segment is None or self._size >= self._most or now - self._began > self._oldest:
            segment = self._start(sequence, before, now)
        written, buffers, size = Written(segment), list[bytes](), self._size
        for entry in entries:
            try:
                header, pieces = frame(entry, sequence, before, self._config.compression)
            except Exception as error:  # noqa: BLE001 - what one batch cannot be turned into must not cost the others
                written.places.append(error)
                continue
            written.places.append((size, header))
            buffers += pieces
            sequence, before, size = sequence + 1, before + header.tally, size + header.length
        try:
            _write(self._file, buffers, self._size)
            if self._config.sync == "always":
                sync_data(self._file)
        except OSError:
            self._abandon()
            raise
        self._size = written.size = size
        return written

    def sync(self) -> None:
        """Force what was written to the disk. Raises OSError."""
        if self._file >= 0:
            sync_data(self._file)

    def seal(self, sequence: int, before: Tally) -> None:
        """Close the newest segment in order. Raises OSError."""
        if self._segment is None:
            return
        seal = Header(sequence, before=before, kind=SEAL, checksum=NOTHING_FOLLOWS)
        try:
            _write(self._file, [seal.pack()], self._size)
            if self._config.sync != "never":
                sync_data(self._file)
        finally:
            self._close()

    def _start(self, base: int, before: Tally, now: int) -> Segment:
        self.seal(base, before)
        path = self._directory / f"{base:020d}{SUFFIX}"
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o640)
        try:
            _write(self._file, [Head(self._log_id, base, before, now).pack()], 0)
            if self._config.sync != "never":
                os.fsync(self._file)
                sync_directory(self._directory)
        except OSError:
            self._close()
            with suppress(OSError):
                path.unlink()
            raise
        self._segment = Segment(path, base, before, base, before, HEAD_SIZE, newest=now, created=now, indexed=True)
        self._size, self._began = HEAD_SIZE, now
        return self._segment

    def _abandon(self) -> None:
        """Cut off what was not kept. The segment gets no more: after a failed sync nobody knows what the disk has."""
        with suppress(OSError):
            os.ftruncate(self._file, self._size)
        self._close()

    def _close(self) -> None:
        file, self._file, self._segment = self._file, -1, None
        if file >= 0:
            os.close(file)


def _write(file: int, buffers: Sequence[bytes], offset: int) -> None:
    for start in range(0, len(buffers), _BUFFERS):
        some = buffers[start : start + _BUFFERS]
        size = sum(map(len, some))
        written = os.pwritev(file, some, offset)
        if written < size:
            rest = memoryview(b"".join(some))
            while written < size:
                written += os.pwrite(file, rest[written:], offset + written)
        offset += size
