import asyncio
from types import SimpleNamespace

from hpack import Encoder
from hyperframe.frame import DataFrame, HeadersFrame, SettingsFrame

from collector.receivers.admission import Admission
from collector.receivers.config import GrpcServerConfig
from collector.receivers.grpc.connection import GrpcConnection
from collector.receivers.grpc.engine import engine
from collector.receivers.grpc.methods import Unary
from collector.wire.codec import codec
from tests.live.otlp.frames import EXPORT, Http2


class Socket:
    """A transport that notes whether it is read."""

    def __init__(self):
        self.told = []

    def write(self, data):
        """Let the client have it."""

    def is_closing(self):
        return False

    def pause_reading(self):
        self.told.append("pause")

    def resume_reading(self):
        self.told.append("resume")


async def never(incoming):
    raise AssertionError("the message never ends")


def tiny_frames(count):
    """Return a connection's first bytes, and a message that comes in frames of one byte."""
    headers = HeadersFrame(1, Encoder().encode(Http2(None, None).headers(path=EXPORT)), flags=["END_HEADERS"])
    begin = DataFrame(1, b"\0" + (1 << 20).to_bytes(4, "big")).serialize()
    greeting = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + SettingsFrame(0).serialize()
    return greeting, headers.serialize() + begin + DataFrame(1, b"x").serialize() * count


async def test_after_a_read_full_of_tiny_frames_others_get_their_turn():
    server = SimpleNamespace(
        config=GrpcServerConfig(),
        methods={EXPORT: Unary(never)},
        admission=Admission(1 << 22),
        limit=1 << 21,
        make_engine=lambda: engine(codec().name)(1 << 21, 100),
        admit=lambda _: True,
        forget=lambda _: None,
    )
    connection, transport = GrpcConnection(server), Socket()
    connection.connection_made(transport)
    greeting, flood = tiny_frames(60_000)
    connection.data_received(greeting)
    connection.data_received(flood)
    assert transport.told[-1] == "pause"
    await asyncio.sleep(0)
    assert transport.told[-1] == "resume"
    connection.connection_lost(None)
    assert server.admission.held == 0
