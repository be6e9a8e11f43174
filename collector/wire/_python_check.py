"""Limits, duplicate keys and invalid spans of a parsed request."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

from collector.api import Rejected, Signal
from collector.wire.types import Limits, Scan

Path = tuple[str | int, ...]
ENVELOPES = {
    Signal.TRACES: ("resource_spans", "scope_spans", "spans"),
    Signal.METRICS: ("resource_metrics", "scope_metrics", "metrics"),
    Signal.LOGS: ("resource_logs", "scope_logs", "log_records"),
}
"""Names of the repeated fields from the request down to its items."""

_NESTED = {"array_value", "kvlist_value"}


def valid_id(value: bytes, size: int) -> bool:
    """Whether the bytes are a trace id (`size` 16) or span id (8)."""
    return len(value) == size and any(value)


def is_valid_span(span: Any) -> bool:
    """Whether OTLP lets us keep the span."""
    return valid_id(span.trace_id, 16) and valid_id(span.span_id, 8)


def data_points(metric: Any) -> Sequence[Any]:
    """Return the data points of a metric of any kind."""
    kind = metric.WhichOneof("data")
    return getattr(metric, kind).data_points if kind else ()


class Check:
    """Counts over the requests of one call what `Scan` says. `visit` raises `Rejected` at the first broken limit."""

    def __init__(self, signal: Signal, limits: Limits) -> None:
        self._names = ENVELOPES[signal]
        self._visit_item = {Signal.TRACES: self._span, Signal.METRICS: self._metric, Signal.LOGS: self._log}[signal]
        self._limits = limits
        self._left = limits.items
        self._items = self._rejected = self._duplicates = 0
        self._message = ""

    def visit(self, request: Any) -> None:
        """Check one request."""
        outer_name, inner_name, item_name = self._names
        self._left = self._limits.items
        for i, outer in enumerate(getattr(request, outer_name)):
            path: Path = (outer_name, i)
            self._attributes(outer.resource.attributes, (*path, "resource", "attributes"))
            for j, inner in enumerate(getattr(outer, inner_name)):
                inner_path = (*path, inner_name, j)
                self._attributes(inner.scope.attributes, (*inner_path, "scope", "attributes"))
                for k, item in enumerate(getattr(inner, item_name)):
                    self._visit_item(item, (*inner_path, item_name, k))

    def result(self, replaced: int) -> Scan:
        """Return what was counted, together with the number of repaired strings."""
        return Scan(self._items, self._rejected, self._message, replaced, self._duplicates)

    def _span(self, span: Any, path: Path) -> None:
        self._take(1, path)
        if is_valid_span(span):
            self._items += 1
        else:
            self._message = self._message or f"span {self._items}: {_span_fault(span)}"
            self._rejected += 1
        self._attributes(span.attributes, (*path, "attributes"))
        for name, parts in (("events", span.events), ("links", span.links)):
            for n, part in enumerate(parts):
                self._attributes(part.attributes, (*path, name, n, "attributes"))

    def _log(self, record: Any, path: Path) -> None:
        self._take(1, path)
        self._items += 1
        self._value(record.body, (*path, "body"), 1)
        self._attributes(record.attributes, (*path, "attributes"))

    def _metric(self, metric: Any, path: Path) -> None:
        points = data_points(metric)
        self._take(len(points), path)
        self._items += len(points)
        self._attributes(metric.metadata, (*path, "metadata"))
        for n, point in enumerate(points):
            point_path = (*path, metric.WhichOneof("data"), "data_points", n)
            self._attributes(point.attributes, (*point_path, "attributes"))
            for m, exemplar in enumerate(getattr(point, "exemplars", ())):
                self._attributes(exemplar.filtered_attributes, (*point_path, "exemplars", m, "filtered_attributes"))

    def _take(self, items: int, path: Path) -> None:
        self._left -= items
        if self._left < 0:
            raise Rejected(f"the request holds more than {self._limits.items} items", _text(path))

    def _attributes(self, attributes: Sequence[KeyValue], path: Path) -> None:
        if len(attributes) > self._limits.attributes:
            raise Rejected(
                f"a list of {len(attributes)} attributes, at most {self._limits.attributes} are allowed", _text(path)
            )
        self._pairs(attributes, path, 1)

    def _pairs(self, pairs: Sequence[KeyValue], path: Path, depth: int) -> None:
        self._duplicates += len(pairs) - len({pair.key for pair in pairs})
        for n, pair in enumerate(pairs):
            if pair.value.WhichOneof("value") in _NESTED or depth > self._limits.depth:
                self._value(pair.value, (*path, n, "value"), depth)

    def _value(self, value: AnyValue, path: Path, depth: int) -> None:
        if depth > self._limits.depth:
            raise Rejected(f"a value nested more than {self._limits.depth} deep", _text(path))
        match value.WhichOneof("value"):
            case "array_value":
                for n, element in enumerate(value.array_value.values):
                    self._value(element, (*path, "array_value", "values", n), depth + 1)
            case "kvlist_value":
                self._pairs(value.kvlist_value.values, (*path, "kvlist_value", "values"), depth + 1)


def _text(path: Path) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).lstrip(".")


def _span_fault(span: Any) -> str:
    name, size = ("span_id", 8) if valid_id(span.trace_id, 16) else ("trace_id", 16)
    value = getattr(span, name)
    got = "zeros" if len(value) == size else str(len(value))
    hint = ", or text that is not hex" if len(value) == 1 else ""
    return f"{name} must be {size} bytes that are not all zero, got {got}{hint}"
