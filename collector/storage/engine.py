"""The embedded ClickHouse engine (chDB): a process has one, on one path, with any number of handles to it."""

from __future__ import annotations

import importlib
from functools import cache
from pathlib import Path
from threading import Lock
from types import ModuleType
from typing import Any

from collector.api.errors import Fatal

MEMORY = ":memory:"

_latest: list[str] = []
_opening = Lock()


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


def claimed_engine() -> str | None:
    """Return the path that was opened last in this process, or None before any was."""
    return _latest[0] if _latest else None


def open_engine(path: str) -> Any:
    """Open the engine and return a handle that keeps it up; close it to let go.

    Every part of a process that uses the engine opens it before its first other handle. Raises Fatal where it cannot
    be opened: when this process has one on another path, or another process has it on this one.
    """
    claimed = engine_path(path)
    if claimed != MEMORY:
        Path(claimed).mkdir(parents=True, exist_ok=True)
    with _opening:
        handle = connect_engine(claimed)
        _leave_only_tables(handle)
        _latest[:] = [claimed]
    return handle


def connect_engine(path: str) -> Any:
    """Return a new handle, a `chdb` connection with a session of its own for one call at a time.

    A handle costs a tenth of a millisecond; the engine ends with its last one. Raises Fatal as `open_engine` does.
    """
    try:
        return load_engine().connect(path)
    except RuntimeError as error:
        raise Fatal(
            f"the embedded engine cannot be opened on {path}, or another process has it open: {error}"
        ) from error


def _leave_only_tables(handle: Any) -> None:
    """Give the database `default` no way to files.

    chDB lays it over the file system: `SELECT * FROM "/etc/passwd"` is a table there, and one that was read once is
    shown even to those who may not. The tables lie in an ordinary database beneath, which takes its place here and is
    the same to everybody who opens the directory without us.
    """
    found = handle.query("SELECT engine, uuid FROM system.databases WHERE name = 'default'", "TSV").bytes().decode()
    engine, identifier = found.split()
    if engine == "Overlay":
        handle.query("DETACH DATABASE default")
        handle.query(f"ATTACH DATABASE default UUID '{identifier}' ENGINE = Atomic")


def statement_class(handle: Any, sql: str) -> tuple[int, str]:
    """Return how many statements the engine's parser finds, and what the most far-reaching one does.

    That is READ_ONLY, MUTATING, MUTATING_GLOBAL or CONTROL; no statement is found in what does not parse.
    """
    report = handle._conn.classify_query(sql)  # noqa: SLF001 - chDB's public class does not pass it on
    return int(report["statement_count"]), str(report["query_class"].name)
