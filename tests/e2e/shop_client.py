"""Drives the example shop with the real SDK, and writes down exactly what the SDK exported.

    shop_client.py PROTOCOL ENDPOINT DIRECTORY

PROTOCOL is grpc, http/protobuf or http/json. DIRECTORY receives traces.pb, logs.pb and metrics.pb: the OTLP export
requests as the OpenTelemetry project's own encoder makes them.
"""

import logging
import sys
from pathlib import Path

from opentelemetry import metrics, trace
from opentelemetry.exporter.otlp.proto.common._log_encoder import encode_logs
from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.instrumentation.logging.handler import LoggingHandler
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.metrics import Histogram, MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.metrics.view import ExponentialBucketHistogramAggregation, View
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from starlette.testclient import TestClient

RESOURCE = Resource.create(
    {
        "service.name": "shop",
        "service.version": "1.2.3",
        "host.cpus": 4,
        "beta": True,
        "load": 0.25,
        "zones": ["a", "b"],
    }
)


def exporters(protocol, endpoint):
    if protocol == "grpc":
        from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter
        from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter

        return tuple(
            make(endpoint=endpoint, insecure=True) for make in (OTLPSpanExporter, OTLPLogExporter, OTLPMetricExporter)
        )
    if protocol == "http/protobuf":
        from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
        from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    else:
        from opentelemetry.exporter.otlp.json.http._log_exporter import OTLPLogExporter
        from opentelemetry.exporter.otlp.json.http.metric_exporter import OTLPMetricExporter
        from opentelemetry.exporter.otlp.json.http.trace_exporter import OTLPSpanExporter
    return (
        OTLPSpanExporter(endpoint=f"{endpoint}/v1/traces"),
        OTLPLogExporter(endpoint=f"{endpoint}/v1/logs"),
        OTLPMetricExporter(endpoint=f"{endpoint}/v1/metrics"),
    )


def taped(exporter, encode, tape):
    """Let `tape` see every export and remember when one failed."""
    export = exporter.export

    def record(data, *args, **kwargs):
        result = export(data, *args, **kwargs)
        if result.name != "SUCCESS":
            raise SystemExit(f"the SDK's export failed: {result}")
        tape.append(encode(data).SerializeToString())
        return result

    exporter.export = record
    return exporter


def main():
    protocol, endpoint, directory = sys.argv[1:]
    spans, logs, points = exporters(protocol, endpoint)
    tapes = {"traces": [], "logs": [], "metrics": []}

    tracing = TracerProvider(resource=RESOURCE)
    tracing.add_span_processor(BatchSpanProcessor(taped(spans, encode_spans, tapes["traces"])))
    trace.set_tracer_provider(tracing)

    measuring = MeterProvider(
        resource=RESOURCE,
        metric_readers=[
            PeriodicExportingMetricReader(taped(points, encode_metrics, tapes["metrics"]), export_interval_millis=1e9)
        ],
        views=[
            View(
                instrument_type=Histogram,
                instrument_name="shop.order.total",
                aggregation=ExponentialBucketHistogramAggregation(),
            )
        ],
    )
    metrics.set_meter_provider(measuring)

    logging_provider = LoggerProvider(resource=RESOURCE)
    logging_provider.add_log_record_processor(BatchLogRecordProcessor(taped(logs, encode_logs, tapes["logs"])))
    logging.getLogger("shop").addHandler(LoggingHandler(logger_provider=logging_provider))

    from examples.shop.app import create

    client = TestClient(create(), raise_server_exceptions=False)
    for order in range(5):
        client.get(f"/checkout/{order}")
    client.get("/warehouse")
    client.get("/nowhere")
    for provider in (tracing, logging_provider, measuring):
        provider.force_flush()
        provider.shutdown()
    for name, tape in tapes.items():
        Path(directory, f"{name}.pb").write_bytes(b"".join(tape))


if __name__ == "__main__":
    main()
