"""A gRPC server: what its connections share."""

from __future__ import annotations

from functools import partial

from collector.api import Logger
from collector.receivers.admission import Admission
from collector.receivers.config import MEBIBYTE, GrpcServerConfig
from collector.receivers.grpc.connection import GrpcConnection
from collector.receivers.grpc.engine import Engine, Make
from collector.receivers.grpc.methods import Methods
from collector.receivers.server import Server


class GrpcServer(Server):
    """Serves `methods`."""

    def __init__(
        self, config: GrpcServerConfig, methods: Methods, admission: Admission, make: Make, log: Logger
    ) -> None:
        super().__init__(log)
        self.config = config
        self.methods = methods
        self.admission = admission
        self.limit = config.max_recv_msg_size_mib * MEBIBYTE
        self._make = partial(make, self.limit, config.max_concurrent_streams)

    def connection(self) -> GrpcConnection:
        return GrpcConnection(self)

    def make_engine(self) -> Engine:
        """Return the engine of a new connection."""
        return self._make()
