"""Ottery and the real OpenTelemetry Collector read what the other writes to Kafka."""

import asyncio
import contextlib
import urllib.request

import pytest

from benchmarks.peers import OTELCOL
from collector.api import Delivery, Signal
from collector.testing import sample_batch, sample_request
from tests.live.kafka.consumers import receiving
from tests.live.kafka.exporting import exporter
from tests.live.otlp_exporter.otelcol import OtelCollector

ITEMS = 50
ENCODINGS = ("otlp_proto", "otlp_json")

pytestmark = pytest.mark.skipif(
    not OTELCOL.exists(), reason="NO OPENTELEMETRY COLLECTOR WITH KAFKA: build it with python -m benchmarks.peers"
)


class KafkaCollector(OtelCollector):
    """The collector: from OTLP over HTTP, or from the topics `read`, into the topics `write`."""

    program = OTELCOL

    def __init__(self, folder, broker, encoding, read=None, write=None):
        super().__init__(folder)
        self._broker, self._encoding, self._topics = broker, encoding, (read, write)

    def _config(self):
        read, write = self._topics
        brokers = {"brokers": [self._broker.address]}
        into = {str(signal): {"topic": topic, "encoding": self._encoding} for signal, topic in write.items()}
        receivers = {"otlp": {"protocols": {"http": {"endpoint": self.http}}}}
        if read:
            topics = {str(signal): {"topics": [topic], "encoding": self._encoding} for signal, topic in read.items()}
            receivers = {"kafka": {**brokers, "initial_offset": "earliest", **topics}}
        return {
            "receivers": receivers,
            "exporters": {"kafka": {**brokers, **into}},
            "service": {
                "telemetry": {"metrics": {"level": "none"}},
                "pipelines": {str(signal): {"receivers": list(receivers), "exporters": ["kafka"]} for signal in Signal},
            },
        }


@contextlib.contextmanager
def running(*args, **topics):
    collector = KafkaCollector(*args, **topics)
    collector.start()
    try:
        yield collector
    finally:
        collector.stop()


def send(collector, signal):
    """Send a sample over OTLP and return the status of the answer."""
    body, kind = sample_request(signal, ITEMS), {"content-type": "application/x-protobuf"}
    request = urllib.request.Request(f"http://{collector.http}/v1/{signal}", data=body, headers=kind)
    with urllib.request.urlopen(request, timeout=20) as answer:
        return answer.status


@pytest.fixture
def topics(make_topic):
    """A topic for each signal."""
    return {signal: make_topic(prefix=str(signal)) for signal in Signal}


def rows(batches):
    """Return the rows. The collector gives exponential histograms negative buckets, empty ones too."""
    found = [row for batch in batches for row in batch.columns.to_pylist()]
    for row in found:
        if row.get("scale") is not None and not row["negative_bucket_counts"]:
            row["negative_offset"] = 0
    return found


async def all_arrive(broker, topics, encoding):
    """Read the topics with Ottery, and compare with what was sent."""
    block = {str(signal): {"topics": [topic], "encoding": encoding} for signal, topic in topics.items()}
    async with receiving(broker.address, **block) as ours:
        for signal in Signal:
            await ours[signal].arrived(ITEMS)
    for signal in Signal:
        assert rows(ours[signal].batches) == rows([sample_batch(signal, ITEMS)])


@pytest.mark.parametrize("encoding", ENCODINGS)
async def test_ottery_reads_what_the_collector_writes(broker, topics, tmp_path, encoding):
    with running(tmp_path, broker, encoding, write=topics) as theirs:
        for signal in Signal:
            assert await asyncio.to_thread(send, theirs, signal) == 200
        await all_arrive(broker, topics, encoding)


@pytest.mark.parametrize("encoding", ENCODINGS)
async def test_the_collector_reads_what_ottery_writes(broker, topics, make_topic, tmp_path, encoding):
    relayed = {signal: make_topic(prefix=f"relayed-{signal}") for signal in Signal}
    block = {str(signal): {"topic": topic, "encoding": encoding} for signal, topic in topics.items()}
    with running(tmp_path, broker, encoding, read=topics, write=relayed):
        async with exporter(broker.address, **block) as kafka:
            for signal in Signal:
                await kafka.push(Delivery(sample_batch(signal, ITEMS), f"token-{signal}"))
        await all_arrive(broker, relayed, encoding)
