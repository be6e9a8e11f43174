import numpy as np
import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from benchmarks.ids import find_numbers, span_ids, trace_ids
from benchmarks.payload import Template


@pytest.mark.parametrize(("items", "size"), [(1, 655), (512, 184_000)])
def test_the_trace_request_has_the_size_of_the_reference(items, size):
    assert len(Template("traces", items).request(0)) == size


def test_the_reference_request_has_the_shape_that_results_are_quoted_for():
    request = ExportTraceServiceRequest.FromString(Template("traces", 512).request(0))
    envelope = request.resource_spans[0]
    spans = envelope.scope_spans[0].spans
    kinds = [attribute.value.WhichOneof("value") for attribute in spans[0].attributes]
    assert len(spans) == 512
    assert len(envelope.resource.attributes) == 6
    assert sorted(kinds) == ["int_value"] * 2 + ["string_value"] * 6
    assert [index for index, span in enumerate(spans) if span.events] == list(range(9, 512, 10))


def test_spans_carry_the_ids_of_their_numbers():
    request = ExportTraceServiceRequest.FromString(Template("traces", 50).request(7000))
    spans = request.resource_spans[0].scope_spans[0].spans
    numbers = np.arange(7000, 7050, dtype=np.uint64)
    assert [span.span_id for span in spans] == [bytes(row) for row in span_ids(numbers)]
    assert [span.trace_id for span in spans] == [bytes(row) for row in trace_ids(numbers)]


def test_log_records_carry_the_ids_of_their_numbers():
    request = ExportLogsServiceRequest.FromString(Template("logs", 50).request(7000))
    records = request.resource_logs[0].scope_logs[0].log_records
    numbers = np.arange(7000, 7050, dtype=np.uint64)
    assert [record.span_id for record in records] == [bytes(row) for row in span_ids(numbers)]
    assert [record.trace_id for record in records] == [bytes(row) for row in trace_ids(numbers)]


def test_data_points_carry_the_ids_of_their_numbers_in_an_attribute():
    request = ExportMetricsServiceRequest.FromString(Template("metrics", 50).request(7000))
    points = [
        point
        for metric in request.resource_metrics[0].scope_metrics[0].metrics
        for point in getattr(metric, metric.WhichOneof("data")).data_points
    ]
    expected = [bytes(row).hex() for row in span_ids(np.arange(7000, 7050, dtype=np.uint64))]
    assert [point.attributes[0].value.string_value for point in points] == expected


def test_ids_are_found_in_the_order_in_which_they_stand():
    numbers = np.array([3, 1, 2**40 - 1, 1], dtype=np.uint64)
    text = b"\x10".join(bytes(row).hex().encode() for row in span_ids(numbers))
    assert find_numbers(b"\x00\xffbe9c4" + text + b"be9c4a12").tolist() == [3, 1, 2**40 - 1, 1]


def test_trace_ids_never_look_like_the_id_of_an_item():
    ids = trace_ids(np.arange(0, 800_000, dtype=np.uint64))
    assert find_numbers(ids.tobytes().hex().encode()).tolist() == []
