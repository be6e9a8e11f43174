"""Examples of everything in OTLP, in JSON and in protobuf, over every way that leads in."""

import gzip
from pathlib import Path

import grpc
import pytest
from google.protobuf import text_format
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from collector.api import Signal
from collector.receivers.inflate import zstd
from collector.receivers.otlp.grpc import SERVICES

GOLDEN = Path(__file__).parents[2] / "golden" / "otlp"
REQUESTS = {
    Signal.TRACES: ExportTraceServiceRequest,
    Signal.METRICS: ExportMetricsServiceRequest,
    Signal.LOGS: ExportLogsServiceRequest,
}
EXAMPLES = [
    pytest.param("traces", Signal.TRACES, id="traces"),
    pytest.param("metrics", Signal.METRICS, id="metrics"),
    pytest.param("logs", Signal.LOGS, id="logs"),
    pytest.param("events", Signal.LOGS, id="events"),
]
PACKED = {"identity": bytes, "gzip": gzip.compress, "zstd": zstd.compress}


def twin(name, signal):
    """Return an example as a protobuf message."""
    return text_format.Parse((GOLDEN / f"{name}.textproto").read_text(), REQUESTS[signal]())


def received(otlp, signal):
    (batch,) = otlp.consumers[signal].batches
    return REQUESTS[signal].FromString(batch.otlp)


@pytest.mark.parametrize("encoding", list(PACKED))
@pytest.mark.parametrize("json", [False, True], ids=["protobuf", "JSON"])
@pytest.mark.parametrize(("name", "signal"), EXAMPLES)
async def test_an_example_over_http_means_its_protobuf_twin(otlp, name, signal, json, encoding):
    message = twin(name, signal)
    body = (GOLDEN / f"{name}.json").read_bytes() if json else message.SerializeToString()
    media = "application/json" if json else "application/x-protobuf"
    headers = {"content-type": media, "content-encoding": encoding}
    async with otlp.client() as client:
        answer = await client.post(f"/v1/{signal}", content=PACKED[encoding](body), headers=headers)
    assert (answer.status_code, answer.content) == (200, b"{}" if json else b"")
    assert received(otlp, signal) == message


@pytest.mark.parametrize("compression", list(grpc.Compression), ids=lambda compression: compression.name)
@pytest.mark.parametrize(("name", "signal"), EXAMPLES)
async def test_an_example_over_grpc_arrives(otlp, name, signal, compression):
    message = twin(name, signal)
    async with otlp.channel(compression=compression) as channel:
        assert await channel.unary_unary(f"/{SERVICES[signal]}/Export")(message.SerializeToString()) == b""
    assert received(otlp, signal) == message
