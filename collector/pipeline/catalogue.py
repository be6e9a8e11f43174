"""Every component type that Ottery knows, by kind and name.

Built-ins are lazy `"module:attribute"` strings, so that nothing is imported before it is used. Third parties
add theirs by entry points `ottery.receivers`, `ottery.processors`, `ottery.exporters`, `ottery.connectors` and
`ottery.extensions`, each naming a `Factory`; a built-in name cannot be taken over.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Final

from collector.api.component import Factory, Kind
from collector.api.errors import OtteryError

BUILT_IN: Final[Mapping[Kind, Mapping[str, str]]] = {
    Kind.RECEIVER: {
        "kafka": "collector.receivers.kafka.factory:FACTORY",
        "otlp": "collector.receivers.otlp.factory:FACTORY",
    },
    Kind.PROCESSOR: {
        "batch": "collector.config.compat:BATCH",
        "memory_limiter": "collector.processors.memory_limiter.limiter:FACTORY",
    },
    Kind.EXPORTER: {
        "clickhouse": "exporters.clickhouse.factory:FACTORY",
        "debug": "exporters.debug.factory:FACTORY",
        "file": "exporters.file.factory:FACTORY",
        "kafka": "exporters.kafka.factory:FACTORY",
        "otlp_grpc": "exporters.otlp.factory:GRPC",
        "otlp_http": "exporters.otlp.factory:HTTP",
    },
    Kind.CONNECTOR: {"forward": "collector.connectors.forward:FACTORY"},
    Kind.EXTENSION: {
        "clickhouse_server": "collector.query.factory:FACTORY",
        "file_storage": "collector.delivery.file_storage:FACTORY",
        "health_check": "collector.telemetry.health:FACTORY",
    },
}

ALIASES: Final[Mapping[Kind, Mapping[str, str]]] = {
    Kind.EXPORTER: {"otlp": "otlp_grpc", "otlphttp": "otlp_http"},
}
"""Older names that go on working; using one is reported."""

EXTRAS: Final[Mapping[str, str]] = {
    "chdb": "embedded",
    "clickhouse_connect": "clickhouse",
    "confluent_kafka": "kafka",
    "lz4": "clickhouse",
}
"""Which extra of the `ottery` distribution installs a module that a component needs."""

Source = str | EntryPoint | Factory


class Unknown(OtteryError):
    """No component of this kind has this type name."""


class Unavailable(OtteryError):
    """The component is known but cannot be loaded; the message says what to install."""


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The component types of one installation. `built_in` holds what each name stands for."""

    built_in: Mapping[Kind, Mapping[str, str | Factory]]
    aliases: Mapping[Kind, Mapping[str, str]]

    def names(self, kind: Kind) -> list[str]:
        """Return the type names of a kind, aliases left out, sorted."""
        return sorted(self._sources(kind))

    def canonical(self, kind: Kind, component: str) -> str:
        """Return the current type name of a component id (`otlphttp/eu` is `otlp_http`)."""
        name = component.partition("/")[0].strip()
        return self.aliases.get(kind, {}).get(name, name)

    def find(self, kind: Kind, component: str) -> Factory:
        """Return the factory for a component id, `type` or `type/name`.

        Raises Unknown for a type that nobody offers and Unavailable for one that cannot be imported.
        """
        name = self.canonical(kind, component)
        source = self._sources(kind).get(name)
        if source is None:
            raise Unknown(f"{kind.value} have no type {name!r}")
        return _load(source, f"the {kind.value.removesuffix('s')} {name}")

    def factories(self) -> Iterator[Factory]:
        """Yield every factory that can be loaded here, kind by kind, by name."""
        for kind in Kind:
            for name in self.names(kind):
                try:
                    yield self.find(kind, name)
                except Unavailable:
                    continue

    def missing(self) -> Iterator[tuple[Kind, str, str]]:
        """Yield kind, name and reason of every component that cannot be loaded here."""
        for kind in Kind:
            for name in self.names(kind):
                try:
                    self.find(kind, name)
                except Unavailable as error:
                    yield kind, name, str(error)

    def _sources(self, kind: Kind) -> dict[str, Source]:
        third_party = {point.name: point for point in entry_points(group=f"ottery.{kind.value}")}
        return {**third_party, **self.built_in.get(kind, {})}


CATALOGUE: Final = Catalogue(BUILT_IN, ALIASES)


def _load(source: Source, what: str) -> Factory:
    try:
        loaded = _import(source)
    except (ImportError, AttributeError) as error:
        extra = EXTRAS.get((error.name or "").partition(".")[0])
        hint = f"; install it with: pip install 'ottery[{extra}]'" if extra else ""
        raise Unavailable(f"{what} cannot be loaded: {error}{hint}") from error
    if not isinstance(loaded, Factory):
        raise Unavailable(f"{what} cannot be loaded: its entry is no Factory")
    return loaded


def _import(source: Source) -> object:
    if isinstance(source, Factory):
        return source
    if isinstance(source, EntryPoint):
        return source.load()
    module, _, attribute = source.partition(":")
    return getattr(importlib.import_module(module), attribute)
