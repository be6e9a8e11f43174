"""The way of one signal into its pipelines: bounded, decoded, handed over, counted; the same for gRPC and HTTP."""

from __future__ import annotations

import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from collector.api import Consume, Context, Overloaded, Rejected, Retryable, Settings, Signal, TooLarge
from collector.receivers.admission import Admission, Lease
from collector.receivers.inflate import inflate
from collector.receivers.metadata import Metadata
from collector.receivers.refusal import Code, Refusal
from collector.receivers.turns import Turns
from collector.receivers.workers import Workers
from collector.telemetry.catalogue import (
    OTTERY_REJECTED,
    RECEIVER_ACCEPTED,
    RECEIVER_FAILED,
    RECEIVER_READ,
    RECEIVER_REFUSED,
    RECEIVER_REQUESTS,
)
from collector.wire.codec import Received, WireCodec
from collector.wire.types import Scan


@dataclass(frozen=True, slots=True)
class Inline:
    """Bytes of a request up to which it is read in the event loop: a thread costs more than to read so few.

    They are what a codec reads in about two milliseconds on a slow core. `encoded` is before decompression, whose
    result has the bounds of the others.
    """

    proto: int
    json: int
    encoded: int = 16 * 1024


TURN: Final = 0.5
"""What may be read in one turn of the event loop, as a share of the largest request that is: about a millisecond."""

_SMALLEST: Final = 1 / 24
"""The share that the smallest request takes on its way to the log."""

_INLINE: Final = {"native": Inline(512 * 1024, 128 * 1024), "python": Inline(32 * 1024, 16 * 1024)}


@dataclass(slots=True)
class Request:
    """An export request as it came, in pieces; `encoding` is its compression."""

    pieces: Sequence[bytes | bytearray]
    metadata: Metadata
    json: bool = False
    encoding: str = ""

    @property
    def size(self) -> int:
        """Bytes of all pieces."""
        return sum(map(len, self.pieces))

    def join(self) -> bytes:
        """Return the pieces as one; of a large request this takes milliseconds, without the GIL."""
        first = self.pieces[0] if self.pieces else b""
        return first if len(self.pieces) == 1 and isinstance(first, bytes) else b"".join(self.pieces)


@dataclass(frozen=True, slots=True)
class Room:
    """What the doors of one receiver share."""

    settings: Settings
    codec: WireCodec
    admission: Admission
    workers: Workers
    turns: Turns


class Counter:
    """Counts the requests of one transport by what became of them."""

    def __init__(self, settings: Settings, transport: str) -> None:
        self.labels = {"receiver": settings.id, "transport": transport}
        self._outcomes = {
            outcome: settings.metrics.bind(RECEIVER_REQUESTS, **self.labels, outcome=outcome)
            for outcome in ("success", "refused", "failure")
        }

    def add(self, outcome: str) -> None:
        """Count a request; `refused` is one that the sender must change or repeat, `failure` is our fault."""
        self._outcomes[outcome](1)

    def refusal(self, refusal: Refusal) -> None:
        """Count a request that was answered with `refusal`."""
        self.add("failure" if refusal.code is Code.INTERNAL else "refused")


def _always_open() -> None:
    """Let everybody in."""


class Door:
    """Takes the requests of one signal over one transport. `limit` is the largest request once it is inflated.

    `guard` raises `Overloaded` when a request should not even be read.
    """

    def __init__(self, room: Room, counter: Counter, signal: Signal, consume: Consume, limit: int) -> None:
        self.signal = signal
        self._settings = room.settings
        self._codec = room.codec
        self._workers = room.workers
        self._turns = room.turns
        self._consume = consume
        self._limit = limit
        metrics = room.settings.metrics
        self._accepted, self._refused, self._failed = (
            metrics.bind(family[signal], **counter.labels)
            for family in (RECEIVER_ACCEPTED, RECEIVER_REFUSED, RECEIVER_FAILED)
        )
        self._took = {
            place: metrics.bind(RECEIVER_READ, receiver=room.settings.id, place=place) for place in ("loop", "worker")
        }
        self.guard = room.settings.guards.get(signal, _always_open)
        self._inline = _INLINE[room.codec.name]

    async def take(self, request: Request, lease: Lease) -> Scan:
        """Hand a request over and return what was found in it; then the client may be told that it is safe.

        `lease` already holds the body. Raises what `refusal_of` has an answer for.
        """
        context = Context(self._settings.clock.now_ns(), request.metadata)
        items = 0
        try:
            received = await self._read(request, lease, context)
            if received.batch is not None:
                items = received.batch.items
                await self._consume(received.batch)
        except (Overloaded, Retryable, Rejected):
            self._refused(items)
            raise
        except Exception as error:
            self._failed(items)
            self._tell(error)
            raise
        self._accepted(items)
        if received.scan.rejected:
            self._count_rejected(received.scan.rejected)
        return received.scan

    async def _read(self, request: Request, lease: Lease, context: Context) -> Received:
        """Read a little in the event loop, and what is more, or turns out to be, in a thread."""
        most = self._inline.json if request.json else self._inline.proto
        size = request.size
        if size <= (self._inline.encoded if request.encoding else most):
            work = _SMALLEST + size / most
            if not self._turns.begin(work):
                await self._turns.wait(work)
            try:
                return self._join_and_read("loop", request, lease, context, min(self._limit, most))
            except TooLarge:
                if not request.encoding or self._limit <= most:
                    raise
        return await self._workers.run(self._join_and_read, "worker", request, lease, context, self._limit)

    def _join_and_read(self, place: str, request: Request, lease: Lease, context: Context, limit: int) -> Received:
        body = request.join()
        if request.encoding:
            body = inflate(request.encoding, body, limit, lease.take)
        return self._read_here(place, request, body, context)

    def _read_here(self, place: str, request: Request, body: bytes, context: Context) -> Received:
        clock = self._settings.clock
        began = clock.monotonic()
        received = self._codec.read(self.signal, body, json=request.json, context=context)
        self._took[place](clock.monotonic() - began)
        return received

    def _count_rejected(self, items: int) -> None:
        labels = {"signal": self.signal.value, "receiver": self._settings.id, "reason": "invalid"}
        self._settings.metrics.add(OTTERY_REJECTED, items, **labels)

    def _tell(self, error: Exception) -> None:
        """Log where a fault of ours arose; its message is left out, because it may quote the payload."""
        frames = traceback.extract_tb(error.__traceback__, limit=-1)
        place = f"{frames[-1].filename}:{frames[-1].lineno}" if frames else ""
        self._settings.log.error(
            "a request failed inside the receiver", signal=self.signal, error=type(error).__name__, at=place
        )
