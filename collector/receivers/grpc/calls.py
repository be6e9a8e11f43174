"""The calls of a connection: what has come of them, and the task that answers."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Sequence
from typing import Final, Protocol

from collector.api import Rejected, TooLarge
from collector.receivers.admission import REQUEST_OVERHEAD, Admission
from collector.receivers.grpc.methods import Incoming, Streaming, Unary
from collector.receivers.inflate import inflate
from collector.receivers.metadata import Metadata
from collector.receivers.refusal import Code, Refusal, Refused, refusal_of

MESSAGES_WAITING: Final = 64
"""Messages of a client that wait for a streaming method; a client that sends more of them is refused."""

STREAMED_LIMIT: Final = 16 * 1024
"""Bytes of a message of a streaming method, before and after decompression: it asks something and brings no data."""

_GIVEN_UP = Refusal(Code.UNAVAILABLE, 503, "the call was given up", retry_after=1.0)
_ONE = "a call of this method has one message, and another one came"
_TORN = "the call ended before its message was whole"


def _uncounted(size: int) -> None:
    """Count nothing."""


class Answering(Protocol):
    """The connection of a call, as the call sees it."""

    admission: Admission
    limit: int
    """Bytes of the largest message."""
    now: float
    """When bytes came last."""

    def reply(self, call: Call, message: bytes, *, last: bool) -> None:
        """Send a message. Raises what `refusal_of` has an answer for."""

    def end(self, call: Call) -> None:
        """End a call well whose messages were sent before."""

    def refuse(self, call: Call, refusal: Refusal) -> None:
        """End a call with what went wrong."""

    def spawn(self, call: Call) -> asyncio.Task[None]:
        """Start the task that runs the call."""


class Call(ABC):
    """One call, from its headers on. `coding` is the compression of its messages, empty for none.

    `began` and `heard` are when it opened and when it last sent something, `deadline` is when its client gives up.
    Raises `Overloaded` where there is no room for it.
    """

    __slots__ = ("_connection", "_parts", "_task", "began", "coding", "deadline", "heard", "lease", "stream")

    def __init__(self, connection: Answering, stream: int, coding: str, deadline: float) -> None:
        self._connection = connection
        self._parts = 0
        self._task: asyncio.Task[None] | None = None
        self.stream = stream
        self.coding = coding
        self.began = self.heard = connection.now
        self.deadline = deadline
        self.lease = connection.admission.lease()
        self.lease.take(REQUEST_OVERHEAD)

    @property
    def _limit(self) -> int:
        """Bytes of the largest message."""
        return self._connection.limit

    @property
    def arriving(self) -> bool:
        """Whether its client is to be hurried."""
        return self._task is None

    def part(self, size: int) -> None:
        """Hold bytes of a message that is not whole. Raises `Overloaded`."""
        self.heard = self._connection.now
        self.lease.take(size)
        self._parts += size

    def too_large(self, size: int) -> None:
        """Raise what a message over the limit is refused with."""
        raise TooLarge(f"the message has {size} bytes; at most {self._limit} are accepted")

    @abstractmethod
    def message(self, pieces: Sequence[bytes], flags: int) -> None:
        """Take a message. Raises what `refusal_of` has an answer for."""

    @abstractmethod
    def ended(self, *, torn: bool) -> None:
        """Note that no more comes. Raises `Rejected` when that is too early."""

    @abstractmethod
    def refused(self, refusal: Refusal) -> None:
        """Have it counted that the call was not answered."""

    async def run(self) -> None:
        """Answer, whatever happens."""
        try:
            await self._serve()
        except asyncio.CancelledError:
            self._connection.refuse(self, _GIVEN_UP)
            raise
        except Exception as error:  # noqa: BLE001 - the edge: whatever it is, the client gets an answer
            self._connection.refuse(self, refusal_of(error))
        finally:
            self.lease.end()

    def cancel(self) -> None:
        """Give up: nobody waits for an answer any more."""
        self.lease.end()
        if self._task is not None:
            self._task.cancel()

    @abstractmethod
    async def _serve(self) -> None:
        """Answer. Raises what `refusal_of` has an answer for."""

    def _encoding(self, flags: int) -> str:
        """Return the compression of a message, by the byte before it."""
        if flags > 1 or (flags and not self.coding):
            message = "a message is marked as compressed, and grpc-encoding does not say how"
            raise Refused(Refusal(Code.INTERNAL, 500, message))
        return self.coding if flags else ""


class UnaryCall(Call):
    """A call of one message, which is answered once its client has sent all."""

    __slots__ = ("_incoming", "_metadata", "_method")

    def __init__(
        self, connection: Answering, stream: int, coding: str, deadline: float, method: Unary, *, metadata: Metadata
    ) -> None:
        super().__init__(connection, stream, coding, deadline)
        self._method = method
        self._metadata = metadata
        self._incoming: Incoming | None = None

    def message(self, pieces: Sequence[bytes], flags: int) -> None:
        if self._incoming is not None:
            raise Rejected(_ONE)
        self.lease.take(sum(map(len, pieces)) - self._parts)
        self._incoming = Incoming(pieces, self._encoding(flags), self._metadata, self.lease)

    def too_large(self, size: int) -> None:
        if self._incoming is not None:
            raise Rejected(_ONE)
        super().too_large(size)

    def ended(self, *, torn: bool) -> None:
        if torn or self._incoming is None:
            raise Rejected(_TORN)
        self._task = self._connection.spawn(self)

    def refused(self, refusal: Refusal) -> None:
        self._method.refused(refusal)

    async def _serve(self) -> None:
        if self._incoming is not None:
            self._connection.reply(self, await self._method.serve(self._incoming), last=True)


class StreamingCall(Call):
    """A call whose messages are answered as they come. Its client may take its time.

    What it holds is given back with each message that its method takes, so that it may go on for ever.
    """

    __slots__ = ("_method", "_waiting")

    def __init__(self, connection: Answering, stream: int, coding: str, deadline: float, method: Streaming) -> None:
        super().__init__(connection, stream, coding, deadline)
        self._method = method
        self._waiting: asyncio.Queue[bytes | None] = asyncio.Queue(MESSAGES_WAITING)
        self._task = connection.spawn(self)

    def part(self, size: int) -> None:
        super().part(size)
        self._check(self._parts)

    @property
    def _limit(self) -> int:
        return STREAMED_LIMIT

    def message(self, pieces: Sequence[bytes], flags: int) -> None:
        encoding, body = self._encoding(flags), b"".join(pieces)
        self._check(len(body))
        plain = inflate(encoding, body, self._limit, _uncounted) if encoding else body
        self.lease.take(len(plain) - self._parts)
        self._parts = 0
        self._put(plain)

    def ended(self, *, torn: bool) -> None:
        if torn:
            raise Rejected(_TORN)
        self._put(None)

    def refused(self, refusal: Refusal) -> None:
        """Nobody counts these."""

    def _check(self, size: int) -> None:
        if size > self._limit:
            self.too_large(size)

    def _put(self, message: bytes | None) -> None:
        try:
            self._waiting.put_nowait(message)
        except asyncio.QueueFull:
            refusal = Refusal(Code.RESOURCE_EXHAUSTED, 429, "more messages came than can wait for their answers")
            raise Refused(refusal) from None

    async def _messages(self) -> AsyncIterator[bytes]:
        while (message := await self._waiting.get()) is not None:
            self.lease.take(-len(message))
            yield message

    async def _serve(self) -> None:
        async for answer in self._method.serve(self._messages()):
            self._connection.reply(self, answer, last=False)
        self._connection.end(self)
