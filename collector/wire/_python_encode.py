"""Columns to messages: a message's fields are columns of the same name, so a row is its keyword arguments."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import groupby, pairwise, zip_longest
from typing import Any

import pyarrow as pa
from opentelemetry.proto.common.v1.common_pb2 import EntityRef, InstrumentationScope, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.metrics.v1.metrics_pb2 import (
    Exemplar,
    ExponentialHistogram,
    ExponentialHistogramDataPoint,
    Gauge,
    Histogram,
    HistogramDataPoint,
    Metric,
    NumberDataPoint,
    Sum,
    Summary,
    SummaryDataPoint,
)
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from collector.api import Signal
from collector.storage import arrow
from collector.wire._python_check import ENVELOPES
from collector.wire._python_parse import REQUESTS
from collector.wire._python_values import any_value

Columns = Mapping[str, pa.Array]
"""Arrays of one length by the name of their column or struct field."""

Fill = Callable[[Any, Iterable[int]], None]
"""Puts the items of some rows into a ScopeSpans, ScopeMetrics or ScopeLogs."""

_DATA = {
    arrow.GAUGE: ("gauge", Gauge, NumberDataPoint),
    arrow.SUM: ("sum", Sum, NumberDataPoint),
    arrow.HISTOGRAM: ("histogram", Histogram, HistogramDataPoint),
    arrow.EXPONENTIAL_HISTOGRAM: ("exponential_histogram", ExponentialHistogram, ExponentialHistogramDataPoint),
    arrow.SUMMARY: ("summary", Summary, SummaryDataPoint),
}
"""For each kind of metric: the field, its message, and the message of its data points."""


def request(signal: Signal, columns: pa.RecordBatch) -> Any:
    """Return the request that holds the rows. Raises ValueError where `columns` are not what `encode` takes."""
    _check_schema(signal, columns)
    named = dict(zip(columns.schema.names, columns.columns, strict=True))
    message = REQUESTS[signal]()
    outer_name, inner_name, _ = ENVELOPES[signal]
    outers = _resources(_children(named["resource"].dictionary))
    inners = _scopes(_children(named["scope"].dictionary))
    fill = _FILLS[signal](named)
    for resource, members in _runs(named["resource"], range(columns.num_rows)):
        outer = getattr(message, outer_name).add(**outers[resource])
        for scope, rows in _runs(named["scope"], members):
            fill(getattr(outer, inner_name).add(**inners[scope]), rows)
    return message


def _check_schema(signal: Signal, columns: pa.RecordBatch) -> None:
    for expected, got in zip_longest(arrow.SCHEMAS[signal], columns.schema):
        if expected is None or got is None or not expected.equals(got):
            raise ValueError(f"columns of {signal} must have the field {expected} where they have {got}")


def _runs(column: pa.DictionaryArray, rows: Iterable[int]) -> Iterator[tuple[int, Iterable[int]]]:
    """Group rows that stand together under one envelope."""
    return groupby(rows, key=column.indices.to_pylist().__getitem__)


def _children(array: pa.StructArray) -> Columns:
    return dict(zip((field.name for field in array.type), array.flatten(), strict=True))


def _pick(columns: Columns, *names: str) -> dict[str, list[Any]]:
    return {name: columns[name].to_pylist() for name in names}


def _rows(fields: Mapping[str, list[Any]]) -> list[dict[str, Any]]:
    """Turn the values of each field into the fields of each row."""
    return [dict(zip(fields, values, strict=True)) for values in zip(*fields.values(), strict=True)]


def _lists(array: pa.ListArray, build: Callable[[Any], list[Any]]) -> list[list[Any]]:
    """Return the elements of every list, which are built in one go."""
    offsets = array.offsets.to_pylist()
    elements = array.flatten()
    built = build(_children(elements) if pa.types.is_struct(elements.type) else elements)
    return [built[start - offsets[0] : end - offsets[0]] for start, end in pairwise(offsets)]


def _attributes(array: pa.ListArray) -> list[list[KeyValue]]:
    return _lists(array, _pairs)


def _pairs(columns: Columns) -> list[KeyValue]:
    values = map(any_value, *(columns[name].to_pylist() for name in ("type", "value", "raw")))
    return [KeyValue(key=key, value=value) for key, value in zip(columns["key"].to_pylist(), values, strict=True)]


def _present(present: pa.BooleanArray, messages: Iterable[Any]) -> list[Any]:
    return [message if there else None for there, message in zip(present.to_pylist(), messages, strict=True)]


def _resources(columns: Columns) -> list[dict[str, Any]]:
    fields = {
        **_pick(columns, "dropped_attributes_count"),
        "attributes": _attributes(columns["attributes"]),
        "entity_refs": [list(map(EntityRef.FromString, refs)) for refs in columns["entity_refs"].to_pylist()],
    }
    resources = [Resource(**row) for row in _rows(fields)]
    return _rows({**_pick(columns, "schema_url"), "resource": _present(columns["present"], resources)})


def _scopes(columns: Columns) -> list[dict[str, Any]]:
    fields = {
        **_pick(columns, "name", "version", "dropped_attributes_count"),
        "attributes": _attributes(columns["attributes"]),
    }
    scopes = [InstrumentationScope(**row) for row in _rows(fields)]
    return _rows({**_pick(columns, "schema_url"), "scope": _present(columns["present"], scopes)})


def _fill_spans(columns: Columns) -> Fill:
    plain = ("trace_id", "span_id", "trace_state", "parent_span_id", "flags", "name", "kind", "start_time_unix_nano")
    counts = ("end_time_unix_nano", "dropped_attributes_count", "dropped_events_count", "dropped_links_count")
    status = _pick(columns, "status_code", "status_message").values()
    fields = {
        **_pick(columns, *plain, *counts),
        "attributes": _attributes(columns["attributes"]),
        "events": _lists(columns["events"], _events),
        "links": _lists(columns["links"], _links),
        "status": [
            None if code is None else Status(code=code, message=text) for code, text in zip(*status, strict=True)
        ],
    }
    spans = [Span(**row) for row in _rows(fields)]
    return lambda scope, rows: scope.spans.extend(spans[row] for row in rows)


def _events(columns: Columns) -> list[Span.Event]:
    plain = _pick(columns, "time_unix_nano", "name", "dropped_attributes_count")
    return [Span.Event(**row) for row in _rows({**plain, "attributes": _attributes(columns["attributes"])})]


def _links(columns: Columns) -> list[Span.Link]:
    plain = _pick(columns, "trace_id", "span_id", "trace_state", "dropped_attributes_count", "flags")
    return [Span.Link(**row) for row in _rows({**plain, "attributes": _attributes(columns["attributes"])})]


def _fill_logs(columns: Columns) -> Fill:
    plain = ("time_unix_nano", "observed_time_unix_nano", "severity_number", "severity_text")
    more = ("dropped_attributes_count", "flags", "trace_id", "span_id", "event_name")
    body = _pick(columns, "body_type", "body", "body_raw").values()
    fields = {
        **_pick(columns, *plain, *more),
        "body": list(map(any_value, *body)),
        "attributes": _attributes(columns["attributes"]),
    }
    records = [LogRecord(**row) for row in _rows(fields)]
    return lambda scope, rows: scope.log_records.extend(records[row] for row in rows)


def _fill_metrics(columns: Columns) -> Fill:
    column = columns["metric"]
    envelopes = _children(column.dictionary)
    kinds, metrics = envelopes["kind"].to_pylist(), _metrics(envelopes)
    points = _points(columns, [kinds[index] for index in column.indices.to_pylist()])

    def fill(scope: Any, rows: Iterable[int]) -> None:
        for index, members in _runs(column, rows):
            metric = scope.metrics.add()
            metric.CopyFrom(metrics[index])
            getattr(metric, metric.WhichOneof("data")).data_points.extend(points[row] for row in members)

    return fill


def _metrics(columns: Columns) -> list[Metric]:
    """Return the metrics, still without data points."""
    fields = {
        **_pick(columns, "name", "description", "unit"),
        "metadata": _attributes(columns["metadata"]),
    }
    data = _rows(_pick(columns, "aggregation_temporality", "is_monotonic"))
    metrics = [Metric(**row) for row in _rows(fields)]
    for metric, kind, values in zip(metrics, columns["kind"].to_pylist(), data, strict=True):
        if kind not in _DATA:
            raise ValueError(f"metric.kind is {kind}, which no metric with data points has")
        name, message, _ = _DATA[kind]
        getattr(metric, name).CopyFrom(_build(message, values))
    return metrics


def _build(kind: Any, row: dict[str, Any]) -> Any:
    """Return a message of those values whose field it has."""
    known = kind.DESCRIPTOR.fields_by_name
    return kind(**{name: value for name, value in row.items() if name in known})


def _points(columns: Columns, kinds: list[int]) -> list[Any]:
    plain = ("start_time_unix_nano", "time_unix_nano", "flags", "count", "sum", "min", "max", "bucket_counts")
    more = ("explicit_bounds", "scale", "zero_count", "zero_threshold")
    fields = {
        **_pick(columns, *plain, *more),
        "attributes": _attributes(columns["attributes"]),
        **_number(columns),
        "positive": _buckets(columns, "positive"),
        "negative": _buckets(columns, "negative"),
        "quantile_values": _lists(columns["quantiles"], _quantiles),
        "exemplars": _lists(columns["exemplars"], _exemplars),
    }
    return [_build(_DATA[kind][2], row) for kind, row in zip(kinds, _rows(fields), strict=True)]


def _number(columns: Columns) -> dict[str, list[Any]]:
    return {"as_double": columns["double_value"].to_pylist(), "as_int": columns["int_value"].to_pylist()}


def _buckets(columns: Columns, name: str) -> list[Any]:
    pairs = zip(*_pick(columns, f"{name}_offset", f"{name}_bucket_counts").values(), strict=True)
    buckets = ExponentialHistogramDataPoint.Buckets
    return [None if offset is None else buckets(offset=offset, bucket_counts=counts) for offset, counts in pairs]


def _quantiles(columns: Columns) -> list[SummaryDataPoint.ValueAtQuantile]:
    return [SummaryDataPoint.ValueAtQuantile(**row) for row in _rows(_pick(columns, "quantile", "value"))]


def _exemplars(columns: Columns) -> list[Exemplar]:
    fields = {
        **_pick(columns, "time_unix_nano", "span_id", "trace_id"),
        "filtered_attributes": _attributes(columns["filtered_attributes"]),
        **_number(columns),
    }
    return [Exemplar(**row) for row in _rows(fields)]


_FILLS: dict[Signal, Callable[[Columns], Fill]] = {
    Signal.TRACES: _fill_spans,
    Signal.METRICS: _fill_metrics,
    Signal.LOGS: _fill_logs,
}
