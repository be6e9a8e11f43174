"""One query on its way: what a client asked, and what it gets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count

_numbers = count(1)


def _next_name() -> str:
    return f"ottery-query-{next(_numbers)}"


@dataclass(frozen=True, slots=True)
class Query:
    """One statement, with the rows of an insert behind it, and what came with it.

    `name` is by what a query is found to be ended; clients do not see it.
    """

    text: bytes
    database: str = ""
    format: str = "TabSeparated"
    settings: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, str] = field(default_factory=dict)
    read_only: bool = False
    name: str = field(default_factory=_next_name)


@dataclass(frozen=True, slots=True)
class Answer:
    """A result in its format, and what ClickHouse calls its summary.

    `chunks` are the whole result, or its beginning when `rest` yields more. `rest` holds the engine's handle: run it
    to its end or close it.
    """

    chunks: Sequence[bytes]
    format: str
    summary: Mapping[str, str]
    rest: Iterator[bytes] | None = None
