"""The exporters against Ottery's own receiver: the bytes that go in come out."""

import pytest

from collector.api import Batch, Overloaded, Permanent, Rejected, Retryable, Signal, TooLarge
from collector.testing import RecordingConsumer, RecordingMetrics, sample_batch, sample_request, settings
from exporters.otlp.factory import GRPC, HTTP
from exporters.otlp.partial import PARTIAL_SUCCESS
from tests.live.certificates import Authority
from tests.live.otlp.receiver import running_receiver
from tests.live.otlp_exporter.exporting import exporting, failure, push

WAYS = [
    pytest.param(GRPC, {"compression": "none"}, id="gRPC"),
    pytest.param(GRPC, {"compression": "gzip"}, id="gRPC, gzip"),
    pytest.param(HTTP, {"compression": "none"}, id="HTTP"),
    pytest.param(HTTP, {"compression": "gzip"}, id="HTTP, gzip"),
    pytest.param(HTTP, {"compression": "zstd"}, id="HTTP, zstd"),
    pytest.param(HTTP, {"encoding": "json"}, id="HTTP, JSON"),
]


def endpoint(factory, otlp, scheme="http"):
    return f"{scheme}://{otlp.grpc_target if factory is GRPC else otlp.http_host}"


@pytest.mark.parametrize("signal", list(Signal), ids=str)
@pytest.mark.parametrize(("factory", "config"), WAYS)
async def test_what_nobody_changed_arrives_as_it_was(factory, config, signal):
    async with running_receiver() as otlp, exporting(factory, endpoint=endpoint(factory, otlp), **config) as exporter:
        await push(exporter, sample_batch(signal, 100))
        await push(exporter, Batch.join([sample_batch(signal, 1), sample_batch(signal, 2)]))
    received = [batch.otlp for batch in otlp.consumers[signal].batches]
    assert received == [sample_request(signal, 100), sample_request(signal, 1) + sample_request(signal, 2)]


@pytest.mark.parametrize(("factory", "config"), WAYS)
@pytest.mark.parametrize(
    ("refusal", "kind", "delay"),
    [
        pytest.param(Overloaded("the log is full", 3.0), Retryable, 3.0, id="overloaded"),
        pytest.param(Rejected("no such tenant"), Permanent, None, id="rejected"),
        pytest.param(TooLarge("too many spans"), Permanent, None, id="too large"),
        pytest.param(ValueError("a bug"), Permanent, None, id="a bug"),
    ],
)
async def test_a_refusal_means_to_the_exporter_what_it_meant_to_the_receiver(factory, config, refusal, kind, delay):
    consumers = {Signal.TRACES: RecordingConsumer([refusal])}
    async with (
        running_receiver(consumers=consumers) as otlp,
        exporting(factory, endpoint=endpoint(factory, otlp), **config) as exporter,
    ):
        error = await failure(exporter, sample_batch(Signal.TRACES))
        assert (type(error), getattr(error, "retry_after", None)) == (kind, delay)
        await push(exporter, sample_batch(Signal.TRACES))
    assert otlp.consumers[Signal.TRACES].items == 3


@pytest.mark.parametrize(("factory", "config"), WAYS)
async def test_items_that_the_receiver_refuses_alone_are_counted(factory, config):
    bad = sample_request(Signal.TRACES, 1).replace((1).to_bytes(16, "big"), bytes(16))
    metrics = RecordingMetrics()
    batch = Batch(Signal.TRACES, sample_batch(Signal.TRACES).codec, requests=(bad,), items=1)
    async with (
        running_receiver() as otlp,
        exporting(factory, settings("otlp", metrics=metrics), endpoint=endpoint(factory, otlp), **config) as exporter,
    ):
        await push(exporter, batch)
    assert metrics.value(PARTIAL_SUCCESS, exporter="otlp", signal="traces") == 1


@pytest.mark.parametrize("factory", [GRPC, HTTP], ids=lambda factory: factory.name)
async def test_both_ends_know_each_other_by_their_certificates(tmp_path, factory):
    authority = Authority(tmp_path)
    server = {"tls": {**authority.pair("server"), "client_ca_file": str(authority.ca)}}
    tls = {"ca_file": str(authority.ca), **authority.pair("client")}
    async with (
        running_receiver(grpc=server, http=server) as otlp,
        exporting(factory, endpoint=endpoint(factory, otlp, "https"), tls=tls) as exporter,
    ):
        await push(exporter, sample_batch(Signal.LOGS))
        assert otlp.consumers[Signal.LOGS].items == 3


@pytest.mark.parametrize("factory", [GRPC, HTTP], ids=lambda factory: factory.name)
async def test_a_receiver_that_restarts_is_found_again(factory):
    async with running_receiver() as otlp:
        config = {"endpoint": endpoint(factory, otlp)}
        where = {"grpc": {"endpoint": otlp.grpc_target}, "http": {"endpoint": otlp.http_host}}
        async with exporting(factory, **config) as exporter:
            await push(exporter, sample_batch(Signal.TRACES))
            await otlp.receiver.stop()
            assert type(await failure(exporter, sample_batch(Signal.TRACES))) is Retryable
            async with running_receiver(**where) as again:
                while isinstance(await failure(exporter, sample_batch(Signal.TRACES)), Retryable):
                    """gRPC waits a second before it connects again."""
                assert again.consumers[Signal.TRACES].items == 3
