"""Pydantic's complaints in the words of somebody who writes YAML."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pydantic import BaseModel

from collector.config import shape
from collector.config.document import Block, Items, Node, Scalar
from collector.config.problems import Path, dotted, nearest

_EXPECTED: Final = {
    "string": "text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "list": "a list",
    "tuple": "a list",
    "set": "a list",
    "frozen_set": "a list",
    "dict": "a block of keys",
    "mapping": "a block of keys",
    "model": "a block of keys",
    "dataclass": "a block of keys",
    "url": "a URL",
    "none": "nothing",
}
_BOUNDS: Final = {
    "greater_than": ("more than", "gt"),
    "greater_than_equal": ("at least", "ge"),
    "less_than": ("less than", "lt"),
    "less_than_equal": ("at most", "le"),
    "multiple_of": ("a multiple of", "multiple_of"),
}
_LENGTHS: Final = {
    "string_too_short": ("at least {min_length} characters"),
    "string_too_long": ("at most {max_length} characters"),
    "too_short": ("at least {min_length} entries"),
    "too_long": ("at most {max_length} entries"),
    "string_pattern_mismatch": ("text that matches {pattern}"),
}
_SECRET: Final = re.compile(r"pass|secret|token|key|credential|auth|header|_pem", re.IGNORECASE)
_LONGEST: Final = 60
_TELLING: Final = 4


@dataclass(frozen=True, slots=True)
class Complaint:
    """What is wrong with one value. `expected` is what should have stood there, where only the type is wrong."""

    message: str
    suggestion: str = ""
    expected: str = ""
    got: str = ""


def merge_complaints(several: Sequence[Complaint]) -> Complaint:
    """Return one complaint for a value that fits none of several types."""
    expected = list(dict.fromkeys(c.expected for c in several if c.expected))
    if len(several) == 1 or not expected:
        return several[0]
    others = [c for c in several if not c.expected]
    if others:
        return others[0]
    return _unfit(" or ".join(expected), several[0].got)


def translate(item: Mapping[str, Any], model: type[BaseModel], path: Path, node: Node | None) -> Complaint:
    """Return the complaint for one of pydantic's error items about the value `node` at `path` inside `model`."""
    kind: str = item["type"]
    context: Mapping[str, Any] = item.get("ctx", {})
    if kind == "extra_forbidden":
        return _unknown_key(model, path)
    if kind == "missing":
        return Complaint("this key is required")
    if kind in ("literal_error", "enum"):
        return _choice(str(context["expected"]), path, node)
    expected = _expected(kind, context)
    if expected is None:
        said = str(context["error"]) if kind == "value_error" else _lower(item["msg"])
        return Complaint(_hide(said, path, node))
    quoted = kind == "string_type" and isinstance(node, Scalar) and not node.written and node.value is not None
    return _unfit(expected, _shown(path, node), "; put it in quotes" if quoted else "")


def _expected(kind: str, context: Mapping[str, Any]) -> str | None:
    """Return what pydantic's error kind says should have stood there, or None where it names no type."""
    if kind in _BOUNDS:
        words, name = _BOUNDS[kind]
        return f"{words} {context[name]}"
    if kind in _LENGTHS:
        return _LENGTHS[kind].format_map(context)
    return _EXPECTED.get(kind.rpartition("_")[0]) or _EXPECTED.get(kind.partition("_")[0])


def _unfit(expected: str, got: str, hint: str = "") -> Complaint:
    return Complaint(f"{expected} was expected, not {got}{hint}", expected=expected, got=got)


def _unknown_key(model: type[BaseModel], path: Path) -> Complaint:
    key = str(path[-1])
    owners = shape.models_at(model, path[:-1])
    known = [name for owner in owners for name in shape.keys(owner)]
    suggestion = nearest(key, known)
    if not suggestion:
        inner = next((found for owner in owners if (found := shape.deeper(owner, key))), ())
        suggestion = dotted(inner)
    listed = f"; known here: {', '.join(sorted(known))}" if known and not suggestion else ""
    return Complaint(f"unknown key{listed}", suggestion)


def _choice(expected: str, path: Path, node: Node | None) -> Complaint:
    choices = re.findall(r"'([^']*)'", expected)
    listed = ", ".join(choices[:-1]) + (" or " if len(choices) > 1 else "") + choices[-1] if choices else expected
    suggestion = nearest(node.text, choices) if isinstance(node, Scalar) and not node.written else ""
    got = _shown(path, node)
    return Complaint(f"{listed} was expected, not {got}", suggestion, expected=listed, got=got)


def _shown(path: Path, node: Node | None) -> str:
    """Return a value as a message may show it: never a secret, never what a variable holds."""
    if isinstance(node, Items):
        return "a list"
    if isinstance(node, Block):
        return "a block of keys"
    if node is None or (node.value is None and not node.written):
        return "nothing"
    if node.written:
        return f"the value of {node.written}"
    if _secret(path):
        return "what stands here"
    return repr(node.value if len(node.text) <= _LONGEST else f"{node.text[:_LONGEST]}...")


def _secret(path: Path) -> bool:
    return any(_SECRET.search(part) for part in path if isinstance(part, str))


def _hide(message: str, path: Path, node: Node | None) -> str:
    if isinstance(node, Scalar) and node.text and (node.written or _secret(path)):
        spellings = [repr(node.value), repr(node.text), *([node.text] if len(node.text) >= _TELLING else [])]
        for spelling in spellings:
            message = message.replace(spelling, _shown(path, node))
    return message


def _lower(message: str) -> str:
    return message[:1].lower() + message[1:]
