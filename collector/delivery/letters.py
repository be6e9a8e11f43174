"""Dead letters on disk: a directory with one file a letter, safe to use from the collector and the command line at once.

A file is a line of JSON and the OTLP bytes. Its name says what is to become of it: `<id>.letter` rests, and
`<id>.replay` is waiting to be delivered again. Every change is one rename or one removal, so nobody needs a lock.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final, Literal

import orjson
from xxhash import xxh3_64_hexdigest, xxh3_128_hexdigest

from collector.api import Batch, Codec, OtteryError, Signal
from collector.delivery.disk.record import pack_context, unpack_context
from collector.delivery.files import sync_directory

DIRECTORY: Final = "dead_letters"
_RESTING: Final = ".letter"
_WAITING: Final = ".replay"
_SUFFIXES: Final = {"resting": _RESTING, "waiting": _WAITING}
_LONGEST_HEAD: Final = 64 << 10
_LONGEST_REASON: Final = 1000

State = Literal["resting", "waiting"]


class BadLetter(OtteryError):
    """A file that should hold a dead letter does not."""


@dataclass(frozen=True, slots=True)
class Letter:
    """What is known of a dead letter without its data.

    `time` and `received_at` are wall-clock nanoseconds since the epoch, `attempts` counts the pushes that ended in
    the refusal, and `replays` how often it was delivered again in vain.
    """

    id: str
    pipeline: str
    exporter: str
    signal: str
    items: int
    size: int
    reason: str
    kind: str
    attempts: int
    replays: int
    token: str
    time: int
    received_at: int
    context: str = ""
    checksum: str = ""
    state: State = "resting"


def letter_id(exporter: str, token: str, replays: int) -> str:
    """Return the id of the letter about these rows: a crash that makes us write it again does not make it two."""
    return xxh3_64_hexdigest(f"{exporter}\0{token}\0{replays}".encode())


class LetterBox:
    """The dead letters of one pipeline, at most `max_size` bytes. Blocks; methods raise OSError for a failing disk."""

    def __init__(self, directory: Path, max_size: int = 0) -> None:
        self.directory = directory
        self._max_size = max_size
        self._used: int | None = None

    def put(self, letter: Letter, batch: Batch) -> None:
        """Keep a letter; when this returns it outlives a loss of power. Raises OSError when there is no room."""
        otlp = batch.otlp
        kept = replace(
            letter,
            size=len(otlp),
            reason=letter.reason[:_LONGEST_REASON],
            received_at=batch.context.received_at,
            context=pack_context(batch.context).decode(),
            checksum=xxh3_128_hexdigest(otlp),
        )
        head = orjson.dumps(asdict(kept))
        self.directory.mkdir(mode=0o750, exist_ok=True)
        if self._path(letter.id, "waiting").exists():
            return
        self._make_room(len(head) + 1 + len(otlp))
        path = self._path(letter.id, "resting")
        unfinished = path.with_suffix(".new")
        with unfinished.open("wb") as file:
            file.writelines((head, b"\n", otlp))
            file.flush()
            os.fsync(file.fileno())
        unfinished.rename(path)
        sync_directory(self.directory)

    def _make_room(self, size: int) -> None:
        if not self._max_size:
            return
        if self._used is None or self._used + size > self._max_size:
            self._used = sum(path.stat().st_size for path in self.directory.iterdir())
        if self._used + size > self._max_size:
            raise OSError(
                errno.ENOSPC, f"dead letters have {self._used} of {self._max_size} bytes; replay or drop some"
            )
        self._used += size

    def letters(self, state: State | None = None) -> Iterator[Letter]:
        """Yield the letters, the oldest first, without those that are damaged."""
        wanted = [state] if state else list(_SUFFIXES)
        found: list[Letter] = []
        for each in wanted:
            for path in self.directory.glob(f"*{_SUFFIXES[each]}"):
                with suppress(BadLetter, FileNotFoundError):
                    found.append(_head(path))
        yield from sorted(found, key=lambda letter: letter.time)

    def damaged(self) -> list[Path]:
        """Return the files whose letter cannot be read."""
        return [path for suffix in _SUFFIXES.values() for path in self.directory.glob(f"*{suffix}") if _is_bad(path)]

    def read(self, letter: Letter, codec: Codec) -> Batch:
        """Return a letter's data, which stands for itself now, wherever its rows came from.

        Raises `BadLetter` when it is damaged, FileNotFoundError when it is gone.
        """
        data = self._path(letter.id, letter.state).read_bytes()
        otlp = data[data.find(b"\n") + 1 :]
        if xxh3_128_hexdigest(otlp) != letter.checksum:
            raise BadLetter(f"the data of dead letter {letter.id} is damaged")
        context = replace(unpack_context(letter.received_at, letter.context.encode()), origin="")
        return Batch(Signal(letter.signal), codec, requests=(otlp,), items=letter.items, context=context)

    def replay(self, letter: Letter) -> bool:
        """Let a resting letter wait for delivery; tell whether it was still there."""
        return self._rename(letter, "waiting")

    def rest(self, letter: Letter) -> bool:
        """Take a letter that waits for delivery back; tell whether it was still there."""
        return self._rename(letter, "resting")

    def drop(self, letter: Letter) -> bool:
        """Remove a letter; tell whether it was still there."""
        try:
            self._path(letter.id, letter.state).unlink()
        except FileNotFoundError:
            return False
        return True

    def _rename(self, letter: Letter, state: State) -> bool:
        try:
            self._path(letter.id, letter.state).rename(self._path(letter.id, state))
        except FileNotFoundError:
            return False
        sync_directory(self.directory)
        return True

    def _path(self, id: str, state: State) -> Path:  # noqa: A002 - the letter's word
        return self.directory / f"{id}{_SUFFIXES[state]}"


def _head(path: Path) -> Letter:
    with path.open("rb") as file:
        line = file.readline(_LONGEST_HEAD)
    try:
        known = Letter(**orjson.loads(line))
    except (ValueError, TypeError) as error:
        raise BadLetter(f"{path} holds no dead letter: {error}") from error
    return replace(known, id=path.stem, state="waiting" if path.suffix == _WAITING else "resting")


def _is_bad(path: Path) -> bool:
    try:
        _head(path)
    except BadLetter:
        return True
    except FileNotFoundError:
        return False
    return False
