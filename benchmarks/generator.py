"""The load generator: a process that sends prepared OTLP requests over a few connections, as fast as answered.

It is driven by lines on its standard input, `send FIRST COUNT`, and answers each with a line of JSON. Requests
are serialized before the first one is sent. A refusal that OTLP calls retryable is retried after a short wait,
anything else ends the run: the load is bounded by its count and by its time.
"""

from __future__ import annotations

import argparse
import asyncio
import gzip
import json
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, Self

import grpc
import grpc.aio
import httptools
import uvloop

from benchmarks.payload import Template
from exporters.kafka.producer import AsyncProducer, Record

_SERVICES = {"traces": "trace.v1.TraceService", "logs": "logs.v1.LogsService", "metrics": "metrics.v1.MetricsService"}
_RETRY_DELAY = 0.05
_TIME_LIMIT = 120.0
_CHANNELS = 4


class Failed(Exception):
    """The collector refused a request for good."""


class Client(Protocol):
    """One connection; `send` returns whether the request was taken (else it may be sent again)."""

    async def send(self, body: bytes) -> bool:
        """Send one request and await its answer. Raises `Failed` when it is refused for good."""

    async def close(self) -> None:
        """Let go of the connection."""


class GrpcClient:
    """OTLP/gRPC: raw bytes through grpc.aio, a channel (and so a connection) of its own."""

    _RETRYABLE = frozenset({grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED})

    def __init__(self, port: int, signal: str, *, compress: bool) -> None:
        options = [("grpc.use_local_subchannel_pool", 1)]
        compression = grpc.Compression.Gzip if compress else grpc.Compression.NoCompression
        self._channel = grpc.aio.insecure_channel(f"127.0.0.1:{port}", options=options, compression=compression)
        self._call = self._channel.unary_unary(f"/opentelemetry.proto.collector.{_SERVICES[signal]}/Export", None, None)

    async def send(self, body: bytes) -> bool:
        try:
            await self._call(body, timeout=30)
        except grpc.aio.AioRpcError as error:
            if error.code() in self._RETRYABLE:
                return False
            raise Failed(f"{error.code().name}: {error.details()}") from error
        return True

    async def close(self) -> None:
        await self._channel.close(None)


class HttpClient:
    """OTLP/HTTP protobuf over one kept-alive connection."""

    _RETRYABLE = frozenset({429, 502, 503, 504})

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, signal: str, *, compress: bool
    ) -> None:
        self._reader, self._writer, self._compress = reader, writer, compress
        encoding = "Content-Encoding: gzip\r\n" if compress else ""
        self._head = (
            f"POST /v1/{signal} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/x-protobuf\r\n{encoding}"
            "Content-Length: "
        ).encode()

    @classmethod
    async def connect(cls, port: int, signal: str, *, compress: bool) -> Self:
        """Open the connection."""
        return cls(*await asyncio.open_connection("127.0.0.1", port), signal, compress=compress)

    async def send(self, body: bytes) -> bool:
        self._writer.writelines((self._head, str(len(body)).encode(), b"\r\n\r\n", body))
        await self._writer.drain()
        answer = await self._answer()
        if answer.status in self._RETRYABLE:
            return False
        if answer.status != 200:
            raise Failed(f"status {answer.status}")
        return True

    async def _answer(self) -> _Answer:
        answer = _Answer()
        parser = httptools.HttpResponseParser(answer)
        answer.parser = parser
        while not answer.complete:
            data = await self._reader.read(65536)
            if not data:
                raise Failed("the connection was closed")
            parser.feed_data(data)
        return answer

    async def close(self) -> None:
        self._writer.close()


class KafkaClient:
    """Records of a topic; the requests are what Ottery's Kafka exporter would write, one a record."""

    def __init__(self, producer: AsyncProducer, topic: str) -> None:
        self._producer, self._topic = producer, topic

    async def send(self, body: bytes) -> bool:
        report = await self._producer.send(Record(self._topic, body))
        if report.error is not None:
            raise Failed(report.error.str())
        return True

    async def close(self) -> None:
        await self._producer.stop()


def _kafka(port: int, topic: str) -> KafkaClient:
    producer = AsyncProducer({"bootstrap.servers": f"127.0.0.1:{port}", "compression.type": "zstd", "linger.ms": 1})
    producer.start()
    return KafkaClient(producer, topic)


@dataclass(slots=True)
class _Answer:
    parser: httptools.HttpResponseParser | None = None
    status: int = 0
    complete: bool = False

    def on_headers_complete(self) -> None:
        self.status = self.parser.get_status_code() if self.parser else 0

    def on_message_complete(self) -> None:
        self.complete = True


@dataclass(slots=True)
class Load:
    """The requests of one command and what became of them."""

    requests: list[bytes]
    retries: int = 0

    async def run(self, clients: Sequence[Client], in_flight: int) -> None:
        """Send everything, at most `in_flight` requests at a time."""
        queue = iter(self.requests)
        async with asyncio.timeout(_TIME_LIMIT), asyncio.TaskGroup() as tasks:
            for worker in range(in_flight):
                tasks.create_task(self._work(clients[worker % len(clients)], queue))

    async def _work(self, client: Client, queue: Iterator[bytes]) -> None:
        for body in queue:
            while not await client.send(body):
                self.retries += 1
                await asyncio.sleep(_RETRY_DELAY)


async def _commands() -> asyncio.StreamReader:
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    return reader


async def serve(options: argparse.Namespace) -> None:
    """Send what each line on standard input says."""
    template = Template(options.signal, options.items)
    clients: Sequence[Client]
    if options.transport == "grpc":
        clients = [GrpcClient(options.port, options.signal, compress=options.gzip) for _ in range(_CHANNELS)]
    elif options.transport == "kafka":
        clients = [_kafka(options.port, options.topic)]
    else:
        clients = [
            await HttpClient.connect(options.port, options.signal, compress=options.gzip)
            for _ in range(options.in_flight)
        ]
    commands = await _commands()
    while line := await commands.readline():
        first, count = map(int, line.split())
        requests = [template.request(first + index * template.items) for index in range(count)]
        size = sum(map(len, requests))
        if options.gzip and options.transport == "http":
            requests = [gzip.compress(request, 6) for request in requests]
        _say({"ready": size})
        await commands.readline()
        load = Load(requests)
        begin = time.monotonic()
        await load.run(clients, options.in_flight)
        _say({"seconds": time.monotonic() - begin, "retries": load.retries})
    for client in clients:
        await client.close()


def _say(document: dict[str, float]) -> None:
    print(json.dumps(document), flush=True)


def main() -> None:
    """Run as a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--transport", choices=("grpc", "http", "kafka"), required=True)
    parser.add_argument("--topic", default="")
    parser.add_argument("--signal", choices=tuple(_SERVICES), required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--items", type=int, required=True)
    parser.add_argument("--in-flight", type=int, default=16)
    parser.add_argument("--gzip", action="store_true")
    uvloop.run(serve(parser.parse_args()))


if __name__ == "__main__":
    main()
