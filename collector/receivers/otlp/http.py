"""OTLP over HTTP/1.1: a bare ASGI application."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from typing import Any, Final

from collector.api import TooLarge
from collector.receivers.admission import Admission
from collector.receivers.body import Disconnected, Receive, TooSlow, read_body
from collector.receivers.cors import CorsPolicy, Header
from collector.receivers.metadata import NO_METADATA, http_metadata
from collector.receivers.otlp.answers import FULL_JSON, FULL_PROTO, success
from collector.receivers.otlp.config import OtlpHttpConfig
from collector.receivers.otlp.door import Counter, Door, Request
from collector.receivers.refusal import Code, Refusal, Refused, refusal_of

Scope = MutableMapping[str, Any]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_PROTO: Final = b"application/x-protobuf"
_JSON: Final = b"application/json"
_CLOSE: Final[Header] = (b"connection", b"close")
_STOPPING: Final = Refusal(Code.UNAVAILABLE, 503, "the receiver is shutting down", retry_after=1.0)


class HttpRefused(Refused):
    """A request whose refusal also has `headers`."""

    def __init__(self, refusal: Refusal, *headers: Header) -> None:
        super().__init__(refusal)
        self.headers = headers


class OtlpHttp:
    """Answers the requests of all connections. `doors` are by path; a path without one is not found."""

    def __init__(
        self, config: OtlpHttpConfig, doors: Mapping[str, Door], admission: Admission, counter: Counter
    ) -> None:
        self._doors = dict(doors)
        self._admission = admission
        self._counter = counter
        self._limit = config.max_request_body_size
        self._timeout = config.read_timeout
        self._keep_metadata = config.include_metadata
        self._cors = CorsPolicy(config.cors) if config.cors.allowed_origins else None
        self._encodings = {name.encode(): name for name in config.compression_algorithms if name}
        self._fixed = [(name.lower().encode(), value.encode()) for name, value in config.response_headers.items()]
        if not config.keep_alives_enabled:
            self._fixed.append(_CLOSE)
        self._full = {True: self._start(200, _JSON, FULL_JSON), False: self._start(200, _PROTO, FULL_PROTO)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        head = _Head(scope["headers"])
        cors = self._cors.headers(head.origin) if self._cors and head.origin else ()
        if self._cors and head.preflight and scope["method"] == "OPTIONS":
            return await self._reply(send, 204, _JSON, b"", self._cors.preflight(head.origin))
        try:
            body = await self._take(scope, head, receive)
        except Disconnected:
            return self._counter.add("refused")
        except asyncio.CancelledError:
            # uvicorn would answer 500, after which OTLP clients throw their data away.
            await self._refuse(send, head, HttpRefused(_STOPPING, _CLOSE), cors)
            raise
        except Exception as error:  # noqa: BLE001 - the edge: whatever it is, the client gets an answer
            return await self._refuse(send, head, _refused(error), cors)
        self._counter.add("success")
        return await self._reply(send, 200, head.type or _PROTO, body, cors)

    async def _take(self, scope: Scope, head: _Head, receive: Receive) -> bytes:
        """Return the body of the answer to a request that was taken."""
        door, encoding = self._find(scope, head)
        door.guard()
        json = head.type is _JSON
        metadata = http_metadata(scope["headers"]) if self._keep_metadata else NO_METADATA
        with self._admission.lease() as lease:
            pieces = await read_body(receive, lease, self._limit, self._timeout)
            scan = await door.take(Request(pieces, metadata, json, encoding), lease)
        return success(door.signal, scan, json=json)

    def _find(self, scope: Scope, head: _Head) -> tuple[Door, str]:
        """Return the door and the encoding that a request's head asks for."""
        if head.hosts != 1 and scope["http_version"] == "1.1":
            raise HttpRefused(Refusal(Code.INVALID_ARGUMENT, 400, "a request has one Host header"), _CLOSE)
        if head.framing not in (b"", b"chunked"):
            raise HttpRefused(Refusal(Code.UNIMPLEMENTED, 501, "Transfer-Encoding must be chunked"), _CLOSE)
        door = self._doors.get(scope["path"])
        if door is None:
            raise HttpRefused(Refusal(Code.UNIMPLEMENTED, 404, "nothing takes requests at this path"))
        if scope["method"] != "POST":
            allow = b"POST, OPTIONS" if self._cors else b"POST"
            raise HttpRefused(Refusal(Code.UNIMPLEMENTED, 405, "OTLP requests are POST"), (b"allow", allow))
        if head.type is None:
            known = b", ".join((_PROTO, _JSON))
            message = f"Content-Type must be one of {known.decode()}"
            raise HttpRefused(Refusal(Code.INVALID_ARGUMENT, 415, message), (b"accept", known))
        encoding = self._encodings.get(head.encoding, "")
        if head.encoding and not encoding:
            known = b", ".join(self._encodings) or b"identity"
            message = f"Content-Encoding must be none or one of {known.decode()}"
            raise HttpRefused(Refusal(Code.INVALID_ARGUMENT, 415, message), (b"accept-encoding", known))
        if head.length > self._limit:
            raise TooLarge(f"the body is larger than the {self._limit} bytes accepted")
        return door, encoding

    async def _refuse(self, send: Send, head: _Head, refused: HttpRefused, cors: Iterable[Header]) -> None:
        refusal = refused.refusal
        self._counter.refusal(refusal)
        extra = [*refused.headers, *cors]
        if refusal.retry_after:
            extra.append((b"retry-after", str(refusal.retry_seconds()).encode()))
        media = head.type or _JSON
        body = refusal.json() if media is _JSON else refusal.proto()
        await self._reply(send, refusal.http, media, body, extra)

    async def _reply(self, send: Send, status: int, media: bytes, body: bytes, extra: Iterable[Header]) -> None:
        json = media is _JSON
        if status == 200 and not extra and body is (FULL_JSON if json else FULL_PROTO):
            await send(self._full[json])
        else:
            await send(self._start(status, media, body, extra))
        await send({"type": "http.response.body", "body": body})

    def _start(self, status: int, media: bytes, body: bytes, extra: Iterable[Header] = ()) -> Scope:
        headers: list[Header] = [*self._fixed, *extra]
        if status != 204:
            headers += [(b"content-type", media), (b"content-length", str(len(body)).encode())]
        return {"type": "http.response.start", "status": status, "headers": headers}


