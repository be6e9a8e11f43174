import pytest
from prometheus_client.parser import text_string_to_metric_families

from collector.api import Metric, Signal
from collector.telemetry.catalogue import (
    EXPORTER_BATCH_SEND_SIZE,
    EXPORTER_QUEUE_SIZE,
    OTTERY_LOOP_LAG,
    RECEIVER_ACCEPTED,
)
from collector.telemetry.process import ProcessCollector, resident_bytes, watch_event_loop
from collector.telemetry.prometheus import PrometheusMetrics
from collector.testing import FakeClock, RecordingMetrics

ACCEPTED = RECEIVER_ACCEPTED[Signal.TRACES]


def series(metrics: PrometheusMetrics) -> dict[str, dict[tuple[tuple[str, str], ...], float]]:
    """Every sample by name and sorted labels."""
    found: dict = {}
    for family in text_string_to_metric_families(metrics.expose().decode()):
        for sample in family.samples:
            found.setdefault(sample.name, {})[tuple(sorted(sample.labels.items()))] = sample.value
    return found


def test_a_counter_adds_up_and_ends_in_total_with_the_process_on_it():
    metrics = PrometheusMetrics({"service.name": "edge", "k8s.node.name": "n1"})
    metrics.add(ACCEPTED, 5, receiver="otlp", transport="grpc")
    metrics.add(ACCEPTED, 2, transport="grpc", receiver="otlp")
    labels = (("k8s_node_name", "n1"), ("receiver", "otlp"), ("service_name", "edge"), ("transport", "grpc"))
    assert series(metrics)["otelcol_receiver_accepted_spans_total"] == {labels: 7}


def test_a_gauge_keeps_its_last_value():
    metrics = PrometheusMetrics({})
    metrics.set(EXPORTER_QUEUE_SIZE, 5, exporter="a", data_type="traces")
    metrics.set(EXPORTER_QUEUE_SIZE, 3, exporter="a", data_type="traces")
    assert series(metrics)["otelcol_exporter_queue_size"] == {(("data_type", "traces"), ("exporter", "a")): 3}


def test_a_histogram_counts_in_its_buckets():
    metrics = PrometheusMetrics({})
    metrics.observe(EXPORTER_BATCH_SEND_SIZE, 60, exporter="a")
    found = series(metrics)
    bucket = found["otelcol_exporter_queue_batch_send_size_bucket"]
    assert [bucket[("exporter", "a"), ("le", le)] for le in ("50.0", "75.0", "+Inf")] == [0, 1, 1]
    assert found["otelcol_exporter_queue_batch_send_size_sum"] == {(("exporter", "a"),): 60}


def test_series_are_there_at_zero_from_the_start_and_never_have_created_twins():
    metrics = PrometheusMetrics({})
    metrics.add(ACCEPTED, 0, receiver="otlp", transport="http")
    found = series(metrics)
    assert found["ottery_event_loop_lag_seconds_count"] == {(): 0}
    assert list(found["otelcol_receiver_accepted_spans_total"].values()) == [0]
    assert [name for name in found if name.endswith("_created")] == []


def test_labels_that_the_metric_does_not_have_are_refused():
    with pytest.raises(ValueError, match=r"accepted_spans has the labels \('receiver', 'transport'\), not \('r',\)"):
        PrometheusMetrics({}).add(ACCEPTED, r="otlp")


def test_a_metric_of_another_kind_is_refused():
    with pytest.raises(ValueError, match="otelcol_exporter_queue_size is a gauge, not a counter"):
        PrometheusMetrics({}).add(EXPORTER_QUEUE_SIZE, exporter="a", data_type="b")


def test_a_metric_that_is_not_in_the_catalogue_can_be_counted_too():
    metrics = PrometheusMetrics({})
    metrics.add(Metric("third_party", "counter", ("sink",), "."), sink="x")
    assert series(metrics)["third_party_total"] == {(("sink", "x"),): 1}


def test_series_beyond_a_thousand_are_counted_together():
    metrics = PrometheusMetrics({})
    for number in range(1200):
        metrics.add(ACCEPTED, receiver=str(number), transport="grpc")
    found = series(metrics)["otelcol_receiver_accepted_spans_total"]
    assert (len(found), found[("receiver", "other"), ("transport", "other")]) == (1001, 200)


async def test_the_process_tells_what_it_uses_when_it_is_asked():
    clock, metrics = FakeClock(), PrometheusMetrics({"service.name": "edge"})
    metrics.register(ProcessCollector(metrics.constant, clock))
    await clock.advance(90)
    found = series(metrics)
    labels = (("service_name", "edge"),)
    assert found["otelcol_process_uptime_seconds_total"] == {labels: 90}
    assert found["otelcol_process_cpu_seconds_total"][labels] > 0
    assert found["otelcol_process_memory_rss_bytes"][labels] > 10_000_000


def test_where_the_system_does_not_tell_resident_memory_the_peak_stands_in(monkeypatch, tmp_path):
    monkeypatch.setattr("collector.telemetry.process._STATM", tmp_path / "none")
    assert resident_bytes() > 10_000_000


class LateClock(FakeClock):
    """Wakes 0.5 s late, three times."""

    def __init__(self):
        super().__init__()
        self.left = 3

    async def sleep(self, seconds):
        if not self.left:
            raise StopAsyncIteration
        self.left -= 1
        await self.advance(seconds + 0.5)


async def test_the_lag_of_the_event_loop_is_observed():
    metrics = RecordingMetrics()
    with pytest.raises(StopAsyncIteration):
        await watch_event_loop(metrics, LateClock())
    assert metrics.observations(OTTERY_LOOP_LAG) == pytest.approx([0.5] * 3)
