"""The OpenTelemetry SDK of JavaScript sends, and everything arrives: over gRPC, protobuf and JSON, gzip and plain."""

import asyncio
import json
import shutil
import subprocess
from pathlib import Path

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from collector.api import Signal

SOURCE = Path(__file__).parent / "node"
FOLDER = Path(__file__).parents[3] / "build" / "sdk-node"


@pytest.fixture(scope="session")
def client():
    """The program, beside its installed packages."""
    try:
        return install()
    except (OSError, subprocess.SubprocessError) as error:
        pytest.skip(f"NO NODE.JS, ITS SDK WAS NOT TESTED: {error}")


def install():
    if not shutil.which("node"):
        raise FileNotFoundError("node is not installed")
    wanted, stamp = (SOURCE / "package.json").read_text(), FOLDER / ".ready"
    FOLDER.mkdir(parents=True, exist_ok=True)
    if not stamp.exists() or stamp.read_text() != wanted:
        (FOLDER / "package.json").write_text(wanted)
        options = ["--no-audit", "--no-fund", "--no-package-lock", "--ignore-scripts", "--silent"]
        subprocess.run(["npm", "install", *options], cwd=FOLDER, check=True, timeout=100)
        stamp.write_text(wanted)
    shutil.copy(SOURCE / "client.mjs", FOLDER)
    return FOLDER / "client.mjs"


async def run(client, *arguments):
    """Run the program and return what it printed."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec("node", client, *arguments, stdout=pipe, stderr=pipe)
    output, errors = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0, errors.decode()
    return json.loads(output)


def values(attributes):
    return {pair.key: getattr(pair.value, pair.value.WhichOneof("value")) for pair in attributes}


@pytest.mark.parametrize("compression", ["none", "gzip"])
@pytest.mark.parametrize("protocol", ["grpc", "http/protobuf", "http/json"])
async def test_what_the_sdk_sends_arrives(otlp, client, protocol, compression):
    endpoint = f"http://{otlp.grpc_target if protocol == 'grpc' else otlp.http_host}"
    sent = await run(client, protocol, endpoint, compression)
    batches = {signal: otlp.consumers[signal].batches for signal in Signal}
    assert {signal: [batch.items for batch in found] for signal, found in batches.items()} == {
        Signal.TRACES: [1],
        Signal.LOGS: [1],
        Signal.METRICS: [4],
    }

    resource = ExportTraceServiceRequest.FromString(batches[Signal.TRACES][0].otlp).resource_spans[0]
    span = resource.scope_spans[0].spans[0]
    assert values(resource.resource.attributes)["service.name"] == "node-shop"
    assert (span.trace_id.hex(), span.span_id.hex()) == (sent["traceId"], sent["spanId"])
    assert (span.name, span.kind, span.status.code, span.status.message) == ("checkout", 2, 2, "broken")
    found = values(span.attributes)
    assert [item.string_value for item in found.pop("tags").values] == ["x", "y"]
    assert found == {"http.route": "/checkout", "http.status": 500, "ratio": 0.5, "cached": False}
    assert [(event.name, values(event.attributes)) for event in span.events] == [("cache.miss", {"key": "basket"})]

    logs = ExportLogsServiceRequest.FromString(batches[Signal.LOGS][0].otlp).resource_logs[0]
    record = logs.scope_logs[0].log_records[0]
    body = {pair.key: pair.value for pair in record.body.kvlist_value.values}
    assert (record.severity_number, record.severity_text, body["text"].string_value) == (17, "ERROR", "größer")
    assert [item.WhichOneof("value") for item in body["codes"].array_value.values] == [
        "int_value",
        "double_value",
        None,
    ]

    metrics = ExportMetricsServiceRequest.FromString(batches[Signal.METRICS][0].otlp).resource_metrics[0]
    kinds = {metric.name: metric.WhichOneof("data") for metric in metrics.scope_metrics[0].metrics}
    assert kinds == {"orders": "sum", "latency": "histogram", "size": "exponential_histogram", "load": "gauge"}
