"""The reference codec, on the `opentelemetry-proto` classes; what it does is specified in `collector.wire.types`."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from collector.api import Signal
from collector.wire import _python_decode, _python_encode, _python_from_json, _python_to_json
from collector.wire._python_check import Check
from collector.wire._python_parse import parse
from collector.wire.types import Limits, Scan

name = "python"


def scan(signal: Signal, request: bytes, limits: Limits) -> Scan:
    """Validate one OTLP protobuf request and count its items. Raises `Rejected`."""
    message, replaced = parse(signal, request)
    check = Check(signal, limits)
    check.visit(message)
    return check.result(replaced)


def decode(signal: Signal, requests: Sequence[bytes], limits: Limits) -> tuple[pa.RecordBatch, Scan]:
    """Return the rows of all requests, joined, without the rejected items. Raises `Rejected`."""
    parsed = [parse(signal, request) for request in requests]
    messages = [message for message, _ in parsed]
    check = Check(signal, limits)
    for message in messages:
        check.visit(message)
    return _python_decode.columns(signal, messages), check.result(sum(replaced for _, replaced in parsed))


def encode(signal: Signal, columns: pa.RecordBatch) -> bytes:
    """Return one OTLP protobuf request. Raises ValueError for columns that are not of the signal's schema."""
    return bytes(_python_encode.request(signal, columns).SerializeToString())


def json_to_proto(signal: Signal, document: bytes, limits: Limits) -> bytes:
    """Return the OTLP protobuf request that an OTLP JSON document says. Raises `Rejected`."""
    return bytes(_python_from_json.request(signal, document, limits).SerializeToString())


def proto_to_json(signal: Signal, request: bytes) -> bytes:
    """Return OTLP JSON of a request. Raises `Rejected`."""
    message, _ = parse(signal, request)
    return _python_to_json.document(message)
