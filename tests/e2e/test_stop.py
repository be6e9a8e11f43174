"""How Ottery ends: what it has taken is delivered first, within limits, and a second signal ends it at once."""

import signal
import socket
import subprocess
import sys
import urllib.request

import pytest

from collector.api import Signal
from collector.testing import sample_request

ENDS = [pytest.param(signal.SIGTERM, id="SIGTERM"), pytest.param(signal.SIGINT, id="SIGINT")]


def config(server, exporter, block):
    return f"""
receivers:
  otlp: {{protocols: {{http: {{endpoint: "localhost:{server.http}"}}}}}}
exporters:
  {exporter}: {block}
extensions:
  health_check: {{endpoint: "localhost:{server.health}"}}
service:
  extensions: [health_check]
  telemetry: {{metrics: {{address: "localhost:{server.metrics}"}}}}
  pipelines:
    traces: {{receivers: [otlp], exporters: [{exporter}]}}
"""


def send(server, spans):
    request = urllib.request.Request(
        f"http://localhost:{server.http}/v1/traces",
        data=sample_request(Signal.TRACES, spans),
        headers={"content-type": "application/x-protobuf"},
    )
    with urllib.request.urlopen(request, timeout=20) as answer:
        assert answer.status == 200


def refuses(server):
    with socket.socket() as probe:
        return probe.connect_ex(("localhost", server.http)) != 0


@pytest.fixture
def mute():
    """A sink that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


@pytest.mark.parametrize("number", ENDS)
def test_what_waits_for_more_is_delivered_before_the_end(ottery, number):
    gathering = "sending_queue: {batch: {flush_timeout: 1h, min_size: 1000000}}"
    ottery.write(config(ottery, "file", f"{{path: out.json, {gathering}}}"))
    ottery.start()
    for _ in range(20):
        send(ottery, 1)
    assert (ottery.directory / "out.json").read_bytes() == b""
    assert ottery.stop(number) == 0
    assert len((ottery.directory / "out.json").read_bytes().splitlines()) == 20
    assert "Traceback" not in ottery.output.read_text()


@pytest.mark.parametrize("number", ENDS)
def test_a_second_signal_ends_it_at_once(ottery, mute, number):
    ottery.write(config(ottery, "otlp_http", f"{{endpoint: '{mute}'}}"))
    ottery.start()
    send(ottery, 1)
    ottery.send(number)
    ottery.until(lambda: refuses(ottery), "no more clients")
    assert ottery.process.poll() is None
    assert ottery.stop(number) == 128 + number


def test_what_is_not_delivered_by_the_deadline_is_told(ottery, mute):
    ottery.write(config(ottery, "otlp_http", f"{{endpoint: '{mute}'}}"))
    code = "import sys; from collector.pipeline.run import run; sys.exit(run([sys.argv[1]], drain_timeout=0.2))"
    with ottery.output.open("ab") as output:
        ottery.process = subprocess.Popen([sys.executable, "-c", code, ottery.config], stdout=output, stderr=output)
    ottery.until(ottery.ready, "ready")
    send(ottery, 3)
    assert ottery.stop() == 0
    (line,) = (line for line in ottery.output.read_text().splitlines() if "items dropped" in line)
    assert '"exporter": "otlp_http"' in line
    assert '"items": 3' in line
