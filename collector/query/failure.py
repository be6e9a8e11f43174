"""Errors as ClickHouse tells them: a code, a name, a text, and the HTTP status that goes with the code."""

from __future__ import annotations

import re
from typing import Final

from collector.api import OtteryError

_CODE: Final = re.compile(r"Code: (\d+)\. ")
_NAME: Final = re.compile(r"\(([A-Z][A-Z0-9_]+)\)\s*(?:\(version [^)]*\))?\s*$")

_STATUSES: Final[dict[int, frozenset[int]]] = {
    400: frozenset({6, 8, 15, 25, 26, 27, 36, 37, 38, 41, 44, 53, 62, 72, 117, 123, 167, 168, 223, 321, 376, 408})
    | frozenset({427, 441, 675, 676}),
    401: frozenset({194}),
    403: frozenset({192, 193, 497, 512, 516}),
    404: frozenset({46, 47, 50, 56, 60, 63, 73, 78, 81, 115, 152, 336, 511}),
    408: frozenset({159}),
    411: frozenset({381}),
    413: frozenset({229}),
    501: frozenset({48}),
    503: frozenset({76, 209, 439}),
}
STATUS_BY_CODE: Final = {code: status for status, codes in _STATUSES.items() for code in codes}
"""HTTP status by ClickHouse code; all others are 500. As ClickHouse's `exceptionCodeToHTTPStatus` has it."""


class Failure(OtteryError):
    """A request that ends with a ClickHouse exception. `text` is what the client is told, without the version."""

    def __init__(self, code: int, name: str, text: str, status: int | None = None) -> None:
        super().__init__(f"Code: {code}. DB::Exception: {text} ({name})")
        self.code = code
        self.status = status or STATUS_BY_CODE.get(code, 500)

    def told(self, version: str) -> bytes:
        """Return the body of an answer: the text, and the engine's version where it is known."""
        trailer = f" (version {version})" if version and "(version " not in str(self) else ""
        return f"{self}{trailer}\n".encode(errors="replace")


class EngineFailure(Failure):
    """What the engine says of a query, in its own words."""

    def __init__(self, said: str) -> None:
        start = said.find("Code: ")
        text = said[start:].strip() if start >= 0 else f"Code: 1002. DB::Exception: {said.strip()}"
        code = _CODE.match(text)
        super().__init__(int(code[1]) if code else 1002, "", "")
        if not _NAME.search(text):
            text = f"{text} (UNKNOWN_EXCEPTION)"
        self.args = (text,)


def bad_arguments(text: str) -> Failure:
    """Return what is said of a request that makes no sense."""
    return Failure(36, "BAD_ARGUMENTS", text)


def bad_request(text: str) -> Failure:
    """Return what is said of an HTTP request that cannot be read."""
    return Failure(408, "BAD_REQUEST_PARAMETER", text)


def readonly(text: str) -> Failure:
    """Return what is said of a statement that a read-only server refuses."""
    return Failure(164, "READONLY", text)
