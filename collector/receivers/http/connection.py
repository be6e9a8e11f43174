"""One connection of an HTTP/1.1 server: requests in, one after the other, and their answers in that order.

It is written for clients that are slow, endless or wrong: everything is bounded in time and size, and a client that is
still sending when it is answered gets to read the answer. (The operating system resets a connection that is closed
with bytes unread.)
"""

from __future__ import annotations

import asyncio
from collections import deque
from math import inf
from typing import TYPE_CHECKING, Final, cast

import httptools

from collector.receivers.body import CHUNK_TIMEOUT, TooSlow
from collector.receivers.http.answer import CONTINUE, Answer, answer_to
from collector.receivers.http.exchange import Exchange
from collector.receivers.http.head import MALFORMED, NO_HEAD, Head
from collector.receivers.http.parser import Parser
from collector.receivers.refusal import Code, Refusal, Refused

if TYPE_CHECKING:
    from collector.receivers.http.server import HttpServer

HEAD_LIMIT: Final = 64 * 1024
"""Bytes of a request's head, or of the trailers behind its body."""

LINGER: Final = 2.0
"""Seconds for which bytes are read and thrown away after an answer that came before the end of its request."""

_TOO_MANY = answer_to(Refusal(Code.UNAVAILABLE, 503, "too many connections", retry_after=1.0))
_MALFORMED = answer_to(MALFORMED)
_HEAD_TOO_LARGE = answer_to(Refusal(Code.RESOURCE_EXHAUSTED, 431, f"the head of a request may have {HEAD_LIMIT} bytes"))
_HEAD_TOO_SLOW = answer_to(Refusal(Code.DEADLINE_EXCEEDED, 408, "the head of the request did not arrive in time"))
_STOPPING = Refused(Refusal(Code.UNAVAILABLE, 503, "the receiver is shutting down", retry_after=1.0))


