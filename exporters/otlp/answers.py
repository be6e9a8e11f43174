"""What a server's answer means for the rows, by the tables of the OTLP specification."""

from __future__ import annotations

import time
from collections.abc import Iterable
from email.utils import parsedate_to_datetime
from typing import cast

import grpc
from google.protobuf.json_format import Parse, ParseError
from google.protobuf.message import DecodeError, Message
from google.rpc import error_details_pb2, status_pb2
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from collector.api import OtteryError, Permanent, Retryable, Signal

_CODE = grpc.StatusCode
_RETRYABLE_CODES = frozenset(
    {_CODE.CANCELLED, _CODE.DEADLINE_EXCEEDED, _CODE.ABORTED, _CODE.OUT_OF_RANGE, _CODE.UNAVAILABLE, _CODE.DATA_LOSS}
)
_RETRYABLE_STATUS = frozenset({429, 502, 503, 504})
_ABOUT_ROWS = frozenset({_CODE.INVALID_ARGUMENT, _CODE.RESOURCE_EXHAUSTED, 400, 413})
_LONGEST_MESSAGE = 500
_LONGEST_DELAY = 3600.0

RESPONSES: dict[Signal, type[Message]] = {
    Signal.TRACES: ExportTraceServiceResponse,
    Signal.METRICS: ExportMetricsServiceResponse,
    Signal.LOGS: ExportLogsServiceResponse,
}
_REJECTED = {
    Signal.TRACES: "rejected_spans",
    Signal.METRICS: "rejected_data_points",
    Signal.LOGS: "rejected_log_records",
}


def partial_success(signal: Signal, body: bytes, *, json: bool = False) -> tuple[int, str]:
    """Return how many items the server refused, and its words.

    A body that is no response means that nothing was refused: the server has the data.
    """
    response = RESPONSES[signal]()
    try:
        if json:
            Parse(body or b"{}", response, ignore_unknown_fields=True)
        else:
            response.ParseFromString(body)
    except (DecodeError, ParseError, UnicodeDecodeError):
        return 0, ""
    partial = response.partial_success  # type: ignore[attr-defined]  # each of the three has it
    return getattr(partial, _REJECTED[signal]), clip(partial.error_message)


def of_grpc(error: grpc.RpcError) -> OtteryError:
    """Return what an RPC's failure means. RESOURCE_EXHAUSTED is retryable only where RetryInfo says when."""
    code, details = error.code(), clip(error.details() or "")
    delay = _retry_info(cast("Iterable[tuple[str, str | bytes]]", error.trailing_metadata() or ()))
    message = f"{code.name}: {details}"
    if code in _RETRYABLE_CODES or (code is _CODE.RESOURCE_EXHAUSTED and delay is not None):
        return Retryable(message, delay, kind=code.name.lower())
    return Permanent(message, kind=code.name.lower(), whole=code not in _ABOUT_ROWS)


def _retry_info(trailers: Iterable[tuple[str, str | bytes]]) -> float | None:
    for key, value in trailers:
        if key != "grpc-status-details-bin" or not isinstance(value, bytes):
            continue
        try:
            details = status_pb2.Status.FromString(value).details
            for detail in details:
                info = error_details_pb2.RetryInfo()
                if detail.Unpack(info):
                    return _bounded(info.retry_delay.seconds + info.retry_delay.nanos / 1e9)
        except DecodeError:
            return None
    return None


def of_http(status: int, retry_after: str | None, body: bytes, content_type: str) -> OtteryError:
    """Return what an HTTP status that is no success means: 429, 502, 503 and 504 are retryable, nothing else."""
    message = f"HTTP {status}: {_status_message(body, content_type)}"
    if status in _RETRYABLE_STATUS:
        return Retryable(message, _delay(retry_after), kind=f"http_{status}")
    return Permanent(message, kind=f"http_{status}", whole=status not in _ABOUT_ROWS)


def _delay(retry_after: str | None) -> float | None:
    if not retry_after:
        return None
    text = retry_after.strip()
    if text.isascii() and text.isdigit():
        return _bounded(float(text))
    try:
        return _bounded(parsedate_to_datetime(text).timestamp() - time.time())
    except (ValueError, OverflowError):
        return None


def _bounded(delay: float) -> float:
    """Return a server's wish for a delay, but no absurd one."""
    return min(max(delay, 0.0), _LONGEST_DELAY)


def _status_message(body: bytes, content_type: str) -> str:
    if content_type.startswith("application/x-protobuf"):
        try:
            return clip(status_pb2.Status.FromString(body).message)
        except DecodeError:
            return "an unreadable status"
    return clip(body.decode("utf-8", "replace"))


def clip(text: str) -> str:
    """Keep a server's words short and on one line: they end in our log."""
    return " ".join(text[:_LONGEST_MESSAGE].split())
