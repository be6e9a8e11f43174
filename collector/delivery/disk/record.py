"""How a record lies in a segment: a header with a checksum of its own, the context, and OTLP bytes.

A header tells how much was appended before it, so whatever is damaged, the next good header says exactly how much
is missing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from struct import Struct
from typing import Any, Final, Literal

import cramjam
import orjson
from xxhash import xxh3_64_intdigest, xxh3_128_digest

from collector.api import Batch, Codec, Context, Signal
from collector.delivery.log import NOTHING, Tally

MAGIC: Final = b"OtR\x01"
DATA: Final = 1
SEAL: Final = 2
"""Kind of the record that ends a segment which was closed in order."""
NO_DIGEST: Final = bytes(16)

_FIELDS: Final = Struct("<4sBB2x8sQ3Q2QQ16sIIQ")
_CHECKSUM: Final = Struct("<Q")
HEADER_SIZE: Final = _FIELDS.size + _CHECKSUM.size

Compression = Literal["none", "lz4", "zstd"]
_COMPRESSIONS: Final[tuple[Compression, ...]] = ("none", "lz4", "zstd")
_COMPRESS: Final[dict[Compression, Callable[[bytes], Any]]] = {
    "lz4": cramjam.lz4.compress,
    "zstd": lambda payload: cramjam.zstd.compress(payload, level=1),
}
_DECOMPRESS: Final[dict[Compression, Callable[..., Any]]] = {
    "lz4": cramjam.lz4.decompress,
    "zstd": cramjam.zstd.decompress,
}


@dataclass(frozen=True, slots=True)
class Entry:
    """What is to be written: a batch, and the digest of the request it was made of.

    `unchanged` says that this is the xxh3_128 digest of the batch's OTLP bytes.
    """

    batch: Batch
    digest: bytes = NO_DIGEST
    unchanged: bool = False


@dataclass(frozen=True, slots=True)
class Header:
    """What is known of a record without reading it. `tally.size` is the length of the OTLP bytes, uncompressed."""

    sequence: int
    signal: str = ""
    tally: Tally = NOTHING
    before: Tally = NOTHING
    received_at: int = 0
    digest: bytes = NO_DIGEST
    kind: int = DATA
    compression: Compression = "none"
    context_length: int = 0
    body_length: int = 0
    checksum: int = 0

    @property
    def length(self) -> int:
        """Bytes of the whole record."""
        return HEADER_SIZE + self.context_length + self.body_length

    def pack(self) -> bytes:
        """Return the header's bytes."""
        packed = _FIELDS.pack(
            MAGIC,
            self.kind,
            _COMPRESSIONS.index(self.compression),
            self.signal.encode(),
            self.sequence,
            self.before.requests,
            self.before.items,
            self.before.size,
            self.tally.items,
            self.tally.size,
            self.received_at,
            self.digest,
            self.context_length,
            self.body_length,
            self.checksum,
        )
        return packed + _CHECKSUM.pack(xxh3_64_intdigest(packed))


NOTHING_FOLLOWS: Final = int.from_bytes(xxh3_128_digest(b"")[:8], "little")
"""Checksum of a record without a body."""


def parse(data: bytes) -> Header | None:
    """Return the header that `data` begins with, or None where no intact one is."""
    if len(data) < HEADER_SIZE or _CHECKSUM.unpack_from(data, _FIELDS.size)[0] != xxh3_64_intdigest(
        data[: _FIELDS.size]
    ):
        return None
    magic, kind, compression, signal, sequence, requests, items_before, size_before, items, size, *rest = (
        _FIELDS.unpack_from(data)
    )
    if magic != MAGIC or compression >= len(_COMPRESSIONS):
        return None
    received_at, digest, context_length, body_length, checksum = rest
    return Header(
        sequence,
        signal.rstrip(b"\0").decode("ascii", "replace"),
        Tally(int(kind == DATA), items, size),
        Tally(requests, items_before, size_before),
        received_at,
        digest,
        kind,
        _COMPRESSIONS[compression],
        context_length,
        body_length,
        checksum,
    )


def intact(header: Header, body: bytes) -> bool:
    """Whether what follows the header is what was written."""
    if len(body) != header.length - HEADER_SIZE:
        return False
    context, payload = _split(header, body)
    return _checksum(context, xxh3_128_digest(payload)) == header.checksum


def frame(entry: Entry, sequence: int, before: Tally, compression: Compression) -> tuple[Header, list[bytes]]:
    """Return a record's header and its bytes, in pieces to be written one after the other."""
    batch = entry.batch
    otlp, context = batch.otlp, pack_context(batch.context)
    body, used = _compress(otlp, compression)
    digest = entry.digest if entry.unchanged and body is otlp else xxh3_128_digest(body)
    header = Header(
        sequence,
        batch.signal.value,
        Tally(1, batch.items, len(otlp)),
        before,
        batch.context.received_at,
        entry.digest,
        DATA,
        used,
        len(context),
        len(body),
        _checksum(context, digest),
    )
    return header, [header.pack(), context, body] if context else [header.pack(), body]


def unpack(header: Header, body: bytes, codec: Codec) -> Batch:
    """Return the batch of an intact record."""
    context, payload = _split(header, body)
    if header.compression != "none":
        payload = bytes(_DECOMPRESS[header.compression](payload, output_len=header.tally.size))
    return Batch(
        Signal(header.signal),
        codec,
        requests=(payload,),
        items=header.tally.items,
        context=unpack_context(header.received_at, context),
    )


def _split(header: Header, body: bytes) -> tuple[bytes, bytes]:
    """Return context and payload; where there is no context the payload is not copied."""
    if not header.context_length:
        return b"", body
    return body[: header.context_length], body[header.context_length :]


def _checksum(context: bytes, digest: bytes) -> int:
    """Return the checksum of a record whose payload has this digest, so that a known one is not made again."""
    return int.from_bytes(digest[:8], "little") ^ (xxh3_64_intdigest(context) if context else 0)


def _compress(payload: bytes, compression: Compression) -> tuple[bytes, Compression]:
    if compression == "none":
        return payload, "none"
    smaller = bytes(_COMPRESS[compression](payload))
    return (smaller, compression) if len(smaller) < len(payload) else (payload, "none")


def pack_context(context: Context) -> bytes:
    """Return what is known beside the receive time as JSON, nothing where nothing is."""
    values = {field.name: getattr(context, field.name) for field in fields(context) if field.name != "received_at"}
    told = {name: dict(value) if name == "metadata" else value for name, value in values.items() if value}
    return orjson.dumps(told) if told else b""


def unpack_context(received_at: int, packed: bytes) -> Context:
    """Return the context that `pack_context` was given; what this version does not know is left out."""
    if not packed:
        return Context(received_at)
    known = {field.name for field in fields(Context)}
    values = {name: value for name, value in orjson.loads(packed).items() if name in known}
    values["metadata"] = {key: tuple(held) for key, held in values.get("metadata", {}).items()}
    return Context(received_at, **values)
