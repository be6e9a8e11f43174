"""The OpenTelemetry SDK of Java sends, and the HTTP client of the JDK, and everything arrives."""

import asyncio
import shutil
import subprocess
from pathlib import Path

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from collector.api import Signal

SOURCE = Path(__file__).parent / "java"
FOLDER = Path(__file__).parents[3] / "build" / "sdk-java"


@pytest.fixture(scope="session")
def classes():
    """The folder of the compiled client and the class path of its libraries."""
    try:
        return install()
    except (OSError, subprocess.SubprocessError) as error:
        pytest.skip(f"NO JAVA, ITS SDK WAS NOT TESTED: {error}")


def install():
    for program in ("javac", "mvn"):
        if not shutil.which(program):
            raise FileNotFoundError(f"{program} is not installed")
    sources = [SOURCE / name for name in ("pom.xml", "Client.java", "Jdk.java")]
    wanted, stamp = "".join(source.read_text() for source in sources), FOLDER / ".ready"
    path = f"{FOLDER}/jars/*:{FOLDER}/classes"
    if not stamp.exists() or stamp.read_text() != wanted:
        shutil.rmtree(FOLDER, ignore_errors=True)
        FOLDER.mkdir(parents=True)
        fetch = [
            "mvn",
            "-q",
            "-B",
            "-f",
            sources[0],
            "dependency:copy-dependencies",
            f"-DoutputDirectory={FOLDER}/jars",
        ]
        subprocess.run(fetch, check=True, timeout=100, capture_output=True)
        compile_it = ["javac", "-encoding", "UTF-8", "-cp", path, "-d", FOLDER / "classes", *sources[1:]]
        subprocess.run(compile_it, check=True, timeout=60, capture_output=True)
        stamp.write_text(wanted)
    return path


async def run(classes, program, *arguments):
    """Run a program to its end, which must be a good one."""
    options = ["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xmx256m"]
    process = await asyncio.create_subprocess_exec(
        "java", *options, "-cp", classes, program, *arguments, stderr=asyncio.subprocess.PIPE
    )
    _, errors = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0, errors.decode()


def names(batches):
    requests = [ExportTraceServiceRequest.FromString(batch.otlp) for batch in batches]
    return [request.resource_spans[0].scope_spans[0].spans[0].name for request in requests]


@pytest.mark.parametrize("compression", ["none", "gzip"])
@pytest.mark.parametrize("protocol", ["grpc", "http/protobuf"])
async def test_what_the_sdk_sends_arrives(otlp, classes, protocol, compression):
    endpoint = f"http://{otlp.grpc_target if protocol == 'grpc' else otlp.http_host}"
    await run(classes, "Client", protocol, endpoint, compression)
    batches = {signal: otlp.consumers[signal].batches for signal in Signal}
    assert [[batch.items for batch in batches[signal]] for signal in (Signal.TRACES, Signal.LOGS)] == [[1, 1], [1, 1]]
    metrics = ExportMetricsServiceRequest.FromString(batches[Signal.METRICS][0].otlp).resource_metrics[0]
    kinds = {metric.name: metric.WhichOneof("data") for metric in metrics.scope_metrics[0].metrics}
    assert kinds == {"orders": "sum", "latency": "histogram"}
    assert names(batches[Signal.TRACES]) == ["checkout 1", "checkout 2"]
    record = ExportLogsServiceRequest.FromString(batches[Signal.LOGS][0].otlp).resource_logs[0].scope_logs[0]
    assert [(item.body.string_value, item.severity_number) for item in record.log_records] == [("größer", 17)]


async def test_what_the_client_of_the_jdk_sends_arrives(otlp, classes):
    await run(classes, "Jdk", f"http://{otlp.http_host}/v1/traces")
    assert names(otlp.consumers[Signal.TRACES].batches) == ["checkout 1", "checkout 2"]
