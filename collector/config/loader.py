"""Reads and checks a whole configuration."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Final

from collector.config.assemble import assemble
from collector.config.block import read_block
from collector.config.components import read_components, section
from collector.config.document import Block
from collector.config.loaded import LoadedConfig
from collector.config.problems import ConfigError, Findings
from collector.config.service import ServiceConfig
from collector.config.source import SET, default_source, read
from collector.config.storage import place_logs, read_storages
from collector.config.unapplied import leave_out_unapplied
from collector.config.wiring import Wiring
from collector.pipeline.catalogue import CATALOGUE, Catalogue
from collector.telemetry.config import TelemetryConfig

_TELEMETRY: Final = ("service", "telemetry")


def load(
    sources: Sequence[str] = (),
    environ: Mapping[str, str] | None = None,
    catalogue: Catalogue = CATALOGUE,
) -> LoadedConfig:
    """Return the configuration that `sources` make together; none, or only `set:` ones, means the built-in default.

    A source is a path or a URI (see `collector.config.source`). `environ` is where `${env:NAME}` looks, the
    process's environment unless given. Raises ConfigError with every problem that was found.
    """
    findings = Findings()
    environ = os.environ if environ is None else environ
    base = [default_source(environ, findings)] if all(source.startswith(SET) for source in sources) else []
    if findings.problems:
        raise ConfigError(findings.problems)
    root = read([*base, *sources], environ, findings)
    if root is None:
        raise ConfigError(findings.problems, findings.notices)
    declared = read_components(root, catalogue, findings)
    wiring = Wiring(declared, findings)
    wiring.read(root)
    service, telemetry = _read_service(root, findings)
    storages = read_storages(declared, wiring.extensions, findings)
    if findings.problems or service is None or telemetry is None:
        raise ConfigError(findings.problems, findings.notices)
    pipelines = place_logs(wiring.pipelines, storages, service.delivery)
    return assemble(declared, pipelines, wiring.extensions, telemetry, findings)


def _read_service(root: Block, findings: Findings) -> tuple[ServiceConfig | None, TelemetryConfig | None]:
    """Check the keys of `service` and return it, and its `telemetry`; pipelines are the wiring's."""
    service = section(root, ("service",), findings)
    beside = {key: entry for key, entry in service.entries.items() if key not in ("pipelines", "telemetry")}
    model = read_block(ServiceConfig, Block(service.place, beside), ("service",), findings)
    telemetry = service.entries.get("telemetry")
    node = leave_out_unapplied(telemetry.node, _TELEMETRY, findings) if telemetry else Block(service.place)
    return model, read_block(TelemetryConfig, node, _TELEMETRY, findings)
