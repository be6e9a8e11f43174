"""The gRPC health service, `grpc.health.v1.Health`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import Final

from grpc_health.v1 import health_pb2

from collector.receivers.grpc.methods import Incoming, Methods, Streaming, Unary
from collector.receivers.grpc.status import parsed
from collector.receivers.refusal import Code, Refusal, Refused

SERVICE: Final = health_pb2.DESCRIPTOR.services_by_name["Health"].full_name
"""Its full name."""

_Response = health_pb2.HealthCheckResponse
_REQUEST_LIMIT = 4096


class Health:
    """How each of `services` is, and the server as a whole under the empty name."""

    def __init__(self, services: Iterable[str]) -> None:
        self._services = frozenset(("", *services))
        self._status = _Response.SERVING
        self._changed = asyncio.Event()

    def methods(self) -> Methods:
        """Return what is served, by path."""
        return {
            f"/{SERVICE}/Check": Unary(self._check),
            f"/{SERVICE}/List": Unary(self._list),
            f"/{SERVICE}/Watch": Streaming(self._watch),
        }

    def stop(self) -> None:
        """Tell everybody that the server stops."""
        self._status = _Response.NOT_SERVING
        self._changed.set()

    async def _check(self, incoming: Incoming) -> bytes:
        name = parsed(health_pb2.HealthCheckRequest, incoming.plain(_REQUEST_LIMIT)).service
        if name not in self._services:
            raise Refused(Refusal(Code.NOT_FOUND, 404, "there is no such service"))
        return self._answer(self._status)

    async def _list(self, _: Incoming) -> bytes:
        statuses = {name: _Response(status=self._status) for name in sorted(self._services)}
        body: bytes = health_pb2.HealthListResponse(statuses=statuses).SerializeToString()
        return body

    async def _watch(self, messages: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """Tell the status at once, and again when it changes, which ends the call: the server stops then."""
        async for message in messages:
            name = parsed(health_pb2.HealthCheckRequest, message).service
            known = name in self._services
            yield self._answer(self._status if known else _Response.SERVICE_UNKNOWN)
            await self._changed.wait()
            if known:
                yield self._answer(self._status)
            return

    def _answer(self, status: health_pb2.HealthCheckResponse.ServingStatus) -> bytes:
        body: bytes = _Response(status=status).SerializeToString()
        return body
