"""ClickHouse's error codes, sorted by what happens next."""

from __future__ import annotations

import re

from clickhouse_connect.driver.exceptions import ClickHouseError, ProgrammingError
from urllib3.exceptions import HTTPError

from collector.api import Fatal, OtteryError, Permanent, Retryable

TOO_MANY_PARTS = 252

_TOO_MUCH = frozenset({173, 241, 307})
_ROWS = frozenset({6, 26, 27, 33, 41, 53, 69, 70, 72, 117, 131, 321, 349, 407, 469})
_OPERATOR = frozenset(
    {
        16,
        20,
        36,
        42,
        44,
        47,
        48,
        50,
        56,
        60,
        62,
        80,
        81,
        115,
        139,
        164,
        170,
        192,
        193,
        194,
        201,
        344,
        452,
        497,
        516,
        701,
    }
)
_SCHEMA = frozenset({16, 20, 47, 53, 60, 81})
_TOO_LARGE = "HTTP status 413"
_MESSAGE_LIMIT = 500
_NOISE = re.compile(r"\s*\(for url [^)]*\)|\s*\(version (?:[^()]|\([^()]*\))*\)")


class TooMuch(Retryable):
    """The server would take the rows in smaller inserts."""


def classify(error: ClickHouseError) -> OtteryError:
    """Return what an error of clickhouse-connect means for the rows.

    What may pass is retried, and so is every error whose code is unknown here.
    """
    code, reason = getattr(error, "code", None), message(error)
    if code is None:
        return _without_code(error, reason)
    if code in _TOO_MUCH:
        return TooMuch(reason, kind="memory")
    if code == TOO_MANY_PARTS:
        return _too_many_parts(reason)
    if code in _OPERATOR:
        return Fatal(reason)
    if code in _ROWS:
        return Permanent(reason, kind=f"clickhouse_{code}")
    return Retryable(reason, kind=f"clickhouse_{code}")


def _without_code(error: ClickHouseError, reason: str) -> OtteryError:
    """Return what comes of an error that is not the server's own.

    It is the network's, a gateway's, or the client's, which refuses settings that are read-only on the server.
    """
    if isinstance(error, ProgrammingError):
        return Fatal(reason)
    return TooMuch(reason, kind="size") if _TOO_LARGE in reason else Retryable(reason, kind="network")


def _too_many_parts(reason: str) -> OtteryError:
    """Tell the two things apart that have one code: merges that lag behind, and one insert into many partitions."""
    if "max_partitions_per_insert_block" in reason:
        return TooMuch(reason, kind="partitions")
    return Retryable(reason, kind="parts")


def concerns_schema(error: ClickHouseError) -> bool:
    """Tell whether the tables may have changed since they were looked at."""
    return getattr(error, "code", None) in _SCHEMA


def message(error: Exception) -> str:
    """Return what an operator needs of an error: no statement, no version, one line, of bounded length."""
    cause = error.__cause__
    if isinstance(cause, HTTPError):
        error = getattr(cause, "reason", None) or cause
    return " ".join(_NOISE.sub("", str(error)).split())[:_MESSAGE_LIMIT]
