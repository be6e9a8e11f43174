"""Request bytes to protobuf messages, also where a string is not UTF-8."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from collector.api import Rejected, Signal, TooLarge

REQUESTS: dict[Signal, Any] = {
    Signal.TRACES: ExportTraceServiceRequest,
    Signal.METRICS: ExportMetricsServiceRequest,
    Signal.LOGS: ExportLogsServiceRequest,
}

_VARINT, _FIXED64, _LENGTH, _START_GROUP, _END_GROUP, _FIXED32 = range(6)
_FIXED = {_FIXED64: 8, _FIXED32: 4}
_MAX_NESTING = 100  # where upb stops
_MAX_FIELDS = 8_000_000
_SMALL = 2 * 1024 * 1024


def parse(signal: Signal, request: bytes) -> tuple[Any, int]:
    """Return the request as a message, and how many of its strings were not UTF-8 and were repaired.

    Two bytes can become a message of 200, so a large request is walked before anything is allocated for it, and
    may have 8 million fields. Raises `Rejected` where it has more, or the bytes are not protobuf.
    """
    kind = REQUESTS[signal]
    if len(request) <= _SMALL:
        try:
            return kind.FromString(request), 0
        except DecodeError:  # for one string that is not UTF-8, or worse: upb does not say
            pass
    repair = _Repair(f"the body is not an OTLP protobuf request of {signal}")
    repaired = repair.message(request, kind.DESCRIPTOR, _MAX_NESTING)
    try:
        return kind.FromString(repaired), repair.replaced
    except DecodeError:
        raise Rejected(repair.refusal) from None


class _Repair:
    """Puts U+FFFD for what is not UTF-8 in the strings of a message, and counts such strings in `replaced`."""

    def __init__(self, refusal: str) -> None:
        self.refusal = refusal
        self.replaced = 0
        self._fields_left = _MAX_FIELDS

    def message(self, data: bytes, kind: Descriptor, nesting: int) -> bytes:
        """Return the repaired message, the very bytes where nothing was wrong."""
        out, copied = [], 0
        for number, length_at, start, end in self._fields(data):
            known = kind.fields_by_number.get(number)
            value = data[start:end]
            repaired = self._value(value, known, nesting) if known else value
            if repaired is not value:
                out += [data[copied:length_at], _varint_bytes(len(repaired)), repaired]
                copied = end
        return b"".join([*out, data[copied:]]) if out else data

    def _value(self, value: bytes, known: FieldDescriptor, nesting: int) -> bytes:
        if known.message_type and nesting:
            return self.message(value, known.message_type, nesting - 1)
        if known.type != FieldDescriptor.TYPE_STRING:
            return value
        try:
            value.decode()
        except UnicodeDecodeError:
            self.replaced += 1
            return value.decode(errors="replace").encode()
        return value

    def _fields(self, data: bytes) -> Iterator[tuple[int, int, int, int]]:
        """Yield number, place of the length, start and end of each field that has a length and is in no group."""
        at = groups = 0
        while at < len(data):
            self._fields_left -= 1
            tag, start = self._varint(data, at)
            wire, length_at = tag & 7, start
            if wire == _LENGTH:
                length, start = self._varint(data, start)
                at = start + length
            elif wire == _VARINT:
                at = self._varint(data, start)[1]
            else:
                at = start + _FIXED.get(wire, 0)
                groups += (wire == _START_GROUP) - (wire == _END_GROUP)
            if at > len(data) or wire > _FIXED32:
                raise Rejected(self.refusal)
            if self._fields_left < 0:
                raise TooLarge(f"the request has more than {_MAX_FIELDS} fields")
            if wire == _LENGTH and not groups:
                yield tag >> 3, length_at, start, at

    def _varint(self, data: bytes, at: int) -> tuple[int, int]:
        """Return the number at `at`, and where it ends."""
        if at < len(data) and data[at] < 0x80:
            return data[at], at + 1
        value = 0
        for shift, byte in enumerate(data[at : at + 10]):
            value |= (byte & 0x7F) << 7 * shift
            if byte < 0x80:
                return value, at + shift + 1
        raise Rejected(self.refusal)


def _varint_bytes(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
