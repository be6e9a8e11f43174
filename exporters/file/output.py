"""One file that is only appended to, by one process, and that a crash leaves whole after repair."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import mmap
import os
import stat
from pathlib import Path

from collector.api import Clock, Fatal, Logger, Retryable
from exporters.file.backups import Backups
from exporters.file.config import FileConfig
from exporters.file.framing import Framing

_MODE = 0o644
_MEGABYTE = 1 << 20
_DEVICES = {"/dev", "/dev/fd"}
"""Where a regular file is somebody else's, opened under another name."""


class Busy(Retryable):
    """Somebody else writes the file at the moment."""


class Output:
    """The file at `path`. Every method blocks, and all of them are for one thread.

    What is no regular file (`/dev/stdout`, a pipe) is written as it is: nothing is repaired, locked or rotated.
    """

    def __init__(self, path: Path, config: FileConfig, framing: Framing, clock: Clock, log: Logger) -> None:
        self._path = path
        self._framing = framing
        self._backups = Backups(self._path, config.rotation) if config.rotation else None
        self._limit = config.rotation.max_megabytes * _MEGABYTE if config.rotation else 0
        self._empties = not config.append
        self._directory_mode = int(config.directory_permissions, 8)
        self._clock = clock
        self._log = log
        self._file = -1
        self._regular = False

    def open(self) -> None:
        """Open, lock and repair the file; does nothing when it is open.

        Raises `Busy` while another process has it, `Fatal` when it holds something else, and OSError.
        """
        if self._file >= 0:
            return
        _make_directory(self._path.parent, self._directory_mode)
        file = os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, _MODE)
        try:
            self._regular = stat.S_ISREG(os.fstat(file).st_mode) and str(self._path.parent) not in _DEVICES
            if self._regular:
                self._claim(file)
        except BaseException:
            os.close(file)
            raise
        self._file = file

    def append(self, data: bytes) -> None:
        """Write `data` at the end, as a whole or not at all. Raises what `open` raises."""
        if self._moved():
            self.close()
        self.open()
        if self._full(len(data)):
            self._rotate()
        before = os.fstat(self._file).st_size
        try:
            _write(self._file, data)
        except BaseException:
            self._undo(before)
            raise

    def sync(self) -> None:
        """Wait until everything that was written is on the disk. Raises OSError."""
        if self._file >= 0 and self._regular:
            os.fsync(self._file)

    def close(self) -> None:
        """Sync and close the file; may be called twice. Raises OSError when the sync fails; it is closed then too."""
        try:
            self.sync()
        finally:
            file, self._file = self._file, -1
            if file >= 0:
                os.close(file)

    def _claim(self, file: int) -> None:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Busy(f"{self._path} is being written by another process or exporter", kind="busy") from error
        if self._empties:
            self._empties = False
            os.ftruncate(file, 0)
        self._repair(file)
        _sync_directory(self._path.parent)

    def _repair(self, file: int) -> None:
        """Cut off a last message that a crash left incomplete: it was never acknowledged."""
        size = os.fstat(file).st_size
        if not size:
            return
        with mmap.mmap(file, 0, access=mmap.ACCESS_READ) as content:
            if not self._framing.begins(content):
                raise Fatal(f"path: {self._path} holds something else; name another file, or move that one away")
            whole = self._framing.whole(content)
        if whole < size:
            os.ftruncate(file, whole)
            self._log.warning("removed an incomplete message", path=str(self._path), bytes=size - whole)

    def _moved(self) -> bool:
        """Whether somebody renamed or removed the file, as logrotate does."""
        if self._file < 0 or not self._regular:
            return False
        try:
            return not os.path.samestat(self._path.stat(), os.fstat(self._file))
        except FileNotFoundError:
            return True

    def _full(self, more: int) -> bool:
        size = os.fstat(self._file).st_size if self._limit and self._regular else 0
        return size > 0 and size + more > self._limit

    def _rotate(self) -> None:
        if self._backups is None:
            return
        now = self._clock.now_ns()
        self._path.rename(self._backups.fresh(now))
        self.close()
        self.open()
        for path in self._backups.outdated(now):
            try:
                path.unlink()
            except OSError as error:
                self._log.warning("cannot remove an older file", path=str(path), reason=error.strerror)

    def _undo(self, size: int) -> None:
        """Take back a write that failed halfway."""
        with contextlib.suppress(OSError):
            if self._regular:
                os.ftruncate(self._file, size)
        with contextlib.suppress(OSError):
            self.close()


def _write(file: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(file, rest) :]


def _make_directory(path: Path, mode: int) -> None:
    try:
        path.mkdir(mode, parents=True, exist_ok=True)
    except FileExistsError as error:
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR)) from error


def _sync_directory(path: Path) -> None:
    """Let the names in a directory outlast a power failure."""
    directory = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
