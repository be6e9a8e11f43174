"""What the catalogue knows of the ClickHouse HTTP server."""

from __future__ import annotations

from collector.api import Component, Factory, Kind, Settings
from collector.query.config import ClickHouseServerConfig


def _create(config: ClickHouseServerConfig, settings: Settings) -> Component:
    from collector.query.extension import ClickHouseServer  # noqa: PLC0415 - loads the decoders of request bodies

    return ClickHouseServer(config, settings)


FACTORY = Factory(
    name="clickhouse_server",
    kind=Kind.EXTENSION,
    config=ClickHouseServerConfig,
    create=_create,
    summary="Serves the embedded engine over the ClickHouse HTTP protocol, read-only unless told otherwise.",
)
