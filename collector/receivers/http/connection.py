"""One connection of an HTTP/1.1 server: requests in, one after the other, and their answers in that order.

It is written for clients that are slow, endless or wrong: everything is bounded in time and size, nothing of a request
is read before the one in front of it is answered, and a client that is still sending when it is answered gets to read
the answer. (The operating system resets a connection that is closed with bytes unread.)
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress
from functools import partial
from math import inf
from typing import TYPE_CHECKING, Final, cast

import httptools

from collector.receivers.body import CHUNK_TIMEOUT, TooSlow
from collector.receivers.http.answer import CONTINUE, Answer, answer_to
from collector.receivers.http.deadline import Deadline
from collector.receivers.http.exchange import Exchange
from collector.receivers.http.head import MALFORMED, NO_HEAD, Head
from collector.receivers.http.parser import HEADERS_LIMIT, Parser, TooManyHeaders
from collector.receivers.refusal import Code, Refusal, Refused

if TYPE_CHECKING:
    from collector.receivers.http.server import HttpServer

HEAD_LIMIT: Final = 64 * 1024
"""Bytes of a request's head, or of the trailers behind its body."""

LINGER: Final = 2.0
"""Seconds for which bytes are read and thrown away after an answer that came before the end of its request."""

_BLANK_LINE = b"\r\n\r\n"
_CHUNKED_SLICE = 8 * 1024
_STEPS = 8  # that one connection may take in one turn of the event loop: a request has four

