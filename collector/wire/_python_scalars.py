"""JSON numbers, strings and booleans as the values of protobuf fields."""

from __future__ import annotations

import math
import re
from base64 import urlsafe_b64decode
from binascii import Error as BinasciiError
from binascii import unhexlify
from typing import Any

from google.protobuf.descriptor import FieldDescriptor

from collector.wire._python_to_json import IDS

_INTEGER = re.compile(r"-?[0-9]+")
_LEADING_ZEROS = re.compile(r"(?<![0-9])0+(?=[0-9])")  # int() refuses more than 4300 digits
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_BASE64 = re.compile(r"([A-Za-z0-9+/_-]*)={0,2}")
_URL_ALPHABET = str.maketrans("+/", "-_")
_NOT_HEX = b"\0"
_SPECIAL = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
_RANGES = {
    FieldDescriptor.CPPTYPE_INT32: (-(2**31), 2**31 - 1),
    FieldDescriptor.CPPTYPE_ENUM: (-(2**31), 2**31 - 1),
    FieldDescriptor.CPPTYPE_UINT32: (0, 2**32 - 1),
    FieldDescriptor.CPPTYPE_INT64: (-(2**63), 2**63 - 1),
    FieldDescriptor.CPPTYPE_UINT64: (0, 2**64 - 1),
}
_JSON_TYPES = {
    dict: "an object",
    list: "an array",
    str: "a string",
    bool: "a boolean",
    int: "a number",
    float: "a number",
    type(None): "null",
}


class Wrong(Exception):
    """A value is not what its field needs; `places` collects where it stands, innermost first."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.places: list[str] = []

    @property
    def path(self) -> str:
        """The path of the value, such as `resourceSpans[0].schemaUrl`."""
        return "".join(reversed(self.places)).removeprefix(".")


def unexpected(expected: str, value: Any) -> Wrong:
    """Return the error for a value of the wrong JSON type; it names types, never the value."""
    return Wrong(f"{expected} was expected, not {_JSON_TYPES[type(value)]}")


def scalar(field: FieldDescriptor, value: Any) -> Any:
    """Return the value for a field that is no message. Raises `Wrong`."""
    if field.cpp_type == FieldDescriptor.CPPTYPE_BOOL:
        return _typed(value, bool, "true or false")
    if field.cpp_type == FieldDescriptor.CPPTYPE_DOUBLE:
        return _double(value)
    if field.cpp_type != FieldDescriptor.CPPTYPE_STRING:
        return _integer(field, value)
    text = _typed(value, str, "a string")
    if field.type == FieldDescriptor.TYPE_STRING:
        return text
    return _hex(text) if field.name in IDS else _base64(text)


def _typed(value: Any, kind: type, expected: str) -> Any:
    if not isinstance(value, kind):
        raise unexpected(expected, value)
    return value


def _double(value: Any) -> float:
    if isinstance(value, str):
        if value in _SPECIAL:
            return _SPECIAL[value]
        value = _parsed(value)
    elif isinstance(value, bool) or not isinstance(value, (int, float)):
        raise unexpected("a number", value)
    return float(value)


def _parsed(text: str) -> int | float:
    """Return the number that a string holds, an int where it has neither fraction nor exponent."""
    if not _NUMBER.fullmatch(text):
        raise Wrong("a number was expected, not another text")
    number = float(text)
    if math.isinf(number):
        raise Wrong("a number was expected that a double can hold")
    return int(_LEADING_ZEROS.sub("", text)) if _INTEGER.fullmatch(text) else number


def _integer(field: FieldDescriptor, value: Any) -> int:
    if isinstance(value, str):
        if field.enum_type and value in field.enum_type.values_by_name:
            return int(field.enum_type.values_by_name[value].number)
        value = _parsed(value)
    elif isinstance(value, bool) or not isinstance(value, (int, float)):
        raise unexpected("a whole number", value)
    low, high = _RANGES[field.cpp_type]
    if value != int(value) or not low <= value <= high:
        raise Wrong(f"a whole number from {low} to {high} was expected")
    return int(value)


def _hex(text: str) -> bytes:
    try:
        return unhexlify(text)
    except ValueError:
        return _NOT_HEX


def _base64(text: str) -> bytes:
    match = _BASE64.fullmatch(text)
    try:
        if match:
            digits = match[1].translate(_URL_ALPHABET)
            return urlsafe_b64decode(digits + "=" * (-len(digits) % 4))
    except BinasciiError:  # one digit is left over
        pass
    raise Wrong("base64 was expected")
