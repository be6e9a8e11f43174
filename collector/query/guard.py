"""What a read-only server refuses beyond what the engine's own read-only mode does.

Three locks, each of which holds alone against most: the engine's parser must call the statement read-only, the
handle is set to `readonly = 1` before it runs, and no word in it may name a way to files, the network or the process.
Words are looked for in the statement as the engine writes it down after parsing, so that no trick with quotes or
comments shows two readers two statements.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any, Final

from collector.query.failure import EngineFailure, readonly
from collector.query.sql import quoted, tokens

_SAFE_SOURCES: Final = frozenset(
    {
        "SQLStandardValues",
        "format",
        "fuzzJSON",
        "generateRandom",
        "generateSeries",
        "generate_series",
        "merge",
        "mergeTreeIndex",
        "mergeTreeProjection",
        "mergeTreeTextIndex",
        "null",
        "numbers",
        "numbers_mt",
        "primes",
        "prometheusQuery",
        "prometheusQueryRange",
        "timeSeriesData",
        "timeSeriesMetrics",
        "timeSeriesSamples",
        "timeSeriesSelector",
        "timeSeriesTags",
        "values",
        "view",
        "zeros",
        "zeros_mt",
    }
)
"""Table functions that read tables or make rows up."""

_FORBIDDEN: Final = re.compile(r"file|ai[A-Z]\w*|AI[A-Z][a-z]\w*|dictGet\w*|dictHas|dictIsIn|joinGet\w*", re.ASCII)
"""Functions that read files or call services; a name alone may call one: `APPLY(file)`, `arrayMap(file, names)`."""

_SETTINGS: Final = re.compile(
    r"readonly|dialect|implicit_\w+|allow_ddl|allow_introspection_functions|allow_get_client_http_header|profile"
    r"|allow_experimental_eval\w*|format_schema\w*|format_template_\w+|ai_\w+|\w*default_ai\w*|log_queries\w*|param_\w+",
    re.ASCII,
)
"""Settings that lift the lock, change the grammar, or name files."""


class Guard:
    """Refuses. `sources` are the names of all table functions of the engine."""

    def __init__(self, sources: Collection[str]) -> None:
        self._sources = frozenset(name.lower() for name in sources) - {name.lower() for name in _SAFE_SOURCES}

    def check(self, handle: Any, sql: str) -> None:
        """Raise `Failure` for a statement that names more than tables, or is none."""
        found = list(tokens(_as_parsed(handle, sql).encode()))
        for token, following in zip(found, [*found[1:], None], strict=True):
            if token.kind == "quoted" and "\\" in token.text:
                raise readonly("a quoted identifier with a backslash is not allowed in readonly mode")
            if token.kind == "other":
                continue
            call = following is not None and following.text == "("
            if _FORBIDDEN.fullmatch(token.text) or (call and token.text.lower() in self._sources):
                raise readonly(f"`{token.text}` is not allowed in readonly mode")

    def check_setting(self, name: str) -> None:
        """Raise `Failure` for a setting that a client of a read-only server may not give."""
        if _SETTINGS.fullmatch(name):
            raise readonly(f"Cannot modify '{name}' setting in readonly mode.")


def _as_parsed(handle: Any, sql: str) -> str:
    """Return the statement in the engine's own spelling. Raises `Failure` where it does not parse."""
    try:
        written: bytes = handle.query(f"SELECT formatQuerySingleLine({quoted(sql)})", "TSVRaw").bytes()
    except RuntimeError as error:
        said, wrapped, _ = str(error).partition(": In scope SELECT formatQuerySingleLine(")
        raise EngineFailure(f"{said}. (SYNTAX_ERROR)" if wrapped else said) from error
    return written.decode(errors="replace")
