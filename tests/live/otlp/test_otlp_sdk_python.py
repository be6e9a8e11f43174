"""The OpenTelemetry SDK of Python through refusals and an outage: nothing is lost within its budget, nothing twice."""

import asyncio
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass

import pytest
from opentelemetry.exporter.otlp.json.http.trace_exporter import OTLPSpanExporter as JsonExporter
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcExporter
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from collector.api import Overloaded, Rejected, Signal
from collector.testing import RecordingConsumer


def grpc_exporter(otlp):
    return GrpcExporter(endpoint=otlp.grpc_target, insecure=True)


def http_exporter(otlp):
    return HttpExporter(endpoint=f"http://{otlp.http_host}/v1/traces", compression=Compression.Gzip)


def json_exporter(otlp):
    return JsonExporter(endpoint=f"http://{otlp.http_host}/v1/traces")


EXPORTERS = [
    pytest.param(grpc_exporter, id="gRPC"),
    pytest.param(http_exporter, id="HTTP"),
    pytest.param(json_exporter, id="JSON"),
]


@pytest.fixture
def spans():
    """Spans as the SDK ends them."""
    kept = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(kept))
    for number in range(3):
        provider.get_tracer("test").start_span(f"checkout {number}").end()
    return kept.get_finished_spans()


async def export(make, otlp, spans):
    """Export in a thread, as the SDK does; return its verdict and the seconds that it took."""
    exporter = await asyncio.to_thread(make, otlp)
    began = time.monotonic()
    verdict = await asyncio.to_thread(exporter.export, spans)
    await asyncio.to_thread(exporter.shutdown)
    return verdict, time.monotonic() - began


@pytest.mark.parametrize("make", EXPORTERS)
async def test_what_the_sdk_sends_arrives(otlp, spans, make):
    verdict, _ = await export(make, otlp, spans)
    assert (verdict, otlp.consumers[Signal.TRACES].items) == (SpanExportResult.SUCCESS, 3)


@pytest.mark.parametrize("make", EXPORTERS)
async def test_an_overload_delays_the_sdk_as_long_as_it_was_told_and_loses_nothing(start_otlp, spans, make):
    consumer = RecordingConsumer([Overloaded("the log is full", 2.0)])
    async with start_otlp(consumers={Signal.TRACES: consumer}) as otlp:
        verdict, seconds = await export(make, otlp, spans)
    assert (verdict, consumer.items, len(consumer.batches)) == (SpanExportResult.SUCCESS, 3, 1)
    assert seconds >= 2


@pytest.mark.parametrize("make", EXPORTERS)
async def test_what_is_refused_for_good_is_not_sent_again(start_otlp, spans, make):
    consumer = RecordingConsumer([Rejected("no such tenant")] * 2)
    async with start_otlp(consumers={Signal.TRACES: consumer}) as otlp:
        verdict, _ = await export(make, otlp, spans)
    assert (verdict, len(consumer.errors)) == (SpanExportResult.FAILURE, 1)


@dataclass
class Outage:
    """What stands where a receiver stood and comes back: it closes every connection."""

    grpc_target: str
    http_host: str

    async def until_somebody_came(self):
        """Close connections until the first one, then leave the ports to others."""
        came = asyncio.Event()

        def close(_, writer):
            came.set()
            writer.transport.abort()

        async with AsyncExitStack() as servers:
            for where in (self.grpc_target, self.http_host):
                host, _, port = where.rpartition(":")
                await servers.enter_async_context(await asyncio.start_server(close, host, int(port)))
            await came.wait()


@pytest.mark.parametrize("make", EXPORTERS)
async def test_a_restart_is_bridged_by_the_sdk(start_otlp, spans, make):
    consumers = {Signal.TRACES: RecordingConsumer()}
    async with start_otlp(consumers=consumers) as otlp:
        outage = Outage(otlp.grpc_target, otlp.http_host)
    where = {"grpc": {"endpoint": outage.grpc_target}, "http": {"endpoint": outage.http_host}}
    async with asyncio.TaskGroup() as tasks:
        exporting = tasks.create_task(export(make, outage, spans))
        await outage.until_somebody_came()
        async with start_otlp(**where, consumers=consumers):
            verdict, _ = await exporting
    assert (verdict, consumers[Signal.TRACES].items) == (SpanExportResult.SUCCESS, 3)
