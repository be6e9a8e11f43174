"""What a gRPC server serves: methods by path."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from collector.api import TooLarge
from collector.receivers.admission import Lease
from collector.receivers.inflate import inflate
from collector.receivers.metadata import Metadata
from collector.receivers.refusal import Refusal


@dataclass(slots=True)
class Incoming:
    """The message of a call as it came, in pieces; `encoding` is its compression. `lease` holds its bytes already."""

    pieces: Sequence[bytes]
    encoding: str
    metadata: Metadata
    lease: Lease

    def plain(self, limit: int) -> bytes:
        """Return the message of at most `limit` bytes without its compression. Raises what `inflate` raises."""
        body = b"".join(self.pieces)
        if len(body) > limit:
            raise TooLarge(f"the message has {len(body)} bytes; at most {limit} are accepted")
        return inflate(self.encoding, body, limit, self.lease.take) if self.encoding else body


def _always_open() -> None:
    """Let everybody in."""


def _uncounted(refusal: Refusal) -> None:
    """Count nothing."""


@dataclass(frozen=True, slots=True)
class Unary:
    """A method of one message and one answer.

    `guard` raises `Overloaded` when a message should not even be read, `serve` raises what `refusal_of` has an answer
    for, and `refused` is told of every call that was not answered with a message.
    """

    serve: Callable[[Incoming], Awaitable[bytes]]
    guard: Callable[[], None] = _always_open
    refused: Callable[[Refusal], None] = _uncounted


@dataclass(frozen=True, slots=True)
class Streaming:
    """A method of many messages and many answers."""

    serve: Callable[[AsyncIterator[bytes]], AsyncIterator[bytes]]


Methods: TypeAlias = Mapping[str, Unary | Streaming]
"""By path: `/package.Service/Method`."""