class _Head:
    """What of a request's headers matters. `type` is `_PROTO`, `_JSON` or None for everything else."""

    __slots__ = ("encoding", "framing", "hosts", "length", "origin", "preflight", "type")

    def __init__(self, headers: Iterable[Header]) -> None:
        self.type: bytes | None = None
        self.encoding = self.framing = self.origin = b""
        self.length = self.hosts = 0
        self.preflight = False
        for name, value in headers:
            if name == b"content-type":
                self.type = _media_type(value)
            elif name == b"content-length":
                self.length = int(value)
            elif name == b"content-encoding":
                encoding = value.strip().lower()
                if encoding != b"identity":
                    self.encoding = b", ".join(filter(None, (self.encoding, encoding)))
            elif name == b"transfer-encoding":
                self.framing = value.strip().lower()
            elif name == b"host":
                self.hosts += 1
            elif name == b"origin":
                self.origin = value
            elif name == b"access-control-request-method":
                self.preflight = True


def _media_type(value: bytes) -> bytes | None:
    bare = value.partition(b";")[0].strip().lower()
    if bare == _PROTO:
        return _PROTO
    return _JSON if bare == _JSON else None


def _refused(error: Exception) -> HttpRefused:
    """Return the refusal of a request; where the rest of a request is not wanted, the connection ends with it."""
    match error:
        case HttpRefused():
            return error
        case TooLarge():
            return HttpRefused(refusal_of(error), _CLOSE)
        case TooSlow():
            return HttpRefused(Refusal(Code.DEADLINE_EXCEEDED, 408, str(error)), _CLOSE)
        case _:
            return HttpRefused(refusal_of(error))
