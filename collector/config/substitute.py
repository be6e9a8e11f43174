"""References in values: `${env:NAME}`, `${env:NAME:-default}`, `${NAME}`, `${file:PATH}`, and `$$` for a dollar.

A value that is one reference takes the type that YAML gives to the text behind it; where text is expected, the
text stays as it is (`0123` is not 83). Unlike in the OpenTelemetry Collector, what a variable holds is not
searched for further references: a password may contain a dollar.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path as FilePath
from typing import Final

from collector.config.document import MAX_BYTES, Block, Broken, Entry, Items, Node, Scalar, parse
from collector.config.problems import Findings, Path, Place

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_MAX_NESTING: Final = 8


def read_text(path: str) -> str:
    """Return the text of a file that holds configuration.

    Raises OSError, and ValueError for a file that is too large or is not UTF-8.
    """
    with FilePath(path).expanduser().open("rb") as file:
        data = file.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise ValueError(f"the file is larger than {MAX_BYTES >> 20} MiB")
    return data.decode("utf-8-sig")


def substitute(document: Block, environ: Mapping[str, str], findings: Findings) -> Block:
    """Return the document with every reference replaced; unresolvable ones are noted as problems."""
    return _Substitution(environ, findings).block(document, ())


@dataclass(frozen=True, slots=True)
class _Substitution:
    environ: Mapping[str, str]
    findings: Findings
    files: tuple[str, ...] = ()

    def node(self, node: Node, path: Path) -> Node:
        if isinstance(node, Block):
            return self.block(node, path)
        if isinstance(node, Items):
            return Items(node.place, tuple(self.node(n, (*path, i)) for i, n in enumerate(node.nodes)))
        if isinstance(node.value, str) and "$" in node.value:
            return self._scalar(node, path)
        return node

    def block(self, node: Block, path: Path) -> Block:
        entries = {k: Entry(e.place, self.node(e.node, (*path, k))) for k, e in node.entries.items()}
        return Block(node.place, entries)

    def _scalar(self, node: Scalar, path: Path) -> Node:
        text = node.value
        if text.startswith("${") and _closing(text, 0) == len(text) - 1:
            return self._whole(node, text[2:-1], path)
        result = self._text(text, node.place, path, 0)
        return Scalar(node.place, result, result, written=text)

    def _whole(self, node: Scalar, body: str, path: Path) -> Node:
        found = self._resolve(body, node.place, path, 0)
        if not found:
            return Scalar(node.place, None, "", written=node.value)
        scheme, _, target = body.partition(":")
        if scheme == "file":
            return self._included(node, found, target, path)
        try:
            value = parse(found, node.place.file, Findings(), at=node.place)
        except Broken:
            value = Scalar(node.place, found, found)
        return _keep_text(value, found, node)

    def _included(self, node: Scalar, text: str, target: str, path: Path) -> Node:
        findings = Findings()
        try:
            value = parse(text, target, findings)
        except Broken:
            value = Scalar(node.place, text, text)
        if isinstance(value, Scalar):
            return _keep_text(value, text, node)
        self.findings.problems.extend(findings.problems)
        if target in self.files or len(self.files) >= _MAX_NESTING:
            self.findings.problem(node.place, path, f"the file {target} includes itself, or files are nested too deep")
            return Scalar(node.place, None, "")
        return _keep_text(replace(self, files=(*self.files, target)).node(value, path), text, node)

    def _text(self, text: str, place: Place, path: Path, depth: int) -> str:
        parts: list[str] = []
        position = 0
        while (dollar := text.find("$", position)) >= 0:
            parts.append(text[position:dollar])
            position = dollar + 2
            if text.startswith("$$", dollar):
                parts.append("$")
            elif text.startswith("${", dollar):
                end = _closing(text, dollar)
                if end < 0:
                    self.findings.problem(place, path, 'a "}" is missing after "${"; a plain dollar is written "$$"')
                    return text
                parts.append(self._resolve(text[position:end], place, path, depth + 1) or "")
                position = end + 1
            else:
                parts.append("$")
                position = dollar + 1
        return "".join(parts) + text[position:]

    def _resolve(self, body: str, place: Place, path: Path, depth: int) -> str | None:
        """Return the text behind a reference, or None when there is none."""
        if depth > _MAX_NESTING:
            self.findings.problem(place, path, f"references are nested deeper than {_MAX_NESTING} levels")
            return None
        scheme, colon, rest = body.partition(":")
        if scheme == "file" and colon:
            return self._file(self._text(rest, place, path, depth), place, path)
        if scheme == "env" and colon:
            return self._env(rest, place, path, depth)
        if not colon or rest.startswith("-"):
            return self._env(body, place, path, depth)
        self.findings.problem(
            place, path, f'"${{{scheme}:...}}" is unknown; references are ${{env:NAME}} and ${{file:PATH}}'
        )
        return None

    def _env(self, body: str, place: Place, path: Path, depth: int) -> str | None:
        name, has_default, default = body.partition(":-")
        if not _NAME.fullmatch(name):
            self.findings.problem(place, path, f'"{name}" is no name of an environment variable')
            return None
        if name in self.environ:
            return self.environ[name]
        if has_default:
            return self._text(default, place, path, depth)
        effect = "there is nothing in its place" if depth else "this counts as not written"
        self.findings.notice(place, path, f"the environment variable {name} is not set, so {effect}")
        return None

    def _file(self, target: str, place: Place, path: Path) -> str | None:
        try:
            return read_text(target).removesuffix("\n").removesuffix("\r")
        except (OSError, ValueError) as error:
            self.findings.problem(place, path, f"the file {target} cannot be read: {reason(error)}")
            return None


def reason(error: OSError | ValueError) -> str:
    """Return why a file could not be read, in few words."""
    if isinstance(error, UnicodeDecodeError):
        return "it is not UTF-8 text"
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def _closing(text: str, start: int) -> int:
    """Return where the `}` stands that closes the `${` at `start`, or -1."""
    depth = 0
    position = start
    while position < len(text):
        if text.startswith("${", position):
            depth += 1
            position += 1
        elif text[position] == "}":
            depth -= 1
            if depth == 0:
                return position
        position += 1
    return -1


def _keep_text(value: Node, text: str, node: Scalar) -> Node:
    if not isinstance(value, Scalar):
        return replace(value, text=text, written=node.value)
    typed = text if isinstance(value.value, str) else value.value
    return Scalar(node.place, typed, text, written=node.value)
