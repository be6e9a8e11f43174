"""Servers of OTLP that answer by a script, on HTTP/1.1 and on HTTP/2 frame by frame, and write down what they got."""

import asyncio
import contextlib
from collections import deque
from dataclasses import dataclass, field

import h2.config
import h2.connection
import h2.events
import h2.exceptions

from collector.http import AsgiServer, bind
from collector.testing import Recorder

HANG = object()
"""An answer that never comes."""
DROP = object()
"""The end of the connection instead of an answer."""


@dataclass
class Call:
    """A request as it came: `path`, `headers` in lower case, and the `body` as it was on the wire."""

    path: str
    headers: dict[str, str]
    body: bytes
    client: tuple


@dataclass
class HttpAnswer:
    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class GrpcAnswer:
    """`message` is what the call returns, as bytes; `trailers` may have bytes, under names that end with -bin."""

    status: int = 0
    details: str = ""
    message: bytes = b""
    trailers: dict[str, str] = field(default_factory=dict)


class Scripted(Recorder):
    """`calls` is what came; each of `answers` is used once, in order, and then `default`."""

    def __init__(self, default, tls=None):
        super().__init__()
        self.calls = []
        self.answers = deque()
        self.default = default
        self.tls = tls
        self.port = 0

    @property
    def endpoint(self):
        return f"{'https' if self.tls else 'http'}://localhost:{self.port}"

    async def next_answer(self, call):
        self.calls.append(call)
        self.notify()
        return self.answers.popleft() if self.answers else self.default

    async def called(self, times):
        await self.until(lambda: len(self.calls) >= times)


class HttpSink(Scripted):
    """OTLP over HTTP/1.1."""

    def __init__(self, tls=None):
        super().__init__(HttpAnswer(), tls)

    async def start(self):
        bound = bind(f"127.0.0.1:{self.port}")
        options = {"ssl_context_factory": lambda _config, _default: self.tls} if self.tls else {}
        self._server = AsgiServer(self._app, [bound], grace=0, **options)
        self.port = self._server.port
        await self._server.start()

    async def stop(self):
        await self._server.stop()

    async def _app(self, scope, receive, send):
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        answer = await self.next_answer(Call(scope["path"], headers, body, scope["client"]))
        if answer is DROP:
            for connection in list(self._server._connections):
                connection.transport.abort()
        if answer in (HANG, DROP):
            await asyncio.Event().wait()
        lines = [(name.encode(), value.encode()) for name, value in answer.headers.items()]
        lines.append((b"content-length", str(len(answer.body)).encode()))
        await send({"type": "http.response.start", "status": answer.status, "headers": lines})
        await send({"type": "http.response.body", "body": answer.body})


class GrpcSink(Scripted):
    """OTLP over gRPC."""

    def __init__(self, tls=None):
        super().__init__(GrpcAnswer(), tls)

    async def start(self):
        self._tasks = set()
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, ssl=self.tls)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self):
        self._server.close()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._server.wait_closed()

    async def _serve(self, reader, writer):
        task = asyncio.current_task()
        self._tasks.add(task)
        try:
            await _Connection(self, reader, writer).run()
        except (ConnectionError, h2.exceptions.ProtocolError, asyncio.CancelledError):
            pass
        finally:
            self._tasks.discard(task)
            writer.transport.abort()
            with contextlib.suppress(ConnectionError, asyncio.CancelledError):
                await writer.wait_closed()


class _Connection:
    """One connection of HTTP/2. Answers are sent in the order of the requests."""

    def __init__(self, sink, reader, writer):
        self._sink = sink
        self._reader, self._writer = reader, writer
        self._h2 = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False, header_encoding="utf-8"))
        self._requests = {}

    async def run(self):
        self._h2.initiate_connection()
        self._writer.write(self._h2.data_to_send())
        while data := await self._reader.read(65536):
            for event in self._h2.receive_data(data):
                await self._take(event)
            self._writer.write(self._h2.data_to_send())
            await self._writer.drain()

    async def _take(self, event):
        match event:
            case h2.events.RequestReceived():
                self._requests[event.stream_id] = (dict(event.headers), bytearray())
            case h2.events.DataReceived():
                self._requests[event.stream_id][1].extend(event.data)
                self._h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        if getattr(event, "stream_ended", None) is not None:
            await self._answer(event.stream_id)

    async def _answer(self, stream):
        headers, body = self._requests.pop(stream)
        call = Call(headers[":path"], headers, bytes(body), self._writer.get_extra_info("peername"))
        answer = await self._sink.next_answer(call)
        if answer is HANG:
            return
        if answer is DROP:
            raise ConnectionError("the script drops this connection")
        self._h2.send_headers(stream, [(":status", "200"), ("content-type", "application/grpc")])
        if not answer.status:
            self._h2.send_data(stream, b"\0" + len(answer.message).to_bytes(4, "big") + answer.message)
        trailers = {"grpc-status": str(answer.status), "grpc-message": answer.details, **answer.trailers}
        self._h2.send_headers(stream, list(trailers.items()), end_stream=True)
