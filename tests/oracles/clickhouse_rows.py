"""The rows of collector-contrib's tables, worked out from OTLP messages alone: one message field after the other.

Times are nanoseconds; `fitted` brings rows to what the columns of a table can hold. `NaN` is written as text, so that
rows compare.
"""

import base64
import json
import math
from collections import defaultdict
from decimal import Decimal

LATEST = 4_291_747_200 * 10**9
SPAN_KINDS = {0: "Unspecified", 1: "Internal", 2: "Server", 3: "Client", 4: "Producer", 5: "Consumer"}
STATUS_CODES = {0: "Unset", 1: "Ok", 2: "Error"}


def double_text(number: float) -> str:
    if math.isnan(number):
        return "NaN"
    if math.isinf(number):
        return "Infinity" if number > 0 else "-Infinity"
    if number == 0:
        return "-0" if math.copysign(1, number) < 0 else "0"
    if 1e-6 <= abs(number) < 1e21:
        plain = format(Decimal(repr(number)), "f")
        return plain.rstrip("0").rstrip(".") if "." in plain else plain
    sign, digits, exponent = Decimal(repr(number)).normalize().as_tuple()
    mantissa = "".join(map(str, digits))
    fraction = f".{mantissa[1:]}" if len(mantissa) > 1 else ""
    power = exponent + len(digits) - 1
    return f"{'-' if sign else ''}{mantissa[0]}{fraction}e{'+' if power > 0 else '-'}{abs(power)}"


def text(value) -> str:
    match value.WhichOneof("value"):
        case "string_value":
            return value.string_value
        case "bytes_value":
            return base64.b64encode(value.bytes_value).decode()
        case "double_value":
            return double_text(value.double_value)
        case None | "string_value_strindex":
            return ""
        case _:
            return json_text(value)


def json_text(value) -> str:
    kind = value.WhichOneof("value")
    match kind:
        case "string_value":
            written = json.dumps(value.string_value, ensure_ascii=False)
        case "bool_value" | "int_value":
            written = json.dumps(getattr(value, kind))
        case "double_value":
            plain = double_text(value.double_value)
            written = plain if math.isfinite(value.double_value) else f'"{plain}"'
        case "bytes_value":
            written = f'"{base64.b64encode(value.bytes_value).decode()}"'
        case "array_value":
            written = f"[{','.join(json_text(item) for item in value.array_value.values)}]"
        case "kvlist_value":
            written = json_object(value.kvlist_value.values)
        case _:
            written = "null"
    return written


def json_object(pairs) -> str:
    values = {pair.key: json_text(pair.value) for pair in pairs}
    return f"{{{','.join(f'{json.dumps(key, ensure_ascii=False)}:{values[key]}' for key in sorted(values))}}}"


def texts(pairs) -> dict[str, str]:
    return {pair.key: text(pair.value) for pair in pairs}


def paths(pairs, prefix="") -> list[str]:
    """The keys of attributes, maps within them followed, as contrib's `<name>Keys` columns have them."""
    found = set()
    for pair in pairs:
        if pair.value.WhichOneof("value") == "kvlist_value":
            found.update(paths(pair.value.kvlist_value.values, f"{prefix}{pair.key}."))
        else:
            found.add(prefix + pair.key)
    return sorted(found)


def number(value: float):
    return "NaN" if isinstance(value, float) and math.isnan(value) else value


def first_time(*times: int) -> int:
    return min(next(time for time in times if time), LATEST)


def fitted(rows: list[dict], layout: dict[str, str]) -> list[dict]:
    """The columns that a table of `layout` (name to ClickHouse type) has, in their precision."""
    return [{name: _fitted(row[name], layout[name]) for name in row if name in layout} for row in rows]


