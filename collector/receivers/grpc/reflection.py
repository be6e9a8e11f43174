"""gRPC reflection: tools such as grpcurl ask it what is served, and how messages look."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from typing import TYPE_CHECKING, Final

from grpc_reflection.v1alpha import reflection_pb2

from collector.receivers.grpc.methods import Methods, Streaming
from collector.receivers.grpc.status import parsed

if TYPE_CHECKING:
    from grpc_reflection.v1alpha._async import ReflectionServicer

SERVICES: Final = ("grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection")
"""Its names: the messages of both versions are the same on the wire."""


class Reflection:
    """Describes `services`, whose descriptors are in protobuf's default pool."""

    def __init__(self, services: Iterable[str]) -> None:
        self._services = (*services, *SERVICES)
        self._made: ReflectionServicer | None = None

    def methods(self) -> Methods:
        """Return what is served, by path."""
        return {f"/{service}/ServerReflectionInfo": Streaming(self._serve) for service in SERVICES}

    async def _serve(self, messages: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        async def requests() -> AsyncIterator[reflection_pb2.ServerReflectionRequest]:
            async for message in messages:
                yield parsed(reflection_pb2.ServerReflectionRequest, message)

        async for answer in self._servicer().ServerReflectionInfo(requests(), None):
            yield answer.SerializeToString()

    def _servicer(self) -> ReflectionServicer:
        if self._made is None:
            # It imports the whole of gRPC, which a server that nobody asks does without.
            from grpc_reflection.v1alpha._async import ReflectionServicer  # noqa: PLC0415

            self._made = ReflectionServicer(self._services)
        return self._made
