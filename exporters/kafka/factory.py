"""What the catalogue knows of the Kafka exporter."""

from __future__ import annotations

from collector.api import Exporter, Factory, Fatal, Kind, Settings
from exporters.kafka.config import KafkaConfig


def _create(config: KafkaConfig, settings: Settings) -> Exporter:
    try:
        from exporters.kafka.exporter import KafkaExporter  # noqa: PLC0415 - loads the Kafka client
    except ModuleNotFoundError as error:
        raise Fatal(f"the exporter kafka needs {error.name}; install it with: pip install 'ottery[kafka]'") from error

    return KafkaExporter(config, settings)


FACTORY = Factory(
    name="kafka",
    kind=Kind.EXPORTER,
    config=KafkaConfig,
    create=_create,
    summary="Appends OTLP to Apache Kafka topics.",
)
