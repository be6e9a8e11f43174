"""Whoever sends while memory is short is asked to come back, before the body is read, and may then."""

import json
import socket
import urllib.request

import grpc
import pytest

from collector.api import Signal
from collector.testing import sample_request

TRACES = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"


def configuration(ottery, limit_mib):
    return f"""
receivers:
  otlp:
    protocols:
      grpc: {{endpoint: "localhost:{ottery.grpc}"}}
      http: {{endpoint: "localhost:{ottery.http}"}}
processors:
  memory_limiter: {{limit_mib: {limit_mib}, check_interval: 2s}}
exporters:
  debug:
extensions:
  health_check: {{endpoint: "localhost:{ottery.health}"}}
service:
  extensions: [health_check]
  telemetry: {{metrics: {{address: "localhost:{ottery.metrics}"}}}}
  pipelines:
    traces: {{receivers: [otlp], processors: [memory_limiter], exporters: [debug]}}
"""


def head_only(port):
    """Send the head of a request, keep its body back, and return the answer."""
    with socket.create_connection(("localhost", port), timeout=10) as connection:
        connection.sendall(
            b"POST /v1/traces HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            b"Content-Length: 1000\r\n\r\n"
        )
        answer = b""
        while b'"' not in answer and (more := connection.recv(65536)):
            answer += more
    return answer.decode()


def test_requests_are_refused_before_they_are_read_until_there_is_memory(ottery):
    ottery.write(configuration(ottery, limit_mib=20))
    ottery.start()
    head, _, body = head_only(ottery.http).partition("\r\n\r\n")
    assert head.startswith("HTTP/1.1 503 ")
    assert "retry-after: 2" in head.lower()
    assert json.loads(body)["message"].startswith("memory is short: ")

    body = sample_request(Signal.TRACES, 3)
    with grpc.insecure_channel(f"localhost:{ottery.grpc}") as channel:
        with pytest.raises(grpc.RpcError) as refused:
            channel.unary_unary(TRACES)(body, timeout=10)
        assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
    assert "ottery_processor_memory_limited" in ottery.get(ottery.metrics, "/metrics")[1]

    ottery.write(configuration(ottery, limit_mib=4000))
    ottery.reload()
    request = urllib.request.Request(
        f"http://localhost:{ottery.http}/v1/traces", body, {"Content-Type": "application/x-protobuf"}
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert answer.status == 200
