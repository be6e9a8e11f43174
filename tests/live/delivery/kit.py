"""A load that numbers every item, a sink that records them, and collectors that are killed between the two."""

import gzip
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections import Counter, deque
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from collector.delivery.disk.places import PlaceFile

_LIMIT = 60.0
_NANOS = 1_767_225_600_000_000_000
_pause = threading.Event()


def eventually(condition, what, limit=_LIMIT):
    """Wait until `condition` holds."""
    end = time.monotonic() + limit
    while not condition():
        if time.monotonic() > end:
            pytest.fail(f"not within {limit:g} s: {what() if callable(what) else what}")
        _pause.wait(0.01)


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as bound:
        return bound.getsockname()[1]


def request(first, spans):
    """Return an OTLP request whose spans are numbered from `first` on, by their ids."""
    message = ExportTraceServiceRequest()
    scope = message.resource_spans.add().scope_spans.add()
    for number in range(first, first + spans):
        scope.spans.add(
            trace_id=(number + 1).to_bytes(16, "big"),
            span_id=(number + 1).to_bytes(8, "big"),
            name="numbered",
            start_time_unix_nano=_NANOS + number,
            end_time_unix_nano=_NANOS + number + 1,
        )
    return message.SerializeToString()


class Sink:
    """An OTLP/HTTP server. `faults` holds what becomes of the next requests; then all is well.

    A number is the status to answer without taking the items, `cut` takes them and drops the connection before the
    answer, `half` sends half an answer, `silent` does not answer while the test runs.
    """

    def __init__(self):
        self.seen = Counter()
        self.faults = deque()
        self.requests = 0
        self.rejects = lambda _number: False
        sink = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_POST(self):
                sink._take(self)

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_):
                pass

        self._over = threading.Event()
        self._lock = threading.Lock()
        self._server = Server(("127.0.0.1", 0), Handler)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def _take(self, handler):
        body = handler.rfile.read(int(handler.headers["content-length"]))
        if handler.headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        with self._lock:
            self.requests += 1
            fault = self.faults.popleft() if self.faults else None
        if fault == "silent":
            self._over.wait(_LIMIT)
            fault = "cut"
        if isinstance(fault, int):
            self._answer(handler, fault, b"")
            return
        numbers = _numbers(body)
        if any(map(self.rejects, numbers)):
            self._answer(handler, 400, b"")
            return
        with self._lock:
            self.seen.update(numbers)
        if fault == "cut":
            handler.close_connection = True
        elif fault == "half":
            handler.wfile.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf")
            handler.close_connection = True
        else:
            self._answer(handler, 200, ExportTraceServiceResponse().SerializeToString())

    def _answer(self, handler, status, body):
        handler.send_response(status)
        handler.send_header("content-type", "application/x-protobuf")
        handler.send_header("content-length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    @property
    def endpoint(self):
        return f"http://127.0.0.1:{self.port}"

    @property
    def repeated(self):
        """How many items came more than once."""
        return sum(1 for times in self.seen.values() if times > 1)

    def stop(self):
        self._over.set()
        self._server.shutdown()
        self._server.server_close()


def _numbers(body):
    message = ExportTraceServiceRequest.FromString(body)
    spans = (s for r in message.resource_spans for sc in r.scope_spans for s in sc.spans)
    return [int.from_bytes(span.span_id, "big") - 1 for span in spans]


class Load:
    """Clients that send numbered requests, each again and again with the very same bytes until it is answered."""

    def __init__(self, port, clients=3, spans=5, pause=0.001):
        self.answered = set()
        self.refused = Counter()
        self._port, self._spans, self._pause = port, spans, pause
        self._next = 0
        self._lock = threading.Lock()
        self._ending = threading.Event()
        self._threads = [threading.Thread(target=self._client, daemon=True) for _ in range(clients)]
        for thread in self._threads:
            thread.start()

    def _client(self):
        connection = None
        while not self._ending.is_set():
            with self._lock:
                first, self._next = self._next, self._next + self._spans
            body = request(first, self._spans)
            answered = False
            while not answered and not self._ending.is_set():
                connection = connection or http.client.HTTPConnection("127.0.0.1", self._port, timeout=10)
                try:
                    status = _post(connection, body)
                except (OSError, http.client.HTTPException):
                    connection.close()
                    connection, status = None, 0
                answered = status == 200
                if not answered:
                    self.refused[status] += 1
                    self._ending.wait(0.005)
            if answered:
                with self._lock:
                    self.answered.update(range(first, first + self._spans))
                self._ending.wait(self._pause)
        if connection:
            connection.close()

    def stop(self):
        """End all clients; what was not answered is given up."""
        self._ending.set()
        for thread in self._threads:
            thread.join(_LIMIT)


def _post(connection, body):
    connection.request("POST", "/v1/traces", body, {"content-type": "application/x-protobuf"})
    answer = connection.getresponse()
    answer.read()
    return answer.status


def send(port, body):
    """Send one request; return the status."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        return _post(connection, body)
    finally:
        connection.close()


def place(collector):
    """Return the exporter's place as it is on the disk."""
    return PlaceFile(collector.directory / "traces" / f"{collector.exporter}.cursor", sync=False).load()


def settled(collector):
    """Whether the disk says that everything which was taken is done."""
    found = place(collector)
    return found is not None and found.next > 0 and not found.flight


def ledger(collector):
    """Return the only account of the running collector."""
    with urllib.request.urlopen(f"http://127.0.0.1:{collector.metrics}/debug/ledger", timeout=10) as answer:
        (account,) = json.load(answer)["accounts"]
    return account


CONFIG = """\
receivers:
  otlp:
    protocols:
      http: {{endpoint: "127.0.0.1:{port}"}}
exporters:
  {exporter}:
    endpoint: "{endpoint}"
    timeout: {timeout}
    sending_queue: {{batch: {{flush_timeout: 20ms, min_size: 200, max_size: 400}}}}
    retry_on_failure: {{initial_interval: 50ms, max_interval: 200ms}}
service:
  telemetry:
    metrics: {{address: "127.0.0.1:{metrics}"}}
  delivery: {{directory: "{directory}", {delivery}}}
  pipelines:
    traces: {{receivers: [otlp], exporters: [{exporter}]}}
"""


class Collector:
    """Ottery in a process that can be killed and started again on the same directory."""

    def __init__(self, root: Path, endpoint, exporter="otlp_http", timeout="5s", delivery="segment_size: 256KiB"):
        self.exporter = exporter
        self.port, self.metrics = free_port(), free_port()
        self.directory = root / "delivery"
        self.output = root / "output.txt"
        config = root / "config.yaml"
        values = {"port": self.port, "metrics": self.metrics, "exporter": exporter, "endpoint": endpoint}
        config.write_text(CONFIG.format(directory=self.directory, delivery=delivery, timeout=timeout, **values))
        self.config = config
        self._nursery = subprocess.Popen(
            [sys.executable, str(Path(__file__).parent / "nursery.py"), str(config), str(self.output), exporter],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._read()
        self.process = 0

    def start(self):
        self._nursery.stdin.write("\n")
        self._nursery.stdin.flush()
        self.process = int(self._read())
        eventually(self.listens, lambda: f"the collector starts\n{self.output.read_text()[-4000:]}")

    def _read(self):
        line = self._nursery.stdout.readline()
        if not line:
            pytest.fail("the nursery has ended")
        return line.strip()

    def listens(self):
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        except OSError:
            return False
        return True

    def kill(self):
        self._end(signal.SIGKILL)

    def stop(self):
        """End in order; return the exit status."""
        return self._end(signal.SIGTERM)

    def _end(self, number):
        os.kill(self.process, number)
        self.process = 0
        return int(self._read())

    def close(self):
        if self.process:
            self.kill()
        self._nursery.stdin.close()
        self._nursery.wait(_LIMIT)
        self._nursery.stdout.close()
