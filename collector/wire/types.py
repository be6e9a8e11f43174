"""What a codec takes and gives: both twins (`_python` and the compiled `ottery_native`) have this interface."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from collector.api import Signal

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on what one request may hold, checked while reading."""

    depth: int = 64
    """Nesting of AnyValue."""
    items: int = 1_000_000
    """Spans, log records or data points."""
    attributes: int = 4096
    """Attributes of one resource, scope, item, event or link."""


@dataclass(frozen=True, slots=True)
class Scan:
    """The result of reading a request without keeping it.

    `items` counts what is accepted; `rejected` what is refused item by item (a span whose trace id has the wrong
    length) with `message` saying why for the sender. `replaced` counts strings that were not UTF-8 and
    `duplicates` attributes whose key came again.
    """

    items: int
    rejected: int = 0
    message: str = ""
    replaced: int = 0
    duplicates: int = 0


class Twin(Protocol):
    """One implementation of the codec. Every function raises `Rejected` for bytes that are not what they claim."""

    name: str

    def scan(self, signal: Signal, request: bytes, limits: Limits) -> Scan:
        """Validate one OTLP protobuf request and count its items."""

    def decode(self, signal: Signal, requests: Sequence[bytes], limits: Limits) -> tuple[pa.RecordBatch, Scan]:
        """Return the rows of all requests, joined, without the rejected items."""

    def encode(self, signal: Signal, columns: pa.RecordBatch) -> bytes:
        """Return one OTLP protobuf request. Rows with one envelope index that stand together share an envelope."""

    def json_to_proto(self, signal: Signal, document: bytes, limits: Limits) -> bytes:
        """Return the OTLP protobuf request that an OTLP JSON document says.

        An id that is not hex becomes one byte, which is never a valid id, so that the item is rejected and not
        the whole request.
        """

    def proto_to_json(self, signal: Signal, request: bytes) -> bytes:
        """Return OTLP JSON (lowerCamelCase, hex ids in lower case, 64-bit integers as strings, enums as integers)."""
