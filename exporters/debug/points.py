"""Metrics and their data points in full."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from itertools import groupby
from typing import Any

import pyarrow as pa

from collector.storage.arrow import EXPONENTIAL_HISTOGRAM, GAUGE, HISTOGRAM, SUM, SUMMARY
from exporters.debug.text import Row, attributes, hex_id, name_of, time

_KINDS = ("Empty", "Gauge", "Sum", "Histogram", "ExponentialHistogram", "Summary")
_TEMPORALITIES = ("Unspecified", "Delta", "Cumulative")


def data_points(rows: pa.RecordBatch) -> Iterator[str]:
    """Yield the lines of all metrics: rows that stand together under one metric belong to it."""
    metrics = rows.column("metric")
    points = zip(metrics.indices.to_pylist(), rows.drop_columns(["metric"]).to_pylist(), strict=True)
    for number, (index, group) in enumerate(groupby(points, key=lambda pair: pair[0])):
        metric = metrics.dictionary[index].as_py()
        yield f"Metric #{number}"
        yield from _descriptor(metric)
        title, body = _POINTS[metric["kind"]]
        for position, (_, point) in enumerate(group):
            yield f"{title}DataPoints #{position}"
            yield from attributes("Data point attributes:", point["attributes"])
            yield f"StartTimestamp: {time(point['start_time_unix_nano'])}"
            yield f"Timestamp: {time(point['time_unix_nano'])}"
            yield from body(point)
            yield from _exemplars(point["exemplars"])


def _descriptor(metric: Row) -> Iterator[str]:
    yield "Descriptor:"
    yield f"     -> Name: {metric['name']}"
    yield f"     -> Description: {metric['description']}"
    yield f"     -> Unit: {metric['unit']}"
    yield f"     -> DataType: {name_of(_KINDS, metric['kind'])}"
    if metric["kind"] == SUM:
        yield f"     -> IsMonotonic: {str(metric['is_monotonic']).lower()}"
    if metric["kind"] in (SUM, HISTOGRAM, EXPONENTIAL_HISTOGRAM):
        yield f"     -> AggregationTemporality: {name_of(_TEMPORALITIES, metric['aggregation_temporality'])}"


def _number(point: Row) -> Iterator[str]:
    if point["int_value"] is not None:
        yield f"Value: {point['int_value']}"
    elif point["double_value"] is not None:
        yield f"Value: {point['double_value']:f}"


def _totals(point: Row) -> Iterator[str]:
    yield f"Count: {point['count']}"
    for name in ("sum", "min", "max"):
        if point[name] is not None:
            yield f"{name.capitalize()}: {point[name]:f}"


def _histogram(point: Row) -> Iterator[str]:
    yield from _totals(point)
    yield from (f"ExplicitBounds #{n}: {bound:f}" for n, bound in enumerate(point["explicit_bounds"]))
    yield from (f"Buckets #{n}, Count: {count}" for n, count in enumerate(point["bucket_counts"]))


def _exponential(point: Row) -> Iterator[str]:
    yield from _totals(point)
    scale = point["scale"]
    offset = point["negative_offset"] or 0
    for position, count in reversed(list(enumerate(point["negative_bucket_counts"]))):
        low, high = _bound(offset + position, scale), _bound(offset + position + 1, scale)
        yield f"Bucket [{-high:f}, {-low:f}), Count: {count}"
    if point["zero_count"]:
        yield f"Bucket [0, 0], Count: {point['zero_count']}"
    offset = point["positive_offset"] or 0
    for position, count in enumerate(point["positive_bucket_counts"]):
        low, high = _bound(offset + position, scale), _bound(offset + position + 1, scale)
        yield f"Bucket ({low:f}, {high:f}], Count: {count}"


def _bound(index: int, scale: int) -> float:
    """Return 2 to the power of index x 2^-scale; infinity where a double does not reach."""
    try:
        return math.exp(index * math.ldexp(math.log(2), -scale))
    except OverflowError:
        return math.inf


def _summary(point: Row) -> Iterator[str]:
    yield from _totals(point)
    for number, quantile in enumerate(point["quantiles"]):
        yield f"QuantileValue #{number}: Quantile {quantile['quantile']:f}, Value {quantile['value']:f}"


def _exemplars(exemplars: list[dict[str, Any]]) -> Iterator[str]:
    if exemplars:
        yield "Exemplars:"
    for number, exemplar in enumerate(exemplars):
        yield f"Exemplar #{number}"
        yield f"     -> Trace ID: {hex_id(exemplar['trace_id'])}"
        yield f"     -> Span ID: {hex_id(exemplar['span_id'])}"
        yield f"     -> Timestamp: {time(exemplar['time_unix_nano'])}"
        yield from (f"     -> {line}" for line in _number(exemplar))
        yield from attributes("-> FilteredAttributes:", exemplar["filtered_attributes"], "     ")


_POINTS: dict[int, tuple[str, Callable[[Row], Iterator[str]]]] = {
    GAUGE: ("Number", _number),
    SUM: ("Number", _number),
    HISTOGRAM: ("Histogram", _histogram),
    EXPONENTIAL_HISTOGRAM: ("ExponentialHistogram", _exponential),
    SUMMARY: ("Summary", _summary),
}
