"""Keys of `service.telemetry` that the OpenTelemetry Collector has and Ottery does not: told, and then left out.

They say how a collector reports on itself, so that a configuration without them still does its work.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from collector.config.document import Block, Entry, Items, Node
from collector.config.problems import Findings, Path

UNAPPLIED: Final[Mapping[Path, str]] = {
    ("traces",): "Ottery does not trace itself",
    ("logs", "processors"): "Ottery's own log goes to output_paths only",
    ("logs", "sampling"): "lines that repeat are counted and summed up instead",
    ("logs", "development"): "there is one form of log",
    ("logs", "disable_caller"): "lines do not name the code that wrote them",
    ("logs", "disable_stacktrace"): "a stack is written only where a bug is suspected",
    ("logs", "error_output_paths"): "all lines go to output_paths",
    ("metrics", "views"): "every metric is served",
}
_READERS: Final[Path] = ("metrics", "readers")
PUSHED: Final = "Ottery's own metrics are only served for Prometheus to pull"


def leave_out_unapplied(telemetry: Node, path: Path, findings: Findings) -> Node:
    """Return the block at `path` without those keys; each one is noted."""
    for inner, reason in UNAPPLIED.items():
        if (entry := _entry(telemetry, inner)) is not None:
            findings.notice(entry.place, (*path, *inner), f"accepted, but not applied: {reason}")
            telemetry = _replaced(telemetry, inner, None)
    readers = _entry(telemetry, _READERS)
    if readers is None or not isinstance(readers.node, Items):
        return telemetry
    nodes = readers.node.nodes
    for index, node in enumerate(nodes):
        if _pushes(node):
            findings.notice(node.place, (*path, *_READERS, index), f"accepted, but not applied: {PUSHED}")
    kept = tuple(node for node in nodes if not _pushes(node))
    return _replaced(telemetry, _READERS, Items(readers.node.place, kept) if kept or not nodes else None)


def _pushes(reader: Node) -> bool:
    return isinstance(reader, Block) and set(reader.entries) == {"periodic"}


def _entry(node: Node, path: Path) -> Entry | None:
    """Return what stands at `path` inside a node, or None."""
    entry = None
    for key in path:
        entry = node.entries.get(str(key)) if isinstance(node, Block) else None
        if entry is None:
            return None
        node = entry.node
    return entry


def _replaced(node: Node, path: Path, value: Node | None) -> Node:
    """Return the node with `value` at `path`, where an entry stands; with None the entry is taken out."""
    if not isinstance(node, Block):
        return node
    key, entries = str(path[0]), dict(node.entries)
    entry = entries.pop(key)
    inner = value if len(path) == 1 else _replaced(entry.node, path[1:], value)
    if inner is not None:
        entries[key] = Entry(entry.place, inner)
    return Block(node.place, entries)
