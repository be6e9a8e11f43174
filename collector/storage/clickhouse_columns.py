"""Columns, keys and indexes of the telemetry tables, in the current layout of collector-contrib's exporter.

An entry of `columns` is a column definition, or a name from `attributes`, which becomes a Map column or, in JSON
mode, a JSON column with its `<name>Keys`. `{attributes}` stands for the attribute type inside a Nested column.
Index names are contrib's too, so that its `ALTER TABLE ... ADD INDEX IF NOT EXISTS` recipes do nothing here.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

ZSTD = "CODEC(ZSTD(1))"
LOW = f"LowCardinality(String) {ZSTD}"
TEXT = f"String {ZSTD}"

ATTRIBUTE_INDEXES = {
    "ResourceAttributes": "idx_res_attr",
    "ScopeAttributes": "idx_scope_attr",
    "LogAttributes": "idx_log_attr",
    "SpanAttributes": "idx_span_attr",
    "Attributes": "idx_attr",
}
"""How the names of the indexes on each attribute column begin."""

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
    time: str
    order_by: str
    primary_key: str = ""
    items: tuple[str, ...] = ()
    """Attributes that get an alias column `<name minus s>Items` of `key=value` texts."""
    materialized: tuple[str, ...] = ()
    """Resource attributes that also get a column of their own."""
    indexes: tuple[str, ...] = ()
    trace_id: bool = False
    body: bool = False
    """Whether the words of the column Body are indexed."""


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
    body=True,
)

_DURATION_INDEX = "INDEX idx_duration Duration TYPE minmax GRANULARITY 1"

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
    indexes=(
        _DURATION_INDEX,
        "INDEX idx_lower_span_name lower(SpanName) TYPE tokenbf_v1(32768, 3, 0) GRANULARITY 8",
    ),
    trace_id=True,
)


@dataclass(frozen=True, slots=True)
class _PointStyle:
    """What tells the metrics tables with Map columns and those with JSON columns apart."""

    name: str
    time: str
    order_by: str
    indexes: tuple[str, ...] = ()


_MAPS = _PointStyle(
    name=LOW,
    time="DateTime",
    order_by="(ServiceName, MetricName, toStartOfHour(TimeUnix), cityHash64(Attributes), TimeUnix)",
    indexes=("INDEX idx_time_minmax TimeUnix TYPE minmax GRANULARITY 1",),
)
_JSON = _PointStyle(
    name=TEXT,
    time="DateTime64(9)",
    order_by="(ServiceName, MetricName, toUnixTimestamp64Nano(TimeUnix))",
)

_FLAGS = f"Flags UInt32 {ZSTD}"
_TEMPORALITY = f"AggregationTemporality Int32 {ZSTD}"
_COUNT = ("Count UInt64 CODEC(Delta, ZSTD(1))", f"Sum Float64 {ZSTD}")
_RANGE = (f"Min Float64 {ZSTD}", f"Max Float64 {ZSTD}")


def _points(style: _PointStyle, *columns: str) -> TableShape:
    common = (
        "ResourceAttributes",
        f"ResourceSchemaUrl {TEXT}",
        f"ScopeName {TEXT}",
        f"ScopeVersion {TEXT}",
        "ScopeAttributes",
        f"ScopeDroppedAttrCount UInt32 {ZSTD}",
        f"ScopeSchemaUrl {TEXT}",
        f"ServiceName {LOW}",
        f"MetricName {style.name}",
        f"MetricDescription {TEXT}",
        f"MetricUnit {TEXT}",
        "Attributes",
        f"StartTimeUnix {style.time} CODEC(Delta, ZSTD(1))",
        f"TimeUnix {style.time} CODEC(Delta, ZSTD(1))",
    )
    return TableShape(
        columns=common + columns,
        attributes=("ResourceAttributes", "ScopeAttributes", "Attributes"),
        time="TimeUnix",
        order_by=style.order_by,
        indexes=style.indexes,
    )


def _metrics(style: _PointStyle) -> dict[str, TableShape]:
    exemplars = (
        f"Exemplars Nested(FilteredAttributes {{attributes}}, TimeUnix {style.time}, Value Float64, SpanId String,"
        f" TraceId String) {ZSTD}"
    )
    number = (f"Value Float64 {ZSTD}", _FLAGS, exemplars)
    return {
        "gauge": _points(style, *number),
        "sum": _points(style, *number, _TEMPORALITY, f"IsMonotonic Bool {ZSTD}"),
        "histogram": _points(
            style,
            *_COUNT,
            f"BucketCounts Array(UInt64) {ZSTD}",
            f"ExplicitBounds Array(Float64) {ZSTD}",
            exemplars,
            _FLAGS,
            *_RANGE,
            _TEMPORALITY,
        ),
        "exponential_histogram": _points(
            style,
            *_COUNT,
            f"Scale Int32 {ZSTD}",
            f"ZeroCount UInt64 {ZSTD}",
            f"PositiveOffset Int32 {ZSTD}",
            f"PositiveBucketCounts Array(UInt64) {ZSTD}",
            f"NegativeOffset Int32 {ZSTD}",
            f"NegativeBucketCounts Array(UInt64) {ZSTD}",
            exemplars,
            _FLAGS,
            *_RANGE,
            _TEMPORALITY,
        ),
        "summary": _points(style, *_COUNT, f"ValueAtQuantiles Nested(Quantile Float64, Value Float64) {ZSTD}", _FLAGS),
    }


SHAPES: dict[str, TableShape] = {"traces": TRACES, "logs": LOGS, **_metrics(_MAPS)}
"""Shape of each kind of table, with attributes in Map columns."""

JSON_SHAPES: dict[str, TableShape] = {
    "traces": replace(
        TRACES,
        columns=tuple(f"Duration UInt64 {ZSTD}" if c.startswith("Duration ") else c for c in TRACES.columns),
        items=(),
        primary_key="",
        indexes=(_DURATION_INDEX,),
    ),
    "logs": replace(
        LOGS,
        items=(),
        materialized=(),
        primary_key="(ServiceName, toDateTime(Timestamp))",
        order_by="(ServiceName, toDateTime(Timestamp), Timestamp)",
        indexes=("INDEX idx_body Body TYPE tokenbf_v1(32768, 3, 0) GRANULARITY 8",),
        body=False,
    ),
    **_metrics(_JSON),
}
"""Shape of each kind of table, with attributes in JSON columns; contrib keeps older keys for these."""
