"""What is wrong with a configuration, where it was written, and what was probably meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass

from collector.api.errors import OtteryError

Path = tuple[str | int, ...]
"""Keys and list positions that lead to a value: `("service", "pipelines", "traces", "exporters", 0)`."""


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where something was written; `line` and `column` count from 1, as editors do."""

    file: str
    line: int
    column: int


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing to repair, or one thing to know (see `LoadedConfig.notices`).

    `path` is the dotted key path, empty where the whole document is meant. `suggestion` is the nearest right
    spelling, empty where none is near.
    """

    file: str
    line: int
    column: int
    path: str
    message: str
    suggestion: str = ""

    @property
    def text(self) -> str:
        """The message with its path and suggestion, without the place."""
        subject = f"{self.path}: " if self.path else ""
        hint = f', did you mean "{self.suggestion}"?' if self.suggestion else ""
        return f"{subject}{self.message}{hint}"

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column} {self.text}"


class ConfigError(OtteryError):
    """The configuration cannot be used. `problems` holds everything that was found, by file and line.

    `notices` are what the user should know beside them: a variable that is not set is often the cause.
    """

    def __init__(self, problems: Iterable[Problem], notices: Iterable[Problem] = ()) -> None:
        self.problems = tuple(sorted(set(problems)))
        self.notices = tuple(sorted(set(notices)))
        super().__init__("\n".join(map(str, self.problems)))


class Findings:
    """Collects problems and notices while a configuration is read, so that one run tells all of them."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self.notices: list[Problem] = []

    def problem(self, place: Place, path: Path, message: str, suggestion: str = "") -> None:
        """Note something that keeps the configuration from being used."""
        self.problems.append(_problem(place, path, message, suggestion))

    def notice(self, place: Place, path: Path, message: str, suggestion: str = "") -> None:
        """Note something that the user should know, and that changes nothing else."""
        self.notices.append(_problem(place, path, message, suggestion))


def _problem(place: Place, path: Path, message: str, suggestion: str) -> Problem:
    return Problem(place.file, place.line, place.column, dotted(path), message, suggestion)


def dotted(path: Path) -> str:
    """Return a path as people write it: `service.pipelines.traces.exporters[0]`."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).lstrip(".")


def nearest(word: str, known: Iterable[str]) -> str:
    """Return the known word that `word` most probably meant, or an empty string."""
    by_lower = {name.lower(): name for name in known}
    found = difflib.get_close_matches(word.lower(), by_lower, n=1, cutoff=0.6)
    return by_lower[found[0]] if found else ""
