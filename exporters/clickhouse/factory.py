"""What the catalogue knows of the ClickHouse exporter."""

from __future__ import annotations

from collector.api import Exporter, Factory, Kind, Settings
from exporters.clickhouse.config import ClickHouseConfig


def _create(config: ClickHouseConfig, settings: Settings) -> Exporter:
    from exporters.clickhouse.exporter import ClickHouseExporter  # noqa: PLC0415 - loads the ClickHouse client

    return ClickHouseExporter(config, settings)


FACTORY = Factory(
    name="clickhouse",
    kind=Kind.EXPORTER,
    config=ClickHouseConfig,
    create=_create,
    summary="Writes to ClickHouse, or to the engine embedded in Ottery, in the tables Grafana and ClickStack read.",
)
