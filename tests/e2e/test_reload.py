"""SIGHUP reads the configuration again, while clients stay connected."""

import http.client
import json
import signal
import threading

import grpc
import pytest

from collector.api import Signal
from collector.testing import sample_request


class Clients:
    """An HTTP connection and a gRPC channel that stay open, and tell when they did not."""

    def __init__(self, server):
        self.http = http.client.HTTPConnection("localhost", server.http, timeout=20)
        self.http.connect()
        self.socket = self.http.sock
        self.channel = grpc.insecure_channel(f"localhost:{server.grpc}")
        self.states = []
        self.channel.subscribe(self.states.append)
        self.export = self.channel.unary_unary(
            "/opentelemetry.proto.collector.trace.v1.TraceService/Export", None, None
        )

    def send(self):
        """Send a span over each."""
        request = sample_request(Signal.TRACES, 1)
        self.http.request("POST", "/v1/traces", request, {"content-type": "application/x-protobuf"})
        answer = self.http.getresponse()
        assert (answer.status, answer.read()) == (200, b"")
        assert self.export(request, timeout=20) == b""

    def assert_still_connected(self):
        assert self.http.sock is self.socket
        connected = self.states.index(grpc.ChannelConnectivity.READY)
        assert set(self.states[connected:]) == {grpc.ChannelConnectivity.READY}

    def close(self):
        self.http.close()
        self.channel.close()


def config(server, **files):
    blocks = {name: {"path": str(server.directory / f"{name}.json"), **more} for name, more in files.items()}
    return json.dumps(
        {
            "receivers": {
                "otlp": {
                    "protocols": {
                        "grpc": {"endpoint": f"localhost:{server.grpc}"},
                        "http": {"endpoint": f"localhost:{server.http}"},
                    }
                }
            },
            "exporters": {f"file/{name}": block for name, block in blocks.items()},
            "extensions": {"health_check": {"endpoint": f"localhost:{server.health}"}},
            "service": {
                "extensions": ["health_check"],
                "telemetry": {"metrics": {"address": f"localhost:{server.metrics}"}},
                "pipelines": {"traces": {"receivers": ["otlp"], "exporters": [f"file/{name}" for name in blocks]}},
            },
        },
        indent=2,
    )


def spans(server, name):
    path = server.directory / f"{name}.json"
    return len(path.read_bytes().splitlines()) if path.exists() else 0


def logged(server, message):
    return [line for line in server.output.read_text().splitlines() if message in line]


@pytest.fixture
def running(ottery):
    ottery.write(config(ottery, first={}))
    ottery.start()
    return ottery


@pytest.fixture
def clients(running):
    connected = Clients(running)
    connected.send()
    running.until(lambda: spans(running, "first") == 2, "the first spans")
    yield connected
    connected.close()


def reload(server, message="configuration reloaded"):
    before = len(logged(server, message))
    server.send(signal.SIGHUP)
    server.until(lambda: len(logged(server, message)) > before, message)


def test_a_valid_file_applies_without_dropping_a_connection(running, clients):
    running.write(config(running, first={}, second={}))
    reload(running)
    clients.send()
    running.until(lambda: (spans(running, "first"), spans(running, "second")) == (4, 2), "spans in both files")
    running.write(config(running, second={}))
    reload(running)
    clients.send()
    running.until(lambda: spans(running, "second") == 4, "spans in the second file")
    assert spans(running, "first") == 4
    clients.assert_still_connected()


def test_reloads_under_load_lose_nothing_and_store_nothing_twice(running, clients):
    ended, sent = threading.Event(), []

    def send_on():
        while not ended.is_set():
            clients.send()
            sent.append(2)

    sender = threading.Thread(target=send_on)
    sender.start()
    try:
        for names in ({"second": {}}, {}, {"second": {}, "third": {}}, {"first": {}}):
            before = len(sent)
            running.until(lambda before=before: len(sent) > before + 10, "requests")
            running.write(config(running, **{"first": {}, **names}))
            reload(running)
    finally:
        ended.set()
        sender.join()
    clients.assert_still_connected()
    assert running.stop() == 0
    assert spans(running, "first") == 2 + sum(sent)


def test_an_exporter_that_changes_goes_on_in_the_same_file(running, clients):
    running.write(config(running, first={"rotation": {"max_megabytes": 5}}))
    reload(running)
    clients.send()
    running.until(lambda: spans(running, "first") == 4, "spans in the file")
    clients.assert_still_connected()


def test_what_only_a_restart_can_change_is_told(running, clients):
    text = config(running, first={}).replace(f"localhost:{running.metrics}", "localhost:0")
    running.write(text.replace('"exporters": {', '"processors": {"batch": {}}, "exporters": {', 1))
    reload(running, "reload refused")  # a processor that nobody uses
    running.write(text)
    reload(running)
    assert len(logged(running, "service.telemetry has changed: that needs a restart, the rest is applied")) == 1
    assert running.get(running.metrics, "/metrics")[0] == 200
    clients.assert_still_connected()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        pytest.param("receivers: [", "this is not valid YAML", id="no YAML"),
        pytest.param("service: {pipeline: {}}", 'did you mean \\"pipelines\\"?', id="a misspelt key"),
    ],
)
def test_an_invalid_file_is_refused_while_the_old_one_goes_on(running, clients, text, reason):
    running.write(text)
    reload(running, "reload refused, going on as before")
    (line,) = logged(running, "reload refused")
    assert str(running.config) in line
    assert reason in line
    clients.send()
    running.until(lambda: spans(running, "first") == 4, "spans after the refusal")
    assert running.ready()
    clients.assert_still_connected()


def test_a_file_that_is_gone_is_refused_too(running, clients):
    running.config.unlink()
    reload(running, "reload refused, going on as before")
    assert "No such file or directory" in logged(running, "reload refused")[0]
    clients.send()
    clients.assert_still_connected()


def test_a_component_that_cannot_start_leaves_the_others_alone(running, clients):
    running.write(config(running, first={}, second={"path": str(running.directory)}))
    reload(running, "component failed, restarting")
    assert "Is a directory" in logged(running, "component failed, restarting")[0]
    clients.send()
    running.until(lambda: spans(running, "first") == 4, "spans in the file that works")
    clients.assert_still_connected()
