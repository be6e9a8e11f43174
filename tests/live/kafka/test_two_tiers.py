"""Numbered spans from a topic into ClickHouse, through processes that are killed: none lost, none twice."""

import random
import signal
import subprocess
import sys
import threading
from functools import partial
from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.e2e.conftest import Ottery
from tests.live.kafka.consumers import new_group
from tests.live.kafka.other_client import producer

EXAMPLES = Path(__file__).parents[3] / "examples" / "two-tier"
SPANS = 5


def numbered(first: int, count: int = SPANS) -> bytes:
    """Return a request whose spans have their number as id."""
    request = ExportTraceServiceRequest()
    spans = request.resource_spans.add().scope_spans.add().spans
    for number in range(first, first + count):
        spans.add(
            trace_id=(number + 1).to_bytes(16, "big"),
            span_id=(number + 1).to_bytes(8, "big"),
            name=f"span {number}",
            start_time_unix_nano=1_767_225_600_000_000_000 + number,
            end_time_unix_nano=1_767_225_600_000_000_000 + number + 1,
        )
    return request.SerializeToString()


class Consumer(Ottery):
    """A collector that reads Kafka into the embedded engine."""

    def __init__(self, directory, broker, topic):
        super().__init__(directory)
        self.write(f"""
receivers:
  kafka:
    brokers: ["{broker.address}"]
    group_id: {new_group()}
    session_timeout: 1500ms
    heartbeat_interval: 300ms
    batch: {{flush_timeout: 30ms, max_bytes: 20000}}
    autocommit: {{interval: 200ms}}
    traces: {{topics: [{topic}]}}
exporters:
  clickhouse:
    endpoint: chdb://{directory}/data
    database: otel
extensions:
  health_check: {{endpoint: "localhost:{self.health}"}}
  clickhouse_server: {{endpoint: "localhost:{self.clickhouse}", path: {directory}/data}}
service:
  extensions: [health_check, clickhouse_server]
  delivery: {{directory: ""}}
  telemetry:
    metrics: {{address: "localhost:{self.metrics}"}}
  pipelines:
    traces: {{receivers: [kafka], exporters: [clickhouse]}}
""")

    def stored(self) -> int:
        return self.count("otel.otel_traces")

    def holds(self, spans: int) -> bool:
        return self.stored() >= spans


@pytest.fixture
def consumer(tmp_path, broker, make_topic):
    made = Consumer(tmp_path, broker, make_topic(partitions=3, prefix="numbered"))
    yield made
    if made.process is not None and made.process.poll() is None:
        made.process.kill()
        made.process.wait()


def _topic(consumer) -> str:
    return consumer.config.read_text().split("topics: [")[1].split("]")[0]


class Load:
    """Writes numbered requests until it is told to stop."""

    def __init__(self, address: str, topic: str, pace: float) -> None:
        self.sent = 0
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(address, topic, pace))
        self._thread.start()

    def _run(self, address: str, topic: str, pace: float) -> None:
        with producer(address, acks="all", retries=1000, linger_ms=2) as client:
            while not self._ending.wait(pace):
                client.send(topic, numbered(self.sent))
                self.sent += SPANS

    def stop(self) -> int:
        self._ending.set()
        self._thread.join(60)
        return self.sent


def test_a_consumer_that_is_killed_again_and_again_stores_every_span_once(broker, consumer):
    chance = random.Random(5)
    load = Load(broker.address, _topic(consumer), 0.004)
    try:
        for _ in range(4):
            consumer.start()
            goal = consumer.stored() + chance.randrange(50, 800)
            consumer.until(partial(consumer.holds, goal), "more spans")
            consumer.send(signal.SIGKILL)
            consumer.stop()
        consumer.start()
    finally:
        sent = load.stop()
    consumer.until(partial(consumer.holds, sent), f"all {sent} spans")
    (row,) = consumer.query("SELECT count() AS stored, uniqExact(SpanId) AS distinct FROM otel.otel_traces")
    assert row == {"stored": sent, "distinct": sent}
    balances = [
        line for line in consumer.get(consumer.metrics, "/metrics")[1].splitlines() if "ledger_balanced{" in line
    ]
    assert [line.rpartition(" ")[2] for line in balances] == ["1.0"]
    assert consumer.stop() == 0


def test_the_examples_carry_spans_from_an_sdk_through_kafka_into_clickhouse(broker, tmp_path):
    """Both tiers as their files are, but for ports."""
    tiers = []
    for name in ("edge", "consumer"):
        tier = Ottery(tmp_path / name, KAFKA_BROKERS=broker.address, OTTERY_DATA=str(tmp_path / name))
        tier.directory.mkdir()
        text = (EXAMPLES / f"{name}.yaml").read_text()
        for old, new in ((4317, tier.grpc), (4318, tier.http), (8888, tier.metrics), (8889, tier.metrics)):
            text = text.replace(f"{old}", f"{new}")
        text = text.replace("localhost:13133", f"localhost:{tier.health}").replace(
            "localhost:13134", f"localhost:{tier.health}"
        )
        text = text.replace("  extensions: [health_check]", "  extensions: [health_check, clickhouse_server]")
        text = text.replace(
            "extensions:\n  health_check:",
            f'extensions:\n  clickhouse_server: {{endpoint: "localhost:{tier.clickhouse}", path: ./data/clickhouse}}\n  health_check:',
            1,
        )
        tier.write(text)
        tiers.append(tier)
    edge, consumer = tiers
    try:
        consumer.start()
        edge.start()
        command = [str(Path(sys.executable).with_name("ottery")), "demo", "--endpoint", f"http://localhost:{edge.http}"]
        subprocess.run(command, check=True, capture_output=True, timeout=60)
        consumer.until(lambda: consumer.count("otel.otel_traces") > 0, "a trace")
        consumer.until(lambda: consumer.count("otel.otel_logs") > 0, "a log")
        consumer.until(lambda: consumer.count("otel.otel_metrics_sum") > 0, "a metric")
    finally:
        codes = [tier.stop() for tier in tiers]
    assert codes == [0, 0]
