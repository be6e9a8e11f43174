import pytest
from google.protobuf import json_format
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from collector.api import Signal
from collector.receivers.otlp.answers import success
from collector.receivers.refusal import MESSAGE_LIMIT
from collector.wire.types import Scan

RESPONSES = {
    Signal.TRACES: (ExportTraceServiceResponse, "rejected_spans"),
    Signal.METRICS: (ExportMetricsServiceResponse, "rejected_data_points"),
    Signal.LOGS: (ExportLogsServiceResponse, "rejected_log_records"),
}


@pytest.mark.parametrize("signal", list(Signal), ids=str)
def test_a_full_success_is_empty(signal):
    assert (success(signal, Scan(3), json=False), success(signal, Scan(3), json=True)) == (b"", b"{}")


@pytest.mark.parametrize(
    ("scan", "rejected", "message"),
    [
        pytest.param(Scan(1, 2, "span 0: no name"), 2, "span 0: no name", id="rejected items"),
        pytest.param(Scan(1, 2), 2, "2 items are invalid", id="rejected items without a reason"),
        pytest.param(
            Scan(1, replaced=2), 0, "2 strings were not UTF-8; their bad bytes were replaced by U+FFFD", id="bad text"
        ),
        pytest.param(
            Scan(1, duplicates=3),
            0,
            "3 attributes had a key that came again; the last one was kept",
            id="duplicate attributes",
        ),
        pytest.param(Scan(0, 1, "a", 1, 1), 1, None, id="everything"),
        pytest.param(Scan(0, 1, "a" * 5000), 1, "a" * MESSAGE_LIMIT, id="a long reason"),
    ],
)
@pytest.mark.parametrize("signal", list(Signal), ids=str)
def test_what_was_lost_is_told_alike_in_both_encodings(signal, scan, rejected, message):
    kind, field = RESPONSES[signal]
    proto = kind.FromString(success(signal, scan, json=False))
    assert json_format.Parse(success(signal, scan, json=True), kind()) == proto
    assert getattr(proto.partial_success, field) == rejected
    assert message is None or proto.partial_success.error_message == message
