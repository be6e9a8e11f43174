"""Where rows go that a sink will never take."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Protocol

from collector.api import Batch, Logger, Metrics, Settings
from collector.delivery.letters import Letter, LetterBox, letter_id
from collector.delivery.log import Outcome
from collector.telemetry.catalogue import OTTERY_DEAD_LETTERED, OTTERY_DROPPED


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


class KeptLetters:
    """Keeps what one pipeline gives up in its letter box."""

    def __init__(self, box: LetterBox, pipeline: str, settings: Settings) -> None:
        self.box = box
        self._pipeline = pipeline
        self._settings = settings

    async def put(self, letter: DeadLetter, replays: int = 0) -> Outcome:
        batch = letter.batch
        kept = Letter(
            id=letter_id(letter.exporter, letter.token, replays),
            pipeline=self._pipeline,
            exporter=letter.exporter,
            signal=batch.signal.value,
            items=batch.items,
            size=0,
            reason=letter.reason,
            kind=letter.kind,
            attempts=letter.attempts,
            replays=replays,
            token=letter.token,
            time=self._settings.clock.now_ns(),
            received_at=0,
        )
        await asyncio.to_thread(self.box.put, kept, batch)
        self._tell(kept)
        return Outcome.DEAD_LETTERED

    def _tell(self, letter: Letter) -> None:
        labels = {"signal": letter.signal, "exporter": letter.exporter, "reason": letter.kind}
        self._settings.metrics.add(OTTERY_DEAD_LETTERED, letter.items, **labels)
        self._settings.log.error(
            "items dead-lettered",
            letter=letter.id,
            pipeline=letter.pipeline,
            exporter=letter.exporter,
            items=letter.items,
            reason=letter.reason,
            attempts=letter.attempts,
            replays=letter.replays,
        )
