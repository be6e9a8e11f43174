"""OTLP over gRPC: handlers that take and give raw bytes, on grpc.aio."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from typing import Any, Final, TypeAlias

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.reflection import SERVICE_NAME as REFLECTION
from grpc_reflection.v1alpha.reflection import enable_server_reflection
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2

from collector.api import Fatal, Settings, Signal
from collector.http import bind
from collector.receivers.addresses import grpc_target
from collector.receivers.admission import Admission
from collector.receivers.certificates import Certificates, Material
from collector.receivers.config import MEBIBYTE, GrpcServerConfig
from collector.receivers.otlp.answers import success
from collector.receivers.otlp.door import NO_METADATA, Counter, Door, Metadata, Request
from collector.receivers.refusal import Refusal, refusal_of

SERVICES: Final = {
    Signal.TRACES: trace_service_pb2.DESCRIPTOR.services_by_name["TraceService"].full_name,
    Signal.METRICS: metrics_service_pb2.DESCRIPTOR.services_by_name["MetricsService"].full_name,
    Signal.LOGS: logs_service_pb2.DESCRIPTOR.services_by_name["LogsService"].full_name,
}
"""Full names of OTLP's services."""

_CODES: Final = {code.value[0]: code for code in grpc.StatusCode}
_HANDSHAKE_TIMEOUT_MS = 10_000
_RESPONSE_LIMIT = 4 * MEBIBYTE
_Context: TypeAlias = "grpc.aio.ServicerContext[bytes, bytes]"


class OtlpGrpc:
    """The gRPC server of a receiver, from `start` to `stop`."""

    def __init__(
        self,
        config: GrpcServerConfig,
        doors: Mapping[Signal, Door],
        admission: Admission,
        counter: Counter,
        settings: Settings,
    ) -> None:
        self._config = config
        self._exports = {
            SERVICES[signal]: Export(door, admission, counter, keep_metadata=config.include_metadata)
            for signal, door in doors.items()
        }
        self._settings = settings
        self._server: grpc.aio.Server | None = None
        self._health: Any = None
        self.address = ""

    async def start(self) -> None:
        """Listen. Raises `Fatal` when the address cannot be bound."""
        server = grpc.aio.server(options=_options(self._config))
        server.add_generic_rpc_handlers((Methods(self._exports),))
        self._health = await _serve_health(server, self._exports)
        enable_server_reflection(
            [*self._exports, health_pb2.DESCRIPTOR.services_by_name["Health"].full_name, REFLECTION], server
        )
        self.address = self._bind(server)
        await server.start()
        self._server = server

    def _bind(self, server: grpc.aio.Server) -> str:
        target = grpc_target(self._config)
        try:
            if self._config.tls is None:
                port = server.add_insecure_port(target)
            else:
                certificates = Certificates(self._config.tls, self._settings.clock, self._settings.log)
                port = server.add_secure_port(target, _credentials(certificates))
        except RuntimeError as error:
            if self._config.transport == "tcp":
                bind(self._config.endpoint).close()  # gRPC does not tell why
            raise Fatal(f"cannot listen on {self._config.endpoint}") from error
        return self._config.endpoint if self._config.transport == "unix" else f"{target.rpartition(':')[0]}:{port}"

    async def stop(self, grace: float) -> None:
        """Refuse new requests, let those under way finish for `grace` seconds, cut the rest."""
        server, self._server = self._server, None
        if server is not None:
            await self._health.enter_graceful_shutdown()
            await server.stop(grace)


class Methods(grpc.GenericRpcHandler):  # type: ignore[type-arg] # generic in the stubs only
    """Finds the handler of a method by one look into a dict."""

    def __init__(self, exports: Mapping[str, Export]) -> None:
        self._handlers = {
            f"/{service}/Export": grpc.unary_unary_rpc_method_handler(export.serve)
            for service, export in exports.items()
        }

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Any:
        """Return the handler, or None for a method that is not served (UNIMPLEMENTED)."""
        return self._handlers.get(handler_call_details.method)


