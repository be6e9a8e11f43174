"""The `file_storage` extension, so that an exporter's `sending_queue.storage` means what it does elsewhere.

It does nothing by itself: a pipeline with an exporter that names it keeps its log in the extension's directory.
"""

from __future__ import annotations

from typing import Final

from collector.api import ConfigModel, Duration, Factory, Kind, Settings, Stability
from collector.delivery.config import DeliveryConfig


class CompactionConfig(ConfigModel):
    """`compaction`: accepted for compatibility; segments are removed as soon as they are delivered."""

    on_start: bool = False
    on_rebound: bool = False
    directory: str = ""
    rebound_needed_threshold_mib: int = 100
    rebound_trigger_threshold_mib: int = 10
    max_transaction_size: int = 65536
    check_interval: Duration = 5.0
    cleanup_on_start: bool = False


class FileStorageConfig(ConfigModel):
    """`file_storage`: a directory for the logs of the pipelines whose exporters name it."""

    directory: str = "/var/lib/otelcol/file_storage"
    """Where the logs lie."""
    timeout: Duration = 1.0
    """Accepted for compatibility; a directory that another process uses is an error at once."""
    fsync: bool = True
    """Whether data is forced to the disk before the client is answered (elsewhere the default is false); without it
    that happens every second."""
    create_directory: bool = True
    """Accepted for compatibility; the directory is always made."""
    directory_permissions: str | int = "0750"
    """Accepted for compatibility; it is always 0750."""
    compaction: CompactionConfig = CompactionConfig()

    def over(self, service: DeliveryConfig) -> DeliveryConfig:
        """Return `service.delivery` with what is said here."""
        sync = "always" if self.fsync else "interval"
        return service.model_copy(update={"directory": self.directory, "sync": sync})


class FileStorage:
    """A component that is only a place in the configuration."""

    async def start(self) -> None:
        """Do nothing: the pipelines open their logs."""

    async def stop(self) -> None:
        """Do nothing: the pipelines close their logs."""


def _create(_config: FileStorageConfig, _settings: Settings) -> FileStorage:
    return FileStorage()


FACTORY: Final = Factory(
    name="file_storage",
    kind=Kind.EXTENSION,
    config=FileStorageConfig,
    create=_create,
    summary="A directory for the logs of pipelines whose exporters name it in sending_queue.storage.",
    stability=Stability.BETA,
)
