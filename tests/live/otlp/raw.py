"""A client of HTTP/1.1 that sends any bytes at all, and a good client to have beside it."""

import asyncio
import contextlib
from dataclasses import dataclass

from collector.api import Signal
from collector.testing import sample_request

_TIMEOUT = 20


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes


class Raw:
    """One connection."""

    def __init__(self, reader, writer):
        self.reader, self.writer = reader, writer

    async def send(self, *parts):
        """Send, as far as the server lets us: it may have answered and closed."""
        try:
            for part in parts:
                self.writer.write(part)
                await self.writer.drain()
        except ConnectionError:
            pass

    async def answer(self):
        """Return the next answer; None when the server closed the connection instead."""
        async with asyncio.timeout(_TIMEOUT):
            try:
                head = await self.reader.readuntil(b"\r\n\r\n")
            except (asyncio.IncompleteReadError, ConnectionError):
                return None
            line, *lines = head.decode("latin-1").split("\r\n")[:-2]
            headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
            body = await self.reader.readexactly(int(headers.get("content-length", "0")))
        return Answer(int(line.split()[1]), headers, body)

    async def answers(self):
        """Return the statuses of all answers until the server closes the connection."""
        found = []
        while (answer := await self.answer()) is not None:
            found.append(answer.status)
        return found


@contextlib.asynccontextmanager
async def raw(otlp):
    """Connect to the HTTP server of a receiver."""
    reader, writer = await asyncio.open_connection(*otlp.http_address)
    try:
        yield Raw(reader, writer)
    finally:
        await drop(writer)


async def drop(writer):
    """Cut a connection, and wait until the event loop has let go of it."""
    writer.transport.abort()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()


async def read_and_forget(reader):
    """Read as long as there is something to read."""
    try:
        while await reader.read(65536):
            pass
    except ConnectionError:
        pass


def post(body=b"", *lines, path="/v1/traces", media="application/x-protobuf", length=None):
    """Return the bytes of a request with further header `lines`; `length` is what it says of its body."""
    size = len(body) if length is None else length
    head = [f"POST {path} HTTP/1.1", "Host: x", f"Content-Type: {media}", f"Content-Length: {size}", *lines, "", ""]
    return "\r\n".join(head).encode("latin-1") + body


async def send_over_http(client):
    headers = {"content-type": "application/x-protobuf"}
    answer = await client.post("/v1/traces", content=sample_request(Signal.TRACES, 1), headers=headers)
    assert answer.status_code == 200


async def send_over_grpc(channel):
    method = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
    assert await channel.unary_unary(method)(sample_request(Signal.TRACES, 1), timeout=_TIMEOUT) == b""


@contextlib.asynccontextmanager
async def served_beside(otlp, *, grpc=False):
    """While the block runs, send good requests over one connection and over new ones, and check that all were taken."""
    connect, send = (otlp.channel, send_over_grpc) if grpc else (otlp.client, send_over_http)
    consumer = otlp.consumers[Signal.TRACES]
    before, sent, done = consumer.items, 0, asyncio.Event()

    async def keep_sending():
        nonlocal sent
        finished = False
        async with connect() as kept:
            while not finished:
                finished = done.is_set()
                async with connect() as fresh:
                    await send(kept)
                    await send(fresh)
                sent += 2

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(keep_sending())
        try:
            yield
        finally:
            done.set()
    assert consumer.items - before == sent