class Export:
    """The `Export` method of one service."""

    def __init__(self, door: Door, admission: Admission, counter: Counter, *, keep_metadata: bool) -> None:
        self._door = door
        self._admission = admission
        self._counter = counter
        self._keep_metadata = keep_metadata

    async def serve(self, body: bytes, context: _Context) -> bytes:
        """Answer one request."""
        try:
            self._door.guard()
            metadata = _metadata(context.invocation_metadata() or ()) if self._keep_metadata else NO_METADATA
            with self._admission.lease() as lease:
                lease.take(len(body))
                scan = await self._door.take(Request(body, metadata), lease)
        except Exception as error:  # noqa: BLE001 - the edge: what escapes becomes UNKNOWN, and clients drop their data
            refusal = refusal_of(error)
        else:
            self._counter.add("success")
            return success(self._door.signal, scan, json=False)
        self._counter.refusal(refusal)
        return await context.abort(_CODES[refusal.code], refusal.message, _trailers(refusal))


def _trailers(refusal: Refusal) -> tuple[tuple[str, bytes], ...]:
    """Return the status for clients that read it, and the delay again where the Python SDK looks for it."""
    status = ("grpc-status-details-bin", refusal.proto())
    if not refusal.retry_after:
        return (status,)
    return (status, ("google.rpc.retryinfo-bin", refusal.retry_info()))


def _metadata(pairs: Iterable[tuple[str, str | bytes]]) -> Metadata:
    """Return metadata by key; values of `-bin` keys in base64, as they were on the wire."""
    found: dict[str, tuple[str, ...]] = {}
    for name, value in pairs:
        text = value if isinstance(value, str) else base64.b64encode(value).decode()
        found[name] = (*found.get(name, ()), text)
    return found


async def _serve_health(server: grpc.aio.Server, services: Iterable[str]) -> Any:
    servicer = health.aio.HealthServicer()  # type: ignore[attr-defined] # the stubs know only the blocking one
    for service in services:
        await servicer.set(service, health_pb2.HealthCheckResponse.SERVING)
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    return servicer


def _credentials(certificates: Certificates) -> grpc.ServerCredentials:
    """Return credentials for which gRPC asks at every connection."""
    used = certificates.load()

    def changed() -> grpc.ServerCertificateConfiguration | None:
        nonlocal used
        current = certificates.current()
        if current is used:
            return None
        used = current
        return _configuration(current)

    return grpc.dynamic_ssl_server_credentials(
        _configuration(used),
        changed,  # type: ignore[arg-type] # None is "no change", which the stubs do not know
        require_client_authentication=used.client_ca is not None,
    )


def _configuration(material: Material) -> grpc.ServerCertificateConfiguration:
    return grpc.ssl_server_certificate_configuration([(material.key, material.chain)], material.client_ca)


def _options(config: GrpcServerConfig) -> list[tuple[str, int]]:
    server, policy = config.keepalive.server_parameters, config.keepalive.enforcement_policy
    milliseconds = {
        "grpc.max_connection_idle_ms": server.max_connection_idle,
        "grpc.max_connection_age_ms": server.max_connection_age,
        "grpc.max_connection_age_grace_ms": server.max_connection_age_grace,
        "grpc.keepalive_time_ms": server.time,
        "grpc.keepalive_timeout_ms": server.timeout,
        "grpc.http2.min_recv_ping_interval_without_data_ms": policy.min_time,
    }
    options = {
        "grpc.max_receive_message_length": config.max_recv_msg_size_mib * MEBIBYTE,
        "grpc.max_send_message_length": _RESPONSE_LIMIT,
        "grpc.max_concurrent_streams": config.max_concurrent_streams,
        "grpc.so_reuseport": int(config.so_reuseport),
        "grpc.keepalive_permit_without_calls": int(policy.permit_without_stream),
        "grpc.server_handshake_timeout_ms": _HANDSHAKE_TIMEOUT_MS,
    }
    options |= {name: round(seconds * 1000) for name, seconds in milliseconds.items() if seconds}
    return list(options.items())
