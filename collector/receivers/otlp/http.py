"""OTLP over HTTP/1.1: what an HTTP server serves."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Final

from collector.api import TooLarge
from collector.receivers.admission import Lease
from collector.receivers.body import TooSlow
from collector.receivers.cors import CorsPolicy
from collector.receivers.http.answer import Answer, HttpRefused, delay
from collector.receivers.http.exchange import Serve
from collector.receivers.http.head import Head, Header
from collector.receivers.metadata import NO_METADATA, http_metadata
from collector.receivers.otlp.answers import FULL_JSON, FULL_PROTO, success
from collector.receivers.otlp.config import OtlpHttpConfig
from collector.receivers.otlp.door import Counter, Door, Request
from collector.receivers.refusal import Code, Refusal, refusal_of

_PROTO: Final = b"application/x-protobuf"
_JSON: Final = b"application/json"
_MEDIA: Final = {_PROTO: _PROTO, _JSON: _JSON}


class OtlpHttp:
    """Answers the requests of all connections. `doors` are by path; a path without one is not found."""

    def __init__(self, config: OtlpHttpConfig, doors: Mapping[str, Door], counter: Counter) -> None:
        self._doors = dict(doors)
        self._targets = {path.encode(): door for path, door in doors.items()}
        self._counter = counter
        self._close = not config.keep_alives_enabled
        self._keep_metadata = config.include_metadata
        self._cors = CorsPolicy(config.cors) if config.cors.allowed_origins else None
        self._encodings = {name.encode(): name for name in config.compression_algorithms if name}
        self._fixed = [(name.lower().encode(), value.encode()) for name, value in config.response_headers.items()]
        self._full = {
            body: self._answer(200, media, body) for media, body in ((_JSON, FULL_JSON), (_PROTO, FULL_PROTO))
        }

    def open(self, head: Head) -> Serve | Answer:
        """Return how a request is served, by its head. Raises what `refuse` answers."""
        fields = head.fields
        if self._cors and head.method == b"OPTIONS" and b"access-control-request-method" in fields:
            return self._answer(204, b"", b"", self._cors.preflight(fields.get(b"origin", b"")))
        door = self._targets.get(head.target) or self._doors.get(head.path)
        if door is None:
            raise HttpRefused(Refusal(Code.UNIMPLEMENTED, 404, "nothing takes requests at this path"))
        if head.method != b"POST":
            allow = b"POST, OPTIONS" if self._cors else b"POST"
            raise HttpRefused(Refusal(Code.UNIMPLEMENTED, 405, "OTLP requests are POST"), (b"allow", allow))
        media = _media(head)
        if media is None:
            known = b", ".join(_MEDIA)
            message = f"Content-Type must be one of {known.decode()}"
            raise HttpRefused(Refusal(Code.INVALID_ARGUMENT, 415, message), (b"accept", known))
        encoding = self._encoding(fields.get(b"content-encoding", b""))
        door.guard()
        metadata = http_metadata(head.headers) if self._keep_metadata else NO_METADATA
        return partial(self._serve, door, head, Request((), metadata, media is _JSON, encoding))

    def _encoding(self, value: bytes) -> str:
        if not value:
            return ""
        names = [name for part in value.split(b",") if (name := part.strip().lower()) not in (b"", b"identity")]
        if not names:
            return ""
        encoding = self._encodings.get(names[0]) if len(names) == 1 else None
        if encoding is None:
            known = b", ".join(self._encodings) or b"identity"
            message = f"Content-Encoding must be none or one of {known.decode()}"
            raise HttpRefused(Refusal(Code.INVALID_ARGUMENT, 415, message), (b"accept-encoding", known))
        return encoding

    async def _serve(
        self, door: Door, head: Head, request: Request, pieces: Sequence[bytes | bytearray], lease: Lease
    ) -> Answer:
        request.pieces = pieces
        scan = await door.take(request, lease)
        self._counter.add("success")
        body = success(door.signal, scan, json=request.json)
        cors = self._cors_headers(head)
        if not cors and body in self._full:
            return self._full[body]
        return self._answer(200, _JSON if request.json else _PROTO, body, cors)

    def refuse(self, head: Head, error: Exception) -> Answer:
        """Return the answer to a request that is not taken, in its own type."""
        refused = _refused(error)
        refusal = refused.refusal
        self._counter.refusal(refusal)
        headers = [*refused.headers, *self._cors_headers(head), *delay(refusal)]
        media = _media(head) or _JSON
        body = refusal.json() if media is _JSON else refusal.proto()
        return self._answer(refusal.http, media, body, headers, close=refused.close)

    def left(self) -> None:
        """Count a request that was not whole."""
        self._counter.add("refused")

    def _cors_headers(self, head: Head) -> Sequence[Header]:
        origin = head.fields.get(b"origin") if self._cors else None
        return self._cors.headers(origin) if self._cors and origin else ()

    def _answer(
        self, status: int, media: bytes, body: bytes, extra: Iterable[Header] = (), *, close: bool = False
    ) -> Answer:
        headers = [*self._fixed, *extra]
        if media:
            headers.append((b"content-type", media))
        return Answer(status, headers, body, close=close or self._close)


def _media(head: Head) -> bytes | None:
    """Return the one of `_MEDIA` that a request has, None for everything else."""
    value = head.fields.get(b"content-type", b"")
    return _MEDIA.get(value) or _MEDIA.get(value.partition(b";")[0].strip().lower())


def _refused(error: Exception) -> HttpRefused:
    """Return the refusal of a request; where the rest of a request is not wanted, the connection ends with it."""
    match error:
        case HttpRefused():
            return error
        case TooLarge():
            return HttpRefused(refusal_of(error), close=True)
        case TooSlow():
            return HttpRefused(Refusal(Code.DEADLINE_EXCEEDED, 408, str(error)), close=True)
        case _:
            return HttpRefused(refusal_of(error))
