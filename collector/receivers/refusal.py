"""Answers to requests that are not taken, as `google.rpc.Status` in protobuf and JSON.

OTLP reads the HTTP status and the gRPC code, never the code inside a body; which of them make a client try again is
fixed by its specification (facts: 429, 502, 503 and 504; UNAVAILABLE, and RESOURCE_EXHAUSTED with RetryInfo only).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final

import orjson
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import BadRequest, RetryInfo
from google.rpc.status_pb2 import Status

from collector.api import OtteryError, Overloaded, Rejected, Retryable, TooLarge

MESSAGE_LIMIT: Final = 1024
"""Characters of a message to a client: OTLP bounds responses, and gRPC bounds trailers at 8 KiB."""

_SHORTEST_WAIT = 1.0  # seconds; less is a storm of retries, much more makes SDKs with a budget of 10 s drop the data
_LONGEST_WAIT = 3600.0
_TYPE_PREFIX = "type.googleapis.com/"
_NANOSECONDS = 1_000_000_000


class Code(IntEnum):
    """The `google.rpc.Code` values that Ottery answers with."""

    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    RESOURCE_EXHAUSTED = 8
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request is not taken, for gRPC (`code`) and HTTP (`http`).

    `field` is the offending place in the request, `retry_after` the seconds to wait; 0 is "do not come back".
    """

    code: Code
    http: int
    message: str
    field: str = ""
    retry_after: float = 0.0

    def retry_info(self) -> bytes:
        """Return the serialized `google.rpc.RetryInfo`."""
        info: bytes = self._retry_info().SerializeToString()
        return info

    def retry_seconds(self) -> int:
        """Return the value of `Retry-After`: whole seconds, at least one."""
        return max(1, math.ceil(self.retry_after))

    def proto(self) -> bytes:
        """Return the serialized `google.rpc.Status`."""
        status = Status(code=self.code, message=shorten(self.message))
        if self.code is Code.INVALID_ARGUMENT:
            status.details.append(_packed(self._bad_request()))
        if self.retry_after:
            status.details.append(_packed(self._retry_info()))
        body: bytes = status.SerializeToString()
        return body

    def json(self) -> bytes:
        """Return the `google.rpc.Status` as proto3 JSON."""
        message = shorten(self.message)
        details: list[dict[str, Any]] = []
        if self.code is Code.INVALID_ARGUMENT:
            violation = {"field": shorten(self.field), "description": message}
            details.append({"@type": f"{_TYPE_PREFIX}google.rpc.BadRequest", "fieldViolations": [violation]})
        if self.retry_after:
            details.append({"@type": f"{_TYPE_PREFIX}google.rpc.RetryInfo", "retryDelay": f"{self.retry_after:.9f}s"})
        status = {"code": int(self.code), "message": message}
        return orjson.dumps({**status, "details": details} if details else status)

    def _bad_request(self) -> BadRequest:
        violation = BadRequest.FieldViolation(field=shorten(self.field), description=shorten(self.message))
        return BadRequest(field_violations=[violation])

    def _retry_info(self) -> RetryInfo:
        seconds = int(self.retry_after)
        nanos = round((self.retry_after - seconds) * _NANOSECONDS)
        return RetryInfo(retry_delay=Duration(seconds=seconds, nanos=nanos))


class Refused(OtteryError):
    """A request that ends with `refusal`."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.message)
        self.refusal = refusal


def refusal_of(error: Exception) -> Refusal:
    """Return the answer to an error, by the table of OTLP; one that nobody foresaw says nothing of itself."""
    match error:
        case Refused():
            return error.refusal
        case Overloaded() | Retryable():
            wait = error.retry_after or _SHORTEST_WAIT
            wait = max(_SHORTEST_WAIT, min(_LONGEST_WAIT, wait))
            return Refusal(Code.UNAVAILABLE, 503, str(error), retry_after=wait)
        case TooLarge():
            return Refusal(Code.RESOURCE_EXHAUSTED, 413, error.reason)
        case Rejected():
            return Refusal(Code.INVALID_ARGUMENT, 400, error.reason, error.field)
        case _:
            return Refusal(Code.INTERNAL, 500, "internal error; the server's log says more")


def shorten(message: str) -> str:
    """Return a message cut to `MESSAGE_LIMIT` and free of what UTF-8 cannot say."""
    return message[:MESSAGE_LIMIT].encode(errors="replace").decode()


def _packed(message: BadRequest | RetryInfo) -> AnyMessage:
    return AnyMessage(type_url=f"{_TYPE_PREFIX}{message.DESCRIPTOR.full_name}", value=message.SerializeToString())
