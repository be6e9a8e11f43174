"""Which log each pipeline has: the one of `service.delivery`, or of the `file_storage` that an exporter names."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

from collector.api.component import Kind
from collector.api.config import ExporterConfig
from collector.config.components import Declarations
from collector.config.loaded import Pipeline
from collector.config.problems import Findings, nearest
from collector.delivery.config import DeliveryConfig
from collector.delivery.file_storage import FileStorageConfig


def read_storages(
    declared: Declarations, extensions: Collection[str], findings: Findings
) -> Mapping[str, FileStorageConfig]:
    """Return the storage of each exporter that names one in `sending_queue.storage`."""
    found: dict[str, FileStorageConfig] = {}
    known = {
        name: it.config
        for name, it in declared[Kind.EXTENSION].items()
        if isinstance(it.config, FileStorageConfig) and name in extensions
    }
    for name, exporter in declared[Kind.EXPORTER].items():
        if not isinstance(exporter.config, ExporterConfig) or not (wanted := exporter.config.sending_queue.storage):
            continue
        if wanted in known:
            found[name] = known[wanted]
            continue
        message = f"{wanted} is no file_storage that service.extensions starts"
        path = (Kind.EXPORTER.value, name, "sending_queue", "storage")
        findings.problem(exporter.place, path, message, nearest(wanted, known))
    return found


def place_logs(
    pipelines: Mapping[str, Pipeline], storages: Mapping[str, FileStorageConfig], service: DeliveryConfig
) -> Mapping[str, Pipeline]:
    """Return the pipelines, each with its own delivery: the first of its exporters that names a storage decides."""
    placed: dict[str, Pipeline] = {}
    for name, pipeline in pipelines.items():
        storage = next((storages[exporter] for exporter in pipeline.exporters if exporter in storages), None)
        placed[name] = replace(pipeline, delivery=storage.over(service) if storage else service)
    return placed
