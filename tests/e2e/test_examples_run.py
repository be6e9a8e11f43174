"""The examples do not only load: they run and take a trace, whether their sinks are there or not."""

import urllib.request
from pathlib import Path

import pytest

from collector.api import Signal
from collector.config import load
from collector.testing import sample_request

ROOT = Path(__file__).parents[2]
NEEDS = {
    "tls.yaml": "certificates",
}
EXAMPLES = [path for path in sorted(ROOT.glob("examples/*.yaml")) if path.name not in NEEDS]


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_an_example_runs_and_takes_a_trace(ottery, path):
    places = {
        "receivers.otlp.protocols.grpc.endpoint": ottery.grpc,
        "receivers.otlp.protocols.http.endpoint": ottery.http,
        "service.telemetry.metrics.address": ottery.metrics,
    }
    extensions = load([str(path)], {}).extensions
    for name, port in (("health_check", ottery.health), ("clickhouse_server", ottery.clickhouse)):
        if name in extensions:
            places[f"extensions.{name}.endpoint"] = port
    sets = [part for key, port in places.items() for part in ("--set", f"{key}=localhost:{port}")]
    ottery.arguments = ["--config", str(path), *sets]
    ottery.ready = lambda: ottery.get(ottery.metrics, "/metrics")[0] == 200 and listens(ottery)
    ottery.start()
    request = urllib.request.Request(
        f"http://localhost:{ottery.http}/v1/traces",
        data=sample_request(Signal.TRACES, 2),
        headers={"content-type": "application/x-protobuf"},
    )
    with urllib.request.urlopen(request, timeout=20) as answer:
        assert (answer.status, answer.read()) == (200, b"")
    taken = 'otelcol_receiver_accepted_spans_total{receiver="otlp"'
    assert any(
        line.startswith(taken) and 'transport="http"' in line and line.endswith(" 2.0")
        for line in ottery.get(ottery.metrics, "/metrics")[1].splitlines()
    )
    assert "Traceback" not in ottery.output.read_text()


def listens(ottery):
    assert ottery.process.poll() is None, ottery.output.read_text()
    return "Ottery is running." in ottery.output.read_text()
