"""Delivers dead letters again, when somebody asks for it."""

from __future__ import annotations

import asyncio

from collector.api import Batch, Codec, ExporterConfig, Settings
from collector.delivery.dead_letters import DeadLetter, KeptLetters
from collector.delivery.letters import BadLetter, Letter, LetterBox
from collector.delivery.log import Bounds, Outcome
from collector.delivery.memory import MemoryLog
from collector.delivery.runner import Route, Runner
from collector.telemetry.catalogue import OTTERY_REPLAYED

_INTERVAL = 2.0
"""Seconds between looks into the box."""


class Again:
    """Takes rows over that were refused once more: they rest, marked with one replay more, and wait for nobody."""

    def __init__(self, kept: KeptLetters, letter: Letter) -> None:
        self._kept = kept
        self._letter = letter
        self.items = 0

    async def put(self, letter: DeadLetter) -> Outcome:
        self.items += letter.batch.items
        return await self._kept.put(letter, replays=self._letter.replays + 1)


class Replays:
    """The letters of one exporter that wait, one after another.

    A letter is removed when all of it is delivered or rests again, and its token depends on the letter alone, so an
    end in the middle repeats it under the same token.
    """

    def __init__(
        self, route: Route, config: ExporterConfig, settings: Settings, kept: KeptLetters, codec: Codec
    ) -> None:
        self._route = route
        self._config = config
        self._settings = settings
        self._kept = kept
        self._codec = codec

    @property
    def _box(self) -> LetterBox:
        return self._kept.box

    async def run(self) -> None:
        """Look for letters that wait, until cancelled."""
        while True:
            for letter in await asyncio.to_thread(lambda: list(self._box.letters("waiting"))):
                if letter.exporter == self._route.exporter_id:
                    await self._replay(letter)
            await self._settings.clock.sleep(_INTERVAL)

    async def _replay(self, letter: Letter) -> None:
        try:
            batch = await asyncio.to_thread(self._box.read, letter, self._codec)
        except BadLetter as error:
            self._settings.log.error("a dead letter cannot be replayed", letter=letter.id, reason=str(error))
            await asyncio.to_thread(self._box.rest, letter)
            return
        except FileNotFoundError:
            return
        again = Again(self._kept, letter)
        await self._deliver(letter, batch, again)
        await asyncio.to_thread(self._box.drop, letter)
        self._count(letter, "stored", letter.items - again.items)
        self._count(letter, "refused", again.items)

    async def _deliver(self, letter: Letter, batch: Batch, again: Again) -> None:
        log = MemoryLog()
        cursor = log.cursor(letter.exporter, Bounds(0))
        await log.append(batch)
        log.close()
        route = Route(
            self._route.pipeline,
            self._route.signal,
            f"{letter.id}.{letter.replays}",
            letter.exporter,
            self._route.exporter,
        )
        await Runner(route, cursor, self._config, self._settings, again).run()

    def _count(self, letter: Letter, outcome: str, items: int) -> None:
        labels = {"signal": letter.signal, "exporter": letter.exporter, "outcome": outcome}
        self._settings.metrics.add(OTTERY_REPLAYED, items, **labels)
