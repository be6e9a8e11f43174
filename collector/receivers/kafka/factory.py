"""What the catalogue knows of the Kafka receiver."""

from __future__ import annotations

from collector.api import Factory, Fatal, Kind, Receiver, Settings
from collector.receivers.kafka.config import KafkaReceiverConfig


def _create(config: KafkaReceiverConfig, settings: Settings) -> Receiver:
    try:
        from collector.receivers.kafka.receiver import KafkaReceiver  # noqa: PLC0415 - loads the Kafka client
    except ModuleNotFoundError as error:
        raise Fatal(f"the receiver kafka needs {error.name}; install it with: pip install 'ottery[kafka]'") from error

    return KafkaReceiver(config, settings)


FACTORY = Factory(
    name="kafka",
    kind=Kind.RECEIVER,
    config=KafkaReceiverConfig,
    create=_create,
    summary="Reads OTLP and plain logs from Apache Kafka topics, each record delivered before its offset moves.",
)
