"""The connector `forward`: hands batches as they are to every pipeline that names it as a receiver."""

from __future__ import annotations

from collector.api import Batch, ConfigModel, Factory, Kind, Settings, Stability


class ForwardConfig(ConfigModel):
    """`forward` has nothing to configure."""


class Forward:
    """Joins pipelines of one signal."""

    def __init__(self, settings: Settings) -> None:
        self._consumers = settings.consumers

    async def start(self) -> None:
        """Nothing is to be made ready."""

    async def stop(self) -> None:
        """Nothing is held."""

    async def consume(self, batch: Batch) -> None:
        """Return when the pipelines behind have the batch; see `collector.api.Consume`."""
        await self._consumers[batch.signal](batch)


FACTORY = Factory(
    "forward",
    Kind.CONNECTOR,
    ForwardConfig,
    lambda _config, settings: Forward(settings),
    "Hands telemetry on to other pipelines of the same signal, to merge or to split them.",
    stability=Stability.BETA,
)
