"""About one line an item: `verbosity: normal`. Whole columns are turned into text at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from collector.api import Batch, Signal
from exporters.debug.envelopes import Envelope, envelopes

_TITLES = {Signal.TRACES: "Traces", Signal.METRICS: "Metrics", Signal.LOGS: "Logs"}


def lines(batch: Batch) -> str:
    """Return the items of a batch, a line each, below lines for their resources and scopes."""
    columns, title = batch.columns, _TITLES[batch.signal]
    items = _one_line(_ITEMS[batch.signal](columns)).to_pylist()
    written: list[str] = []
    for envelope in envelopes(columns):
        written += _headings(envelope, title)
        written += items[envelope.start : envelope.stop]
    return "\n".join(written) + "\n" if written else ""


def _headings(envelope: Envelope, title: str) -> list[str]:
    resource, scope = envelope.resource, envelope.scope
    name = "@".join(filter(None, (scope["name"], scope["version"])))
    headings = [_heading(f"Scope{title} #{envelope.scope_number}", name, scope)]
    if envelope.opens:
        headings.insert(0, _heading(f"Resource{title} #{envelope.resource_number}", "", resource))
    return headings


def _heading(title: str, name: str, envelope: dict[str, Any]) -> str:
    schema = f"[{envelope['schema_url']}]" if envelope["schema_url"] else ""
    attributes = [f"{attribute['key']}={attribute['value']}" for attribute in envelope["attributes"]]
    return " ".join(filter(None, (title, name, schema, *attributes))).replace("\n", "\\n")


def _one_line(texts: pa.Array) -> pa.Array:
    return pc.replace_substring(texts, "\n", "\\n")


def _joined(attributes: pa.ListArray, separator: str) -> pa.StringArray:
    """Return `key=value` of each row's attributes, joined."""
    values = attributes.flatten()
    pairs = pc.binary_join_element_wise(values.field("key"), values.field("value"), "=")
    offsets = pc.subtract(attributes.offsets, attributes.offsets[0])
    return pc.binary_join(pa.ListArray.from_arrays(offsets, pairs), separator)


def hexadecimal(ids: pa.FixedSizeBinaryArray) -> pa.StringArray:
    """Return ids in lower-case hex, and nothing for those that are null."""
    width = ids.type.byte_width
    filled = pc.fill_null(ids, bytes(width))
    raw = memoryview(filled.buffers()[1])
    text = raw[filled.offset * width : (filled.offset + len(filled)) * width].hex().encode()
    offsets = np.arange(len(ids) + 1, dtype=np.int32) * (2 * width)
    written = pa.StringArray.from_buffers(len(ids), pa.py_buffer(offsets), pa.py_buffer(text))
    return pc.if_else(ids.is_valid(), written, "")


def _spans(columns: pa.RecordBatch) -> pa.Array:
    return pc.binary_join_element_wise(
        columns.column("name"),
        hexadecimal(columns.column("trace_id")),
        hexadecimal(columns.column("span_id")),
        _joined(columns.column("attributes"), " "),
        " ",
    )


def _logs(columns: pa.RecordBatch) -> pa.Array:
    return pc.binary_join_element_wise(columns.column("body"), _joined(columns.column("attributes"), " "), " ")


def _points(columns: pa.RecordBatch) -> pa.Array:
    metrics = columns.column("metric")
    names = metrics.dictionary.field("name").take(metrics.indices)
    numbers = pc.coalesce(
        columns.column("int_value").cast(pa.string()), columns.column("double_value").cast(pa.string())
    )
    kinds = metrics.dictionary.field("kind").take(metrics.indices)
    distributions = pc.indices_nonzero(pc.greater(kinds, 2))
    if len(distributions):
        values = numbers.to_pylist()
        for row in distributions.to_pylist():
            values[row] = _distribution({name: columns.column(name)[row].as_py() for name in _DISTRIBUTION})
        numbers = pa.array(values, pa.string())
    head = pc.binary_join_element_wise(names, _joined(columns.column("attributes"), ","), "{")
    return pc.binary_join_element_wise(head, pc.fill_null(numbers, ""), "} ")


_DISTRIBUTION = (
    "count",
    "sum",
    "min",
    "max",
    "bucket_counts",
    "explicit_bounds",
    "scale",
    "zero_count",
    "positive_offset",
    "positive_bucket_counts",
    "negative_offset",
    "negative_bucket_counts",
    "quantiles",
)


def _distribution(point: dict[str, Any]) -> str:
    """Return count, sum, extremes and buckets of a histogram, exponential histogram or summary."""
    parts = [f"count={point['count']}"]
    parts += [f"{name}={point[name]:g}" for name in ("sum", "min", "max") if point[name] is not None]
    bounds = [f"le{bound:g}=" for bound in point["explicit_bounds"]]
    parts += [f"{bound}{count}" for bound, count in zip([*bounds, ""], point["bucket_counts"], strict=False)]
    if point["positive_offset"] is not None or point["negative_offset"] is not None or point["zero_count"]:
        parts.append(f"scale={point['scale']} zero={point['zero_count']}")
        parts += [f"{side}={point[f'{side}_bucket_counts']}" for side in ("negative", "positive")]
    parts += [f"q{quantile['quantile']:g}={quantile['value']:g}" for quantile in point["quantiles"]]
    return " ".join(parts)


_ITEMS: dict[Signal, Callable[[pa.RecordBatch], pa.Array]] = {
    Signal.TRACES: _spans,
    Signal.METRICS: _points,
    Signal.LOGS: _logs,
}
