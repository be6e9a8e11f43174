"""An OTLP receiver in this process, on real sockets, with consumers that record."""

import contextlib
from dataclasses import dataclass

import grpc
import httpx2

from collector.api import Signal
from collector.receivers.otlp.factory import FACTORY
from collector.receivers.otlp.receiver import OtlpReceiver
from collector.telemetry.catalogue import RECEIVER_ACCEPTED, RECEIVER_FAILED, RECEIVER_REFUSED, RECEIVER_REQUESTS
from collector.testing import RecordingConsumer, RecordingLog, RecordingMetrics, settings


@dataclass
class Running:
    receiver: OtlpReceiver
    consumers: dict[Signal, RecordingConsumer]
    metrics: RecordingMetrics
    log: RecordingLog

    @property
    def grpc_target(self):
        return self.receiver.listening["OTLP over gRPC"]

    @property
    def http_host(self):
        return self.receiver.listening["OTLP over HTTP"]

    @property
    def http_address(self):
        host, _, port = self.http_host.rpartition(":")
        return host, int(port)

    def client(self, **options):
        return httpx2.AsyncClient(
            base_url=f"http://{self.http_host}", timeout=20, trust_env=False, verify=False, **options
        )

    def channel(self, options=(), **more):
        own_connection = ("grpc.use_local_subchannel_pool", 1)
        return grpc.aio.insecure_channel(self.grpc_target, [own_connection, *options], **more)

    def requests(self, transport, outcome):
        labels = {"receiver": "otlp", "transport": transport, "outcome": outcome}
        return self.metrics.value(RECEIVER_REQUESTS, **labels)

    def items(self, transport, signal):
        labels = {"receiver": "otlp", "transport": transport}
        families = (RECEIVER_ACCEPTED, RECEIVER_REFUSED, RECEIVER_FAILED)
        return tuple(self.metrics.value(family[signal], **labels) for family in families)


@contextlib.asynccontextmanager
async def running_receiver(*, grpc=None, http=None, consumers=None, protocols=("grpc", "http"), **config):
    blocks = {"grpc": {"endpoint": "127.0.0.1:0", **(grpc or {})}, "http": {"endpoint": "127.0.0.1:0", **(http or {})}}
    chosen = {name: blocks[name] for name in protocols}
    consumers = {signal: RecordingConsumer() for signal in Signal} if consumers is None else consumers
    metrics, log = RecordingMetrics(), RecordingLog()
    block = FACTORY.config.model_validate({"protocols": chosen, **config})
    receiver = FACTORY.create(block, settings("otlp", metrics=metrics, log=log, consumers=consumers))
    await receiver.start()
    try:
        yield Running(receiver, consumers, metrics, log)
    finally:
        await receiver.stop()