def _fitted(value, kind: str):
    if "DateTime" in kind and "DateTime64" not in kind:
        return [time // 10**9 for time in value] if isinstance(value, list) else value // 10**9
    return value


def traces(message, received_at: int):
    for resource in message.resource_spans:
        for scope in resource.scope_spans:
            for span in scope.spans:
                yield (
                    "traces",
                    {
                        "Timestamp": first_time(span.start_time_unix_nano, span.end_time_unix_nano, received_at),
                        "TraceId": span.trace_id.hex(),
                        "SpanId": span.span_id.hex(),
                        "ParentSpanId": span.parent_span_id.hex(),
                        "TraceState": span.trace_state,
                        "SpanName": span.name,
                        "SpanKind": SPAN_KINDS.get(span.kind, ""),
                        "ServiceName": texts(resource.resource.attributes).get("service.name", ""),
                        "ResourceAttributes": texts(resource.resource.attributes),
                        "ScopeName": scope.scope.name,
                        "ScopeVersion": scope.scope.version,
                        "SpanAttributes": texts(span.attributes),
                        "Duration": _duration(span),
                        "StatusCode": STATUS_CODES.get(span.status.code, ""),
                        "StatusMessage": span.status.message,
                        "Events.Timestamp": [min(event.time_unix_nano, LATEST) for event in span.events],
                        "Events.Name": [event.name for event in span.events],
                        "Events.Attributes": [texts(event.attributes) for event in span.events],
                        "Links.TraceId": [link.trace_id.hex() for link in span.links],
                        "Links.SpanId": [link.span_id.hex() for link in span.links],
                        "Links.TraceState": [link.trace_state for link in span.links],
                        "Links.Attributes": [texts(link.attributes) for link in span.links],
                    },
                )


def _duration(span) -> int:
    started = span.start_time_unix_nano
    return max(0, span.end_time_unix_nano - started) if started else 0


def logs(message, received_at: int):
    for resource in message.resource_logs:
        for scope in resource.scope_logs:
            for record in scope.log_records:
                yield (
                    "logs",
                    {
                        "Timestamp": first_time(record.time_unix_nano, record.observed_time_unix_nano, received_at),
                        "TraceId": record.trace_id.hex(),
                        "SpanId": record.span_id.hex(),
                        "TraceFlags": record.flags & 0xFF,
                        "SeverityText": record.severity_text,
                        "SeverityNumber": min(max(record.severity_number, 0), 255),
                        "ServiceName": texts(resource.resource.attributes).get("service.name", ""),
                        "Body": text(record.body),
                        "ResourceSchemaUrl": resource.schema_url,
                        "ResourceAttributes": texts(resource.resource.attributes),
                        "ScopeSchemaUrl": scope.schema_url,
                        "ScopeName": scope.scope.name,
                        "ScopeVersion": scope.scope.version,
                        "ScopeAttributes": texts(scope.scope.attributes),
                        "LogAttributes": texts(record.attributes),
                        "EventName": record.event_name,
                    },
                )


def metrics(message, received_at: int):
    for resource in message.resource_metrics:
        for scope in resource.scope_metrics:
            for metric in scope.metrics:
                kind = metric.WhichOneof("data")
                data = getattr(metric, kind) if kind else None
                for point in data.data_points if kind else ():
                    yield (
                        kind,
                        {
                            "ResourceAttributes": texts(resource.resource.attributes),
                            "ResourceSchemaUrl": resource.schema_url,
                            "ScopeName": scope.scope.name,
                            "ScopeVersion": scope.scope.version,
                            "ScopeAttributes": texts(scope.scope.attributes),
                            "ScopeDroppedAttrCount": scope.scope.dropped_attributes_count,
                            "ScopeSchemaUrl": scope.schema_url,
                            "ServiceName": texts(resource.resource.attributes).get("service.name", ""),
                            "MetricName": metric.name,
                            "MetricDescription": metric.description,
                            "MetricUnit": metric.unit,
                            "Attributes": texts(point.attributes),
                            "StartTimeUnix": min(point.start_time_unix_nano, LATEST),
                            "TimeUnix": first_time(point.time_unix_nano, received_at),
                            "Flags": point.flags,
                            **_values(kind, data, point),
                        },
                    )


def _values(kind, data, point):
    if kind == "summary":
        return {
            "Count": point.count,
            "Sum": number(point.sum),
            "ValueAtQuantiles.Quantile": [number(value.quantile) for value in point.quantile_values],
            "ValueAtQuantiles.Value": [number(value.value) for value in point.quantile_values],
        }
    exemplars = _exemplars(point.exemplars)
    if kind == "gauge":
        return {"Value": _value(point), **exemplars}
    temporality = {"AggregationTemporality": data.aggregation_temporality}
    if kind == "sum":
        return {"Value": _value(point), "IsMonotonic": data.is_monotonic, **temporality, **exemplars}
    common = {
        "Count": point.count,
        "Sum": number(point.sum),
        "Min": number(point.min),
        "Max": number(point.max),
        **temporality,
        **exemplars,
    }
    if kind == "histogram":
        bounds = [number(bound) for bound in point.explicit_bounds]
        return {"BucketCounts": list(point.bucket_counts), "ExplicitBounds": bounds, **common}
    return {
        "Scale": point.scale,
        "ZeroCount": point.zero_count,
        "PositiveOffset": point.positive.offset,
        "PositiveBucketCounts": list(point.positive.bucket_counts),
        "NegativeOffset": point.negative.offset,
        "NegativeBucketCounts": list(point.negative.bucket_counts),
        **common,
    }


def _value(point):
    return number(float(point.as_int) if point.WhichOneof("value") == "as_int" else point.as_double)


def _exemplars(exemplars):
    return {
        "Exemplars.FilteredAttributes": [texts(exemplar.filtered_attributes) for exemplar in exemplars],
        "Exemplars.TimeUnix": [min(exemplar.time_unix_nano, LATEST) for exemplar in exemplars],
        "Exemplars.Value": [_value(exemplar) for exemplar in exemplars],
        "Exemplars.SpanId": [exemplar.span_id.hex() for exemplar in exemplars],
        "Exemplars.TraceId": [exemplar.trace_id.hex() for exemplar in exemplars],
    }


ROWS = {"traces": traces, "logs": logs, "metrics": metrics}


def expected(signal, message, received_at: int = 1) -> dict[str, list[dict]]:
    """Rows by kind of table, in the order of the message."""
    rows = defaultdict(list)
    for kind, row in ROWS[signal](message, received_at):
        rows[kind].append(row)
    return dict(rows)
