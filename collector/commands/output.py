"""What commands print: results to standard output, complaints to standard error, one line each."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from collector.api.errors import OtteryError
from collector.config.problems import ConfigError, Problem


class Failed(OtteryError):
    """A command could not do its work; the message says what to do."""


def out() -> Console:
    """Return the console of standard output."""
    return Console(soft_wrap=True, highlight=False)


def err() -> Console:
    """Return the console of standard error."""
    return Console(stderr=True, soft_wrap=True, highlight=False)


def guarded(work: Callable[[], int]) -> int:
    """Return the exit code of `work`; what it raises on purpose becomes lines on standard error and a 1."""
    try:
        return work()
    except ConfigError as error:
        print_problems(err(), error.problems, error.notices)
    except OtteryError as error:
        err().print(Text.assemble(("ottery: ", "bold red"), str(error)))
    return 1


def print_json(value: Any) -> None:
    """Print one JSON document."""
    out().print(Text(json.dumps(value, indent=2, ensure_ascii=False)))


def print_table(table: Table) -> None:
    """Print a table, as wide as it needs to be where standard output is no terminal."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = max(console.width, console.measure(table, options=console.options.update(width=10_000)).maximum)
    console.print(table)


def print_problems(console: Console, problems: Iterable[Problem], notices: Iterable[Problem] = ()) -> None:
    """Print problems, and notices between them where they belong: one a line, in the form that editors jump to."""
    styles = {**dict.fromkeys(notices, "yellow"), **dict.fromkeys(problems, "red")}
    for problem, style in sorted(styles.items()):
        place = f"{problem.file}:{problem.line}:{problem.column}"
        line = Text.assemble((place, "dim"), " ", "note: " if style == "yellow" else "")
        if problem.path:
            line.append(problem.path, "bold").append(": ")
        line.append(problem.message, style)
        if problem.suggestion:
            line.append(", did you mean ").append(f'"{problem.suggestion}"', "bold green").append("?")
        console.print(line)
