"""OTLP over gRPC: the bytes of a batch as they are, one unary call a batch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import grpc

from collector.api import Batch, Delivery, Fatal, Settings, Signal
from exporters.otlp.answers import of_grpc, partial_success
from exporters.otlp.config import GrpcConfig
from exporters.otlp.partial import PartialSuccess
from exporters.otlp.turns import Turns

if TYPE_CHECKING:
    from grpc.aio import Channel, UnaryUnaryMultiCallable

_METHODS = {
    Signal.TRACES: "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
    Signal.METRICS: "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
    Signal.LOGS: "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
}
_RESPONSE_LIMIT = 4 << 20


class GrpcExporter:
    """Sends batches to one or several OTLP/gRPC servers."""

    def __init__(self, config: GrpcConfig, settings: Settings) -> None:
        self._config = config
        self._settings = settings
        self._partial = PartialSuccess(settings)
        self._metadata = tuple((key.lower(), value) for key, value in config.headers.items())
        self._channels: list[Channel] = []
        self._calls: dict[Signal, Turns[UnaryUnaryMultiCallable[bytes, bytes]]] = {}

    async def start(self) -> None:
        """Open channels, which connect when they are used. Raises `Fatal` when a certificate cannot be read."""
        credentials = None if self._config.plaintext else self._credentials()
        self._channels = [self._channel(target, credentials) for target in self._config.targets]
        for signal, method in _METHODS.items():
            calls = [channel.unary_unary(method, None, None) for channel in self._channels]
            self._calls[signal] = Turns(calls, self._settings.clock)

    def _credentials(self) -> grpc.ChannelCredentials:
        tls = self._config.tls
        try:
            key, chain = (path.read_bytes() if path else None for path in (tls.key_file, tls.cert_file))
            authorities = tls.authorities()
        except OSError as error:
            raise Fatal(f"tls: {error}") from error
        return grpc.ssl_channel_credentials(authorities, key, chain)

    def _channel(self, target: str, credentials: grpc.ChannelCredentials | None) -> Channel:
        config = self._config
        options: list[tuple[str, str | int]] = [
            ("grpc.max_send_message_length", -1),
            ("grpc.max_receive_message_length", _RESPONSE_LIMIT),
            ("grpc.lb_policy_name", config.balancer_name),
        ]
        if config.keepalive is not None:
            options += [
                ("grpc.keepalive_time_ms", int(config.keepalive.time * 1000)),
                ("grpc.keepalive_timeout_ms", int(config.keepalive.timeout * 1000)),
                ("grpc.keepalive_permit_without_calls", int(config.keepalive.permit_without_stream)),
            ]
        if config.authority:
            options.append(("grpc.default_authority", config.authority))
        if config.tls.server_name_override:
            options.append(("grpc.ssl_target_name_override", config.tls.server_name_override))
        compression = grpc.Compression.Gzip if config.compression == "gzip" else grpc.Compression.NoCompression
        if credentials is None:
            return grpc.aio.insecure_channel(target, options, compression)
        return grpc.aio.secure_channel(target, credentials, options, compression)

    async def stop(self) -> None:
        for channel in self._channels:
            await channel.close(None)
        self._channels, self._calls = [], {}

    async def push(self, delivery: Delivery) -> None:
        batch = delivery.batch
        answer = await self._calls[batch.signal].send(lambda call: self._call(call, batch))
        self._partial.note(batch, *partial_success(batch.signal, answer))

    async def _call(self, call: UnaryUnaryMultiCallable[bytes, bytes], batch: Batch) -> bytes:
        try:
            return await call(
                batch.otlp,
                timeout=self._config.timeout or None,
                metadata=self._metadata,
                wait_for_ready=self._config.wait_for_ready,
            )
        except grpc.aio.AioRpcError as error:
            raise of_grpc(error) from error
