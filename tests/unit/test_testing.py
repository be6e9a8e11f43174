import asyncio

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from collector.api import Batch, Delivery, Metric, Overloaded, Retryable, Signal, State
from collector.testing import (
    SAMPLE_TIME,
    FakeClock,
    RecordingConsumer,
    RecordingExporter,
    RecordingMetrics,
    sample_request,
    settings,
)

COUNTER = Metric("requests", "counter", ("receiver",), "")
GAUGE = Metric("size", "gauge", (), "")
HISTOGRAM = Metric("seconds", "histogram", (), "")


def batch(items: int = 1) -> Batch:
    return Batch(Signal.LOGS, None, requests=(b"",), items=items)


async def test_a_consumer_keeps_batches_and_raises_the_scripted_errors_between():
    consumer = RecordingConsumer(errors=[None, Overloaded("full")])
    await consumer(batch(2))
    with pytest.raises(Overloaded, match="full"):
        await consumer(batch(3))
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(consumer.arrived(6))
        tasks.create_task(consumer(batch(4)))
    assert [kept.items for kept in consumer.batches] == [2, 4]


async def test_waiting_for_what_never_comes_times_out():
    with pytest.raises(TimeoutError):
        await RecordingConsumer().until(lambda: False, limit=0.01)


async def test_an_exporter_tells_attempts_from_deliveries():
    exporter = RecordingExporter(errors=[Retryable("down")])
    delivery = Delivery(batch(5), "token")
    with pytest.raises(Retryable, match="down"):
        await exporter.push(delivery)
    await exporter.push(delivery)
    await exporter.delivered(5)
    assert (exporter.attempts, exporter.deliveries) == ([delivery, delivery], [delivery])


async def test_a_closed_exporter_holds_pushes_in_flight():
    exporter = RecordingExporter()
    exporter.open.clear()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(exporter.push(Delivery(batch(), "a")))
        tasks.create_task(exporter.push(Delivery(batch(), "b")))
        await exporter.attempted(2)
        assert (exporter.in_flight, exporter.items) == (2, 0)
        exporter.open.set()
    assert (exporter.in_flight, exporter.items) == (0, 2)


async def test_time_stands_still_until_it_is_moved_and_sleepers_wake_at_their_own_moment():
    clock, woken = FakeClock(), []

    async def sleeper(seconds: float) -> None:
        await clock.sleep(seconds)
        woken.append((seconds, clock.monotonic()))

    async with asyncio.TaskGroup() as tasks:
        for seconds in (3.0, 1.0, 10.0):
            tasks.create_task(sleeper(seconds))
        await clock.sleeping(3)
        await clock.advance(5)
        assert (woken, clock.monotonic(), clock.now_ns()) == ([(1, 1), (3, 3)], 5, SAMPLE_TIME + 5 * 10**9)
        await clock.advance(5)
    assert woken[-1] == (10, 10)


async def test_a_cancelled_sleeper_does_not_hold_up_the_clock():
    clock = FakeClock()
    sleeper = asyncio.ensure_future(clock.sleep(1))
    await clock.sleeping()
    sleeper.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sleeper
    await clock.advance(2)
    assert clock.monotonic() == 2


def test_metrics_add_up_by_their_labels():
    metrics = RecordingMetrics()
    metrics.add(COUNTER, receiver="a")
    metrics.add(COUNTER, 4, receiver="a")
    metrics.set(GAUGE, 7)
    metrics.observe(HISTOGRAM, 0.5)
    assert (metrics.value(COUNTER, receiver="a"), metrics.value(COUNTER, receiver="b")) == (5, 0)
    assert (metrics.value(GAUGE), metrics.observations(HISTOGRAM)) == (7, [0.5])


def test_metrics_refuse_labels_that_the_metric_does_not_have():
    with pytest.raises(ValueError, match=r"requests has the labels \('receiver',\), not \('exporter',\)"):
        RecordingMetrics().add(COUNTER, exporter="a")


def test_metrics_refuse_a_gauge_that_is_added_to():
    with pytest.raises(ValueError, match="size is a gauge, not a counter"):
        RecordingMetrics().add(GAUGE)


def test_settings_are_made_of_fakes_and_of_what_a_test_gives():
    clock = FakeClock()
    made = settings("otlp/2", clock=clock)
    made.report(State.DEGRADED, "slow")
    made.log.warning("slow", seconds=3)
    assert (made.id, made.clock, made.report.states) == ("otlp/2", clock, [(State.DEGRADED, "slow")])
    assert made.log.lines == [("warning", "slow", {"seconds": 3})]


def items_of(signal: Signal, body: bytes) -> list:
    match signal:
        case Signal.TRACES:
            return list(ExportTraceServiceRequest.FromString(body).resource_spans[0].scope_spans[0].spans)
        case Signal.METRICS:
            return list(ExportMetricsServiceRequest.FromString(body).resource_metrics[0].scope_metrics[0].metrics)
        case Signal.LOGS:
            return list(ExportLogsServiceRequest.FromString(body).resource_logs[0].scope_logs[0].log_records)


@pytest.mark.parametrize("signal", Signal)
def test_a_sample_has_so_many_different_items_and_is_the_same_every_time(signal: Signal):
    body = sample_request(signal, 10)
    items = items_of(signal, body)
    assert body == sample_request(signal, 10)
    assert len({item.SerializeToString() for item in items}) == 10


def test_sample_metrics_take_turns_in_all_five_kinds():
    kinds = [metric.WhichOneof("data") for metric in items_of(Signal.METRICS, sample_request(Signal.METRICS, 5))]
    assert kinds == ["gauge", "sum", "histogram", "exponential_histogram", "summary"]
