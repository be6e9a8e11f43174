"""A process that is fed faster than its sink takes says no before its memory ends, and recovers with the sink."""

import gzip
import threading
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import psutil
import pytest

from collector.api import Signal
from collector.testing import sample_request

MEBIBYTE = 1 << 20
ITEMS = 3000
BODY = sample_request(Signal.LOGS, ITEMS)
ROOM = 40


class Sink:
    """An OTLP/HTTP server that is busy while it is not open; `received` has the size of every request that it took."""

    def __init__(self):
        self.open = True
        self.received = []
        sink = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                if sink.open:
                    sink.received.append(len(gzip.decompress(body)))
                self.send_response(200 if sink.open else 503)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_):
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def sink():
    running = Sink()
    yield running
    running.server.shutdown()
    running.server.server_close()


def configuration(ottery, sink, limit_mib):
    return f"""
receivers:
  otlp:
    protocols:
      http: {{endpoint: "localhost:{ottery.http}"}}
processors:
  memory_limiter: {{limit_mib: {limit_mib}, spike_limit_mib: {ROOM // 4}, check_interval: 200ms}}
exporters:
  otlp_http:
    endpoint: http://localhost:{sink.port}
    sending_queue: {{queue_size: 100000, batch: {{min_size: 0, flush_timeout: 0s, max_size: {ITEMS}}}}}
    retry_on_failure: {{initial_interval: 100ms, max_interval: 200ms}}
extensions:
  health_check: {{endpoint: "localhost:{ottery.health}"}}
service:
  extensions: [health_check]
  telemetry: {{metrics: {{address: "localhost:{ottery.metrics}"}}}}
  pipelines:
    logs: {{receivers: [otlp], processors: [memory_limiter], exporters: [otlp_http]}}
"""


def post(ottery):
    """Send one request and return the status and `Retry-After`."""
    headers = {"Content-Type": "application/x-protobuf"}
    request = urllib.request.Request(f"http://localhost:{ottery.http}/v1/logs", BODY, headers)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.headers["retry-after"]
    except urllib.error.HTTPError as refusal:
        with refusal:
            return refusal.code, refusal.headers["retry-after"]


def resident(ottery):
    return psutil.Process(ottery.process.pid).memory_info().rss // MEBIBYTE


def test_a_process_that_is_fed_too_fast_says_no_in_time_and_recovers_with_its_sink(ottery, sink):
    ottery.write(configuration(ottery, sink, limit_mib=4000))
    ottery.start()
    assert post(ottery) == (200, None)
    limit = resident(ottery) + ROOM
    ottery.write(configuration(ottery, sink, limit))
    ottery.reload()
    sink.open = False
    taken = 1
    while (answer := post(ottery)) == (200, None):
        taken += 1
        assert taken * len(BODY) < 3 * ROOM * MEBIBYTE, "it was fed three times its room and never said no"
    assert answer == (503, "1")
    assert resident(ottery) < limit + 2 * ROOM

    sink.open = True
    ottery.until(lambda: len(sink.received) == taken, f"{taken} requests at the sink")
    ottery.until(lambda: post(ottery) == (200, None), "an OK once there is memory again")
    assert sink.received[:taken] == [len(BODY)] * taken
