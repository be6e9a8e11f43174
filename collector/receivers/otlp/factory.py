"""What the catalogue knows of the OTLP receiver."""

from collector.api import Factory, Kind, Settings, Stability
from collector.receivers.otlp.config import OtlpConfig
from collector.receivers.otlp.receiver import OtlpReceiver


def _create(config: OtlpConfig, settings: Settings) -> OtlpReceiver:
    return OtlpReceiver(config, settings)


FACTORY = Factory(
    name="otlp",
    kind=Kind.RECEIVER,
    config=OtlpConfig,
    create=_create,
    summary="Takes OTLP over gRPC and HTTP: traces, metrics and logs.",
    stability=Stability.BETA,
)
