"""Checks what the `service` block ties together: pipelines, the components they name, and extensions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from collector.api.component import Kind
from collector.api.signal import Signal
from collector.config.block import read_block
from collector.config.components import Declarations, section
from collector.config.connectors import connector_problems
from collector.config.document import Block, Entry, Items, Node, Scalar
from collector.config.loaded import Pipeline
from collector.config.problems import Findings, Path, Place, dotted, nearest
from collector.config.service import PipelineConfig

_PIPELINES: Path = ("service", "pipelines")
_EXTENSIONS: Path = ("service", "extensions")
_ROLES = {
    "receivers": (Kind.RECEIVER, Kind.CONNECTOR),
    "processors": (Kind.PROCESSOR,),
    "exporters": (Kind.EXPORTER, Kind.CONNECTOR),
}


@dataclass(frozen=True, slots=True)
class _Reference:
    """A component id in a list of the `service` block."""

    id: str
    place: Place
    path: Path


@dataclass(slots=True)
class Wiring:
    """Reads the pipelines of one document; `pipelines` and `extensions` are complete when nothing was found."""

    declared: Declarations
    findings: Findings
    pipelines: dict[str, Pipeline] = field(default_factory=dict)
    extensions: list[str] = field(default_factory=list)
    _used: set[tuple[Kind, str]] = field(default_factory=set)

    def read(self, root: Block) -> None:
        """Check the whole of `service` except `telemetry`."""
        service = section(root, ("service",), self.findings)
        self._read_extensions(service)
        found = section(root, _PIPELINES, self.findings).entries
        if not found:
            place = service.entries["pipelines"].place if "pipelines" in service.entries else service.place
            self.findings.problem(place, _PIPELINES, "at least one pipeline is required")
        for name, entry in found.items():
            self._read_pipeline(name, entry)
        self._report_unused()
        for problem in connector_problems(self.declared[Kind.CONNECTOR], self.pipelines):
            self.findings.problem(*problem)

    def _read_extensions(self, service: Block) -> None:
        entry = service.entries.get("extensions")
        for reference in _references(entry.node, _EXTENSIONS) if entry else ():
            if self._resolve(reference, (Kind.EXTENSION,), "extensions"):
                self.extensions.append(reference.id)

    def _read_pipeline(self, name: str, entry: Entry) -> None:
        path = (*_PIPELINES, name)
        signal = self._signal(name, entry.place, path)
        read_block(PipelineConfig, entry.node, path, self.findings)
        block = entry.node if isinstance(entry.node, Block) else Block(entry.place)
        ids = {role: self._read_role(block, role, signal, (*path, role), entry.place) for role in _ROLES}
        if signal is not None:
            self.pipelines[name] = Pipeline(
                signal,
                receivers=tuple(ids["receivers"]),
                processors=tuple(ids["processors"]),
                exporters=tuple(ids["exporters"]),
            )

    def _signal(self, name: str, place: Place, path: Path) -> Signal | None:
        written = name.partition("/")[0]
        try:
            return Signal(written)
        except ValueError:
            listed = ", ".join(Signal)
            message = f"a pipeline is named after its signal ({listed}), or signal/name"
            self.findings.problem(place, path, message, nearest(written, Signal))
            return None

    def _read_role(self, block: Block, role: str, signal: Signal | None, path: Path, place: Place) -> list[str]:
        entry = block.entries.get(role)
        references = list(_references(entry.node, path)) if entry else []
        if not references and role != "processors":
            self.findings.problem(entry.place if entry else place, path, f"the pipeline needs at least one of {role}")
        ids: list[str] = []
        for reference in references:
            if reference.id in ids:
                self.findings.problem(reference.place, reference.path, f"{reference.id} stands here twice")
            elif (kind := self._resolve(reference, _ROLES[role], role)) is not None:
                self._check_signal(reference, kind, signal)
                ids.append(reference.id)
        return ids

    def _resolve(self, reference: _Reference, kinds: tuple[Kind, ...], role: str) -> Kind | None:
        for kind in kinds:
            if reference.id in self.declared[kind]:
                self._used.add((kind, reference.id))
                return kind
        known = [name for kind in kinds for name in self.declared[kind]]
        elsewhere = [kind.value for kind in Kind if reference.id in self.declared[kind]]
        hint = f", only under {elsewhere[0]}" if elsewhere else ""
        message = f"{reference.id} is not defined under {role}{hint}"
        meant = nearest(reference.id, known)
        self._used.update((kind, meant) for kind in kinds)
        self.findings.problem(reference.place, reference.path, message, meant)
        return None

    def _check_signal(self, reference: _Reference, kind: Kind, signal: Signal | None) -> None:
        factory = self.declared[kind][reference.id].factory
        if factory is None or signal is None or signal in factory.signals:
            return
        supported = ", ".join(sorted(factory.signals))
        message = f"{reference.id} does not support {signal.value}, only {supported}"
        self.findings.problem(reference.place, reference.path, message)

    def _report_unused(self) -> None:
        for kind, components in self.declared.items():
            where = dotted(_EXTENSIONS) if kind is Kind.EXTENSION else "any pipeline"
            for name, declared in components.items():
                if declared.factory is not None and (kind, name) not in self._used:
                    message = f"this is defined but not used in {where}; use it or take it out"
                    self.findings.problem(declared.place, (kind.value, name), message)


def _references(node: Node, path: Path) -> Iterator[_Reference]:
    items = node.nodes if isinstance(node, Items) else (node,)
    for index, item in enumerate(items):
        if isinstance(item, Scalar) and isinstance(item.value, str):
            yield _Reference(item.value, item.place, (*path, index))
