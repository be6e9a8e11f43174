"""Ottery and the real OpenTelemetry Collector understand each other, in both directions."""

import pytest

from collector.api import Overloaded, Permanent, Rejected, Retryable, Signal
from collector.testing import RecordingConsumer, sample_batch
from exporters.otlp.factory import GRPC, HTTP
from tests.live.otlp.receiver import running_receiver
from tests.live.otlp_exporter.exporting import exporting, failure
from tests.live.otlp_exporter.otelcol import PROGRAM, WAYS, OtelCollector

OURS = [
    pytest.param(GRPC, "grpc", {"compression": "gzip"}, id="from gRPC"),
    pytest.param(HTTP, "http", {"compression": "zstd"}, id="from HTTP"),
    pytest.param(HTTP, "http", {"encoding": "json"}, id="from JSON"),
]


@pytest.fixture(scope="module")
def otelcol(tmp_path_factory):
    if not PROGRAM.exists():
        pytest.skip("NO OPENTELEMETRY COLLECTOR: build it with python -m tests.live.otlp_exporter.otelcol")
    collector = OtelCollector(tmp_path_factory.mktemp("otelcol"))
    collector.start()
    yield collector
    collector.stop()


def receiving(otelcol, consumers=None):
    blocks = {"grpc": {"endpoint": otelcol.grpc}, "http": {"endpoint": otelcol.http}}
    return running_receiver(**blocks, consumers=consumers)


async def into(otelcol, way, ours, signal):
    """Send a sample from our exporter into a pipeline of the collector, and return the error."""
    factory, protocol, config = ours
    where = otelcol.way(way)[protocol]
    endpoint = where if factory is GRPC else f"http://{where}"
    tls = {"tls": {"insecure": True}} if factory is GRPC else {}
    async with exporting(factory, endpoint=endpoint, timeout="20s", **tls, **config) as exporter:
        return await failure(exporter, sample_batch(signal, 50))


def rows(batch):
    """Return a batch's rows. The collector's exponential histograms always have negative buckets, empty ones too."""
    found = batch.columns.to_pylist()
    for row in found:
        if row.get("scale") is not None and not row["negative_bucket_counts"]:
            row["negative_offset"] = 0
    return found


@pytest.mark.parametrize("way", [way for way in WAYS if not way.startswith("direct")])
async def test_everything_comes_back_whole(otelcol, way):
    async with receiving(otelcol) as otlp:
        for signal in Signal:
            assert await into(otelcol, way, (HTTP, "http", {}), signal) is None
    for signal in Signal:
        (batch,) = otlp.consumers[signal].batches
        assert rows(batch) == rows(sample_batch(signal, 50))


@pytest.mark.parametrize("ours", [pytest.param(param.values, id=param.id) for param in OURS])
async def test_each_of_our_ways_is_understood(otelcol, ours):
    async with receiving(otelcol) as otlp:
        for signal in Signal:
            assert await into(otelcol, "http-gzip", ours, signal) is None
        assert [otlp.consumers[signal].items for signal in Signal] == [50, 50, 50]


@pytest.mark.parametrize("way", ["direct-grpc", "direct-http"])
@pytest.mark.parametrize(
    ("refusal", "kind"),
    [
        pytest.param(Overloaded("the log is full", 2.0), Retryable, id="overloaded"),
        pytest.param(Rejected("no such tenant"), Permanent, id="rejected"),
    ],
)
async def test_a_refusal_of_ours_reaches_the_far_end_through_the_collector(otelcol, way, refusal, kind):
    consumer = RecordingConsumer()
    async with receiving(otelcol, {Signal.TRACES: consumer}):
        while await into(otelcol, way, (GRPC, "grpc", {}), Signal.TRACES):
            """The collector connects when it is asked for something."""
        consumer.errors.append(refusal)
        error = await into(otelcol, way, (GRPC, "grpc", {}), Signal.TRACES)
    assert type(error) is kind
    assert getattr(error, "retry_after", None) == (2.0 if kind is Retryable and way == "direct-grpc" else None)


async def test_an_outage_of_ours_is_bridged_by_the_collectors_retries(otelcol):
    consumer = RecordingConsumer([Overloaded("the log is full", 1.0)])
    async with receiving(otelcol, {Signal.TRACES: consumer}):
        assert await into(otelcol, "grpc-gzip", (HTTP, "http", {}), Signal.TRACES) is None
    assert (consumer.items, len(consumer.batches)) == (50, 1)
