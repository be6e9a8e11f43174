"""Items that a server took a request for and refused all the same."""

from __future__ import annotations

from collector.api import Batch, Metric, Settings

PARTIAL_SUCCESS = Metric(
    "ottery_exporter_partial_success_items",
    "counter",
    ("exporter", "signal"),
    "Items that a server refused inside a request that it accepted: lost, by its own word.",
)
_LOG_INTERVAL = 30.0


class PartialSuccess:
    """Counts refused items, and logs the server's words at most twice a minute."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._logged: float | None = None

    def note(self, batch: Batch, rejected: int, message: str) -> None:
        """Take down what an answer said; 0 with a message is the server's warning."""
        if rejected:
            self._settings.metrics.add(PARTIAL_SUCCESS, rejected, exporter=self._settings.id, signal=batch.signal.value)
        now = self._settings.clock.monotonic()
        if (rejected or message) and (self._logged is None or now - self._logged >= _LOG_INTERVAL):
            self._logged = now
            self._settings.log.warning(
                "the server refused a part of a request", exporter=self._settings.id, items=rejected, reason=message
            )
