"""Messages to columns: one list a field, one Arrow array a list."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any

import pyarrow as pa

from collector.api import Signal
from collector.storage import arrow
from collector.wire._python_check import ENVELOPES, data_points, is_valid_span, valid_id
from collector.wire._python_values import typed, unique

_KINDS = {
    None: 0,
    "gauge": arrow.GAUGE,
    "sum": arrow.SUM,
    "histogram": arrow.HISTOGRAM,
    "exponential_histogram": arrow.EXPONENTIAL_HISTOGRAM,
    "summary": arrow.SUMMARY,
}


def columns(signal: Signal, requests: Sequence[Any]) -> pa.RecordBatch:
    """Return the rows of the requests, which keep all limits, without invalid spans."""
    rows = _gather(signal, requests)
    arrays = {
        "resource": rows.resources.array(_resources),
        "scope": rows.scopes.array(_scopes),
        **_ITEMS[signal](rows),
    }
    schema = arrow.SCHEMAS[signal]
    return pa.RecordBatch.from_arrays([_array(arrays[column.name], column.type) for column in schema], schema=schema)


@dataclass(slots=True)
class _Dictionary:
    """Envelopes and, for every row, the number of its envelope."""

    envelopes: list[Any] = field(default_factory=list)
    indices: list[int] = field(default_factory=list)

    def add(self, envelope: Any, rows: int) -> None:
        """Put `rows` rows into the envelope, which is the last one or a new one."""
        if not self.envelopes or self.envelopes[-1] is not envelope:
            self.envelopes.append(envelope)
        self.indices += [len(self.envelopes) - 1] * rows

    def array(self, build: Callable[[list[Any]], pa.Array]) -> pa.DictionaryArray:
        return pa.DictionaryArray.from_arrays(pa.array(self.indices, pa.int32()), build(self.envelopes))


@dataclass(slots=True)
class _Rows:
    """The items that are kept, under their envelopes."""

    items: list[Any] = field(default_factory=list)
    resources: _Dictionary = field(default_factory=_Dictionary)
    scopes: _Dictionary = field(default_factory=_Dictionary)
    metrics: _Dictionary = field(default_factory=_Dictionary)

    def add(self, outer: Any, inner: Any, items: Sequence[Any]) -> None:
        """Add the items of one scope."""
        if items:
            self.resources.add(outer, len(items))
            self.scopes.add(inner, len(items))
            self.items += items


def _gather(signal: Signal, requests: Sequence[Any]) -> _Rows:
    outer_name, inner_name, item_name = ENVELOPES[signal]
    rows = _Rows()
    for outer in (outer for request in requests for outer in getattr(request, outer_name)):
        for inner in getattr(outer, inner_name):
            items = getattr(inner, item_name)
            if signal is Signal.TRACES:
                rows.add(outer, inner, [span for span in items if is_valid_span(span)])
            elif signal is Signal.LOGS:
                rows.add(outer, inner, items)
            else:
                _add_points(rows, outer, inner)
    return rows


def _add_points(rows: _Rows, outer: Any, inner: Any) -> None:
    for metric in inner.metrics:
        points = data_points(metric)
        rows.add(outer, inner, points)
        if points:
            rows.metrics.add(metric, len(points))


def _array(values: Any, kind: pa.DataType) -> pa.Array:
    return values if isinstance(values, pa.Array) else pa.array(values, kind)


def _structs(kind: pa.StructType, /, **children: Any) -> pa.StructArray:
    """Return a struct array; every field of `kind` is a child, a list or an array."""
    fields = list(kind)
    return pa.StructArray.from_arrays([_array(children[f.name], f.type) for f in fields], fields=fields)


def _lists(
    kind: pa.ListType, groups: Sequence[Sequence[Any]], build: Callable[[list[Any]], pa.Array] | None = None
) -> pa.ListArray:
    """Return a list array whose n-th list holds the n-th group, its elements built by `build` in one go."""
    offsets = pa.array(accumulate(map(len, groups), initial=0), pa.int32())
    elements = [element for group in groups for element in group]
    values = build(elements) if build else pa.array(elements, kind.value_type)
    return pa.ListArray.from_arrays(offsets, values, type=kind)


def _get(messages: Iterable[Any], name: str, default: Any = 0) -> list[Any]:
    """Return the field of each message, the default for messages of a kind that lacks it."""
    return [getattr(message, name, default) for message in messages]


def _optional(messages: Iterable[Any], name: str) -> list[Any]:
    """Return the field of each message, None where it is absent."""
    return [getattr(message, name) if _has(message, name) else None for message in messages]


def _has(message: Any, name: str) -> bool:
    known = message.DESCRIPTOR.fields_by_name.get(name)
    return known is not None and (not known.has_presence or message.HasField(name))


def _ids(messages: Iterable[Any], name: str, size: int) -> list[bytes | None]:
    values = (getattr(message, name) for message in messages)
    return [value if valid_id(value, size) else None for value in values]


def _attributes(messages: Iterable[Any], name: str = "attributes") -> pa.ListArray:
    return _lists(arrow.ATTRIBUTES, [unique(getattr(message, name)) for message in messages], _pairs)


def _pairs(pairs: list[Any]) -> pa.StructArray:
    values = [typed(pair) for pair in pairs]
    return _structs(
        arrow.ATTRIBUTE,
        key=[pair.key for pair in pairs],
        type=[kind for kind, _, _ in values],
        value=[text for _, text, _ in values],
        raw=[raw for _, _, raw in values],
    )


def _resources(outers: list[Any]) -> pa.StructArray:
    resources = [outer.resource for outer in outers]
    return _structs(
        arrow.RESOURCE,
        present=[outer.HasField("resource") for outer in outers],
        attributes=_attributes(resources),
        dropped_attributes_count=_get(resources, "dropped_attributes_count"),
        entity_refs=[[_entity_ref(ref) for ref in resource.entity_refs] for resource in resources],
        schema_url=_get(outers, "schema_url"),
    )


def _entity_ref(ref: Any) -> bytes:
    kept = type(ref)()
    kept.CopyFrom(ref)
    kept.DiscardUnknownFields()
    return bytes(kept.SerializeToString())


def _scopes(inners: list[Any]) -> pa.StructArray:
    scopes = [inner.scope for inner in inners]
    return _structs(
        arrow.SCOPE,
        present=[inner.HasField("scope") for inner in inners],
        name=_get(scopes, "name"),
        version=_get(scopes, "version"),
        attributes=_attributes(scopes),
        dropped_attributes_count=_get(scopes, "dropped_attributes_count"),
        schema_url=_get(inners, "schema_url"),
    )


def _span_columns(rows: _Rows) -> dict[str, Any]:
    spans = rows.items
    plain = ("trace_id", "span_id", "trace_state", "flags", "name", "kind", "start_time_unix_nano")
    more = ("end_time_unix_nano", "dropped_attributes_count", "dropped_events_count", "dropped_links_count")
    return {
        **{name: _get(spans, name) for name in plain + more},
        "parent_span_id": _ids(spans, "parent_span_id", 8),
        "attributes": _attributes(spans),
        "events": _lists(arrow.SPANS.field("events").type, _get(spans, "events"), _events),
        "links": _lists(arrow.SPANS.field("links").type, _get(spans, "links"), _links),
        "status_code": [span.status.code if span.HasField("status") else None for span in spans],
        "status_message": [span.status.message for span in spans],
    }


def _events(events: list[Any]) -> pa.StructArray:
    return _structs(
        arrow.EVENT,
        time_unix_nano=_get(events, "time_unix_nano"),
        name=_get(events, "name"),
        attributes=_attributes(events),
        dropped_attributes_count=_get(events, "dropped_attributes_count"),
    )


def _links(links: list[Any]) -> pa.StructArray:
    return _structs(
        arrow.LINK,
        trace_id=_ids(links, "trace_id", 16),
        span_id=_ids(links, "span_id", 8),
        trace_state=_get(links, "trace_state"),
        attributes=_attributes(links),
        dropped_attributes_count=_get(links, "dropped_attributes_count"),
        flags=_get(links, "flags"),
    )


def _log_columns(rows: _Rows) -> dict[str, Any]:
    records = rows.items
    bodies = [typed(record, "body") for record in records]
    plain = ("time_unix_nano", "observed_time_unix_nano", "severity_number", "severity_text")
    more = ("dropped_attributes_count", "flags", "event_name")
    return {
        **{name: _get(records, name) for name in plain + more},
        "body_type": [kind for kind, _, _ in bodies],
        "body": [text for _, text, _ in bodies],
        "body_raw": [raw for _, _, raw in bodies],
        "attributes": _attributes(records),
        "trace_id": _ids(records, "trace_id", 16),
        "span_id": _ids(records, "span_id", 8),
    }


def _point_columns(rows: _Rows) -> dict[str, Any]:
    points = rows.items
    times = ("start_time_unix_nano", "time_unix_nano", "flags")
    return {
        **{name: _get(points, name) for name in (*times, "count", "scale", "zero_count", "zero_threshold")},
        **{name: _optional(points, name) for name in ("sum", "min", "max")},
        **{name: _get(points, name, ()) for name in ("bucket_counts", "explicit_bounds")},
        **_buckets(points, "positive"),
        **_buckets(points, "negative"),
        "metric": rows.metrics.array(_metrics),
        "attributes": _attributes(points),
        "int_value": _optional(points, "as_int"),
        "double_value": _optional(points, "as_double"),
        "quantiles": _lists(arrow.METRICS.field("quantiles").type, _get(points, "quantile_values", ()), _quantiles),
        "exemplars": _lists(arrow.METRICS.field("exemplars").type, _get(points, "exemplars", ()), _exemplars),
    }


def _buckets(points: list[Any], name: str) -> dict[str, Any]:
    buckets = _optional(points, name)
    return {
        f"{name}_offset": _get(buckets, "offset", None),
        f"{name}_bucket_counts": _get(buckets, "bucket_counts", ()),
    }


def _metrics(metrics: list[Any]) -> pa.StructArray:
    kinds = [metric.WhichOneof("data") for metric in metrics]
    data = [getattr(metric, kind) for metric, kind in zip(metrics, kinds, strict=True)]
    return _structs(
        arrow.METRIC,
        **{name: _get(metrics, name) for name in ("name", "description", "unit")},
        kind=[_KINDS[kind] for kind in kinds],
        aggregation_temporality=_get(data, "aggregation_temporality"),
        is_monotonic=_get(data, "is_monotonic", default=False),
        metadata=_attributes(metrics, "metadata"),
    )


def _quantiles(quantiles: list[Any]) -> pa.StructArray:
    return _structs(arrow.QUANTILE, quantile=_get(quantiles, "quantile"), value=_get(quantiles, "value"))


def _exemplars(exemplars: list[Any]) -> pa.StructArray:
    return _structs(
        arrow.EXEMPLAR,
        filtered_attributes=_attributes(exemplars, "filtered_attributes"),
        time_unix_nano=_get(exemplars, "time_unix_nano"),
        int_value=_optional(exemplars, "as_int"),
        double_value=_optional(exemplars, "as_double"),
        span_id=_ids(exemplars, "span_id", 8),
        trace_id=_ids(exemplars, "trace_id", 16),
    )


_ITEMS: dict[Signal, Callable[[_Rows], dict[str, Any]]] = {
    Signal.TRACES: _span_columns,
    Signal.METRICS: _point_columns,
    Signal.LOGS: _log_columns,
}
