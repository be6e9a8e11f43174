"""Older files beside the one that is written: their names, and which of them are removed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path

from exporters.file.config import RotationConfig

_NANOSECONDS = 1_000_000_000
_MILLISECOND = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class Backups:
    """The older files of `path`: `data.json` becomes `data-2026-01-31T05-02-14.173.json`."""

    path: Path
    config: RotationConfig

    def fresh(self, now_ns: int) -> Path:
        """Return the name for a file that is full at `now_ns`; where it is taken, that of a millisecond later."""
        moment = self._moment(now_ns)
        while (name := self._name(moment)).exists():
            moment += _MILLISECOND
        return name

    def outdated(self, now_ns: int) -> list[Path]:
        """Return the files that are too many or too old."""
        found = sorted(self._found(), reverse=True)
        kept = found[: self.config.max_backups] if self.config.max_backups else found
        if self.config.max_days:
            oldest = self._moment(now_ns) - timedelta(days=self.config.max_days)
            kept = [(moment, path) for moment, path in kept if moment >= oldest]
        return [path for moment, path in found if (moment, path) not in kept]

    def _moment(self, now_ns: int) -> datetime:
        zone: tzinfo | None = None if self.config.localtime else UTC
        moment = datetime.fromtimestamp(now_ns // _NANOSECONDS, zone)
        return moment.replace(tzinfo=None, microsecond=now_ns % _NANOSECONDS // 1_000_000 * 1000)

    def _name(self, moment: datetime) -> Path:
        milliseconds = f"{moment.microsecond // 1000:03d}"
        return self.path.with_name(f"{self.path.stem}-{moment:%Y-%m-%dT%H-%M-%S}.{milliseconds}{self.path.suffix}")

    def _found(self) -> Iterator[tuple[datetime, Path]]:
        """Yield the older files with the time in each name; files with other names are left alone."""
        start, end = f"{self.path.stem}-", self.path.suffix
        for path in self.path.parent.iterdir():
            if path.name.startswith(start) and path.name.endswith(end):
                written = path.name[len(start) : len(path.name) - len(end)]
                try:
                    yield datetime.strptime(written, "%Y-%m-%dT%H-%M-%S.%f"), path  # noqa: DTZ007 - the name has no zone
                except ValueError:
                    continue
