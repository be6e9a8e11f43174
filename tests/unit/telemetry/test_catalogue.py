import re
from pathlib import Path

import pytest

from collector.telemetry.catalogue import CATALOGUE
from collector.telemetry.reference import every_metric, page

DASHBOARD = {
    *(f"otelcol_receiver_{what}_{items}" for what in ("accepted", "refused", "failed") for items in ("spans", "metric_points", "log_records")),
    *(f"otelcol_exporter_{what}_{items}" for what in ("sent", "send_failed") for items in ("spans", "metric_points", "log_records")),
    "otelcol_processor_incoming_items",
    "otelcol_processor_outgoing_items",
    "otelcol_exporter_queue_size",
    "otelcol_exporter_queue_capacity",
    "otelcol_process_cpu_seconds",
    "otelcol_process_memory_rss_bytes",
    "otelcol_process_uptime_seconds",
}  # fmt: skip


def test_every_metric_of_the_public_dashboard_is_there():
    assert {metric.name for metric in CATALOGUE} >= DASHBOARD


@pytest.mark.parametrize("metric", every_metric(), ids=lambda metric: metric.name)
def test_a_metric_has_a_clean_name_and_says_what_it_means(metric):
    assert re.fullmatch(r"(otelcol|ottery)_[a-z_]+[a-z]", metric.name)
    assert not metric.name.endswith("_total")
    assert metric.help.endswith(".")


def test_names_are_unique():
    names = [metric.name for metric in every_metric()]
    assert len(names) == len(set(names))


def test_the_reference_has_what_single_components_count():
    names = {metric.name for metric in every_metric()}
    assert names >= {"otelcol_kafka_receiver_offset_lag", "otelcol_kafka_exporter_records", "ottery_kafka_letters"}
    assert names >= {"otelcol_kafka_receiver_unmarshal_failed_spans", "ottery_exporter_partial_success_items"}


def test_the_reference_page_is_current():
    path = Path(__file__).parents[3] / "docs" / "metrics.md"
    if not path.exists():
        pytest.skip("no docs beside the tests: they run on the built wheel")
    assert path.read_text() == page(), "run: python -m collector.telemetry.reference > docs/metrics.md"
