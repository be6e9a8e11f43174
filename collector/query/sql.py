"""The little that must be known of a statement before the engine reads it: its words, and where its data begins."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

Kind = Literal["word", "quoted", "other"]

_TOKEN: Final = re.compile(
    rb"""
      (?P<space>\s++|--[^\n]*+|\#[!\ ][^\n]*+|/\*.*?(?:\*/|\Z))
    | (?P<text>'(?:[^'\\]++|\\.|'')*+(?:'|\\?\Z))
    | (?P<quoted>(?:`(?:[^`\\]++|\\.|``)*+(?:`|\\?\Z)|"(?:[^"\\]++|\\.|"")*+(?:"|\\?\Z)))
    | (?P<word>[A-Za-z_$\x80-\xff][\w$\x80-\xff]*+)
    | (?P<number>\d[\w.]*+)
    | (?P<other>.)
    """,
    re.VERBOSE | re.DOTALL,
)
"""Tokens; what is left open goes on to the end, so that a long statement is read once."""

_FORMATTED: Final = re.compile(rb"[ \t\f]*\r?\n?")


@dataclass(frozen=True, slots=True)
class Token:
    """One word, quoted identifier or sign of a statement; spaces, comments and string literals are left out."""

    kind: Kind
    text: str
    end: int


def tokens(sql: bytes) -> Iterator[Token]:
    """Yield the tokens of a statement. Quoted identifiers come without their quotes, escapes as they are."""
    for match in _TOKEN.finditer(sql):
        if match.lastgroup == "word":
            yield Token("word", match["word"].decode(errors="replace"), match.end())
        elif match.lastgroup == "quoted":
            yield Token("quoted", match["quoted"][1:-1].decode(errors="replace"), match.end())
        elif match.lastgroup in ("other", "number"):
            yield Token("other", match[0].decode(errors="replace"), match.end())


@dataclass(frozen=True, slots=True)
class Insert:
    """An INSERT whose rows come after its text. `statement` ends before FORMAT, `data` begins after it."""

    statement: bytes
    format: str
    data: memoryview


def split_insert(text: bytes) -> Insert | None:
    """Return an INSERT and the rows behind it, or None for any other statement, VALUES and SELECT among them."""
    depth = 0
    last, before = "", 0
    for position, token in enumerate(tokens(text)):
        word = token.text.upper() if token.kind == "word" else token.text if token.kind == "other" else ""
        if position == 0 and word != "INSERT":
            return None
        if last == "FORMAT" and token.kind == "word":
            if word == "VALUES":
                return None
            return Insert(text[:before], token.text, _rows(text, token.end))
        depth += (word == "(") - (word == ")")
        if depth == 0 and word in ("VALUES", "SELECT", "WITH", "WATCH", "INFILE", ";"):
            return None
        if depth == 0 and word == "FORMAT":
            last, before = word, token.end - len(word)
        else:
            last = ""
    return None


def _rows(text: bytes, end: int) -> memoryview:
    """Return what comes after a format's name: a space or a line end between them is no data."""
    match = _FORMATTED.match(text, end)
    return memoryview(text)[match.end() if match else end :]


def first_word(sql: bytes) -> str:
    """Return the first word of a statement in upper case, whatever brackets and comments stand before it."""
    return next((token.text.upper() for token in tokens(sql) if token.kind == "word"), "")


def words(sql: str) -> set[str]:
    """Return the words and quoted identifiers of a statement in lower case."""
    return {token.text.lower() for token in tokens(sql.encode()) if token.kind != "other"}


def quoted(text: str) -> str:
    """Return a string literal."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def identifier(text: str) -> str:
    """Return a quoted identifier."""
    return "`" + text.replace("\\", "\\\\").replace("`", "\\`") + "`"


_SETTING: Final = r"\w+\s*=\s*(?:'[^'\\]*'|-?[\w.]+)"
_CLAUSE: Final = re.compile(
    rf"\sSETTINGS\s+(?P<settings>{_SETTING}(?:\s*,\s*{_SETTING})*)(?P<format>\s+FORMAT\s+\w+)?\s*;?\s*\Z",
    re.IGNORECASE,
)


def split_settings(sql: str) -> tuple[str, dict[str, str]]:
    """Return a query without its trailing SETTINGS clause, and what stood in it."""
    clause = _CLAUSE.search(sql[-4096:])
    if clause is None:
        return sql, {}
    kept = sql[: len(sql) - len(clause[0])] + (clause["format"] or "")
    pairs = (pair.split("=", 1) for pair in re.findall(_SETTING, clause["settings"]))
    return kept, {name.strip(): value.strip().strip("'") for name, value in pairs}


def output_format(sql: bytes) -> str | None:
    """Return the format that a query names itself."""
    found = list(tokens(sql[-4096:]))
    for word, name in zip(reversed(found[:-1]), reversed(found[1:]), strict=True):
        if word.kind == name.kind == "word" and word.text.upper() == "FORMAT":
            return name.text
    return None
