"""The embedded ClickHouse engine (chDB): a process has one, on one path, with any number of handles to it."""

from __future__ import annotations

import importlib
from functools import cache
from pathlib import Path
from types import ModuleType

from collector.api.errors import Fatal

MEMORY = ":memory:"


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
