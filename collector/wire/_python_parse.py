"""Request bytes to protobuf messages, also where a string is not UTF-8."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from collector.api import Rejected, Signal

REQUESTS: dict[Signal, Any] = {
    Signal.TRACES: ExportTraceServiceRequest,
    Signal.METRICS: ExportMetricsServiceRequest,
    Signal.LOGS: ExportLogsServiceRequest,
}

_VARINT, _FIXED64, _LENGTH, _START_GROUP, _END_GROUP, _FIXED32 = range(6)
_FIXED = {_FIXED64: 8, _FIXED32: 4}
_MAX_NESTING = 100  # where upb stops


def parse(signal: Signal, request: bytes) -> tuple[Any, int]:
    """Return the request as a message, and how many of its strings were not UTF-8 and were repaired.

    Raises `Rejected` where the bytes are not protobuf.
    """
    try:
        return REQUESTS[signal].FromString(request), 0
    except DecodeError:
        # upb does not say whether it was a string, and refuses the whole request for one.
        repaired, replaced = _repair(request, REQUESTS[signal].DESCRIPTOR, _MAX_NESTING)
    try:
        return REQUESTS[signal].FromString(repaired), replaced
    except DecodeError as error:
        raise _not_protobuf(signal) from error


def _not_protobuf(signal: Signal | None = None) -> Rejected:
    what = f" of {signal}" if signal else ""
    return Rejected(f"the body is not an OTLP protobuf request{what}")


def _repair(data: bytes, kind: Descriptor, nesting: int) -> tuple[bytes, int]:
    """Return the message with U+FFFD for what is not UTF-8 in its strings, and the number of such strings."""
    out, copied, replaced = [], 0, 0
    for field in _fields(data):
        known = kind.fields_by_number.get(field.number)
        if known is None or field.wire != _LENGTH:
            continue
        value, count = _repair_value(data[field.start : field.end], known, nesting)
        if count:
            out += [data[copied : field.length_at], _varint_bytes(len(value)), value]
            copied, replaced = field.end, replaced + count
    return b"".join([*out, data[copied:]]), replaced


def _repair_value(value: bytes, known: FieldDescriptor, nesting: int) -> tuple[bytes, int]:
    if known.type == FieldDescriptor.TYPE_STRING:
        repaired = value.decode(errors="replace").encode()
        return repaired, int(repaired != value)
    if known.message_type and nesting:
        return _repair(value, known.message_type, nesting - 1)
    return value, 0


@dataclass(frozen=True, slots=True)
class _Field:
    """Where a field stands: its length (if any) begins at `length_at`, its value is `start:end`."""

    number: int
    wire: int
    length_at: int
    start: int
    end: int


def _fields(data: bytes) -> Iterator[_Field]:
    """Walk the fields of one message; what is inside an (unknown) group is left out."""
    at = groups = 0
    while at < len(data):
        tag, length_at = _varint(data, at)
        wire, start = tag & 7, length_at
        if wire == _LENGTH:
            length, start = _varint(data, length_at)
            at = start + length
        elif wire == _VARINT:
            at = _varint(data, start)[1]
        else:
            at = start + _FIXED.get(wire, 0)
            groups += (wire == _START_GROUP) - (wire == _END_GROUP)
        if at > len(data) or wire > _FIXED32:
            raise _not_protobuf()
        if not groups:
            yield _Field(tag >> 3, wire, length_at, start, at)


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """Return the number at `at`, and where it ends."""
    value = 0
    for shift, byte in enumerate(data[at : at + 10]):
        value |= (byte & 0x7F) << 7 * shift
        if byte < 0x80:
            return value, at + shift + 1
    raise _not_protobuf()


def _varint_bytes(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