_TOO_MANY = answer_to(Refusal(Code.UNAVAILABLE, 503, "too many connections", retry_after=1.0))
_MALFORMED = answer_to(MALFORMED)
_HEAD_TOO_LARGE = answer_to(
    Refusal(
        Code.RESOURCE_EXHAUSTED,
        431,
        f"the head of a request may have at most {HEAD_LIMIT} bytes and {HEADERS_LIMIT} headers",
    )
)
_HEAD_TOO_SLOW = answer_to(Refusal(Code.DEADLINE_EXCEEDED, 408, "the head of the request did not arrive in time"))
_STOPPING = Refused(Refusal(Code.UNAVAILABLE, 503, "the receiver is shutting down", retry_after=1.0))
_GIVEN_UP = Refused(Refusal(Code.UNAVAILABLE, 503, "the request was given up", retry_after=1.0))


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
        self._data, self._at, self._unparsed = b"", 0, False
        self._exchanges: deque[Exchange] = deque()
        self._in_head = self._last = False
        self._tail = b""
        self._head_bytes = 0
        self._body_left: float = 0
        self._deaf = self._lingering = self._draining = self._ended = self._lost = False
        self._reading = self._writable = True
        self._next_turn: asyncio.Handle | None = None
        self._next_due = inf
        self._deadline = Deadline(self._loop, self._late)
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
        self._deadline.stop()
        for handle in (self._unread, self._next_turn):
            if handle is not None:
                handle.cancel()
        self._lost = True
        self._drop_unserved()
        if not self._exchanges:
            self._server.forget(self)

    def data_received(self, data: bytes) -> None:
        """Read on, unless an answer has ended this connection already."""
        if self._deaf:
            return
        self._data, self._at, self._unparsed = (self._data[self._at :] + data if self._unparsed else data), 0, True
        if self._next_turn is None:
            self._go_on()

    def eof_received(self) -> bool:
        """Note that the client sends no more; return whether it is still to be answered, which TLS does not allow."""
        self._ended = True
        waits = self._unparsed or any(exchange.complete for exchange in self._exchanges)
        if waits and self._transport.can_write_eof():
            return True
        self._close()
        return False

    def pause_writing(self) -> None:
        """Wait for a client that does not read, but not for ever."""
        self._writable = False
        self._wait_for_reader()
        self._watch()

    def resume_writing(self) -> None:
        """Go on with a client that reads again."""
        self._writable = True
        if self._transport.is_closing():
            return
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None
        self._go_on()

    # What the client says, as the parser reads it.

    def begun(self) -> None:
        self._in_head = True
        self._next_due = self._now + (self._config.read_header_timeout or inf)

    def headed(self, head: Head) -> None:
        self._in_head, self._head_bytes, self._body_left = False, 0, head.length
        self._deaf = self._deaf or self._last
        if self._deaf:
            return
        exchange = Exchange(head, self._server.admission.lease(), self._config.max_request_body_size, self._now)
        self._exchanges.append(exchange)
        try:
            head.check()
            opened = self._application.open(head)
            if isinstance(opened, Answer):
                exchange.settle(opened)
            else:
                exchange.accept(opened)
        except Exception as error:  # noqa: BLE001 - the edge: whatever it is, the client gets an answer
            exchange.settle(self._application.refuse(head, error))
        self._last = not head.keep_alive or (exchange.answer is not None and exchange.answer.close)
        if len(self._exchanges) == 1:
            self._await_body(exchange)

    def body(self, data: bytes) -> None:
        self._head_bytes = 0
        self._body_left -= len(data)
        if self._deaf:
            return
        exchange = self._exchanges[-1]
        if exchange.answer is None:
            try:
                exchange.add(data, self._now)
            except Exception as error:  # noqa: BLE001 - as above
                exchange.settle(self._application.refuse(exchange.head, error))

    def complete(self, trailers: int) -> None:
        self._head_bytes = 0
        if self._deaf:
            return
        if trailers > HEAD_LIMIT:
            self._refuse(_HEAD_TOO_LARGE)
        self._exchanges[-1].complete = True

    # What becomes of it.

    def _go_on(self) -> None:
        """Read, serve and answer what there is, as far as one turn of the event loop goes."""
        self._now = self._loop.time()
        self._next_turn = None
        for _ in range(_STEPS):
            if not self._step():
                break
        else:
            self._next_turn = self._loop.call_soon(self._go_on)
        if not self._lingering and not self._transport.is_closing():
            self._watch()

    def _step(self) -> bool:
        """Do what is next; return whether there may be more to do."""
        if self._lingering or self._transport.is_closing():
            return False
        first = self._exchanges[0] if self._exchanges else None
        if self._unparsed and self._may_read(first):
            self._parse()
            return True
        if first is None:
            if self._draining or self._ended:
                self._close()
        elif first.answer is not None:
            if self._writable:
                self._write(self._exchanges.popleft(), first.answer)
                return True
        elif first.complete:
            if first.task is None:
                first.task = self._server.spawn(partial(self._run, first), self)
        elif self._ended:
            self._close()
        return False

    def _may_read(self, first: Exchange | None) -> bool:
        """Whether what came is to be read now: the rest of a request, or a new one where none is under way."""
        if self._deaf:
            return False
        if first is not None:
            return not first.complete
        return self._in_head or not self._draining

    def _parse(self) -> None:
        """Have the parser read what belongs to one request, as far as that can be told: the next one has to wait."""
        if not self._exchanges:
            self._feed(self._end_of_head())
        if self._unparsed and self._exchanges and not self._exchanges[-1].complete:
            ahead = _CHUNKED_SLICE if self._exchanges[-1].head.chunked else max(self._body_left, 1)
            self._feed(int(min(len(self._data), self._at + ahead)))

    def _feed(self, end: int) -> None:
        """Have the parser read up to this place of what came."""
        data, start = self._data, self._at
        self._at, self._unparsed = end, end < len(data)
        self._head_bytes += end - start
        if self._head_bytes > HEAD_LIMIT and not self._exchanges:
            self._refuse(_HEAD_TOO_LARGE)
            return
        try:
            self._parser.feed(memoryview(data)[start:end] if start or self._unparsed else data)
        except TooManyHeaders:
            self._refuse(_HEAD_TOO_LARGE)
        except httptools.HttpParserError:
            self._refuse(_MALFORMED)
        if self._head_bytes > HEAD_LIMIT:
            self._refuse(_HEAD_TOO_LARGE)
        self._tail = (self._tail + data[max(start, end - 3) : end])[-3:] if self._in_head else b""
        if not self._unparsed:
            self._forget_data()

    def _end_of_head(self) -> int:
        """Return where a head ends in what came, or, where it does not, how far that goes."""
        data, start = self._data, self._at
        if self._tail:
            found = (self._tail + data[start : start + 3]).find(_BLANK_LINE)
            if found >= 0:
                return start + found + len(_BLANK_LINE) - len(self._tail)
        found = data.find(_BLANK_LINE, start)
        return len(data) if found < 0 else found + len(_BLANK_LINE)

    def _forget_data(self) -> None:
        self._data, self._at, self._unparsed = b"", 0, False

    def _refuse(self, answer: Answer) -> None:
        """Answer for the application: nothing more that comes over this connection can be read."""
        self._deaf, self._in_head = True, False
        self._forget_data()
        if not self._exchanges or self._exchanges[-1].complete:
            self._exchanges.append(Exchange(NO_HEAD, self._server.admission.lease(), 0, self._now))
        last = self._exchanges[-1]
        if last.answer is None and last.head is not NO_HEAD:
            self._application.left()
        if last.answer is None or last.answer.close:
            last.settle(answer)

    def _write(self, exchange: Exchange, answer: Answer) -> None:
        last = self._draining and not self._exchanges
        close = answer.close or last or not exchange.complete or not exchange.head.keep_alive
        date, bodiless = self._server.date(self._now), exchange.head.method == b"HEAD"
        self._transport.write(answer.encode(date, close=close, bodiless=bodiless))
        wait = self._config.read_header_timeout if self._in_head else self._config.idle_timeout
        self._next_due = self._now + (wait or inf)
        if close:
            self._end(whole=exchange.complete)
        elif self._exchanges:
            self._await_body(self._exchanges[0])

    def _await_body(self, exchange: Exchange) -> None:
        """Give the client of a request its time from now on, and leave to send the body."""
        exchange.began = exchange.heard = self._now
        if exchange.awaits_body and exchange.head.expects and not exchange.size and not self._unparsed:
            self._transport.write(CONTINUE)

    async def _run(self, exchange: Exchange) -> None:
        try:
            answer = await exchange.run()
        except asyncio.CancelledError:
            self._answer(exchange, _GIVEN_UP)
            raise
        except Exception as error:  # noqa: BLE001 - as above
            self._answer(exchange, error)
        else:
            self._answer(exchange, answer)
        finally:
            if self._lost:
                self._server.forget(self)

    def _answer(self, exchange: Exchange, answer: Answer | Exception) -> None:
        if exchange.answer is None:
            if isinstance(answer, Exception):
                answer = self._application.refuse(exchange.head, answer)
            exchange.answer = answer
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
        self._forget_data()
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
            with suppress(OSError):  # the client may be gone already
                self._transport.write_eof()
        if not self._reading:
            self._reading = True
            self._transport.resume_reading()
        self._deadline.set(self._now + LINGER)

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
            if exchange.task is not None and not exchange.task.done():
                self._exchanges.append(exchange)
            else:
                self._application.left()
                exchange.drop()

    # Time.

    def _watch(self) -> None:
        """Read while nothing waits to be parsed, and give the client the time that it has now."""
        reading = self._writable and not self._unparsed
        if reading is not self._reading:
            self._reading = reading
            if reading:
                self._transport.resume_reading()
            else:
                self._transport.pause_reading()
        if not reading:
            self._deadline.set(inf)
        elif not self._exchanges:
            self._deadline.set(self._next_due)
        elif (first := self._exchanges[0]).awaits_body:
            self._deadline.set(min(first.heard + CHUNK_TIMEOUT, first.began + (self._config.read_timeout or inf)))
        else:
            self._deadline.set(inf)

    def _late(self) -> None:
        """Give up waiting."""
        self._now = self._loop.time()
        if self._lingering:
            self._close()
        elif self._exchanges:
            self._deaf = True
            late = self._exchanges[0]
            error = TooSlow(f"the body did not arrive in time; {late.size} bytes of it did")
            late.settle(self._application.refuse(late.head, error))
            self._go_on()
        elif self._in_head:
            self._refuse(_HEAD_TOO_SLOW)
            self._go_on()
        else:
            self._close()
