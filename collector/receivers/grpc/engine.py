"""The engine of a gRPC connection: its bytes in, what its client does out; compiled where the codec is, else in Python.

An engine has no socket, no clock and no task, so everything about sockets, time and tasks exists once, whichever
engine is in use.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, Protocol, TypeAlias, cast

Kind: TypeAlias = Literal["opened", "part", "message", "too_large", "ended", "gone", "pings"]

Event: TypeAlias = tuple[Kind, int, Any, Any]
"""What a client does on one of its calls, which are known by the numbers of their streams.

- `opened`: a call began; its path, and its headers as pairs of text, of which the first is `:method`
- `part`: so many bytes more are kept of a message that is not whole
- `message`: a message in pieces of bytes, and the byte before it, 1 where it is compressed
- `too_large`: the length of a message over the limit; its call is of no use any more
- `ended`: the client sent all it had to send; whether that ended within a message
- `gone`: the client gave the call up, or broke it
- `pings`: how many pings came, and how many answers to pings of ours
"""


class Engine(Protocol):
    """One connection from its first byte on. Calls are answered in any order; answers to calls that ended are ignored."""

    @property
    def closed(self) -> bool:
        """Whether the connection is over: once what `flush` gives is written, it is to be closed."""

    @property
    def last_stream(self) -> int:
        """The highest number of a call that was opened."""

    def receive(self, data: bytes) -> Sequence[Event]:
        """Read bytes of the client and return what it does with them, in order."""

    def flush(self) -> bytes:
        """Return what is to be written to the client."""

    def reply(self, stream: int, message: bytes, *, last: bool) -> None:
        """Send a message; with the `last` one the call ends well."""

    def finish(self, stream: int, trailers: list[tuple[str, str]]) -> None:
        """End a call with `trailers`, which hold its status."""

    def reject(self, stream: int, status: int) -> None:
        """Answer a request that is none of gRPC with a status of HTTP."""

    def reset(self, stream: int, reason: int) -> None:
        """Break a call with a code of HTTP/2."""


class Make(Protocol):
    """Makes the engine of a new connection: the largest message in bytes, and how many calls may be under way."""

    def __call__(self, message_limit: int, streams: int) -> Engine: ...


def engine(name: str) -> Make:
    """Return the engine that goes with the codec `name`. Raises ImportError where it is not installed."""
    if name == "native":
        from ottery_native import Http2 as Native  # noqa: PLC0415 - only where it is installed

        return cast("Make", Native)
    from collector.receivers.grpc.twin import Http2  # noqa: PLC0415 - the compiled one does without this library

    return Http2
