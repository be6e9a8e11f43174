import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from typer.testing import CliRunner

from collector.cli import app

REQUESTS = {
    "/v1/traces": ExportTraceServiceRequest,
    "/v1/logs": ExportLogsServiceRequest,
    "/v1/metrics": ExportMetricsServiceRequest,
}


@pytest.fixture
def receiver():
    """An OTLP/HTTP receiver that keeps requests; `refuse` names paths that it answers with 400."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self.server.taken.append(REQUESTS[self.path].FromString(body))
            self.send_response(400 if self.path in self.server.refuse else 200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *arguments):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.taken, server.refuse = [], ()
        server.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def demo(*arguments):
    return CliRunner().invoke(app, ["demo", *arguments])


def taken(receiver, request):
    return [message for message in receiver.taken if isinstance(message, request)]


def test_the_demo_sends_one_trace_of_four_services(receiver):
    assert demo("--endpoint", receiver.url).exit_code == 0
    (request,) = taken(receiver, ExportTraceServiceRequest)
    spans = [span for resource in request.resource_spans for scope in resource.scope_spans for span in scope.spans]
    assert len(request.resource_spans) == 4
    assert len(spans) == 10
    assert len({span.trace_id for span in spans}) == 1
    assert {span.parent_span_id for span in spans} - {span.span_id for span in spans} == {b""}
    assert [span.events[0].name for span in spans if span.events] == ["exception", "exception"]
    assert sum(len(span.links) for span in spans) == 1


def test_the_logs_of_the_demo_belong_to_its_trace(receiver):
    demo("--endpoint", receiver.url)
    (traces,), (logs,) = taken(receiver, ExportTraceServiceRequest), taken(receiver, ExportLogsServiceRequest)
    trace_id = traces.resource_spans[0].scope_spans[0].spans[0].trace_id
    records = [
        record for resource in logs.resource_logs for scope in resource.scope_logs for record in scope.log_records
    ]
    assert {record.trace_id for record in records} == {trace_id}
    assert sorted({record.severity_text for record in records}) == ["ERROR", "INFO", "WARN"]


def test_the_metrics_of_the_demo_have_every_kind_that_the_sdk_makes(receiver):
    demo("--endpoint", receiver.url)
    metrics = [
        metric
        for request in taken(receiver, ExportMetricsServiceRequest)
        for resource in request.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
    ]
    assert sorted((metric.name, metric.WhichOneof("data")) for metric in metrics) == [
        ("http.server.active_requests", "sum"),
        ("http.server.request.duration", "histogram"),
        ("mailer.queue.depth", "gauge"),
        ("payment.attempts", "sum"),
        ("shop.order.value", "exponential_histogram"),
        ("shop.orders", "sum"),
    ]
    (duration,) = [metric for metric in metrics if metric.name == "http.server.request.duration"]
    assert duration.histogram.data_points[0].exemplars


def test_the_demo_says_what_it_sent_and_how_to_find_it(receiver):
    result = demo("--endpoint", receiver.url)
    (request,) = taken(receiver, ExportTraceServiceRequest)
    trace_id = request.resource_spans[0].scope_spans[0].spans[0].trace_id.hex()
    assert f"1 trace of 10 spans in 4 services: {trace_id}" in result.stdout
    assert 'ottery query "SELECT ServiceName' in result.stdout.splitlines()[-1]
    assert f"TraceId = '{trace_id}'" in result.stdout.splitlines()[-1]


def test_a_refusal_is_an_error_in_one_line(receiver):
    receiver.refuse = ("/v1/logs",)
    result = demo("--endpoint", receiver.url)
    assert result.exit_code == 1
    assert result.stderr.startswith("ottery: the logs were not taken: ")
    assert result.stderr.count("\n") == 1


def test_a_place_where_nothing_listens_is_an_error_in_one_line():
    result = demo("--endpoint", "http://127.0.0.1:1")
    assert result.exit_code == 1
    assert result.stderr == (
        "ottery: nothing listens at 127.0.0.1:1 (Connection refused); start Ottery with `ottery run`, "
        "or name another place with --endpoint\n"
    )


def test_an_endpoint_of_the_wrong_form_is_refused():
    result = demo("--endpoint", "localhost:4318")
    assert result.stderr == "ottery: --endpoint: http://host:port was expected, not 'localhost:4318'\n"
