"""The codec in use: the compiled twin where it is installed, the Python one elsewhere.

`OTTERY_CODEC=python` or `native` forces one of them.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Protocol, TypedDict, cast, runtime_checkable

from collector.api import Batch, Context, Fatal, Signal, TooLarge
from collector.wire.types import Limits, Scan, Twin

if TYPE_CHECKING:
    import pyarrow as pa

NATIVE_VERSION = "0.1.0"
"""The version of `ottery-native` that speaks the interface of this one."""

LARGEST_REQUEST = 1 << 28
"""Bytes of protobuf that the native twin decodes at once; a request of more must not be taken."""

_TWINS = {"native": "ottery_native", "python": "collector.wire._python"}


@runtime_checkable
class Built(Protocol):
    """A twin that was compiled."""

    def build_info(self) -> BuildInfo:
        """Return what was built, and how."""


class BuildInfo(TypedDict):
    """Version of the distribution, and whether it is a debug build, which is many times slower."""

    version: str
    debug: bool


@dataclass(slots=True)  # as `Scan`
class Received:
    """What became of one request: its batch (None when nothing is left of it) and what was counted."""

    batch: Batch | None
    scan: Scan


class WireCodec:
    """Makes batches of requests and turns their faces into each other (the `Codec` of `collector.api`)."""

    def __init__(self, twin: Twin, limits: Limits | None = None) -> None:
        self.twin = twin
        self.limits = limits or Limits()

    @property
    def name(self) -> str:
        """`native` or `python`."""
        return self.twin.name

    def read(self, signal: Signal, body: bytes, *, json: bool = False, context: Context | None = None) -> Received:
        """Validate an OTLP export request and return its batch, without the items that OTLP tells us to refuse.

        Raises `Rejected` when the body as a whole is not what it claims to be, and `TooLarge` when it could never be
        decoded: numbers may grow fourfold on their way from JSON.
        """
        request = self.twin.json_to_proto(signal, body, self.limits) if json else body
        if len(request) > LARGEST_REQUEST:
            raise TooLarge(
                f"the request has {len(request)} bytes as protobuf; at most {LARGEST_REQUEST} can be decoded"
            )
        scan = self.twin.scan(signal, request, self.limits)
        if scan.rejected and scan.items:
            columns, _ = self.twin.decode(signal, [request], self.limits)
            return Received(Batch(signal, self, columns=columns, context=context), scan)
        if not scan.items:
            return Received(None, scan)
        return Received(Batch(signal, self, requests=(request,), items=scan.items, context=context), scan)

    def decode(self, signal: Signal, requests: Sequence[bytes]) -> pa.RecordBatch:
        columns, _ = self.twin.decode(signal, requests, self.limits)
        return columns

    def encode(self, signal: Signal, columns: pa.RecordBatch) -> bytes:
        return self.twin.encode(signal, columns)

    def to_json(self, signal: Signal, request: bytes) -> bytes:
        """Return the OTLP JSON of an OTLP protobuf request."""
        return self.twin.proto_to_json(signal, request)


def load_twin(name: str) -> Twin:
    """Return the twin called `native` or `python`. Raises ImportError where it is not installed, or does not fit."""
    module = import_module(_TWINS[name])
    if isinstance(module, Built) and (got := module.build_info()["version"]) != NATIVE_VERSION:
        raise ImportError(f"ottery-native {got} does not fit this Ottery, which needs {NATIVE_VERSION}")
    return cast("Twin", module)


@cache
def codec() -> WireCodec:
    """Return the codec of this process. Raises `Fatal` when the one that the environment asks for is not there."""
    wanted = os.environ.get("OTTERY_CODEC", "auto")
    if wanted not in ("auto", *_TWINS):
        raise Fatal(f"OTTERY_CODEC: auto, native or python was expected, not {wanted!r}")
    try:
        if wanted != "auto":
            return WireCodec(load_twin(wanted))
    except ImportError as error:
        raise Fatal(f"OTTERY_CODEC={wanted}: this codec is not installed ({error})") from error
    try:
        return WireCodec(load_twin("native"))
    except ImportError:
        return WireCodec(load_twin("python"))
