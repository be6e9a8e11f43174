"""One connection of a gRPC server: its bytes go through an engine, its calls to methods."""

from __future__ import annotations

import asyncio
from math import inf
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, cast

from collector.api import OtteryError
from collector.receivers.body import CHUNK_TIMEOUT
from collector.receivers.grpc.calls import Call, StreamingCall, UnaryCall
from collector.receivers.grpc.keepalive import Clocks
from collector.receivers.grpc.methods import Streaming, Unary
from collector.receivers.grpc.status import ACCEPTED, is_grpc, message_coding, seconds, trailers
from collector.receivers.metadata import NO_METADATA, grpc_metadata
from collector.receivers.refusal import Code, Refusal, Refused, refusal_of

if TYPE_CHECKING:
    from collector.receivers.grpc.server import GrpcServer

GREETING: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
GREETING_TIMEOUT: Final = 10.0
"""Seconds that a client has to begin with HTTP/2."""

WHOLE_TIMEOUT: Final = 60.0
"""Seconds that a message may take to arrive."""

WRITE_TIMEOUT: Final = 30.0
"""Seconds that answers wait for a client that does not read them."""

STREAMED_ANSWERS: Final = 1 << 20
"""Bytes of answers of streaming methods on one connection: they wait in memory for a client that makes no room."""

_LONG = 0.002  # seconds that a read may take before others get their turn
_SWEEP = CHUNK_TIMEOUT / 4  # seconds between looks at the calls under way
_LAST_CALLS = 1.0  # seconds for calls that are on their way when a client is told to go elsewhere
_ENHANCE_YOUR_CALM, _REFUSED_STREAM = 11, 7
_ANY_CALL = 0x7FFFFFFF

_LATE = Refusal(Code.DEADLINE_EXCEEDED, 408, "the deadline of the call has passed")
_SLOW = Refusal(Code.DEADLINE_EXCEEDED, 408, "the message did not arrive in time")
_STOPPING = Refusal(Code.UNAVAILABLE, 503, "the receiver is shutting down", retry_after=1.0)
_ENOUGH = Refusal(Code.RESOURCE_EXHAUSTED, 429, "this connection was told enough; another one may ask more")
_UNSERVED = Refusal(Code.UNIMPLEMENTED, 501, "nothing takes requests of this method")

_HTTP1 = b"this port speaks gRPC; OTLP over HTTP has a port of its own, 4318 unless configured otherwise\n"
_HTTP1_METHODS = (b"GET ", b"POST", b"PUT ", b"HEAD", b"OPTI")


