"""Columns, keys and indexes of the telemetry tables, in the current layout of collector-contrib's exporter.

An entry of `columns` is a column definition, or a name from `attributes`, which becomes a Map column or, in JSON
mode, a JSON column with its `<name>Keys`. `{attributes}` stands for the attribute type inside a Nested column.
"""

from __future__ import annotations

from dataclasses import dataclass

ZSTD = "CODEC(ZSTD(1))"
LOW = f"LowCardinality(String) {ZSTD}"
TEXT = f"String {ZSTD}"
SECONDS = "{time} CODEC(Delta, ZSTD(1))"

KUBERNETES_ATTRIBUTES = (
    "k8s.cluster.name",
    "k8s.container.name",
    "k8s.deployment.name",
    "k8s.namespace.name",
    "k8s.node.name",
    "k8s.pod.name",
    "k8s.pod.uid",
    "deployment.environment.name",
)


@dataclass(frozen=True, slots=True)
class TableShape:
    """What one table looks like. `time` is the column that partition and TTL hang on."""

    columns: tuple[str, ...]
    attributes: tuple[str, ...]
    items: tuple[str, ...]
    """Attributes that get an alias column `<name minus s>Items` of `key=value` texts."""
    time: str
    order_by: str
    primary_key: str = ""
    materialized: tuple[str, ...] = ()
    """Resource attributes that also get a column of their own."""
    indexes: tuple[str, ...] = ()
    trace_id: bool = False
    tokens: str = ""
    """Expression whose words are indexed."""


LOGS = TableShape(
    columns=(
        "Timestamp DateTime64(9) CODEC(Delta(8), ZSTD(1))",
        f"TraceId {TEXT}",
        f"SpanId {TEXT}",
        "TraceFlags UInt8",
        f"SeverityText {LOW}",
        "SeverityNumber UInt8",
        f"ServiceName {LOW}",
        f"Body {TEXT}",
        f"ResourceSchemaUrl {LOW}",
        "ResourceAttributes",
        f"ScopeSchemaUrl {LOW}",
        f"ScopeName {TEXT}",
        f"ScopeVersion {LOW}",
        "ScopeAttributes",
        "LogAttributes",
        f"EventName {TEXT}",
    ),
    attributes=("ResourceAttributes", "ScopeAttributes", "LogAttributes"),
    items=("ResourceAttributes", "ScopeAttributes", "LogAttributes"),
    time="Timestamp",
    order_by="(toStartOfFiveMinutes(Timestamp), ServiceName, Timestamp)",
    materialized=KUBERNETES_ATTRIBUTES,
    trace_id=True,
    tokens="lower(Body)",
)

TRACES = TableShape(
    columns=(
        "Timestamp DateTime64(9) CODEC(Delta(8), ZSTD(1))",
        f"TraceId {TEXT}",
        f"SpanId {TEXT}",
        f"ParentSpanId {TEXT}",
        f"TraceState {TEXT}",
        f"SpanName {LOW}",
        f"SpanKind {LOW}",
        f"ServiceName {LOW}",
        "ResourceAttributes",
        f"ScopeName {TEXT}",
        f"ScopeVersion {TEXT}",
        "SpanAttributes",
        "Duration UInt64 CODEC(T64, ZSTD(1))",
        f"StatusCode {LOW}",
        f"StatusMessage {TEXT}",
        "Events Nested(Timestamp DateTime64(9), Name LowCardinality(String), Attributes {attributes}) " + ZSTD,
        "Links Nested(TraceId String, SpanId String, TraceState String, Attributes {attributes}) " + ZSTD,
    ),
    attributes=("ResourceAttributes", "SpanAttributes"),
    items=("ResourceAttributes", "SpanAttributes"),
    time="Timestamp",
    primary_key="(ServiceName, SpanName, toDateTime(Timestamp))",
    order_by="(ServiceName, SpanName, toDateTime(Timestamp), Timestamp)",
    indexes=("INDEX idx_duration Duration TYPE minmax GRANULARITY 1",),
    trace_id=True,
    tokens="lower(SpanName)",
)

_POINT = (
    "ResourceAttributes",
    f"ResourceSchemaUrl {TEXT}",
    f"ScopeName {TEXT}",
    f"ScopeVersion {TEXT}",
    "ScopeAttributes",
    f"ScopeDroppedAttrCount UInt32 {ZSTD}",
    f"ScopeSchemaUrl {TEXT}",
    f"ServiceName {LOW}",
    f"MetricName {LOW}",
    f"MetricDescription {TEXT}",
    f"MetricUnit {TEXT}",
    "Attributes",
    f"StartTimeUnix {SECONDS}",
    f"TimeUnix {SECONDS}",
)
_EXEMPLARS = (
    "Exemplars Nested(FilteredAttributes {attributes}, TimeUnix {time}, Value Float64, SpanId String, TraceId String) "
    + ZSTD
)
_FLAGS = f"Flags UInt32 {ZSTD}"
_TEMPORALITY = f"AggregationTemporality Int32 {ZSTD}"
_COUNT = ("Count UInt64 CODEC(Delta, ZSTD(1))", f"Sum Float64 {ZSTD}")
_RANGE = (f"Min Float64 {ZSTD}", f"Max Float64 {ZSTD}")
_NUMBER = (f"Value Float64 {ZSTD}", _FLAGS, _EXEMPLARS)


def _points(*columns: str) -> TableShape:
    return TableShape(
        columns=_POINT + columns,
        attributes=("ResourceAttributes", "ScopeAttributes", "Attributes"),
        items=(),
        time="TimeUnix",
        order_by="(ServiceName, MetricName, toStartOfHour(TimeUnix), {hash}TimeUnix)",
        indexes=("INDEX idx_time TimeUnix TYPE minmax GRANULARITY 1",),
    )


SHAPES: dict[str, TableShape] = {
    "traces": TRACES,
    "logs": LOGS,
    "gauge": _points(*_NUMBER),
    "sum": _points(*_NUMBER, _TEMPORALITY, f"IsMonotonic Bool {ZSTD}"),
    "histogram": _points(
        *_COUNT,
        f"BucketCounts Array(UInt64) {ZSTD}",
        f"ExplicitBounds Array(Float64) {ZSTD}",
        _EXEMPLARS,
        _FLAGS,
        *_RANGE,
        _TEMPORALITY,
    ),
    "exponential_histogram": _points(
        *_COUNT,
        f"Scale Int32 {ZSTD}",
        f"ZeroCount UInt64 {ZSTD}",
        f"PositiveOffset Int32 {ZSTD}",
        f"PositiveBucketCounts Array(UInt64) {ZSTD}",
        f"NegativeOffset Int32 {ZSTD}",
        f"NegativeBucketCounts Array(UInt64) {ZSTD}",
        _EXEMPLARS,
        _FLAGS,
        *_RANGE,
        _TEMPORALITY,
    ),
    "summary": _points(*_COUNT, f"ValueAtQuantiles Nested(Quantile Float64, Value Float64) {ZSTD}", _FLAGS),
}
"""Shape of each kind of table."""
