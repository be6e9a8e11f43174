"""Where configuration comes from: files, the environment, text on the command line, the built-in defaults."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib import resources
from typing import Final

from collector.config.document import Block, Broken, Entry, parse
from collector.config.problems import Findings, Place, nearest
from collector.config.substitute import read_text, reason, substitute

BUILT_IN: Final = "builtin:"
SET: Final = "set:"
_SCHEME: Final = re.compile(r"([a-z][a-z0-9+.-]+):(.*)", re.DOTALL)
_TRANSPORTS: Final = {"console": "console", "clickhouse": "clickhouse", "embedded": "embedded"}


def default_source(environ: Mapping[str, str], findings: Findings) -> str:
    """Return the built-in configuration that the conventional environment variables ask for.

    `TELEMETRY_TRANSPORT` names it; without that, `CLICKHOUSE_URL` means a server, and nothing means the
    embedded engine.
    """
    transport = environ.get("TELEMETRY_TRANSPORT", "")
    if not transport:
        return BUILT_IN + ("clickhouse" if environ.get("CLICKHOUSE_URL") else "embedded")
    if transport not in _TRANSPORTS:
        place = Place("environment", 1, 1)
        expected = ", ".join(sorted(_TRANSPORTS))
        message = f"one of {expected} was expected, not {transport!r}"
        findings.problem(place, ("TELEMETRY_TRANSPORT",), message, nearest(transport, _TRANSPORTS))
    elif transport == "clickhouse" and not environ.get("CLICKHOUSE_URL"):
        message = "TELEMETRY_TRANSPORT=clickhouse needs it, such as http://localhost:8123"
        findings.problem(Place("environment", 1, 1), ("CLICKHOUSE_URL",), message)
    return BUILT_IN + _TRANSPORTS.get(transport, "embedded")


def read(sources: Sequence[str], environ: Mapping[str, str], findings: Findings) -> Block | None:
    """Return all sources as one document: blocks are merged key by key, anything else is replaced by the later.

    A source is a path, `file:PATH`, `env:NAME`, `yaml:TEXT` (where `::` in a key goes one level down),
    `set:KEY.PATH=VALUE` or `builtin:NAME`. Where one cannot be read this is noted, and the answer is None once all were tried.
    """
    merged = Block(Place(sources[0], 1, 1))
    readable = True
    for source in sources:
        try:
            merged = merge(merged, _read_one(source, environ, findings))
        except Broken:
            readable = False
    return merged if readable else None


def merge(base: Block, over: Block) -> Block:
    """Return `base` with the keys of `over` laid on top."""
    entries = dict(base.entries)
    for key, entry in over.entries.items():
        below, above = entries.get(key, entry).node, entry.node
        if isinstance(below, Block) and isinstance(above, Block):
            above = merge(below, above)
        entries[key] = Entry(entry.place, above)
    return replace(over, entries=entries)


def _read_one(source: str, environ: Mapping[str, str], findings: Findings) -> Block:
    text, name = _text_of(source, environ, findings)
    node = parse(text, name, findings, at=Place(name, 1, 1) if source.startswith(SET) else None)
    if not isinstance(node, Block):
        findings.problem(node.place, (), "a configuration is a block of keys such as receivers and service")
        raise Broken
    split = _split_keys(node) if source.startswith(("yaml:", SET)) else node
    return substitute(split, environ, findings)


def _text_of(source: str, environ: Mapping[str, str], findings: Findings) -> tuple[str, str]:
    """Return the YAML text of a source and the name that it has in messages; raises Broken."""
    match = _SCHEME.fullmatch(source)
    scheme, rest = match.groups() if match else ("file", source)
    if scheme == "yaml":
        return rest, source.partition("\n")[0]
    if scheme == "set":
        return _assignment(rest, findings), f"--set {rest}"
    if scheme == "builtin":
        file = resources.files("collector.config") / "defaults" / f"{rest}.yaml"
        return file.read_text(encoding="utf-8"), f"{source} (built in)"
    if scheme == "env":
        if rest not in environ:
            findings.problem(Place(source, 1, 1), (), f"the environment variable {rest} is not set")
            raise Broken
        return environ[rest], source
    if scheme != "file":
        message = f'a configuration cannot be read from "{scheme}:"; give a path, file:PATH, env:NAME or yaml:TEXT'
        findings.problem(Place(source, 1, 1), (), message)
        raise Broken
    try:
        return read_text(rest), rest
    except (OSError, ValueError) as error:
        findings.problem(Place(rest, 1, 1), (), f"the file cannot be read: {reason(error)}")
        raise Broken from error


def _assignment(text: str, findings: Findings) -> str:
    """Return the YAML of `exporters.debug.verbosity=detailed`."""
    path, equals, value = text.partition("=")
    if not equals or not all(path.split(".")):
        message = "key.path=value was expected, such as exporters.debug.verbosity=detailed"
        findings.problem(Place(f"--set {text}", 1, 1), (), message)
        raise Broken
    return f"{'::'.join(path.split('.'))}: {value}"


def _split_keys(node: Block) -> Block:
    """Return the block with keys such as `exporters::debug::verbosity` unfolded into blocks."""
    result = Block(node.place)
    for key, entry in node.entries.items():
        result = merge(result, _unfold(tuple(key.split("::")), entry))
    return result


def _unfold(path: tuple[str, ...], entry: Entry) -> Block:
    inner = entry if len(path) == 1 else Entry(entry.place, _unfold(path[1:], entry))
    return Block(entry.place, {path[0]: inner})
