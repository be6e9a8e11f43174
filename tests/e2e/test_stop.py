"""How Ottery ends: what it has taken is delivered first, within limits, and a second signal ends it at once."""

import gzip
import http.server
import signal
import socket
import subprocess
import sys
import threading
import urllib.request

import pytest

from collector.api import Signal
from collector.testing import sample_request


class Taker(http.server.ThreadingHTTPServer):
    """A sink that takes everything."""

    def __init__(self, port):
        super().__init__(("localhost", port), _Take)
        self.requests = []

    def __enter__(self):
        threading.Thread(target=self.serve_forever).start()
        return self

    def __exit__(self, *_):
        self.shutdown()
        self.server_close()


class _Take(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.requests.append(gzip.decompress(body))
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_):
        """Say nothing."""


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


def stop_early(ottery):
    """Run with a deadline of 0.2 s, send three spans, and return what was said about them at the end."""
    code = "import sys; from collector.pipeline.run import run; sys.exit(run([sys.argv[1]], drain_timeout=0.2))"
    with ottery.output.open("ab") as output:
        command = [sys.executable, "-c", code, ottery.config]
        ottery.process = subprocess.Popen(command, stdout=output, stderr=output, cwd=ottery.directory)
    ottery.until(ottery.ready, "ready")
    send(ottery, 3)
    assert ottery.stop() == 0
    return [line for line in ottery.output.read_text().splitlines() if "otlp_http" in line and '"items": 3' in line]


def test_what_a_log_in_memory_still_holds_at_the_deadline_is_told_as_dropped(ottery, mute):
    ottery.write(config(ottery, "otlp_http", f"{{endpoint: '{mute}'}}"))
    (line,) = stop_early(ottery)
    assert "items dropped: the drain deadline passed" in line


def test_what_a_log_on_disk_still_holds_at_the_deadline_is_sent_after_the_next_start(ottery, mute):
    on_disk = ("service:\n", "service:\n  delivery: {directory: log}\n")
    ottery.write(config(ottery, "otlp_http", f"{{endpoint: '{mute}'}}").replace(*on_disk))
    (line,) = stop_early(ottery)
    assert "items stay in the log" in line
    taken = f"http://localhost:{ottery.clickhouse}"
    ottery.write(config(ottery, "otlp_http", f"{{endpoint: '{taken}'}}").replace(*on_disk))
    with Taker(ottery.clickhouse) as taker:
        ottery.start()
        ottery.until(lambda: taker.requests, "what was left")
        assert ottery.stop() == 0
    assert taker.requests == [sample_request(Signal.TRACES, 3)]
