"""The sections of a document that hold components: `receivers`, `processors`, `exporters` and so on."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from collector.api.component import Factory, Kind
from collector.api.config import ConfigModel
from collector.config.block import read_block
from collector.config.document import Block, Entry, Scalar
from collector.config.problems import Findings, Path, Place, nearest
from collector.pipeline.catalogue import Catalogue, Unavailable, Unknown

SECTIONS: Final = (*(kind.value for kind in Kind), "service")
_REPLACED: Final = {(Kind.EXPORTER, "logging"): "debug"}
"""Types that the OpenTelemetry Collector once had, and what took their place there; the keys differ."""
_ID: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,62}(/[^\s/]{1,1024})?")


@dataclass(frozen=True, slots=True)
class Declared:
    """One component of a document. `factory` and `config` are None where they are wrong."""

    place: Place
    factory: Factory | None
    config: ConfigModel | None


Declarations = Mapping[Kind, Mapping[str, Declared]]


def read_components(root: Block, catalogue: Catalogue, findings: Findings) -> Declarations:
    """Return every component that the document declares, also those with problems, which are noted."""
    for key, entry in root.entries.items():
        if key not in SECTIONS:
            listed = f"; known here: {', '.join(SECTIONS)}"
            suggestion = nearest(key, SECTIONS)
            findings.problem(entry.place, (key,), f"unknown key{'' if suggestion else listed}", suggestion)
    return {kind: _read_section(root, kind, catalogue, findings) for kind in Kind}


def section(root: Block, path: Path, findings: Findings) -> Block:
    """Return the block at `path`, which has text keys only; one that is absent or empty has no entries."""
    block = root
    for part in path:
        entry = block.entries.get(str(part))
        if entry is None or (isinstance(entry.node, Scalar) and entry.node.value is None):
            return Block(block.place)
        if not isinstance(entry.node, Block):
            findings.problem(entry.node.place, path, "a block of keys was expected here")
            return Block(entry.place)
        block = entry.node
    return block


def _read_section(root: Block, kind: Kind, catalogue: Catalogue, findings: Findings) -> dict[str, Declared]:
    found = section(root, (kind.value,), findings).entries
    return {name: _read_component(kind, name, entry, catalogue, findings) for name, entry in found.items()}


def _read_component(kind: Kind, name: str, entry: Entry, catalogue: Catalogue, findings: Findings) -> Declared:
    path = (kind.value, name)
    factory = _factory(kind, name, entry.place, catalogue, findings)
    config = read_block(factory.config, entry.node, path, findings) if factory else None
    return Declared(entry.place, factory, config)


def _factory(kind: Kind, name: str, place: Place, catalogue: Catalogue, findings: Findings) -> Factory | None:
    path = (kind.value, name)
    if not _ID.fullmatch(name):
        findings.problem(place, path, "a component is named type or type/name, such as otlp or otlp/eu")
        return None
    written, current = name.partition("/")[0], catalogue.canonical(kind, name)
    try:
        factory = catalogue.find(kind, name)
    except Unknown:
        known = catalogue.names(kind)
        suggestion = _REPLACED.get((kind, written)) or nearest(written, known)
        renamed = f" (now {current})" if current != written else ""
        listed = f"; there are: {', '.join(known) or 'none'}" if not suggestion else ""
        findings.problem(place, path, f"unknown type {written}{renamed} of {kind.value}{listed}", suggestion)
        return None
    except Unavailable as error:
        findings.problem(place, path, str(error))
        return None
    if current != written:
        findings.notice(place, path, f"{written} is an older name of {current} and goes on working")
    return factory
