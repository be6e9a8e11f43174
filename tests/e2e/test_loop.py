"""Large requests are read beside the event loop, which goes on serving small ones, and says how late it is."""

import re
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest

from collector.api import Signal
from collector.testing import sample_request

TRACES = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
LARGE, SMALL = 8192, 1


def configuration(ottery):
    return f"""
receivers:
  otlp:
    protocols:
      grpc: {{endpoint: "localhost:{ottery.grpc}"}}
exporters:
  debug: {{verbosity: basic}}
extensions:
  health_check: {{endpoint: "localhost:{ottery.health}"}}
service:
  extensions: [health_check]
  telemetry: {{metrics: {{address: "localhost:{ottery.metrics}"}}}}
  pipelines:
    traces: {{receivers: [otlp], exporters: [debug]}}
"""


def value(page, name, **labels):
    """Return the value of the one series of a metric that has these labels."""
    found = [
        float(line.rpartition(" ")[2])
        for line in page.splitlines()
        if re.match(rf"{name}\b", line) and all(f'{label}="{text}"' in line for label, text in labels.items())
    ]
    assert len(found) == 1, f"{name} {labels}: {len(found)} series"
    return found[0]


@pytest.mark.parametrize("codec", ["python", "native"])
def test_large_requests_are_read_beside_the_loop(ottery, codec):
    if codec == "native":
        pytest.importorskip("ottery_native", reason="the compiled codec is not installed, run `make native`")
    ottery.environment["OTTERY_CODEC"] = codec
    ottery.write(configuration(ottery))
    ottery.start()
    requests = [sample_request(Signal.TRACES, LARGE)] * 2 + [sample_request(Signal.TRACES, SMALL)] * 40
    with (
        grpc.insecure_channel(f"localhost:{ottery.grpc}") as channel,
        ThreadPoolExecutor(8) as senders,
    ):
        export = channel.unary_unary(TRACES)
        assert list(senders.map(lambda body: export(body, timeout=60), requests)) == [b""] * len(requests)
    page = ottery.get(ottery.metrics, "/metrics")[1]
    places = {place: value(page, "ottery_receiver_read_seconds_count", place=place) for place in ("worker", "loop")}
    assert places == {"worker": 2, "loop": 40}
    assert value(page, "ottery_event_loop_lag_seconds_count") > 0
