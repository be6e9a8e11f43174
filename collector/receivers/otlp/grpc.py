"""OTLP over gRPC: its services as methods of a gRPC server."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from opentelemetry.proto.collector.logs.v1 import logs_service_pb2
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2

from collector.api import Signal
from collector.receivers.addresses import address_of, bound_socket
from collector.receivers.certificates import Certificates
from collector.receivers.config import GrpcServerConfig
from collector.receivers.grpc.engine import engine
from collector.receivers.grpc.health import SERVICE as HEALTH
from collector.receivers.grpc.health import Health
from collector.receivers.grpc.methods import Incoming, Unary
from collector.receivers.grpc.reflection import Reflection
from collector.receivers.grpc.server import GrpcServer
from collector.receivers.otlp.answers import success
from collector.receivers.otlp.door import Counter, Door, Request, Room

SERVICES: Final = {
    Signal.TRACES: trace_service_pb2.DESCRIPTOR.services_by_name["TraceService"].full_name,
    Signal.METRICS: metrics_service_pb2.DESCRIPTOR.services_by_name["MetricsService"].full_name,
    Signal.LOGS: logs_service_pb2.DESCRIPTOR.services_by_name["LogsService"].full_name,
}
"""Full names of OTLP's services."""


class OtlpGrpc:
    """The gRPC server of a receiver, from `start` to `stop`."""

    def __init__(
        self,
        config: GrpcServerConfig,
        doors: Mapping[Signal, Door],
        counter: Counter,
        room: Room,
    ) -> None:
        self._config = config
        self._settings = room.settings
        services = {SERVICES[signal]: Export(door, counter) for signal, door in doors.items()}
        self._health = Health(services)
        methods = {f"/{service}/Export": export.method() for service, export in services.items()}
        reflection = Reflection((*services, HEALTH))
        served = {**methods, **self._health.methods(), **reflection.methods()}
        # C-core clients name a unix socket by its path, which the compiled engine takes for a malformed request.
        make = engine("python" if config.transport == "unix" else room.codec.name)
        self._server = GrpcServer(config, served, room.admission, make, room.settings.log)
        self.address = ""

    async def start(self) -> None:
        """Listen. Raises `Fatal` when the address or a certificate cannot be used."""
        tls = None
        if self._config.tls is not None:
            tls = Certificates(self._config.tls, "h2", self._settings.clock, self._settings.log).server_context()
        bound = bound_socket(self._config)
        await self._server.start(bound, tls)
        self.address = address_of(self._config, bound)

    async def stop(self, grace: float) -> None:
        """Refuse new requests, let those under way finish for `grace` seconds, cut the rest."""
        self._health.stop()
        await self._server.stop(grace)


class Export:
    """The `Export` method of one service."""

    def __init__(self, door: Door, counter: Counter) -> None:
        self._door = door
        self._counter = counter

    def method(self) -> Unary:
        """Return what is served."""
        return Unary(self._serve, self._door.guard, self._counter.refusal)

    async def _serve(self, incoming: Incoming) -> bytes:
        request = Request(incoming.pieces, incoming.metadata, encoding=incoming.encoding)
        scan = await self._door.take(request, incoming.lease)
        self._counter.add("success")
        return success(self._door.signal, scan, json=False)
