"""Everything there is: `verbosity: detailed`, laid out as the OpenTelemetry Collector's debug exporter does.

A person reads this, so it goes through the items one by one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pyarrow as pa

from collector.api import Batch, Signal
from collector.storage.arrow import TYPE_ABSENT
from exporters.debug.envelopes import Envelope, envelopes
from exporters.debug.points import data_points
from exporters.debug.text import Row, attributes, hex_id, name_of, time, value

_SPAN_KINDS = ("Unspecified", "Internal", "Server", "Client", "Producer", "Consumer")
_STATUS_CODES = ("Unset", "Ok", "Error")
_TITLES = {Signal.TRACES: "Spans", Signal.METRICS: "Metrics", Signal.LOGS: "Logs"}


def detail(batch: Batch) -> str:
    """Return every field of every item of a batch."""
    columns, title = batch.columns, _TITLES[batch.signal]
    rows = columns.drop_columns(["resource", "scope"])
    written: list[str] = []
    for envelope in envelopes(columns):
        written += _envelope(envelope, title)
        written += _ITEMS[batch.signal](rows.slice(envelope.start, envelope.stop - envelope.start))
    return "".join(f"{_under(line)}\n" for line in written)


def _under(line: str) -> str:
    """Keep what a value says on further lines apart from the lines that are ours."""
    return line.replace("\n", "\n        ")


def _envelope(envelope: Envelope, title: str) -> Iterator[str]:
    if envelope.opens:
        yield f"Resource{title} #{envelope.resource_number}"
        yield f"Resource SchemaURL: {envelope.resource['schema_url']}"
        yield from attributes("Resource attributes:", envelope.resource["attributes"])
    yield f"Scope{title} #{envelope.scope_number}"
    yield f"Scope{title} SchemaURL: {envelope.scope['schema_url']}"
    yield f"InstrumentationScope {envelope.scope['name']} {envelope.scope['version']}"
    yield from attributes("InstrumentationScope attributes:", envelope.scope["attributes"])


def _spans(rows: pa.RecordBatch) -> Iterator[str]:
    for number, span in enumerate(rows.to_pylist()):
        yield f"Span #{number}"
        yield from (f"    {name:<15}: {text}" for name, text in _span_fields(span))
        yield from attributes("Attributes:", span["attributes"])
        yield from _dropped(span, "attributes")
        yield from _events(span["events"])
        yield from _dropped(span, "events")
        yield from _links(span["links"])
        yield from _dropped(span, "links")


def _span_fields(span: Row) -> Iterator[tuple[str, str]]:
    yield "Trace ID", hex_id(span["trace_id"])
    yield "Parent ID", hex_id(span["parent_span_id"])
    yield "ID", hex_id(span["span_id"])
    yield "Name", span["name"]
    yield "Kind", name_of(_SPAN_KINDS, span["kind"])
    if span["trace_state"]:
        yield "TraceState", span["trace_state"]
    yield "Start time", time(span["start_time_unix_nano"])
    yield "End time", time(span["end_time_unix_nano"])
    yield "Status code", name_of(_STATUS_CODES, span["status_code"] or 0)
    yield "Status message", span["status_message"]


def _dropped(item: Row, what: str) -> Iterator[str]:
    if count := item[f"dropped_{what}_count"]:
        yield f"    Dropped{what.capitalize()}Count: {count}"


def _events(events: list[Row]) -> Iterator[str]:
    if events:
        yield "Events:"
    for number, event in enumerate(events):
        yield f"SpanEvent #{number}"
        yield f"     -> Name: {event['name']}"
        yield f"     -> Timestamp: {time(event['time_unix_nano'])}"
        yield f"     -> DroppedAttributesCount: {event['dropped_attributes_count']}"
        yield from attributes("-> Attributes:", event["attributes"], "     ")


def _links(links: list[Row]) -> Iterator[str]:
    if links:
        yield "Links:"
    for number, link in enumerate(links):
        yield f"SpanLink #{number}"
        yield f"     -> Trace ID: {hex_id(link['trace_id'])}"
        yield f"     -> ID: {hex_id(link['span_id'])}"
        yield f"     -> TraceState: {link['trace_state']}"
        yield f"     -> DroppedAttributesCount: {link['dropped_attributes_count']}"
        yield from attributes("-> Attributes:", link["attributes"], "     ")


def _logs(rows: pa.RecordBatch) -> Iterator[str]:
    for number, record in enumerate(rows.to_pylist()):
        yield f"LogRecord #{number}"
        yield f"ObservedTimestamp: {time(record['observed_time_unix_nano'])}"
        yield f"Timestamp: {time(record['time_unix_nano'])}"
        yield f"SeverityText: {record['severity_text']}"
        yield f"SeverityNumber: {_severity(record['severity_number'])}"
        if record["event_name"]:
            yield f"EventName: {record['event_name']}"
        if record["body_type"] != TYPE_ABSENT:
            yield f"Body: {value(record['body_type'], record['body'])}"
        yield from attributes("Attributes:", record["attributes"])
        yield from _dropped(record, "attributes")
        yield f"Trace ID: {hex_id(record['trace_id'])}"
        yield f"Span ID: {hex_id(record['span_id'])}"
        yield f"Flags: {record['flags']}"


def _severity(number: int) -> str:
    if not 1 <= number <= 24:
        return f"Unspecified({number})"
    name = ("Trace", "Debug", "Info", "Warn", "Error", "Fatal")[(number - 1) // 4]
    step = (number - 1) % 4 + 1
    return f"{name}{step if step > 1 else ''}({number})"


_ITEMS: dict[Signal, Callable[[pa.RecordBatch], Iterator[str]]] = {
    Signal.TRACES: _spans,
    Signal.METRICS: data_points,
    Signal.LOGS: _logs,
}
