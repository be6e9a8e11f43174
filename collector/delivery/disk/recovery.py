"""Makes a log directory ready: takes it for this process, and finds out what an earlier life left in it."""

from __future__ import annotations

import fcntl
import os
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from collector.api import Fatal, Logger
from collector.delivery.disk import digests
from collector.delivery.disk.segment import ASIDE, HEAD_SIZE, SUFFIX, Head, Segment, Walk, opened, parse_head
from collector.delivery.log import NOTHING, Tally

_LEAP: Final = 1 << 20
"""Numbers left out after a life that did not end in order: some may have been given to records that the disk lost."""
_ENDLESS: Final = 1 << 63
_MOST_ASIDE: Final = 16


@dataclass(slots=True)
class Found:
    """What lies in the directory. `torn` counts bytes behind the last good record, `damaged` segments with damage."""

    log_id: bytes
    segments: list[Segment] = field(default_factory=list)
    end: int = 0
    total: Tally = NOTHING
    orderly: bool = True
    torn: int = 0
    damaged: int = 0

    def leap(self) -> None:
        """Leave numbers out where the earlier life did not end in order."""
        if not self.orderly:
            self.end = (self.end // _LEAP + 1) * _LEAP


def take(directory: Path) -> int:
    """Make the directory, lock it against every other process, and return the file that holds the lock.

    Raises `Fatal` naming what is in the way.
    """
    try:
        directory.mkdir(mode=0o750, parents=True, exist_ok=True)
        lock = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise Fatal(
            f"the log directory {directory} cannot be used: {error.strerror}; "
            "make it readable and writable, or set service.delivery.directory"
        ) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(lock)
        raise Fatal(
            f"the log directory {directory} is in use by another process; stop that one, or give each its own"
        ) from error
    return lock


def recover(directory: Path, log: Logger) -> Found:
    """Return what an earlier life left; an unfinished record at the end is cut off and kept aside.

    Raises OSError when the directory cannot be read.
    """
    paths = sorted(_segments(directory))
    heads = [(path, head) for path in paths if (head := _head(path)) or _has_records(path, log)]
    log_id = next((head.log_id for _, head in reversed(heads) if head), None)
    found = Found(log_id or uuid.uuid4().bytes)
    following: Head | None = None
    for path, head in reversed(heads):
        segment = _older(path, head, following) if head and following else None
        if segment is None:
            segment = _walked(path, following, found, log)
        found.segments.insert(0, segment)
        following = head or Head(found.log_id, segment.base, segment.before, 0)
    if found.segments:
        last = found.segments[-1]
        found.end, found.total = last.end, last.total
    return found


def _segments(directory: Path) -> list[Path]:
    return [path for path in directory.glob(f"*{SUFFIX}") if path.stem.isdigit()]


def glance(directory: Path) -> Tally:
    """Return what was ever appended to the log in a directory, without changing anything. Raises OSError."""
    for path in sorted(_segments(directory), reverse=True):
        segment, walk = opened(path, _ENDLESS, verify=False)
        if walk.head or segment.numbers:
            return segment.total
    return NOTHING


def discard(segment: Segment, since: int) -> None:
    """Remove a segment that nobody needs; one with damage is kept under another name for whoever looks into it.

    The digests of requests taken after `since` outlive it. Raises OSError.
    """
    entries = digests.collect(segment, since) if segment.newest >= since else b""
    _remove(segment)
    digests.save(segment, entries, since)  # afterwards, because a full disk has no room for it before


def _remove(segment: Segment) -> None:
    if not segment.damaged:
        segment.path.unlink(missing_ok=True)
        return
    segment.path.rename(segment.path.with_name(segment.path.name + ASIDE))
    kept = sorted(segment.path.parent.glob(f"*{ASIDE}"), key=lambda path: path.stat().st_mtime)
    for path in kept[:-_MOST_ASIDE]:
        path.unlink()


def _head(path: Path) -> Head | None:
    with path.open("rb") as file:
        return parse_head(file.read(HEAD_SIZE))


def _has_records(path: Path, log: Logger) -> bool:
    """Tell whether a segment without a whole head holds anything; one that a crash cut at its birth is set aside."""
    with Walk(path, _ENDLESS) as walk:
        if any(True for _ in walk.records(verify=False)):
            return True
    log.warning("a segment of the log that was not finished is set aside", segment=path.name)
    try:
        path.rename(path.with_name(path.name + ASIDE))
    except OSError as error:
        log.warning("the unfinished segment stays where it is", segment=path.name, reason=str(error))
    return False


def _older(path: Path, head: Head, following: Head) -> Segment:
    """Return a segment that another one follows: that one's head tells where it ends, so it need not be read now."""
    status = path.stat()
    newest = max(status.st_mtime_ns, head.created_at)
    return Segment(
        path, head.base, head.before, following.base, following.before, status.st_size, newest, head.created_at
    )


def _walked(path: Path, following: Head | None, found: Found, log: Logger) -> Segment:
    """Return a segment that must be read to know what is in it."""
    segment, walk = opened(path, following.base if following else _ENDLESS, verify=True)
    if following is None:
        found.orderly = walk.sealed
        found.torn = walk.torn
    else:
        segment.end, segment.total = following.base, following.before
    if segment.damaged:
        found.damaged += 1
        log.error("a segment of the log is damaged; what can be read of it is", segment=path.name)
    if walk.torn and following is None:
        log.warning("the log ended in an unfinished record, which is set aside", segment=path.name, bytes=walk.torn)
        _cut(segment, walk.torn, log)
    return segment


def _cut(segment: Segment, torn: int, log: Logger) -> None:
    """Cut off what is no record. Where the disk does not let us it stays, and is left out again next time."""
    path, good = segment.path, segment.size - torn
    try:
        with path.open("rb") as file:
            file.seek(good)
            path.with_name(f"{path.name}.{good}{ASIDE}").write_bytes(file.read())
        os.truncate(path, good)
    except OSError as error:
        log.warning("the unfinished record could not be set aside", segment=path.name, reason=str(error))
        return
    segment.size = good
