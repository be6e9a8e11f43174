import asyncio
import time
from types import SimpleNamespace

from collector.receivers.admission import Admission
from collector.receivers.config import GrpcServerConfig
from collector.receivers.grpc.connection import GrpcConnection


class Slow:
    """An engine that takes long for each read."""

    closed = False
    last_stream = 0

    def receive(self, data):
        time.sleep(0.005)
        return []

    def flush(self):
        return b""


class Socket:
    """A transport that notes whether it is read."""

    def __init__(self):
        self.told = []

    def is_closing(self):
        return False

    def pause_reading(self):
        self.told.append("pause")

    def resume_reading(self):
        self.told.append("resume")


async def test_after_a_long_read_others_get_their_turn():
    server = SimpleNamespace(
        config=GrpcServerConfig(),
        admission=Admission(1 << 20),
        limit=1 << 20,
        make_engine=Slow,
        admit=lambda _: True,
        forget=lambda _: None,
    )
    connection, transport = GrpcConnection(server), Socket()
    connection.connection_made(transport)
    connection.data_received(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
    assert transport.told == ["pause"]
    await asyncio.sleep(0)
    assert transport.told == ["pause", "resume"]
    connection.connection_lost(None)