class GrpcConnection(asyncio.Protocol):
    """Lives as long as its socket."""

    def __init__(self, server: GrpcServer) -> None:
        self._server = server
        self._loop = asyncio.get_running_loop()
        self.admission = server.admission
        self.limit = server.limit
        self.now = self._loop.time()
        self._engine = server.make_engine()
        self._clocks = Clocks(server.config.keepalive, self, self._loop)
        self._transport = cast("asyncio.Transport", None)
        self._calls: dict[int, Call] = {}
        self._received = self._streamed = 0
        self._flushing = False
        self._draining = self._full = False
        self._greeting: asyncio.TimerHandle | None = None
        self._sweep: asyncio.TimerHandle | None = None
        self._unread: asyncio.TimerHandle | None = None

    # What the socket does.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin, or turn the client away when there are too many connections.

        The client speaks first: one that speaks HTTP/1.1 can be answered in its own words.
        """
        self._transport = cast("asyncio.Transport", transport)
        if not self._server.admit(self):
            self._transport.abort()
            return
        self._greeting = self._loop.call_later(GREETING_TIMEOUT, self._greet)
        self._clocks.start()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - as in asyncio
        """End, and give up all calls."""
        for timer in (self._greeting, self._sweep, self._unread):
            if timer is not None:
                timer.cancel()
        self._clocks.stop()
        for stream in list(self._calls):
            self._gone(stream)
        self._server.forget(self)

    def data_received(self, data: bytes) -> None:
        """Pass bytes on, and do what the client asks."""
        if not self._received and data.startswith(_HTTP1_METHODS):
            self._answer_http1()
            return
        self._received += len(data)
        began = monotonic()
        self.now = self._loop.time()
        self._clocks.heard(self.now)
        for kind, stream, value, extra in self._engine.receive(data):
            match kind:
                case "opened":
                    self._open(stream, value, extra)
                case "gone":
                    self._gone(stream)
                case "pings":
                    self._pings(value, extra)
                case _:
                    self._advance(kind, stream, value, extra)
        self._flush()
        if monotonic() - began > _LONG:
            self._rest()

    def _rest(self) -> None:
        """Read on in the next turn of the event loop: libuv reads 32 times in one, and a read may be all tiny frames."""
        if not self._transport.is_closing():
            self._transport.pause_reading()
            self._loop.call_soon(self._read_on)

    def _read_on(self) -> None:
        if self._unread is None and not self._transport.is_closing():
            self._transport.resume_reading()

    def pause_writing(self) -> None:
        """Wait for a client that does not read, but not for ever, and read nothing more of it meanwhile."""
        self._transport.pause_reading()
        self._wait_for_reader()

    def resume_writing(self) -> None:
        """Go on with a client that reads again."""
        if self._transport.is_closing():
            return
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None
        self._transport.resume_reading()

    # What a client does.

    def _open(self, stream: int, path: str, headers: list[tuple[str, str]]) -> None:
        found = dict(headers)
        if self._full:
            self._engine.reset(stream, _REFUSED_STREAM)
        elif found[":method"] != "POST":
            self._engine.reject(stream, 405)
        elif not is_grpc(found.get("content-type", "")):
            self._engine.reject(stream, 415)
        elif (method := self._server.methods.get(path)) is None:
            self._engine.finish(stream, trailers(_UNSERVED))
        else:
            self._begin(stream, method, found, headers)
        if stream not in self._calls:
            self._clocks.answered()

    def _begin(
        self, stream: int, method: Unary | Streaming, found: dict[str, str], headers: list[tuple[str, str]]
    ) -> None:
        try:
            deadline = self.now + seconds(found["grpc-timeout"]) if "grpc-timeout" in found else inf
            if deadline <= self.now:
                raise Refused(_LATE)
            coding = message_coding(found.get("grpc-encoding", ""))
            if isinstance(method, Unary):
                method.guard()
                kept = grpc_metadata(headers) if self._server.config.include_metadata else NO_METADATA
                call: Call = UnaryCall(self, stream, coding, deadline, method, metadata=kept)
            else:
                call = StreamingCall(self, stream, coding, deadline, method)
        except OtteryError as error:
            self._turn_away(stream, method, refusal_of(error))
            return
        if not self._calls:
            self._clocks.busy()
        self._calls[stream] = call
        if self._sweep is None:
            self._sweep = self._loop.call_later(_SWEEP, self._hurry)

    def _turn_away(self, stream: int, method: Unary | Streaming, refusal: Refusal) -> None:
        """Refuse a call that has not begun."""
        if isinstance(method, Unary):
            method.refused(refusal)
        extra = [ACCEPTED] if refusal.code is Code.UNIMPLEMENTED else []
        self._engine.finish(stream, [*trailers(refusal), *extra])

    def _advance(self, kind: str, stream: int, value: Any, extra: int) -> None:
        call = self._calls.get(stream)
        if call is None:
            return
        try:
            match kind:
                case "message":
                    call.message(value, extra)
                case "ended":
                    call.ended(torn=value)
                case "part":
                    call.part(value)
                case "too_large":
                    call.too_large(value)
        except Exception as error:  # noqa: BLE001 - the edge: whatever it is, the client gets an answer
            self.refuse(call, refusal_of(error))
            call.cancel()

    def _gone(self, stream: int) -> None:
        call = self._take(stream)
        if call is not None:
            call.refused(_LATE)
            call.cancel()

    def _pings(self, asked: int, answered: int) -> None:
        if asked:
            self._clocks.pinged(asked, calls=bool(self._calls))
        if answered and self._draining:
            self._shut()

    # What calls do.

    def spawn(self, call: Call) -> asyncio.Task[None]:
        """Start the task that runs a call."""
        return self._server.spawn(call.run, self)

    def reply(self, call: Call, message: bytes, *, last: bool) -> None:
        """Send a message of a call that is still open. Raises `Refused` for one of too many."""
        if self._calls.get(call.stream) is call:
            if not last:
                self._count(len(message))
            self._engine.reply(call.stream, message, last=last)
            if last:
                self._take(call.stream)
            self._answered()

    def _count(self, size: int) -> None:
        self._streamed += size
        if self._streamed > STREAMED_ANSWERS:
            raise Refused(_ENOUGH)

    def end(self, call: Call) -> None:
        """End a call well whose messages were sent before."""
        if self._take(call.stream) is call:
            self._engine.finish(call.stream, [("grpc-status", "0")])
            self._answered()

    def refuse(self, call: Call, refusal: Refusal) -> None:
        """End a call with what went wrong."""
        if self._take(call.stream) is call:
            call.refused(refusal)
            self._engine.finish(call.stream, trailers(refusal))
            self._answered()

    def _take(self, stream: int) -> Call | None:
        call = self._calls.pop(stream, None)
        if not self._calls:
            self._clocks.idle()
        return call

    # What clocks and the server do.

    def drain(self, why: bytes = b"") -> None:
        """Tell the client to go on over another connection, and close when its calls are answered."""
        if self._draining or self._transport.is_closing():
            return
        self._draining = True
        self._flush()
        self._transport.write(_goaway(_ANY_CALL, 0, why) + _ping())
        self._loop.call_later(_LAST_CALLS, self._shut)

    def ping(self) -> None:
        """Send a ping."""
        self._flush()
        self._transport.write(_ping())

    def abort(self) -> None:
        """Cut the connection."""
        self._transport.abort()

    def scold(self, why: bytes) -> None:
        """Cut the connection because its client asks too much."""
        self._flush()
        self._transport.write(_goaway(self._engine.last_stream, _ENHANCE_YOUR_CALM, why))
        self._close()

    def cut(self) -> None:
        """Answer the calls under way that there is no more time for, and close."""
        for call in list(self._calls.values()):
            self.refuse(call, _STOPPING)
            call.cancel()
        self._flush()
        self._close()

    def _shut(self) -> None:
        """Take no more calls: those that were on their way have come."""
        if not self._full and not self._transport.is_closing():
            self._full = True
            self._flush()
            self._transport.write(_goaway(self._engine.last_stream, 0, b""))
            self._close_when_done()

    def _close_when_done(self) -> None:
        if self._full and not self._calls and not self._transport.is_closing():
            self._close()

    def _close(self) -> None:
        """Close once the client has read what it was sent, but do not wait for that for ever."""
        self._transport.close()
        self._wait_for_reader()

    def _wait_for_reader(self) -> None:
        if self._unread is None:
            self._unread = self._loop.call_later(WRITE_TIMEOUT, self._transport.abort)

    def _greet(self) -> None:
        if self._received < len(GREETING):
            self._transport.abort()

    def _hurry(self) -> None:
        """Refuse calls whose messages do not come, and those that their clients have given up without a word."""
        self._sweep = None
        now = self._loop.time()
        for call in list(self._calls.values()):
            slow = now - call.heard > CHUNK_TIMEOUT or now - call.began > WHOLE_TIMEOUT
            if now > call.deadline or (slow and call.arriving):
                self.refuse(call, _LATE if now > call.deadline else _SLOW)
                call.cancel()
        if self._calls:
            self._sweep = self._loop.call_later(_SWEEP, self._hurry)

    def _answered(self) -> None:
        """Write at once when nothing else is about to be answered, else once for all answers of this turn."""
        self._clocks.answered()
        if not self._calls:
            self._flush()
        elif not self._flushing:
            self._flushing = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._flushing = False
        if self._transport.is_closing():
            return
        if data := self._engine.flush():
            self._transport.write(data)
        if self._engine.closed:
            self._close()
        else:
            self._close_when_done()

    def _answer_http1(self) -> None:
        head = "HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain\r\nconnection: close\r\n"
        self._transport.write(f"{head}content-length: {len(_HTTP1)}\r\n\r\n".encode() + _HTTP1)
        self._close()


def _goaway(last: int, code: int, why: bytes) -> bytes:
    payload = last.to_bytes(4, "big") + code.to_bytes(4, "big") + why
    return len(payload).to_bytes(3, "big") + b"\x07\x00\x00\x00\x00\x00" + payload


def _ping() -> bytes:
    return b"\x00\x00\x08\x06\x00\x00\x00\x00\x00ottery\x00\x00"
