"""`TELEMETRY_TRANSPORT=console ottery run` prints what arrives, with nothing else running and nothing configured."""

import subprocess
import sys
import urllib.request
from pathlib import Path

from collector.api import Signal
from collector.testing import sample_request


def test_what_arrives_is_printed_and_nothing_is_stored(ottery):
    ottery.environment["TELEMETRY_TRANSPORT"] = "console"
    places = {
        "receivers.otlp.protocols.grpc.endpoint": ottery.grpc,
        "receivers.otlp.protocols.http.endpoint": ottery.http,
        "extensions.health_check.endpoint": ottery.health,
        "service.telemetry.metrics.address": ottery.metrics,
    }
    ottery.arguments = [part for key, port in places.items() for part in ("--set", f"{key}=localhost:{port}")]
    ottery.start()
    for signal in Signal:
        send(ottery, signal)
    ottery.until(lambda: ottery.output.read_text().count("debug: ") == 3, "three batches in the terminal")
    demo = [Path(sys.executable).with_name("ottery"), "demo", "--endpoint", f"http://localhost:{ottery.http}"]
    told = subprocess.run(demo, capture_output=True, text=True, check=True).stdout
    trace_id = told.split("services: ")[1].split()[0]
    ottery.until(lambda: trace_id in ottery.output.read_text(), "the trace of the demo in the terminal")
    assert ottery.stop() == 0
    printed = ottery.output.read_text()
    for line in ("debug: traces, 2 spans", "debug: metrics, 2 data points", "debug: logs, 2 log records"):
        assert f"\n{line}\n" in printed
    assert "\nGET /orders/0 " in printed
    assert "order 1 placed" in printed
    assert "shop.metric_0" in printed
    assert sorted(path.name for path in ottery.directory.iterdir()) == ["output.txt"]


def send(ottery, signal):
    request = urllib.request.Request(
        f"http://localhost:{ottery.http}/v1/{signal}",
        data=sample_request(signal, 2),
        headers={"content-type": "application/x-protobuf"},
    )
    with urllib.request.urlopen(request, timeout=20) as answer:
        assert answer.status == 200
