"""What gRPC writes into headers and trailers: statuses, timeouts, codings."""

from __future__ import annotations

import base64
import string
from typing import Final, TypeVar
from urllib.parse import quote

from google.protobuf.message import DecodeError, Message

from collector.api import Rejected
from collector.receivers.refusal import Code, Refusal, Refused, shorten

M = TypeVar("M", bound=Message)

CODINGS: Final = ("gzip", "deflate", "zstd", "snappy")
"""Compressions of messages that are accepted, by their names in `grpc-encoding`."""

ACCEPTED: Final = ("grpc-accept-encoding", ",".join(("identity", *CODINGS)))

_PLAIN = string.printable.strip().replace("%", "") + " "
_SECONDS = {"H": 3600.0, "M": 60.0, "S": 1.0, "m": 1e-3, "u": 1e-6, "n": 1e-9}
_TIMEOUT_DIGITS = 8


def trailers(refusal: Refusal) -> list[tuple[str, str]]:
    """Return the trailers of a call that is refused.

    The status is there for clients that read it, and the delay again where the Python SDK looks for it.
    """
    found = [
        ("grpc-status", str(int(refusal.code))),
        ("grpc-message", quote(shorten(refusal.message), safe=_PLAIN)),
        ("grpc-status-details-bin", _base64(refusal.proto())),
    ]
    if refusal.retry_after:
        found.append(("google.rpc.retryinfo-bin", _base64(refusal.retry_info())))
    return found


def is_grpc(media: str) -> bool:
    """Tell whether a content type is one of gRPC: with any message format, but not gRPC-Web."""
    bare = media.partition(";")[0].strip().lower()
    return bare == "application/grpc" or bare.startswith("application/grpc+")


def message_coding(name: str) -> str:
    """Return the compression that `grpc-encoding` names, empty for none. Raises `Refused` for one that is unknown."""
    if name in ("", "identity"):
        return ""
    if name not in CODINGS:
        raise Refused(Refusal(Code.UNIMPLEMENTED, 415, f"grpc-encoding must be none or one of {', '.join(CODINGS)}"))
    return name


def seconds(timeout: str) -> float:
    """Return the seconds of a `grpc-timeout`. Raises `Rejected` for what is none."""
    amount, unit = timeout[:-1], timeout[-1:]
    if unit not in _SECONDS or not (amount.isascii() and amount.isdigit()) or len(amount) > _TIMEOUT_DIGITS:
        raise Rejected("grpc-timeout is up to eight digits and one of H, M, S, m, u and n", "grpc-timeout")
    return int(amount) * _SECONDS[unit]


def parsed(kind: type[M], body: bytes) -> M:
    """Return the message of protobuf in `body`. Raises `Rejected` where there is none."""
    try:
        message: M = kind.FromString(body)
    except DecodeError as error:
        raise Rejected("the message is not what this method takes") from error
    return message


def _base64(value: bytes) -> str:
    return base64.b64encode(value).decode().rstrip("=")