class HttpConnection(asyncio.Protocol):
    """Lives as long as its socket."""

    def __init__(self, server: HttpServer) -> None:
        self._server = server
        self._application = server.application
        self._config = server.config
        self._loop = asyncio.get_running_loop()
        self._now = self._loop.time()
        self._parser = Parser(self)
        self._transport = cast("asyncio.Transport", None)
        self._exchanges: deque[Exchange] = deque()
        self._in_head = False
        self._head_bytes = 0
        self._deaf = self._lingering = self._draining = self._ended = self._lost = False
        self._reading = self._writable = True
        self._next_due = inf
        self._due = self._tick_at = inf
        self._timer: asyncio.TimerHandle | None = None
        self._unread: asyncio.TimerHandle | None = None

    # What the socket does.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin, or turn the client away when there are too many connections."""
        self._transport = cast("asyncio.Transport", transport)
        if not self._server.admit(self):
            self._transport.write(_TOO_MANY.encode(self._server.date(self._now), close=True, bodiless=False))
            self._close()
            return
        self._next_due = self._now + (self._config.read_header_timeout or inf)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - as in asyncio
        """End. What is being served is served to the end: it was whole, and its client cannot know what became of it."""
        for timer in (self._timer, self._unread):
            if timer is not None:
                timer.cancel()
        self._lost = True
        self._drop_unserved()
        if not self._exchanges:
            self._server.forget(self)

    def data_received(self, data: bytes) -> None:
        """Read on, unless an answer has ended this connection already."""
        if self._deaf:
            return
        self._now = self._loop.time()
        self._head_bytes += len(data)
        try:
            self._parser.feed(data)
        except httptools.HttpParserError:
            self._refuse(_MALFORMED)
        if self._head_bytes > HEAD_LIMIT:
            self._refuse(_HEAD_TOO_LARGE)
        self._go_on()

    def eof_received(self) -> bool:
        """Note that the client sends no more; return whether it is still to be answered, which TLS does not allow."""
        self._ended = True
        waits = any(exchange.complete for exchange in self._exchanges)
        return waits and self._transport.can_write_eof()

    def pause_writing(self) -> None:
        """Wait for a client that does not read, but not for ever."""
        self._writable = False
        self._wait_for_reader()
        self._watch()

    def resume_writing(self) -> None:
        """Go on with a client that reads again."""
        self._writable = True
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None
        self._go_on()

    # What the client says, as the parser reads it.

    def begun(self) -> None:
        self._in_head = True
        self._next_due = self._now + (self._config.read_header_timeout or inf)

    def headed(self, head: Head) -> None:
        came, self._in_head, self._head_bytes = self._head_bytes, False, 0
        exchange = Exchange(head, self._server.admission.lease(), self._config.max_request_body_size, self._now)
        self._exchanges.append(exchange)
        if came > HEAD_LIMIT and head.size > HEAD_LIMIT:
            exchange.settle(_HEAD_TOO_LARGE)
            return
        try:
            head.check()
            opened = self._application.open(head)
            if isinstance(opened, Answer):
                exchange.settle(opened)
            else:
                exchange.accept(opened)
        except Exception as error:  # noqa: BLE001 - the edge: whatever it is, the client gets an answer
            exchange.settle(self._application.refuse(head, error))

    def body(self, data: bytes) -> None:
        self._head_bytes = 0
        exchange = self._exchanges[-1]
        if exchange.answer is None:
            try:
                exchange.add(data, self._now)
            except Exception as error:  # noqa: BLE001 - as above
                exchange.settle(self._application.refuse(exchange.head, error))

    def complete(self, trailers: int) -> None:
        self._head_bytes = 0
        if trailers > HEAD_LIMIT:
            self._refuse(_HEAD_TOO_LARGE)
        self._exchanges[-1].complete = True

    # What becomes of it.

    def _refuse(self, answer: Answer) -> None:
        """Answer for the application: nothing more that comes over this connection can be read."""
        self._deaf, self._in_head = True, False
        if not self._exchanges or self._exchanges[-1].complete:
            self._exchanges.append(Exchange(NO_HEAD, self._server.admission.lease(), 0, self._now))
        self._exchanges[-1].settle(answer)

    def _go_on(self) -> None:
        """Write the answers that are due, and have the next request served."""
        if self._writable:
            self._write_answers()
        if self._lingering or self._transport.is_closing():
            return
        if not self._exchanges and (self._draining or self._ended):
            self._close()
            return
        if self._exchanges and self._writable:
            self._serve(self._exchanges[0])
        self._watch()

    def _write_answers(self) -> None:
        exchanges = self._exchanges
        while exchanges and (answer := exchanges[0].answer) is not None and not self._transport.is_closing():
            exchange = exchanges.popleft()
            last = self._draining and not exchanges
            close = answer.close or last or not exchange.complete or not exchange.head.keep_alive
            date, bodiless = self._server.date(self._now), exchange.head.method == b"HEAD"
            self._transport.write(answer.encode(date, close=close, bodiless=bodiless))
            if not self._in_head:
                self._next_due = self._now + (self._config.idle_timeout or inf)
            if close:
                self._end(whole=exchange.complete)

    def _serve(self, exchange: Exchange) -> None:
        """See to it that a request gets its answer."""
        if exchange.complete:
            if exchange.task is None:
                exchange.task = self._server.spawn(self._run(exchange))
        elif self._ended:
            self._close()
        elif exchange.expects and not exchange.pieces:
            exchange.expects = False
            self._transport.write(CONTINUE)

    async def _run(self, exchange: Exchange) -> None:
        try:
            answer = await exchange.run()
        except Exception as error:  # noqa: BLE001 - as above
            answer = self._application.refuse(exchange.head, error)
        finally:
            if self._lost:
                self._server.forget(self)
        if exchange.answer is None:
            exchange.answer = answer
            self._now = self._loop.time()
            self._go_on()

    # How it ends.

    def drain(self) -> None:
        """Take no further requests, and close when those under way are answered."""
        self._draining = True
        self._go_on()

    def cut(self) -> None:
        """Answer the requests under way that there is no more time for, and close."""
        for exchange in self._exchanges:
            if exchange.answer is None:
                exchange.settle(self._application.refuse(exchange.head, _STOPPING))
                if exchange.task is not None:
                    exchange.task.cancel()
        self._go_on()

    def abort(self) -> None:
        """Cut the connection."""
        self._transport.abort()

    def _end(self, *, whole: bool) -> None:
        """Close after an answer: at once when its request was read, else when the client has seen the answer."""
        self._drop_unserved()
        if whole:
            self._close()
            return
        self._deaf = self._lingering = True
        if self._transport.can_write_eof():
            self._transport.write_eof()
        if not self._reading:
            self._reading = True
            self._transport.resume_reading()
        self._set_due(self._now + LINGER)

    def _close(self) -> None:
        """Close once the client has read what it was sent, but do not wait for that for ever."""
        self._deaf = True
        self._transport.close()
        if self._transport.get_write_buffer_size():
            self._wait_for_reader()

    def _wait_for_reader(self) -> None:
        if self._unread is None and self._config.write_timeout:
            self._unread = self._loop.call_later(self._config.write_timeout, self._transport.abort)

    def _drop_unserved(self) -> None:
        """Let go of requests that are not answered any more."""
        unanswered = [exchange for exchange in self._exchanges if exchange.answer is None]
        self._exchanges.clear()
        for exchange in unanswered:
            if exchange.task is not None:
                self._exchanges.append(exchange)
            else:
                self._application.left()
                exchange.drop()

    # Time.

    def _watch(self) -> None:
        """Read while nothing waits behind what is being served, and give the client the time that it has now."""
        waiting = len(self._exchanges)
        reading = self._writable and waiting < 2
        if reading is not self._reading:
            self._reading = reading
            if reading:
                self._transport.resume_reading()
            else:
                self._transport.pause_reading()
        if self._in_head or not waiting:
            self._set_due(self._next_due)
        elif reading and (last := self._exchanges[-1]).awaits_body:
            self._set_due(min(last.heard + CHUNK_TIMEOUT, last.began + (self._config.read_timeout or inf)))
        else:
            self._due = inf

    def _set_due(self, due: float) -> None:
        """Look at the connection at this time, or earlier: a timer that comes too early is cheaper than a new one."""
        self._due = due
        if due < self._tick_at:
            if self._timer is not None:
                self._timer.cancel()
            self._timer, self._tick_at = self._loop.call_at(due, self._tick), due

    def _tick(self) -> None:
        self._now, self._tick_at = self._loop.time(), inf
        if self._now < self._due:
            self._set_due(self._due)
        elif self._lingering or self._transport.is_closing():
            self._transport.close()
        elif self._in_head:
            self._refuse(_HEAD_TOO_SLOW)
            self._go_on()
        elif self._exchanges:
            last = self._exchanges[-1]
            error = TooSlow(f"the body did not arrive in time; {last.size} bytes of it did")
            last.settle(self._application.refuse(last.head, error))
            self._go_on()
        else:
            self._close()
