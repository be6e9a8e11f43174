"""The rows that collector-contrib's tables hold for OTLP messages, worked out from the messages alone, one by one."""

import base64
import json

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric

KINDS = ("Unspecified", "Internal", "Server", "Client", "Producer", "Consumer")
CODES = ("Unset", "Ok", "Error")


def plain(value):
    """Return an AnyValue as what JSON knows."""
    match value.WhichOneof("value"):
        case "array_value":
            return [plain(item) for item in value.array_value.values]
        case "kvlist_value":
            return {pair.key: plain(pair.value) for pair in value.kvlist_value.values}
        case "bytes_value":
            return base64.b64encode(value.bytes_value).decode()
        case None:
            return None
        case kind:
            return getattr(value, kind)


def text(value):
    """Return an AnyValue as the text that a map column holds."""
    match value.WhichOneof("value"):
        case "string_value" | "bytes_value":
            return plain(value)
        case "bool_value" | "array_value" | "kvlist_value":
            return json.dumps(plain(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        case "double_value":
            return str(int(value.double_value)) if value.double_value.is_integer() else repr(value.double_value)
        case None:
            return ""
        case _:
            return str(value.int_value)


def texts(attributes):
    return {pair.key: text(pair.value) for pair in attributes}


def traces(body):
    return [
        {
            "Timestamp": span.start_time_unix_nano,
            "TraceId": span.trace_id.hex(),
            "SpanId": span.span_id.hex(),
            "ParentSpanId": span.parent_span_id.hex(),
            "TraceState": span.trace_state,
            "SpanName": span.name,
            "SpanKind": KINDS[span.kind],
            "ServiceName": texts(resource.resource.attributes)["service.name"],
            "ResourceAttributes": texts(resource.resource.attributes),
            "ScopeName": scope.scope.name,
            "ScopeVersion": scope.scope.version,
            "SpanAttributes": texts(span.attributes),
            "Duration": span.end_time_unix_nano - span.start_time_unix_nano,
            "StatusCode": CODES[span.status.code],
            "StatusMessage": span.status.message,
            "Events.Timestamp": [event.time_unix_nano for event in span.events],
            "Events.Name": [event.name for event in span.events],
            "Events.Attributes": [texts(event.attributes) for event in span.events],
            "Links.TraceId": [link.trace_id.hex() for link in span.links],
            "Links.SpanId": [link.span_id.hex() for link in span.links],
            "Links.TraceState": [link.trace_state for link in span.links],
            "Links.Attributes": [texts(link.attributes) for link in span.links],
        }
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]


def logs(body):
    return [
        {
            "Timestamp": record.time_unix_nano or record.observed_time_unix_nano,
            "TraceId": record.trace_id.hex(),
            "SpanId": record.span_id.hex(),
            "TraceFlags": record.flags & 0xFF,
            "SeverityText": record.severity_text,
            "SeverityNumber": record.severity_number,
            "ServiceName": texts(resource.resource.attributes)["service.name"],
            "Body": text(record.body),
            "ResourceSchemaUrl": resource.schema_url,
            "ResourceAttributes": texts(resource.resource.attributes),
            "ScopeSchemaUrl": scope.schema_url,
            "ScopeName": scope.scope.name,
            "ScopeVersion": scope.scope.version,
            "ScopeAttributes": texts(scope.scope.attributes),
            "LogAttributes": texts(record.attributes),
            "EventName": record.event_name,
        }
        for resource in ExportLogsServiceRequest.FromString(body).resource_logs
        for scope in resource.scope_logs
        for record in scope.log_records
    ]


def metrics(body, kind):
    """Return the rows of the table for one kind of data: gauge, sum, histogram, exponential_histogram or summary."""
    return [
        {
            "ResourceAttributes": texts(resource.resource.attributes),
            "ResourceSchemaUrl": resource.schema_url,
            "ScopeName": scope.scope.name,
            "ScopeVersion": scope.scope.version,
            "ScopeAttributes": texts(scope.scope.attributes),
            "ScopeDroppedAttrCount": scope.scope.dropped_attributes_count,
            "ScopeSchemaUrl": scope.schema_url,
            "ServiceName": texts(resource.resource.attributes)["service.name"],
            "MetricName": metric.name,
            "MetricDescription": metric.description,
            "MetricUnit": metric.unit,
            "Attributes": texts(point.attributes),
            "StartTimeUnix": point.start_time_unix_nano // 10**9,
            "TimeUnix": point.time_unix_nano // 10**9,
            "Flags": point.flags,
            **VALUES[kind](getattr(metric, kind), point),
        }
        for resource in ExportMetricsServiceRequest.FromString(body).resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
        if metric.WhichOneof("data") == kind
        for point in getattr(metric, kind).data_points
    ]


def _exemplars(point):
    return {
        "Exemplars.FilteredAttributes": [texts(exemplar.filtered_attributes) for exemplar in point.exemplars],
        "Exemplars.TimeUnix": [exemplar.time_unix_nano // 10**9 for exemplar in point.exemplars],
        "Exemplars.Value": [float(_number(exemplar)) for exemplar in point.exemplars],
        "Exemplars.SpanId": [exemplar.span_id.hex() for exemplar in point.exemplars],
        "Exemplars.TraceId": [exemplar.trace_id.hex() for exemplar in point.exemplars],
    }


def _number(point):
    return getattr(point, point.WhichOneof("value"))


def _gauge(data: Metric, point):
    return {"Value": float(_number(point)), **_exemplars(point)}


def _sum(data, point):
    return {
        **_gauge(data, point),
        "AggregationTemporality": data.aggregation_temporality,
        "IsMonotonic": data.is_monotonic,
    }


def _counted(data, point):
    return {
        "Count": point.count,
        "Sum": point.sum,
        "Min": point.min,
        "Max": point.max,
        "AggregationTemporality": data.aggregation_temporality,
        **_exemplars(point),
    }


def _histogram(data, point):
    return {
        **_counted(data, point),
        "BucketCounts": list(point.bucket_counts),
        "ExplicitBounds": list(point.explicit_bounds),
    }


def _exponential(data, point):
    return {
        **_counted(data, point),
        "Scale": point.scale,
        "ZeroCount": point.zero_count,
        "PositiveOffset": point.positive.offset,
        "PositiveBucketCounts": list(point.positive.bucket_counts),
        "NegativeOffset": point.negative.offset,
        "NegativeBucketCounts": list(point.negative.bucket_counts),
    }


def _summary(data, point):
    return {
        "Count": point.count,
        "Sum": point.sum,
        "ValueAtQuantiles.Quantile": [pair.quantile for pair in point.quantile_values],
        "ValueAtQuantiles.Value": [pair.value for pair in point.quantile_values],
    }


VALUES = {
    "gauge": _gauge,
    "sum": _sum,
    "histogram": _histogram,
    "exponential_histogram": _exponential,
    "summary": _summary,
}
