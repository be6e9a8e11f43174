"""One query on its way: what a client asked, and what it gets."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from typing import Self

from collector.query.failure import Failure

_numbers = count(1)


def _next_name() -> str:
    return f"ottery-query-{next(_numbers)}"


@dataclass(frozen=True, slots=True)
class Query:
    """One statement, with the rows of an insert behind it, and what came with it.

    `whole` results are sent when they are complete. `name` is by what a query is found to be ended; clients do not
    see it.
    """

    text: bytes
    database: str = ""
    format: str = "TabSeparated"
    settings: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, str] = field(default_factory=dict)
    read_only: bool = False
    whole: bool = False
    name: str = field(default_factory=_next_name)


class Rest:
    """The rest of a result, which holds the engine's handle: run it to its end or close it.

    A query that fails now cannot change its status any more. Its failure is the last piece, between marks that no
    result can hold because clients learn `tag` before, and the result is `broken` from then on.
    """

    def __init__(self, blocks: Generator[bytes], tag: str, version: str) -> None:
        self._blocks = blocks
        self._version = version
        self.tag = tag
        self.broken = False

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> bytes:
        if self.broken:
            raise StopIteration
        try:
            return next(self._blocks)
        except Failure as failure:
            self.broken = True
            said = failure.told(self._version)
            tag = self.tag.encode()
            return b"\r\n__exception__\r\n%b\r\n%b%d %b\r\n__exception__\r\n" % (tag, said, len(said), tag)

    def close(self) -> None:
        """Let go of the handle."""
        with suppress(ValueError):  # a block is still being made: the query was killed, and lets go by itself
            self._blocks.close()


@dataclass(frozen=True, slots=True)
class Answer:
    """A result in its format, and what ClickHouse calls its summary.

    `chunks` are the whole result, or its beginning when `rest` yields more.
    """

    chunks: Sequence[bytes]
    format: str
    summary: Mapping[str, str]
    rest: Rest | None = None
