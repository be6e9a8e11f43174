"""A client's headers, where they are kept with its data for processors."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final, TypeAlias

Metadata: TypeAlias = Mapping[str, tuple[str, ...]]
"""Values by the lower-case name of their header, in the order in which they came."""

NO_METADATA: Final[Metadata] = MappingProxyType({})

_OF_GRPC = ("content-type", "te", ":method")


def http_metadata(headers: Iterable[tuple[bytes, bytes]]) -> Metadata:
    """Return the headers of a request over HTTP."""
    found: dict[str, tuple[str, ...]] = {}
    for raw, value in headers:
        name = raw.decode("latin-1")
        found[name] = (*found.get(name, ()), value.decode("latin-1"))
    return found


def grpc_metadata(headers: Iterable[tuple[str, str]]) -> Metadata:
    """Return the headers of a call, without what belongs to gRPC itself; values of `-bin` keys in padded base64."""
    found: dict[str, tuple[str, ...]] = {}
    for name, value in headers:
        if name not in _OF_GRPC and not name.startswith("grpc-"):
            text = value + "=" * (-len(value) % 4) if name.endswith("-bin") else value
            found[name] = (*found.get(name, ()), text)
    return found
