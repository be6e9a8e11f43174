"""Successful answers: empty for a full success, `partial_success` where something of a request was lost."""

from __future__ import annotations

from typing import Final

import orjson
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from collector.api import Signal
from collector.receivers.refusal import shorten
from collector.wire.types import Scan

FULL_PROTO: Final = b""
FULL_JSON: Final = b"{}"

_REJECTED_NAMES: Final = {
    Signal.TRACES: "rejectedSpans",
    Signal.METRICS: "rejectedDataPoints",
    Signal.LOGS: "rejectedLogRecords",
}


def success(signal: Signal, scan: Scan, *, json: bool) -> bytes:
    """Return the body of an `Export*ServiceResponse`.

    A client never repeats what is rejected here. A message without rejected items is a warning: strings that were
    not UTF-8 and attributes whose key came twice have lost something.
    """
    message = _message(scan)
    if not message:
        return FULL_JSON if json else FULL_PROTO
    if json:
        rejected = {_REJECTED_NAMES[signal]: str(scan.rejected)} if scan.rejected else {}
        return orjson.dumps({"partialSuccess": {**rejected, "errorMessage": message}})
    # The three responses have the same numbers for the same fields.
    response = ExportTraceServiceResponse()
    response.partial_success.rejected_spans = scan.rejected
    response.partial_success.error_message = message
    body: bytes = response.SerializeToString()
    return body


def _message(scan: Scan) -> str:
    parts: list[str] = []
    if scan.rejected:
        parts.append(scan.message or f"{scan.rejected} items are invalid")
    if scan.replaced:
        parts.append(f"{scan.replaced} strings were not UTF-8; their bad bytes were replaced by U+FFFD")
    if scan.duplicates:
        parts.append(f"{scan.duplicates} attributes had a key that came again; the last one was kept")
    return shorten("; ".join(parts))
