"""The OTLP receiver: its servers, started and stopped together."""

from __future__ import annotations

import asyncio
from typing import Final

from collector.api import Settings, Signal, State
from collector.receivers.addresses import address_of, bound_socket
from collector.receivers.admission import Admission
from collector.receivers.certificates import Certificates
from collector.receivers.config import MEBIBYTE, GrpcServerConfig
from collector.receivers.http.server import HttpServer
from collector.receivers.inert import inert_keys
from collector.receivers.otlp.config import OtlpConfig, OtlpHttpConfig
from collector.receivers.otlp.door import TURN, Counter, Door, Room
from collector.receivers.otlp.grpc import OtlpGrpc
from collector.receivers.otlp.http import OtlpHttp
from collector.receivers.turns import Turns
from collector.receivers.workers import Workers
from collector.wire.codec import codec

STOP_GRACE: Final = 5
"""Seconds that requests under way have to finish once the receiver stops."""


class OtlpReceiver:
    """Listens on the addresses of `protocols` and hands requests to the consumers of their signals."""

    def __init__(self, config: OtlpConfig, settings: Settings) -> None:
        self._config = config
        self._settings = settings
        self._grpc: OtlpGrpc | None = None
        self._http: HttpServer | None = None
        self._workers = Workers(settings.id)
        self._listening: dict[str, str] = {}

    @property
    def listening(self) -> dict[str, str]:
        """Addresses by what is spoken there."""
        return dict(self._listening)

    async def start(self) -> None:
        """Listen. Raises `Fatal` when an address or a certificate cannot be used; then nothing listens."""
        for path, reason in inert_keys(self._config.protocols, "protocols."):
            self._settings.log.warning("a configuration key has no effect", key=path, reason=reason)
        admission = Admission(self._config.admission.request_limit_mib * MEBIBYTE)
        room = Room(self._settings, codec(), admission, self._workers, Turns(TURN))
        try:
            if self._config.protocols.grpc is not None:
                await self._start_grpc(self._config.protocols.grpc, room)
            if self._config.protocols.http is not None:
                await self._start_http(self._config.protocols.http, room)
        except BaseException:
            await self.stop()
            raise
        self._settings.report(State.OK)

    async def stop(self) -> None:
        """Refuse new requests, finish those under way, let go of everything."""
        grpc, self._grpc = self._grpc, None
        http, self._http = self._http, None
        self._listening = {}
        async with asyncio.TaskGroup() as stopping:
            if grpc is not None:
                stopping.create_task(grpc.stop(STOP_GRACE))
            if http is not None:
                stopping.create_task(http.stop(STOP_GRACE))
        self._workers.stop()

    async def _start_grpc(self, config: GrpcServerConfig, room: Room) -> None:
        counter = Counter(self._settings, "grpc")
        limit = config.max_recv_msg_size_mib * MEBIBYTE
        doors = {signal: Door(room, counter, signal, take, limit) for signal, take in self._settings.consumers.items()}
        self._grpc = OtlpGrpc(config, doors, counter, room)
        await self._grpc.start()
        self._listening["OTLP over gRPC"] = self._grpc.address

    async def _start_http(self, config: OtlpHttpConfig, room: Room) -> None:
        counter = Counter(self._settings, "http")
        paths = {
            Signal.TRACES: config.traces_url_path,
            Signal.METRICS: config.metrics_url_path,
            Signal.LOGS: config.logs_url_path,
        }
        doors = {
            paths[signal]: Door(room, counter, signal, take, config.max_request_body_size)
            for signal, take in self._settings.consumers.items()
        }
        tls = None
        if config.tls is not None:
            tls = Certificates(config.tls, "http/1.1", self._settings.clock, self._settings.log).server_context()
        bound = bound_socket(config)
        self._http = HttpServer(config, OtlpHttp(config, doors, counter), room.admission, self._settings.log)
        await self._http.start(bound, tls)
        self._listening["OTLP over HTTP"] = address_of(config, bound)
