"""What the OpenTelemetry SDK sends from an instrumented application is what an analyst reads in ClickHouse."""

import json
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from tests.e2e import expected_rows

ROOT = Path(__file__).parents[2]
TIMES = {
    "otel_traces": (
        "toUnixTimestamp64Nano(Timestamp) AS Timestamp",
        "arrayMap(t -> toUnixTimestamp64Nano(t), Events.Timestamp) AS `Events.Timestamp`",
    ),
    "otel_logs": ("toUnixTimestamp64Nano(Timestamp) AS Timestamp",),
}
POINT_TIMES = ("toUnixTimestamp(StartTimeUnix) AS StartTimeUnix", "toUnixTimestamp(TimeUnix) AS TimeUnix")
EXEMPLAR_TIMES = "arrayMap(t -> toUnixTimestamp(t), Exemplars.TimeUnix) AS `Exemplars.TimeUnix`"


def rows(ottery, table):
    """Return a table's rows with every time as a number, in a fixed order."""
    times = TIMES.get(table) or (POINT_TIMES if table.endswith("summary") else (*POINT_TIMES, EXEMPLAR_TIMES))
    return ordered(ottery.query(f"SELECT * REPLACE ({', '.join(times)}) FROM {table}"))


def wait_for(ottery, table, count):
    ottery.until(lambda: ottery.count(table) >= count, f"{count} rows in {table}")


def ordered(rows):
    return sorted(rows, key=lambda row: json.dumps(row, sort_keys=True))


def shop(protocol, endpoint, directory):
    """Let the shop do business; return the OTLP that its SDK exported."""
    command = [sys.executable, "-m", "tests.e2e.shop_client", protocol, endpoint, str(directory)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return {name: (directory / f"{name}.pb").read_bytes() for name in ("traces", "logs", "metrics")}


@pytest.mark.parametrize("protocol", ["grpc", "http/protobuf", "http/json"])
def test_clickhouse_holds_what_the_sdk_of_an_instrumented_application_exported(ottery, tmp_path, protocol):
    ottery.start()
    endpoint = f"http://localhost:{ottery.grpc if protocol == 'grpc' else ottery.http}"
    sent = shop(protocol, endpoint, tmp_path)
    expected = {
        "otel_traces": expected_rows.traces(sent["traces"]),
        "otel_logs": expected_rows.logs(sent["logs"]),
        **{
            f"otel_metrics_{kind}": expected_rows.metrics(sent["metrics"], kind)
            for kind in ("gauge", "sum", "histogram", "exponential_histogram")
        },
    }
    for table, wanted in expected.items():
        assert wanted, f"the shop sends nothing for {table}"
        wait_for(ottery, table, len(wanted))
        assert rows(ottery, table) == ordered(wanted)


def test_every_kind_of_metric_keeps_every_field_that_its_table_has(ottery):
    """The SDK makes no summaries, no negative buckets and no integer exemplars: they are sent by hand."""
    request = ExportMetricsServiceRequest()
    resource = request.resource_metrics.add(schema_url="https://opentelemetry.io/schemas/1.37.0")
    resource.resource.attributes.add(key="service.name").value.string_value = "by hand"
    scope = resource.scope_metrics.add(schema_url="https://opentelemetry.io/schemas/1.38.0")
    scope.scope.name, scope.scope.version, scope.scope.dropped_attributes_count = "scope", "2", 3
    scope.scope.attributes.add(key="library").value.bool_value = True
    times = {"start_time_unix_nano": 1_780_000_000_000_000_000, "time_unix_nano": 1_780_000_060_000_000_000, "flags": 1}
    summary = scope.metrics.add(name="summary", unit="s", description="of old").summary.data_points.add(**times)
    summary.count, summary.sum = 4, 10.5
    summary.quantile_values.add(quantile=0.5, value=2.0)
    summary.quantile_values.add(quantile=0.99, value=4.5)
    exponential = scope.metrics.add(name="exponential").exponential_histogram
    exponential.aggregation_temporality = 1
    point = exponential.data_points.add(**times, count=9, sum=-3.5, min=-8.0, max=4.0, scale=-2, zero_count=2)
    point.positive.offset, point.negative.offset = -1, 7
    point.positive.bucket_counts.extend([1, 0, 2])
    point.negative.bucket_counts.extend([4])
    gauge = scope.metrics.add(name="gauge").gauge.data_points.add(**times, as_int=-7)
    gauge.attributes.add(key="room").value.int_value = 12
    exemplar = gauge.exemplars.add(
        as_int=5, time_unix_nano=1_780_000_030_000_000_000, span_id=b"\1" * 8, trace_id=b"\2" * 16
    )
    exemplar.filtered_attributes.add(key="user").value.double_value = 0.5
    total = scope.metrics.add(name="sum").sum
    total.aggregation_temporality, total.is_monotonic = 2, True
    total.data_points.add(**times, as_double=1.25)
    histogram = scope.metrics.add(name="histogram").histogram
    histogram.aggregation_temporality = 2
    point = histogram.data_points.add(**times, count=3, sum=6.0, min=1.0, max=3.0)
    point.bucket_counts.extend([1, 2])
    point.explicit_bounds.extend([2.0])
    ottery.start()
    answer = post(f"http://localhost:{ottery.http}/v1/metrics", request.SerializeToString())
    assert MessageToDict(answer) == {}
    for kind in expected_rows.VALUES:
        table = f"otel_metrics_{kind}"
        wait_for(ottery, table, 1)
        assert rows(ottery, table) == expected_rows.metrics(request.SerializeToString(), kind)


def post(url, body):
    from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse

    request = urllib.request.Request(url, body, {"Content-Type": "application/x-protobuf"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return ExportMetricsServiceResponse.FromString(answer.read())
