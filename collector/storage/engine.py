"""The embedded ClickHouse engine (chDB): a process has one, on one path, with any number of handles to it."""

from __future__ import annotations

import importlib
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from collector.api.errors import Fatal

MEMORY = ":memory:"

_latest: list[str] = []


def engine_path(path: str) -> str:
    """Return the one spelling of a data directory under which all parts of a process find the same engine."""
    return path if path == MEMORY else str(Path(path).expanduser().resolve())


@cache
def load_engine() -> ModuleType:
    """Import the engine. Call it on the main thread, before others work with relative paths.

    Importing chDB takes most of a second and changes the working directory meanwhile.
    Raises Fatal where it is not installed.
    """
    try:
        return importlib.import_module("chdb")
    except ImportError as error:
        raise Fatal("the embedded engine is not installed; run: pip install 'ottery[embedded]'") from error


def claim_engine(path: str) -> str:
    """Say on which path this process opens its engine; the path is returned in its one spelling."""
    claimed = engine_path(path)
    _latest[:] = [claimed]
    return claimed


def claimed_engine() -> str | None:
    """Return the path that was claimed last, or None before anybody claimed one."""
    return _latest[0] if _latest else None


def connect_engine(path: str) -> Any:
    """Return a new handle: a `chdb` connection with a session of its own, for one call at a time.

    A handle costs a tenth of a millisecond. The engine ends with its last handle. Raises Fatal where it cannot be
    opened: when this process has one on another path, or another process has one on this path.
    """
    claimed = claim_engine(path)
    if claimed != MEMORY:
        Path(claimed).mkdir(parents=True, exist_ok=True)
    try:
        return load_engine().connect(claimed)
    except RuntimeError as error:
        raise Fatal(f"the embedded engine cannot be opened on {claimed}: {error}") from error


def statement_class(handle: Any, sql: str) -> tuple[int, str]:
    """Return how many statements the engine's parser finds, and what the most far-reaching one does.

    That is READ_ONLY, MUTATING, MUTATING_GLOBAL or CONTROL; no statement is found in what does not parse.
    """
    report = handle._conn.classify_query(sql)  # noqa: SLF001 - chDB's public class does not pass it on
    return int(report["statement_count"]), str(report["query_class"].name)
