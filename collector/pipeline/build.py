"""From a checked configuration to components that are wired together, taking over what a reload leaves unchanged."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from collector.api import (
    Clock,
    Component,
    ComponentStatus,
    ConfigModel,
    Connector,
    Exporter,
    ExporterConfig,
    Guards,
    Kind,
    Logger,
    Metrics,
    Processor,
    Report,
    Settings,
    Signal,
    SystemClock,
)
from collector.config import LoadedConfig
from collector.pipeline.catalogue import CATALOGUE
from collector.pipeline.logs import deduplicates, make_dead_letters, make_intake, make_log
from collector.pipeline.pipeline import Inlet, Pipeline, Sink, Step
from collector.telemetry.health import DELIVERY, PIPELINE

Key = tuple[Kind, str]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What all components of a process share."""

    metrics: Metrics
    log: Logger
    report: Callable[[str, str], Report]
    status: Callable[[], Sequence[ComponentStatus]]
    clock: Clock = field(default_factory=SystemClock)

    def settings(self, kind: str, id: str, **more: Any) -> Settings:  # noqa: A002 - the field's word
        """Return the settings of one component."""
        return Settings(
            id=id,
            metrics=self.metrics,
            log=self.log,
            report=self.report(kind, id),
            clock=self.clock,
            status=self.status,
            **more,
        )


@dataclass(slots=True)
class Graph:
    """Everything that runs, by kind and id, with the configuration it was built from."""

    config: LoadedConfig
    components: dict[Key, Component] = field(default_factory=dict)
    settings: dict[Key, Settings] = field(default_factory=dict)
    pipelines: dict[str, Pipeline] = field(default_factory=dict)
    inlets: dict[tuple[str, Signal], Inlet] = field(default_factory=dict)

    def of(self, kind: Kind) -> list[Key]:
        """Return the keys of one kind, in the order of the configuration."""
        return [key for key in self.components if key[0] is kind]


class Builder:
    """Builds a graph. Nothing is started and nothing of `old` is touched."""

    def __init__(self, config: LoadedConfig, around: Surroundings, old: Graph | None = None) -> None:
        self._config = config
        self._around = around
        self._old = old
        self._graph = Graph(config)
        self._kept: set[Key] = set()

    def build(self) -> Graph:
        """Return the graph. Raises what a component's constructor raises."""
        for kind in (Kind.EXTENSION, Kind.EXPORTER, Kind.PROCESSOR):
            for name in _blocks(self._config, kind):
                self._component(kind, name)
        for name in self._config.connectors:
            self._source(Kind.CONNECTOR, name)
        for name in self._config.pipelines:
            self._pipeline(name)
        for name in self._config.receivers:
            self._source(Kind.RECEIVER, name)
        return self._graph

    def _component(self, kind: Kind, name: str, *, reuse: bool = True, **more: Any) -> None:
        key, config, old = (kind, name), _blocks(self._config, kind)[name], self._old
        if reuse and old is not None and key in old.components and _blocks(old.config, kind)[name] == config:
            self._graph.components[key] = old.components[key]
            self._graph.settings[key] = old.settings[key]
            self._kept.add(key)
            return
        settings = self._around.settings(kind.value, name, **more)
        self._graph.settings[key] = settings
        self._graph.components[key] = CATALOGUE.find(kind, name).create(config, settings)

    def _pipeline(self, name: str) -> None:
        plan, old = self._config.pipelines[name], self._old
        ends = [(self._kind_of_end(part), part) for part in plan.exporters]
        parts = [(Kind.PROCESSOR, part) for part in plan.processors] + ends
        if old is not None and old.config.pipelines.get(name) == plan and self._kept.issuperset(parts):
            self._graph.pipelines[name] = old.pipelines[name]
            return
        components = self._graph.components
        processors = [(part, components[Kind.PROCESSOR, part]) for part in plan.processors]
        settings = self._around.settings(PIPELINE, name)
        self._graph.pipelines[name] = Pipeline(
            name,
            plan.signal,
            make_log(name, plan, settings),
            steps=[Step(part, cast("Processor", it)) for part, it in processors if not isinstance(it, Guards)],
            guards=[it.guard for _, it in processors if isinstance(it, Guards)],
            sinks=[self._sink(name, part) for kind, part in ends if kind is Kind.EXPORTER],
            connectors=[cast("Connector", components[key]) for key in ends if key[0] is Kind.CONNECTOR],
            settings=settings,
            dead_letters=make_dead_letters(name, plan, settings),
            intake=make_intake(name, plan, settings),
            deduplicates=deduplicates(plan),
        )

    def _kind_of_end(self, name: str) -> Kind:
        return Kind.CONNECTOR if name in self._config.connectors else Kind.EXPORTER

    def _sink(self, pipeline: str, name: str) -> Sink:
        return Sink(
            name,
            cast("Exporter", self._graph.components[Kind.EXPORTER, name]),
            cast("ExporterConfig", self._config.exporters[name]),
            self._around.settings(DELIVERY, f"{pipeline} -> {name}"),
        )

    def _source(self, kind: Kind, name: str) -> None:
        """Build a component that batches come from, with the inlets it hands them to."""
        signals = {plan.signal for plan in self._config.pipelines.values() if name in plan.receivers}
        inlets = {signal: self._inlet(name, signal) for signal in sorted(signals)}
        before = {signal for receiver, signal in self._old.inlets if receiver == name} if self._old else set()
        consumers = {signal: inlet.consume for signal, inlet in inlets.items()}
        guards = {signal: inlet.guard for signal, inlet in inlets.items()}
        self._component(kind, name, reuse=signals == before, consumers=consumers, guards=guards)
        for signal, inlet in inlets.items():
            self._graph.inlets[name, signal] = inlet

    def _inlet(self, receiver: str, signal: Signal) -> Inlet:
        if self._old is not None and (inlet := self._old.inlets.get((receiver, signal))) is not None:
            return inlet
        return Inlet()


def _blocks(config: LoadedConfig, kind: Kind) -> Mapping[str, ConfigModel]:
    """Return the blocks of a kind by component id."""
    blocks: Mapping[str, ConfigModel] = getattr(config, kind.value)
    return blocks


def connect(graph: Graph) -> None:
    """Point every receiver's inlets at the graph's pipelines: from here on data takes the new way."""
    for (receiver, signal), inlet in graph.inlets.items():
        plans = graph.config.pipelines
        inlet.pipelines = tuple(
            graph.pipelines[name]
            for name, plan in plans.items()
            if plan.signal is signal and receiver in plan.receivers
        )
