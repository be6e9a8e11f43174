"""A client of HTTP/2 that speaks frame by frame, so that a test can say what no gRPC library would."""

import asyncio
from contextlib import asynccontextmanager

import h2.config
import h2.connection
import h2.events
from hyperframe.frame import Frame, GoAwayFrame, PingFrame

from tests.live.otlp.raw import drop

EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
_TIMEOUT = 20


class Http2:
    """One connection. `events` has everything that the server said; `h2` is the state of the connection."""

    def __init__(self, reader, writer):
        self.reader, self.writer = reader, writer
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="utf-8"))
        self.events = []

    async def flush(self):
        self.writer.write(self.h2.data_to_send())
        await self.writer.drain()

    def headers(self, authority="localhost", path=EXPORT, change=None, **extra):
        head = {":method": "POST", ":scheme": "http", ":authority": authority, ":path": path}
        body = {"te": "trailers", "content-type": "application/grpc"}
        changed = {**head, **body, **(change or {})}
        return [*changed.items(), *((name.replace("_", "-"), value) for name, value in extra.items())]

    async def call(self, body, **extra):
        """Send one request, with `extra` as further headers, and return the headers and trailers of its answer."""
        stream = self.h2.get_next_available_stream_id()
        self.h2.send_headers(stream, self.headers(**extra))
        self.h2.send_data(stream, body, end_stream=True)
        await self.flush()
        await self.until(lambda event: getattr(event, "stream_id", None) == stream, h2.events.StreamEnded)
        return self.answer(stream)

    def answer(self, stream):
        heads = (h2.events.ResponseReceived, h2.events.TrailersReceived)
        found = [event for event in self.events if isinstance(event, heads) and event.stream_id == stream]
        return {name: value for event in found for name, value in event.headers}

    async def until(self, wanted=lambda event: True, *kinds):
        """Read until an event of `kinds` is `wanted`, and return it; None when the connection ends before."""
        async with asyncio.timeout(_TIMEOUT):
            while True:
                for event in self.events:
                    if isinstance(event, kinds) and wanted(event):
                        return event
                if not await self._read():
                    return None

    async def closed(self):
        """Read to the end of the connection, answering pings, and return the first GOAWAY, if there was one.

        Frames are read one by one here: `h2` refuses the ping by which gRPC ends a connection gently.
        """
        goaway = None
        async with asyncio.timeout(_TIMEOUT):
            try:
                while True:
                    head = await self.reader.readexactly(9)
                    frame, length = Frame.parse_frame_header(memoryview(head))
                    frame.parse_body(memoryview(await self.reader.readexactly(length)))
                    if isinstance(frame, PingFrame) and "ACK" not in frame.flags:
                        self.writer.write(PingFrame(0, frame.opaque_data, flags=["ACK"]).serialize())
                    if isinstance(frame, GoAwayFrame):
                        goaway = goaway or frame
            except (asyncio.IncompleteReadError, ConnectionError):
                return goaway

    async def _read(self):
        try:
            data = await self.reader.read(65536)
        except ConnectionError:
            data = b""
        if data:
            self.events += self.h2.receive_data(data)
            self.writer.write(self.h2.data_to_send())
        return data


@asynccontextmanager
async def http2(target):
    """Connect to a gRPC server without TLS."""
    host, _, port = target.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    client = Http2(reader, writer)
    client.h2.initiate_connection()
    await client.flush()
    try:
        yield client
    finally:
        await drop(writer)


def grpc_message(body, *, compressed=False):
    """Return a message as gRPC frames it."""
    return bytes([compressed]) + len(body).to_bytes(4, "big") + body
