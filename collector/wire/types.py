r"""What a codec takes and gives: both twins (`_python` and the compiled `ottery_native`) have this interface.

What a codec keeps is written down in `collector.storage.arrow`; this is how it reads. The twins give equal columns,
equal scans and equal protobuf requests, and raise `Rejected` for the same input; wording and `field` may differ.

Protobuf
    The bytes mean what upb says they mean. Fields that are unknown, or have an unexpected wire type, are skipped and
    lost once rows are made of a request. A field given twice is merged or the last one counts; enums are open; packed
    and unpacked numbers are both read. Messages and unknown groups nest at most 100 deep in all.
    A string field that is not UTF-8 has each maximal bad part replaced by U+FFFD and is counted once in `replaced`,
    wherever on the wire it stands, unless it is skipped. `key_strindex` is skipped; an AnyValue whose value is
    `string_value_strindex` has none. `Rejected.field` is a path of protobuf names (`resource_spans[0].scope_spans[1]`).

Limits
    A breach rejects the whole request. `attributes` bounds every list of KeyValue but those inside an AnyValue, as it
    came, before duplicates are dropped. A value of an attribute, or a body, has depth 1, an element of it depth 2.
    Limits hold for each request alone and are checked in rejected and in empty parts too, in what protobuf keeps.

Duplicate keys
    In every list of KeyValue, also inside an AnyValue, an attribute keeps the place of its first occurrence and has
    the value of its last. Each one dropped counts in `duplicates`, wherever it stands: in rejected items, in envelopes
    without items, inside an array or map that is dropped itself.

Items
    A span counts unless its `trace_id` is not 16 bytes, or all zero, or its `span_id` not 8 bytes, or all zero. The
    message tells of the first such span, which is named by its place among all spans of the call, from 0:
    `span 3: trace_id must be 16 bytes that are not all zero, got 12`. What was got is the length; `zeros` where only
    that was wrong; `1, or text that is not hex` for one byte. Every log record and data point counts. Any other id
    that is invalid is read as absent. A metric without data points has no items.

JSON
    A document is UTF-8 text with an object at the top, nested at most 1024 deep. Bad UTF-8 and lone surrogates
    (`"\ud800"`) become U+FFFD and are not counted. Of a key given twice the last one counts. A field is looked up by its
    lowerCamelCase name and, where that is missing or null, by its snake_case name; other keys are ignored. Of several
    members of a oneof the one with the highest field number counts. null is absent, but an error inside an array.
    Integers are numbers or strings of decimal digits with `-` or not, or have a fraction or exponent and a whole
    value (`1.5e18`, read as a double, as are JSON numbers beyond 64 bits); a value outside the field's range is an
    error. Doubles are numbers, strings of the same form, `"NaN"`, `"Infinity"` or `"-Infinity"`; one that rounds to
    infinity is an error. Enums are integers or names. Bytes are base64 in the standard or the URL alphabet, or a
    mixture, with padding or without. Ids are hex of any case; one that is not hex becomes the single byte 0, which is
    never a valid id, so that its item is rejected and not the whole request. `arrayValue` and `kvlistValue` may hold
    the array of values itself, as the official events example has it. Any other value of a wrong type, ids that are
    not strings included, is an error whose `field` is a path of lowerCamelCase names
    (`resourceSpans[0].scopeSpans[2].spans[1].startTimeUnixNano`). `depth` is the only limit that is checked here.
"""

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

    depth: int = 30
    """Nesting of AnyValue. 31 is the most that protobuf's own bound of 100 messages leaves for a map in an exemplar."""
    items: int = 1_000_000
    """Spans, log records or data points."""
    attributes: int = 4096
    """Attributes of one resource, scope, item, event or link."""


# Made for every request: one that is not frozen takes a third of the time. Nobody changes it.
@dataclass(slots=True)
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
        """Return one OTLP protobuf request. Rows with one envelope index that stand together share an envelope.

        No rows give no bytes. Raises ValueError when `columns` has not exactly the schema of the signal, or a value
        is not of its attribute's type.
        """

    def json_to_proto(self, signal: Signal, document: bytes, limits: Limits) -> bytes:
        """Return the OTLP protobuf request that an OTLP JSON document says, fields in the order of their numbers."""

    def proto_to_json(self, signal: Signal, request: bytes) -> bytes:
        """Return compact OTLP JSON of a request that `scan` accepts.

        Names are lowerCamelCase, ids lower-case hex, other bytes base64 with padding, 64-bit integers strings, enums
        integers, and NaN and infinities strings. Fields stand in the order of their numbers; what protobuf leaves
        out is left out. Doubles are in any form that reads back equal.
        """
