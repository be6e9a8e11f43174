"""Where rows go that a sink will never take."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from collector.api import Batch, Logger, Metrics
from collector.delivery.log import Outcome
from collector.telemetry.catalogue import OTTERY_DROPPED


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """Rows that were given up, and why. `token` names the rows."""

    batch: Batch
    exporter: str
    reason: str
    kind: str
    attempts: int
    token: str


class DeadLetters(Protocol):
    """Takes over what delivery gives up."""

    async def put(self, letter: DeadLetter) -> Outcome:
        """Keep the letter, or not, and say which. An OSError holds the cursor: nothing is skipped."""


class CountedDrops:
    """Counts and logs what is given up, for a log that lies in memory and forgets it."""

    def __init__(self, metrics: Metrics, log: Logger) -> None:
        self._metrics = metrics
        self._log = log

    async def put(self, letter: DeadLetter) -> Outcome:
        batch = letter.batch
        self._metrics.add(
            OTTERY_DROPPED,
            batch.items,
            signal=batch.signal.value,
            component=letter.exporter,
            reason=letter.kind,
            intentional="false",
        )
        self._log.error(
            "items dropped",
            exporter=letter.exporter,
            signal=batch.signal.value,
            items=batch.items,
            reason=letter.reason,
            attempts=letter.attempts,
        )
        return Outcome.DROPPED
