"""Protobuf messages to OTLP JSON, by descriptor."""

from __future__ import annotations

import math
from base64 import b64encode
from typing import Any

import orjson
from google.protobuf.descriptor import FieldDescriptor

IDS = frozenset({"trace_id", "span_id", "parent_span_id"})
"""The bytes fields that OTLP writes as hex."""

SKIPPED = frozenset({"string_value_strindex", "key_strindex"})
"""Fields that mean something only in profiles."""


def document(message: Any) -> bytes:
    """Return compact OTLP JSON of a request."""
    return orjson.dumps(_object(message))


def _object(message: Any) -> dict[str, Any]:
    return {field.json_name: _value(field, value) for field, value in message.ListFields() if field.name not in SKIPPED}


def _value(field: FieldDescriptor, value: Any) -> Any:
    if field.is_repeated:
        return [_single(field, element) for element in value]
    return _single(field, value)


def _single(field: FieldDescriptor, value: Any) -> Any:
    if field.cpp_type == FieldDescriptor.CPPTYPE_MESSAGE:
        return _object(value)
    if field.type == FieldDescriptor.TYPE_BYTES:
        return value.hex() if field.name in IDS else b64encode(value).decode()
    if field.cpp_type in {FieldDescriptor.CPPTYPE_INT64, FieldDescriptor.CPPTYPE_UINT64}:
        return str(value)
    if field.cpp_type == FieldDescriptor.CPPTYPE_DOUBLE and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value
