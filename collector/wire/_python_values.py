"""AnyValue to type, text and raw bytes, and back; the grammar of the text is in `collector.storage.arrow`."""

from __future__ import annotations

import json
import math
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any

from google.protobuf.message import DecodeError
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue, KeyValueList

from collector.storage import arrow

Typed = tuple[int, str, bytes | None]
"""What columns keep of a value: type, text, raw."""

_ABSENT: Typed = (arrow.TYPE_ABSENT, "", None)
_EMPTY: Typed = (arrow.TYPE_EMPTY, "", None)
_BOOLS = {False: "false", True: "true"}


def unique(attributes: Iterable[KeyValue]) -> list[KeyValue]:
    """Return the attributes without duplicate keys: the last value, at the place of the first."""
    return list({attribute.key: attribute for attribute in attributes}.values())


def typed(holder: Any, field: str = "value") -> Typed:
    """Return type, text and raw of the AnyValue in `field` of a KeyValue or log record."""
    value = getattr(holder, field)
    kind = value.WhichOneof("value")
    if kind in _SCALARS:
        number, text = _SCALARS[kind]
        return number, text(getattr(value, kind)), None
    if kind in _NESTED:
        kept = _canonical(value)
        return _NESTED[kind], _json(kept), kept.SerializeToString()
    return _EMPTY if holder.HasField(field) else _ABSENT


def any_value(kind: int, text: str, raw: bytes | None) -> AnyValue | None:
    """Return the AnyValue that columns hold, None for an absent one.

    Raises ValueError where the text, or the raw bytes of an array or map, are not of that type.
    """
    if kind == arrow.TYPE_ABSENT:
        return None
    if kind in _READERS:
        return _READERS[kind](text)
    if kind not in _NESTED.values() or raw is None:
        raise ValueError(f"an attribute of type {kind} with{'out' if raw is None else ''} raw bytes cannot be encoded")
    try:
        value = AnyValue.FromString(raw)
    except DecodeError as error:
        raise ValueError(f"the raw bytes of an attribute of type {kind} are not an AnyValue") from error
    if _NESTED.get(value.WhichOneof("value")) != kind:
        raise ValueError(f"the raw bytes of an attribute of type {kind} hold {value.WhichOneof('value')}")
    return value


def double_text(value: float) -> str:
    """Return the shortest text that reads back equal, with an exponent only below 1e-6 and from 1e21."""
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    text = repr(value)
    if "e" not in text:
        return text.removesuffix(".0")
    if 1e-6 <= abs(value) < 1e21:
        return format(Decimal(text), "f")
    digits, exponent = text.split("e")
    return f"{digits}e{int(exponent):+d}"


def _base64(value: bytes) -> str:
    return b64encode(value).decode()


_SCALARS: dict[str | None, tuple[int, Callable[[Any], str]]] = {
    "string_value": (arrow.TYPE_STRING, str),
    "bool_value": (arrow.TYPE_BOOL, _BOOLS.__getitem__),
    "int_value": (arrow.TYPE_INT, str),
    "double_value": (arrow.TYPE_DOUBLE, double_text),
    "bytes_value": (arrow.TYPE_BYTES, _base64),
}
_NESTED: dict[str | None, int] = {"array_value": arrow.TYPE_ARRAY, "kvlist_value": arrow.TYPE_KVLIST}


def _canonical(value: AnyValue) -> AnyValue:
    """Return the value without unknown fields, `strindex` fields and duplicate keys."""
    match value.WhichOneof("value"):
        case "array_value":
            return AnyValue(array_value=ArrayValue(values=map(_canonical, value.array_value.values)))
        case "kvlist_value":
            return AnyValue(kvlist_value=KeyValueList(values=map(_canonical_pair, unique(value.kvlist_value.values))))
        case None | "string_value_strindex":
            return AnyValue()
        case kind:
            return AnyValue(**{kind: getattr(value, kind)})


def _canonical_pair(pair: KeyValue) -> KeyValue:
    return KeyValue(key=pair.key, value=_canonical(pair.value) if pair.HasField("value") else None)


def _json(value: AnyValue) -> str:
    """Return compact JSON of a canonical value."""
    match value.WhichOneof("value"):
        case "array_value":
            return f"[{','.join(map(_json, value.array_value.values))}]"
        case "kvlist_value":
            pairs = sorted(value.kvlist_value.values, key=lambda pair: pair.key)
            return f"{{{','.join(f'{_quoted(pair.key)}:{_json(pair.value)}' for pair in pairs)}}}"
        case None:
            return "null"
        case kind:
            text = _SCALARS[kind][1](getattr(value, kind))
            bare = kind in {"bool_value", "int_value"} or (kind == "double_value" and math.isfinite(value.double_value))
            return text if bare else _quoted(text)


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _bool(text: str) -> AnyValue:
    if text not in _BOOLS.values():
        raise ValueError(f"a bool must be true or false, not {text!r}")
    return AnyValue(bool_value=text == "true")


_READERS: dict[int, Callable[[str], AnyValue]] = {
    arrow.TYPE_EMPTY: lambda _: AnyValue(),
    arrow.TYPE_STRING: lambda text: AnyValue(string_value=text),
    arrow.TYPE_BOOL: _bool,
    arrow.TYPE_INT: lambda text: AnyValue(int_value=int(text)),
    arrow.TYPE_DOUBLE: lambda text: AnyValue(double_value=float(text)),
    arrow.TYPE_BYTES: lambda text: AnyValue(bytes_value=b64decode(text, validate=True)),
}
