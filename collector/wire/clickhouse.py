"""The Arrow face of a batch as rows of the ClickHouse tables.

Each column of each kind of table has a function that builds it; only the columns that the table at hand has are
built, in the type that it has, so older layouts need no code of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from collector.api import Signal
from collector.storage import arrow
from collector.wire import clickhouse_arrays as arrays
from collector.wire.clickhouse_arrays import Nanoseconds

SPAN_KINDS = ("Unspecified", "Internal", "Server", "Client", "Producer", "Consumer")
STATUS_CODES = ("Unset", "Ok", "Error")

METRIC_KINDS = {
    "gauge": arrow.GAUGE,
    "sum": arrow.SUM,
    "histogram": arrow.HISTOGRAM,
    "exponential_histogram": arrow.EXPONENTIAL_HISTOGRAM,
    "summary": arrow.SUMMARY,
}

DAYS_AN_INSERT = 50
"""Days that one insert may span when a batch holds more than that: ClickHouse refuses over 100 partitions."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of one table. `times` are their resolved times: never zero where a better one is known.

    `positions` tell which rows of the converted batch they are.
    """

    batch: pa.RecordBatch
    times: Nanoseconds
    positions: npt.NDArray[np.int64]

    @property
    def count(self) -> int:
        return len(self.times)

    def column(self, name: str) -> pa.Array:
        return self.batch.column(name)

    def filter(self, mask: np.ndarray) -> Rows:
        """Return the rows where `mask` (bool, one value a row) is true."""
        return Rows(self.batch.filter(pa.array(mask)), self.times[mask], self.positions[mask])

    def slice(self, start: int, end: int) -> Rows:
        """Return the rows from `start` up to `end`."""
        return Rows(self.batch.slice(start, end - start), self.times[start:end], self.positions[start:end])


@dataclass(frozen=True, slots=True)
class Part:
    """Rows of one insert. `name` is `<kind>:<day>`, the same for the same rows at every attempt."""

    kind: str
    name: str
    rows: Rows

    @property
    def count(self) -> int:
        """How many rows there are."""
        return self.rows.count

    @property
    def first(self) -> int:
        """The place of the first row in the converted batch."""
        return int(self.rows.positions[0])

    def halves(self) -> tuple[Part, Part]:
        """Return the part in two, which are named after it."""
        middle, end = self.rows.count // 2, self.rows.count
        first, second = self.rows.slice(0, middle), self.rows.slice(middle, end)
        return Part(self.kind, f"{self.name}.0", first), Part(self.kind, f"{self.name}.1", second)


Build = Callable[[Rows, str], pa.Array]
"""Builds one column; the text is the ClickHouse type of the column it goes to."""


def parts(signal: Signal, batch: pa.RecordBatch, received_at: int) -> Iterator[Part]:
    """Yield the rows of `batch` by table and by day (UTC).

    A time of zero is replaced by the next best one: a log's observed time, a span's end, else `received_at`
    (nanoseconds since the epoch). Times past 2106 are pulled back to it, for ClickHouse would wrap them.
    """
    rows = Rows(batch, _times(signal, batch, received_at), np.arange(batch.num_rows))
    if signal is Signal.METRICS:
        for kind, wanted in _by_metric_kind(rows):
            yield from _by_day(kind, wanted)
    elif batch.num_rows:
        yield from _by_day(signal.value, rows)


def convert(part: Part, layout: Mapping[str, str]) -> pa.RecordBatch:
    """Return the columns of `part` that a table of `layout` (column name to ClickHouse type) has."""
    builders = COLUMNS[part.kind]
    present = [name for name in layout if name in builders]
    return pa.RecordBatch.from_arrays([builders[name](part.rows, layout[name]) for name in present], names=present)


def _times(signal: Signal, batch: pa.RecordBatch, received_at: int) -> Nanoseconds:
    if signal is Signal.TRACES:
        names = ["start_time_unix_nano", "end_time_unix_nano"]
    elif signal is Signal.LOGS:
        names = ["time_unix_nano", "observed_time_unix_nano"]
    else:
        names = ["time_unix_nano"]
    times = arrays.nanoseconds(batch.column(names[0]))
    for fallback in names[1:]:
        if not times.all():
            times = np.where(times, times, arrays.nanoseconds(batch.column(fallback)))
    return times if times.all() else np.where(times, times, np.uint64(received_at))


def _by_metric_kind(rows: Rows) -> Iterator[tuple[str, Rows]]:
    metrics = rows.column("metric")
    kinds = metrics.dictionary.field("kind").to_numpy()[metrics.indices.to_numpy()]
    for kind, number in METRIC_KINDS.items():
        mask = kinds == number
        if mask.all() and len(mask):
            yield kind, rows
        elif mask.any():
            yield kind, rows.filter(mask)


def _by_day(kind: str, rows: Rows) -> Iterator[Part]:
    days = (rows.times // np.uint64(arrays.DAY_NS)).astype(np.int32)
    if days.min() == days.max():
        yield Part(kind, f"{kind}:{_date(days[0])}", rows)
        return
    distinct = np.unique(days)
    step = 1 if len(distinct) <= DAYS_AN_INSERT else DAYS_AN_INSERT
    for start in range(0, len(distinct), step):
        first, last = distinct[start], distinct[min(start + step, len(distinct)) - 1]
        yield Part(kind, f"{kind}:{_date(first)}", rows.filter((days >= first) & (days <= last)))


def _date(day: np.int32) -> str:
    return str(np.datetime64(int(day), "D"))


def _plain(name: str) -> Build:
    return lambda rows, _: rows.column(name)


def _hex(name: str) -> Build:
    return lambda rows, _: arrays.hex_ids(rows.column(name))


def _text(envelope: str, field: str) -> Build:
    def build(rows: Rows, _: str) -> pa.Array:
        column = rows.column(envelope)
        return arrays.shared(column.indices, column.dictionary.field(field))

    return build


def _number(envelope: str, field: str) -> Build:
    def build(rows: Rows, _: str) -> pa.Array:
        column = rows.column(envelope)
        return column.dictionary.field(field).take(column.indices)

    return build


def _attributes(name: str) -> Build:
    return lambda rows, target: arrays.attributes(rows.column(name), target)


def _attribute_keys(name: str) -> Build:
    return lambda rows, _: arrays.attribute_paths(rows.column(name))


def _shared_attributes(envelope: str) -> Build:
    def build(rows: Rows, target: str) -> pa.Array:
        column = rows.column(envelope)
        return arrays.shared_attributes(column.indices, column.dictionary.field("attributes"), target)

    return build


def _shared_keys(envelope: str) -> Build:
    def build(rows: Rows, _: str) -> pa.Array:
        column = rows.column(envelope)
        return arrays.attribute_paths(column.dictionary.field("attributes")).take(column.indices)

    return build


def _service_name(rows: Rows, _: str) -> pa.Array:
    column = rows.column("resource")
    return arrays.shared(column.indices, arrays.service_names(column.dictionary.field("attributes")))


def _time(name: str) -> Build:
    return lambda rows, target: arrays.time_array(arrays.nanoseconds(rows.column(name)), target)


def _row_time(rows: Rows, target: str) -> pa.Array:
    return arrays.time_array(rows.times, target)


def _duration(rows: Rows, _: str) -> pa.Array:
    start, end = (rows.column(f"{name}_time_unix_nano").to_numpy() for name in ("start", "end"))
    return pa.array(np.where((end > start) & (start > 0), end - start, np.uint64(0)))


def _bits(name: str, mask: int) -> Build:
    return lambda rows, _: pc.bit_wise_and(rows.column(name), pa.scalar(mask, pa.uint32())).cast(pa.uint8())


def _severity_number(rows: Rows, _: str) -> pa.Array:
    return pa.array(np.clip(rows.column("severity_number").to_numpy(), 0, 255).astype(np.uint8))


def _span_kind(rows: Rows, _: str) -> pa.Array:
    return arrays.enum_names(rows.column("kind"), SPAN_KINDS)


def _status_code(rows: Rows, _: str) -> pa.Array:
    return arrays.enum_names(rows.column("status_code").fill_null(0), STATUS_CODES)


def _or_zero(name: str) -> Build:
    return lambda rows, _: rows.column(name).fill_null(0)


def _coalesced(values: pa.StructArray | Rows) -> pa.Array:
    column = values.field if isinstance(values, pa.StructArray) else values.column
    integers = column("int_value").cast(pa.float64(), safe=False)
    return pc.coalesce(column("double_value"), integers, 0.0)


def _nested(name: str, build: Callable[[pa.StructArray, str], pa.Array]) -> Build:
    return lambda rows, target: arrays.nested(rows.column(name), lambda items: build(items, target))


def _nested_plain(name: str, field: str) -> Build:
    return _nested(name, lambda items, _: items.field(field))


def _nested_hex(name: str, field: str) -> Build:
    return _nested(name, lambda items, _: arrays.hex_ids(items.field(field)))


def _nested_time(name: str) -> Build:
    return _nested(name, lambda items, target: arrays.time_array(_item_times(items), target))


def _item_times(items: pa.StructArray) -> Nanoseconds:
    return arrays.nanoseconds(items.field("time_unix_nano"))


def _nested_attributes(name: str, field: str) -> Build:
    return _nested(name, lambda items, target: arrays.attributes(items.field(field), target))


_RESOURCE: dict[str, Build] = {
    "ServiceName": _service_name,
    "ResourceAttributes": _shared_attributes("resource"),
    "ResourceAttributesKeys": _shared_keys("resource"),
    "ResourceSchemaUrl": _text("resource", "schema_url"),
    "ScopeName": _text("scope", "name"),
    "ScopeVersion": _text("scope", "version"),
    "ScopeSchemaUrl": _text("scope", "schema_url"),
    "ScopeAttributes": _shared_attributes("scope"),
    "ScopeAttributesKeys": _shared_keys("scope"),
    "ScopeDroppedAttrCount": _number("scope", "dropped_attributes_count"),
}
_TRACES: dict[str, Build] = _RESOURCE | {
    "Timestamp": _row_time,
    "TraceId": _hex("trace_id"),
    "SpanId": _hex("span_id"),
    "ParentSpanId": _hex("parent_span_id"),
    "TraceState": _plain("trace_state"),
    "SpanName": _plain("name"),
    "SpanKind": _span_kind,
    "SpanAttributes": _attributes("attributes"),
    "SpanAttributesKeys": _attribute_keys("attributes"),
    "Duration": _duration,
    "StatusCode": _status_code,
    "StatusMessage": _plain("status_message"),
    "Events.Timestamp": _nested_time("events"),
    "Events.Name": _nested_plain("events", "name"),
    "Events.Attributes": _nested_attributes("events", "attributes"),
    "Links.TraceId": _nested_hex("links", "trace_id"),
    "Links.SpanId": _nested_hex("links", "span_id"),
    "Links.TraceState": _nested_plain("links", "trace_state"),
    "Links.Attributes": _nested_attributes("links", "attributes"),
}
_LOGS: dict[str, Build] = _RESOURCE | {
    "Timestamp": _row_time,
    "TraceId": _hex("trace_id"),
    "SpanId": _hex("span_id"),
    "TraceFlags": _bits("flags", 0xFF),
    "SeverityText": _plain("severity_text"),
    "SeverityNumber": _severity_number,
    "Body": _plain("body"),
    "LogAttributes": _attributes("attributes"),
    "LogAttributesKeys": _attribute_keys("attributes"),
    "EventName": _plain("event_name"),
}
_POINTS: dict[str, Build] = _RESOURCE | {
    "MetricName": _text("metric", "name"),
    "MetricDescription": _text("metric", "description"),
    "MetricUnit": _text("metric", "unit"),
    "AggregationTemporality": _number("metric", "aggregation_temporality"),
    "IsMonotonic": _number("metric", "is_monotonic"),
    "Attributes": _attributes("attributes"),
    "AttributesKeys": _attribute_keys("attributes"),
    "StartTimeUnix": _time("start_time_unix_nano"),
    "TimeUnix": _row_time,
    "Flags": _plain("flags"),
    "Value": lambda rows, _: _coalesced(rows),
    "Count": _plain("count"),
    "Sum": _or_zero("sum"),
    "Min": _or_zero("min"),
    "Max": _or_zero("max"),
    "BucketCounts": _plain("bucket_counts"),
    "ExplicitBounds": _plain("explicit_bounds"),
    "Scale": _plain("scale"),
    "ZeroCount": _plain("zero_count"),
    "PositiveOffset": _or_zero("positive_offset"),
    "PositiveBucketCounts": _plain("positive_bucket_counts"),
    "NegativeOffset": _or_zero("negative_offset"),
    "NegativeBucketCounts": _plain("negative_bucket_counts"),
    "ValueAtQuantiles.Quantile": _nested_plain("quantiles", "quantile"),
    "ValueAtQuantiles.Value": _nested_plain("quantiles", "value"),
    "Exemplars.FilteredAttributes": _nested_attributes("exemplars", "filtered_attributes"),
    "Exemplars.TimeUnix": _nested_time("exemplars"),
    "Exemplars.Value": _nested("exemplars", lambda items, _: _coalesced(items)),
    "Exemplars.SpanId": _nested_hex("exemplars", "span_id"),
    "Exemplars.TraceId": _nested_hex("exemplars", "trace_id"),
}
COLUMNS: dict[str, dict[str, Build]] = {"traces": _TRACES, "logs": _LOGS} | dict.fromkeys(METRIC_KINDS, _POINTS)
"""How to build each column that a table of each kind may have."""
