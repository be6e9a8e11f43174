"""From the value of a record to OTLP, by the encoding of its topic."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import orjson
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource

from collector.api import Rejected, Signal
from collector.wire.codec import WireCodec

MOST_DEPTH = 30

Decode = Callable[[WireCodec, Signal, bytes, int], bytes]
"""Returns the OTLP protobuf request of a value; the last argument is the record's time in ms. Raises `Rejected`."""


def _otlp_proto(_wire: WireCodec, _signal: Signal, value: bytes, _stamp: int) -> bytes:
    return value


def _otlp_json(wire: WireCodec, signal: Signal, value: bytes, _stamp: int) -> bytes:
    return wire.twin.json_to_proto(signal, value, wire.limits)


def _raw(_wire: WireCodec, _signal: Signal, value: bytes, stamp: int) -> bytes:
    return _log(AnyValue(bytes_value=value), stamp)


def _text(_wire: WireCodec, _signal: Signal, value: bytes, stamp: int) -> bytes:
    try:
        return _log(AnyValue(string_value=value.decode()), stamp)
    except UnicodeDecodeError as error:
        raise Rejected(f"the value is not UTF-8: {error.reason} at byte {error.start}") from error


def _json(_wire: WireCodec, _signal: Signal, value: bytes, stamp: int) -> bytes:
    try:
        return _log(_any(orjson.loads(value)), stamp)
    except orjson.JSONDecodeError as error:
        raise Rejected(f"the value is not JSON: {error}") from error


def _log(body: AnyValue, stamp: int) -> bytes:
    request = ExportLogsServiceRequest()
    record = request.resource_logs.add().scope_logs.add().log_records.add(body=body)
    record.observed_time_unix_nano = max(stamp, 0) * 1_000_000
    serialized: bytes = request.SerializeToString()
    return serialized


def _any(value: object, depth: int = 1) -> AnyValue:
    """Return a JSON value as OTLP's. Raises `Rejected` when it nests too deep."""
    if depth > MOST_DEPTH:
        raise Rejected(f"the value nests deeper than {MOST_DEPTH}")
    result = AnyValue()
    match value:
        case bool():
            result.bool_value = value
        case int() if -(1 << 63) <= value < 1 << 63:
            result.int_value = value
        case int() | float():
            result.double_value = float(value)
        case str():
            result.string_value = value
        case list():
            result.array_value.values.extend(_any(item, depth + 1) for item in value)
        case dict():
            result.kvlist_value.values.extend(KeyValue(key=k, value=_any(v, depth + 1)) for k, v in value.items())
    return result


DECODERS: Mapping[str, Decode] = {
    "otlp_proto": _otlp_proto,
    "otlp_json": _otlp_json,
    "raw": _raw,
    "text": _text,
    "json": _json,
}


def with_resource_attributes(request: bytes, attributes: Sequence[tuple[str, str]]) -> bytes:
    """Return the request with attributes added to every resource, without looking at its items.

    A message field that comes twice is merged, so appending a second resource adds to the first.
    """
    added = Resource(attributes=[KeyValue(key=key, value=AnyValue(string_value=value)) for key, value in attributes])
    serialized: bytes = added.SerializeToString()
    tail = b"\x0a" + _varint(len(serialized)) + serialized
    parts: list[bytes] = []
    position = 0
    while position < len(request):
        tag, start = _read_varint(request, position)
        if tag & 7 != 2:
            raise Rejected(f"byte {position} of the request begins no message")
        length, start = _read_varint(request, start)
        end = start + length
        if end > len(request):
            raise Rejected(f"the message at byte {position} is longer than the request")
        body = request[start:end]
        parts.append(_varint(tag) + _varint(length + len(tail)) + body + tail if tag == 10 else request[position:end])
        position = end
    return b"".join(parts)


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def _read_varint(data: bytes, position: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if position >= len(data):
            raise Rejected("the request ends within a number")
        byte = data[position]
        position += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, position
    raise Rejected(f"the number before byte {position} is too long")
