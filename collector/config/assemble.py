"""Puts what was checked together, with the settings of mapped processors moved to where they act."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from collector.api.component import Kind
from collector.api.config import ConfigModel
from collector.config.compat import BATCH, BatchProcessorConfig, gather, says_batch
from collector.config.components import Declarations, Declared
from collector.config.loaded import LoadedConfig, Pipeline
from collector.config.problems import Findings
from collector.telemetry.config import TelemetryConfig


def assemble(
    declared: Declarations,
    pipelines: Mapping[str, Pipeline],
    extensions: list[str],
    telemetry: TelemetryConfig,
    findings: Findings,
) -> LoadedConfig:
    """Return the configuration of documents in which no problem was found."""
    configs = {kind: _configs(components) for kind, components in declared.items()}
    processors = declared[Kind.PROCESSOR]
    steps = {name for name, declared in processors.items() if declared.factory is not BATCH}
    exporters = dict(configs[Kind.EXPORTER])
    _move_batches(processors, pipelines, exporters, findings)
    return LoadedConfig(
        receivers=configs[Kind.RECEIVER],
        processors={name: config for name, config in configs[Kind.PROCESSOR].items() if name in steps},
        exporters=exporters,
        connectors=configs[Kind.CONNECTOR],
        extensions={name: configs[Kind.EXTENSION][name] for name in extensions},
        pipelines={name: _only(pipeline, steps) for name, pipeline in pipelines.items()},
        telemetry=telemetry,
        notices=tuple(dict.fromkeys(findings.notices)),
    )


def _configs(components: Mapping[str, Declared]) -> dict[str, ConfigModel]:
    return {name: declared.config for name, declared in components.items() if declared.config is not None}


def _only(pipeline: Pipeline, steps: set[str]) -> Pipeline:
    return replace(pipeline, processors=tuple(name for name in pipeline.processors if name in steps))


def _move_batches(
    processors: Mapping[str, Declared],
    pipelines: Mapping[str, Pipeline],
    exporters: dict[str, ConfigModel],
    findings: Findings,
) -> None:
    """Give each exporter the gathering that the first pipeline with a batch processor in front of it asks for."""
    original = dict(exporters)
    source: dict[str, str] = {}
    for pipeline in pipelines.values():
        batches = [name for name in pipeline.processors if processors[name].factory is BATCH]
        config = processors[batches[-1]].config if batches else None
        if not isinstance(config, BatchProcessorConfig):
            continue
        for exporter in pipeline.exporters:
            if source.setdefault(exporter, batches[-1]) == batches[-1] and exporter in original:
                exporters[exporter] = gather(original[exporter], config)
    for name, declared in processors.items():
        if declared.factory is BATCH:
            _report_batch(name, declared, source, original, findings)


def _report_batch(
    name: str,
    declared: Declared,
    source: Mapping[str, str],
    exporters: Mapping[str, ConfigModel],
    findings: Findings,
) -> None:
    taken = [exporter for exporter, batch in source.items() if batch == name]
    own = [exporter for exporter in taken if exporter in exporters and says_batch(exporters[exporter])]
    moved = ", ".join(exporter for exporter in taken if exporter not in own)
    message = f"its settings are now sending_queue.batch of {moved}" if moved else "it changes nothing"
    kept = f"; sending_queue.batch of {', '.join(own)} stands" if own else ""
    findings.notice(declared.place, (Kind.PROCESSOR.value, name), message + kept)
