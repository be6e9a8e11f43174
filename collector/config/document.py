"""A YAML document that remembers where everything was written.

Scalars are typed by the YAML 1.2 core schema, as the OpenTelemetry Collector does: `yes`, `on` and `2026-01-01`
are text. Size, depth and the growth through aliases are bounded, since a document may come from anywhere.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import yaml

from collector.config.problems import Findings, Path, Place

MAX_BYTES: Final = 1 << 20
MAX_NODES: Final = 50_000
MAX_DEPTH: Final = 64

_NULLS = {"", "~", "null", "Null", "NULL"}
_BOOLS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_NUMBERS: tuple[tuple[re.Pattern[str], Callable[[str], Any]], ...] = (
    (re.compile(r"[-+]?0o?[0-7](_?[0-7])*"), lambda text: int(text.replace("o", ""), 8)),
    (re.compile(r"[-+]?0x[0-9a-fA-F]+"), lambda text: int(text, 16)),
    (re.compile(r"[-+]?(0|[1-9](_?[0-9])*)"), int),
    (re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?"), float),
    (re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)"), lambda text: float(text.replace(".", ""))),
)
_MAX_NUMBER: Final = 40
_PLAIN_TAGS = {f"tag:yaml.org,2002:{name}" for name in ("null", "bool", "int", "float")}
_TEXT_TAGS = {"!", "tag:yaml.org,2002:str"}
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True, slots=True)
class Scalar:
    """A typed value. `text` is how it was spelt; `written` is the reference it came from, such as `${env:PORT}`.

    Blocks and lists that came from a reference have both as well: a password may read like YAML.
    """

    place: Place
    value: Any
    text: str
    written: str = ""


@dataclass(frozen=True, slots=True)
class Entry:
    """One key of a mapping: where the key stands, and its value."""

    place: Place
    node: Node


@dataclass(frozen=True, slots=True)
class Block:
    """A mapping."""

    place: Place
    entries: Mapping[str, Entry] = field(default_factory=dict)
    text: str = ""
    written: str = ""


@dataclass(frozen=True, slots=True)
class Items:
    """A list."""

    place: Place
    nodes: tuple[Node, ...] = ()
    text: str = ""
    written: str = ""


Node = Scalar | Block | Items


class Broken(Exception):
    """The document cannot be read any further; the reason is in the findings."""


def resolve(text: str) -> Any:
    """Return the value that an unquoted YAML scalar has."""
    if text in _NULLS:
        return None
    if text in _BOOLS:
        return _BOOLS[text]
    if len(text) <= _MAX_NUMBER:
        for pattern, convert in _NUMBERS:
            if pattern.fullmatch(text):
                return convert(text)
    return text


def plain(node: Node) -> Any:
    """Return the Python value of a node: dicts, lists and scalars."""
    if isinstance(node, Scalar):
        return node.value
    if isinstance(node, Items):
        return [plain(item) for item in node.nodes]
    return {key: plain(entry.node) for key, entry in node.entries.items()}


def parse(text: str, file: str, findings: Findings, at: Place | None = None) -> Node:
    """Return the one document in `text`; an empty one is an empty block.

    With `at`, everything is said to stand there: the text itself has no place that a user could look at.
    Raises Broken where the text is no YAML or breaks a limit. Duplicate keys are noted and reading goes on.
    """
    composer = _Composer(text, file, findings, at)
    try:
        return composer.document()
    except yaml.MarkedYAMLError as error:
        begun = f" (begun in line {error.context_mark.line + 1})" if error.context_mark else ""
        said = f"{error.context}{begun}: {error.problem}" if error.context else error.problem
        place = composer.place(error.problem_mark or error.context_mark)
        findings.problem(place, (), f"this is not valid YAML, {said}")
    except yaml.YAMLError as error:
        findings.problem(composer.place(None), (), f"this is not valid YAML, {str(error).splitlines()[0]}")
    raise Broken(file)


class _Composer:
    """Builds nodes from libyaml's events, which have no limits of their own."""

    def __init__(self, text: str, file: str, findings: Findings, at: Place | None) -> None:
        self._file = file
        self._at = at
        self._findings = findings
        self._anchors: dict[str, Node] = {}
        self._count = 0
        if len(text) > MAX_BYTES:
            self._fail(None, (), f"the document is larger than {MAX_BYTES >> 20} MiB")
        self._events: Iterator[Any] = yaml.parse(text, Loader=_LOADER)

    def place(self, mark: Any) -> Place:
        if self._at is not None:
            return self._at
        return Place(self._file, 1, 1) if mark is None else Place(self._file, mark.line + 1, mark.column + 1)

    def document(self) -> Node:
        event = self._skip(yaml.StreamStartEvent, yaml.DocumentStartEvent)
        if isinstance(event, yaml.StreamEndEvent):
            return Block(self.place(None))
        node = self._node(event, (), 0)
        event = self._skip(yaml.DocumentEndEvent)
        if not isinstance(event, yaml.StreamEndEvent):
            self._fail(event.start_mark, (), "a second document starts here; a file holds one")
        return node

    def _skip(self, *kinds: type) -> Any:
        return next(event for event in self._events if not isinstance(event, kinds))

    def _fail(self, mark: Any, path: Path, message: str) -> None:
        self._findings.problem(self.place(mark), path, message)
        raise Broken(self._file)

    def _node(self, event: Any, path: Path, depth: int) -> Node:
        self._spend(event, path, 1, depth)
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event, path, depth)
        node: Node
        if isinstance(event, yaml.ScalarEvent):
            node = self._scalar(event, path)
        elif isinstance(event, yaml.SequenceStartEvent):
            node = self._items(event, path, depth)
        else:
            node = self._block(event, path, depth)
        if event.anchor is not None:
            self._anchors[event.anchor] = node
        return node

    def _spend(self, event: Any, path: Path, nodes: int, depth: int) -> None:
        self._count += nodes
        if self._count > MAX_NODES:
            self._fail(
                event.start_mark, path, f"the document has more than {MAX_NODES} values, aliases counted in full"
            )
        if depth > MAX_DEPTH:
            self._fail(event.start_mark, path, f"the document is nested deeper than {MAX_DEPTH} levels")

    def _alias(self, event: Any, path: Path, depth: int) -> Node:
        node = self._anchors.get(event.anchor)
        if node is None:
            self._fail(event.start_mark, path, f"the alias *{event.anchor} stands before its anchor, or inside it")
            raise Broken
        count, height = _measure(node)
        self._spend(event, path, count, depth + height)
        return node

    def _scalar(self, event: Any, path: Path) -> Scalar:
        text = event.value
        if event.tag is not None and event.tag not in _PLAIN_TAGS | _TEXT_TAGS:
            self._findings.problem(self.place(event.start_mark), path, f"the YAML tag {event.tag} is not supported")
        by_spelling = event.tag in _PLAIN_TAGS or (event.tag is None and event.implicit[0])
        return Scalar(self.place(event.start_mark), resolve(text) if by_spelling else text, text)

    def _items(self, start: Any, path: Path, depth: int) -> Items:
        nodes: list[Node] = []
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            nodes.append(self._node(event, (*path, len(nodes)), depth + 1))
        return Items(self.place(start.start_mark), tuple(nodes))

    def _block(self, start: Any, path: Path, depth: int) -> Block:
        entries: dict[str, Entry] = {}
        merged: dict[str, Entry] = {}
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            place = self.place(event.start_mark)
            key = self._key(event, path, depth)
            node = self._node(next(self._events), (*path, key), depth + 1)
            if key == "<<":
                self._merge(merged, node, place, path)
            else:
                if key in entries:
                    first = entries[key].place
                    self._findings.problem(
                        place, (*path, key), f"this key stands here twice, first in line {first.line}"
                    )
                entries[key] = Entry(place, node)
        return Block(self.place(start.start_mark), {**merged, **entries})

    def _key(self, event: Any, path: Path, depth: int) -> str:
        node = self._node(event, path, depth + 1)
        if not isinstance(node, Scalar):
            self._fail(event.start_mark, path, "a key must be text")
            raise Broken
        return node.text

    def _merge(self, into: dict[str, Entry], node: Node, place: Place, path: Path) -> None:
        for source in reversed(node.nodes) if isinstance(node, Items) else (node,):
            if isinstance(source, Block):
                into.update(source.entries)
            else:
                self._findings.problem(place, (*path, "<<"), "a block of keys was expected to be merged in here")


def _measure(node: Node) -> tuple[int, int]:
    """Return how many values are in a node, and how many levels."""
    if isinstance(node, Scalar):
        return 1, 0
    children = node.nodes if isinstance(node, Items) else tuple(entry.node for entry in node.entries.values())
    measures = [_measure(child) for child in children]
    return 1 + sum(count for count, _ in measures), 1 + max((height for _, height in measures), default=0)
