import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from collector.api import Batch, Signal
from collector.testing import sample_batch
from collector.wire.codec import codec
from exporters.debug.detail import detail
from exporters.debug.text import time

SPAN = """\
ResourceSpans #0
Resource SchemaURL:_
Resource attributes:
     -> service.name: Str(shop)
ScopeSpans #0
ScopeSpans SchemaURL:_
InstrumentationScope ottery.testing 1.0
Span #0
    Trace ID       : 00000000000000000000000000000001
    Parent ID      :_
    ID             : 0000000000000001
    Name           : GET /orders/0
    Kind           : Server
    Start time     : 2026-01-01 00:00:00 +0000 UTC
    End time       : 2026-01-01 00:00:00.005 +0000 UTC
    Status code    : Ok
    Status message :_
Attributes:
     -> http.route: Str(/orders/0)
     -> http.status: Int(200)
     -> ratio: Double(0)
     -> cached: Bool(true)
     -> tags: Slice(["a",0])
     -> address: Map({"city":"Bergen"})
     -> digest: Bytes(AAAAAA==)
Events:
SpanEvent #0
     -> Name: cache.miss
     -> Timestamp: 2026-01-01 00:00:00.001 +0000 UTC
     -> DroppedAttributesCount: 0
     -> Attributes:
          -> http.route: Str(/orders/0)
Links:
SpanLink #0
     -> Trace ID: 00000000000000000000000000000002
     -> ID: 0000000000000005
     -> TraceState:_
     -> DroppedAttributesCount: 0
"""

LOG = """\
LogRecord #0
ObservedTimestamp: 2026-01-01 00:00:00.000001 +0000 UTC
Timestamp: 2026-01-01 00:00:00 +0000 UTC
SeverityText: INFO
SeverityNumber: Info(9)
Body: Str(order 0 placed)
Attributes:
     -> http.route: Str(/orders/0)
     -> http.status: Int(200)
     -> ratio: Double(0)
     -> cached: Bool(true)
     -> tags: Slice(["a",0])
     -> address: Map({"city":"Bergen"})
     -> digest: Bytes(AAAAAA==)
Trace ID: 00000000000000000000000000000001
Span ID: 0000000000000001
Flags: 0
"""

POINT = """\
Metric #1
Descriptor:
     -> Name: shop.metric_1
     -> Description: A sample
     -> Unit: 1
     -> DataType: Sum
     -> IsMonotonic: true
     -> AggregationTemporality: Cumulative
NumberDataPoints #0
Data point attributes:
     -> http.route: Str(/orders/1)
     -> http.status: Int(201)
     -> ratio: Double(0.25)
     -> cached: Bool(false)
     -> tags: Slice(["a",1])
     -> address: Map({"city":"Bergen"})
     -> digest: Bytes(AAAAAQ==)
StartTimestamp: 2026-01-01 00:00:00 +0000 UTC
Timestamp: 2026-01-01 00:00:02 +0000 UTC
Value: 1
"""

VALUES = {
    "Metric #0": ["Value: 0.000000"],
    "Metric #2": [
        "Count: 3",
        "Sum: 4.500000",
        "Min: 0.500000",
        "Max: 3.000000",
        "ExplicitBounds #0: 1.000000",
        "ExplicitBounds #1: 2.000000",
        "Buckets #0, Count: 1",
        "Buckets #1, Count: 1",
        "Buckets #2, Count: 1",
    ],
    "Metric #3": [
        "Count: 4",
        "Sum: 9.000000",
        "Bucket [0, 0], Count: 1",
        "Bucket (1.414214, 2.000000], Count: 2",
        "Bucket (2.000000, 2.828427], Count: 1",
    ],
    "Metric #4": ["Count: 2", "Sum: 3.000000", "QuantileValue #0: Quantile 0.500000, Value 1.500000"],
}


def test_a_span_is_printed_with_every_field():
    assert detail(sample_batch(Signal.TRACES, 1)) == SPAN.replace(":_", ": ")


def test_a_log_record_is_printed_with_every_field():
    assert detail(sample_batch(Signal.LOGS, 1)).endswith(LOG)


def test_a_metric_is_printed_with_its_descriptor_and_points():
    assert POINT in detail(sample_batch(Signal.METRICS, 5))


@pytest.mark.parametrize(("metric", "values"), VALUES.items(), ids=VALUES)
def test_every_kind_of_data_point_prints_its_values(metric, values):
    said = detail(sample_batch(Signal.METRICS, 5))
    after = said.partition(metric + "\n")[2].partition("\nTimestamp: ")[2].splitlines()[1:]
    assert after[: len(values)] == values


def test_points_of_one_metric_stand_below_one_descriptor():
    request = ExportMetricsServiceRequest()
    metric = request.resource_metrics.add().scope_metrics.add().metrics.add(name="temperature")
    for number in (1, 2):
        point = metric.gauge.data_points.add(as_int=number)
        exemplar = point.exemplars.add(as_double=0.5, span_id=bytes(7) + b"\x01", time_unix_nano=1)
        exemplar.filtered_attributes.add(key="user").value.int_value = 7
    said = detail(Batch(Signal.METRICS, codec(), requests=(request.SerializeToString(),), items=2))
    titles = [line for line in said.splitlines() if "#" in line and "Exemplar" not in line]
    assert titles == [
        "ResourceMetrics #0",
        "ScopeMetrics #0",
        "Metric #0",
        "NumberDataPoints #0",
        "NumberDataPoints #1",
    ]
    assert said.endswith(
        "Value: 2\nExemplars:\nExemplar #0\n     -> Trace ID: \n     -> Span ID: 0000000000000001\n"
        "     -> Timestamp: 1970-01-01 00:00:00.000000001 +0000 UTC\n     -> Value: 0.500000\n"
        "     -> FilteredAttributes:\n          -> user: Int(7)\n"
    )


def test_buckets_that_no_double_reaches_are_infinite():
    request = ExportMetricsServiceRequest()
    metric = request.resource_metrics.add().scope_metrics.add().metrics.add(name="wide")
    point = metric.exponential_histogram.data_points.add(count=2, scale=-11)
    point.positive.offset, point.negative.offset = 5, 0
    point.positive.bucket_counts.append(1)
    point.negative.bucket_counts.append(1)
    said = detail(Batch(Signal.METRICS, codec(), requests=(request.SerializeToString(),), items=1))
    assert said.endswith("Bucket [-inf, -1.000000), Count: 1\nBucket (inf, inf], Count: 1\n")


def test_what_a_value_says_on_further_lines_is_set_apart():
    request = ExportTraceServiceRequest()
    span = request.resource_spans.add().scope_spans.add().spans.add(trace_id=b"x" * 16, span_id=b"y" * 8)
    span.name, span.kind, span.status.code, span.dropped_events_count = "a\nSpan #1", 77, 2, 4
    said = detail(Batch(Signal.TRACES, codec(), requests=(request.SerializeToString(),), items=1)).splitlines()
    assert said.count("Span #1") == 0
    assert "        Span #1" in said
    assert {"    Kind           : 77", "    Status code    : Error", "    DroppedEventsCount: 4"} <= set(said)


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [
        (0, "1970-01-01 00:00:00 +0000 UTC"),
        (1_581_452_772_000_000_321, "2020-02-11 20:26:12.000000321 +0000 UTC"),
        (2**64 - 1, "2554-07-21 23:34:33.709551615 +0000 UTC"),
    ],
)
def test_times_keep_their_nanoseconds(nanoseconds, text):
    assert time(nanoseconds) == text
