"""OTLP JSON to protobuf messages, by descriptor; what is accepted is specified in `collector.wire.types`."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

import orjson
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValueList

from collector.api import Rejected, Signal
from collector.wire._python_parse import REQUESTS
from collector.wire._python_scalars import Wrong, scalar, unexpected
from collector.wire._python_to_json import SKIPPED
from collector.wire.types import Limits

_HIGH, _LOW = r"\\u[dD][89abAB][0-9a-fA-F]{2}", r"\\u[dD][c-fC-F][0-9a-fA-F]{2}"
_ESCAPE = re.compile(rf"{_HIGH}{_LOW}|({_HIGH}|{_LOW})|\\.", re.DOTALL)
_LISTS = {ArrayValue.DESCRIPTOR.full_name, KeyValueList.DESCRIPTOR.full_name}


def request(signal: Signal, document: bytes, limits: Limits) -> Any:
    """Return the request that a JSON document says. Raises `Rejected`."""
    message = REQUESTS[signal]()
    try:
        _Reader(limits.depth).fill(message, _load(document), 0)
    except Wrong as wrong:
        raise Rejected(str(wrong), wrong.path) from None
    return message


def _load(document: bytes) -> Any:
    try:
        return orjson.loads(document)
    except orjson.JSONDecodeError:
        # JavaScript cuts strings in the middle of a character and writes half of it.
        text = _ESCAPE.sub(_without_lone_surrogate, document.decode(errors="replace"))
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise Rejected(f"the body is not JSON: {error}") from None


def _without_lone_surrogate(escape: re.Match[str]) -> str:
    return r"\ufffd" if escape[1] else escape[0]


class _Reader:
    """Fills messages from what the JSON parser made; `depth` bounds the nesting of AnyValue."""

    def __init__(self, depth: int) -> None:
        self._depth = depth

    def fill(self, message: Any, value: Any, depth: int) -> None:
        """Set the fields that the object `value` has. `depth` is the nesting of AnyValue around the message."""
        kind = message.DESCRIPTOR.full_name
        depth += kind == AnyValue.DESCRIPTOR.full_name
        if depth > self._depth:
            raise Wrong(f"a value nested more than {self._depth} deep")
        if isinstance(value, list) and kind in _LISTS:
            value = {"values": value}
        if not isinstance(value, dict):
            raise unexpected("an object", value)
        for field in _known_fields(message.DESCRIPTOR):
            given = value.get(field.json_name)
            given = value.get(field.name) if given is None else given
            if given is not None:
                self._set(message, field, given, depth)

    def _set(self, message: Any, field: FieldDescriptor, value: Any, depth: int) -> None:
        try:
            if field.is_repeated:
                self._extend(getattr(message, field.name), field, value, depth)
            elif field.message_type:
                getattr(message, field.name).SetInParent()
                self.fill(getattr(message, field.name), value, depth)
            else:
                setattr(message, field.name, scalar(field, value))
        except Wrong as wrong:
            wrong.places.append(f".{field.json_name}")
            raise

    def _extend(self, elements: Any, field: FieldDescriptor, values: Any, depth: int) -> None:
        if not isinstance(values, list):
            raise unexpected("an array", values)
        for n, value in enumerate(values):
            try:
                if field.message_type:
                    self.fill(elements.add(), value, depth)
                else:
                    elements.append(scalar(field, value))
            except Wrong as wrong:
                wrong.places.append(f"[{n}]")
                raise


@cache
def _known_fields(kind: Descriptor) -> list[FieldDescriptor]:
    """Return the fields that JSON may set, by number: the last member of a oneof wins because it is set last."""
    return sorted((field for field in kind.fields if field.name not in SKIPPED), key=lambda field: field.number)
