"""What a process can do only with the descriptors it may have, and with the engine that it has."""

import socket
import ssl
import urllib.error
import urllib.request
from contextlib import ExitStack

import pytest
import yaml

from collector.api import Signal
from collector.testing import sample_request
from tests.live.certificates import Authority

SPAN = sample_request(Signal.TRACES, 1)
REQUEST = (
    b"POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-protobuf\r\nContent-Length: %d\r\n\r\n"
    % len(SPAN)
) + SPAN


def configuration(ottery, extension):
    return f"""
receivers:
  otlp: {{protocols: {{http: {{endpoint: "localhost:{ottery.http}"}}}}}}
exporters: {{debug: }}
extensions:
  health_check: {{endpoint: "localhost:{ottery.health}"}}
  {extension}
service:
  extensions: [health_check{", clickhouse_server" if extension else ""}]
  telemetry: {{metrics: {{address: "localhost:{ottery.metrics}"}}}}
  pipelines:
    traces: {{receivers: [otlp], exporters: [debug]}}
"""


def head(connection):
    """Return the head of the next answer."""
    answer = b""
    while b"\r\n\r\n" not in answer and (more := connection.recv(65536)):
        answer += more
    return answer.decode().lower()


def test_one_connection_too_many_is_told_to_come_back_and_those_that_are_there_go_on(ottery):
    ottery.descriptors = 300
    ottery.write(configuration(ottery, ""))
    ottery.start()
    with ExitStack() as crowd:
        clients = [
            crowd.enter_context(socket.create_connection(("localhost", ottery.http), timeout=10)) for _ in range(150)
        ]
        clients[-1].sendall(REQUEST)
        assert head(clients[-1]).startswith("http/1.1 200 ")
        with socket.create_connection(("localhost", ottery.http), timeout=10) as late:
            refused = head(late)
        assert (refused.startswith("http/1.1 503 "), "retry-after: 1\r\n" in refused) == (True, True)
        clients[0].sendall(REQUEST)
        assert head(clients[0]).startswith("http/1.1 200 ")


@pytest.mark.parametrize("protocol", ["grpc", "http"])
def test_handshakes_that_nobody_begins_count_as_connections(ottery, tmp_path, protocol):
    authority = Authority(tmp_path)
    port = {"grpc": ottery.grpc, "http": ottery.http}[protocol]
    document = yaml.safe_load(configuration(ottery, ""))
    block = {"endpoint": f"localhost:{port}", "tls": authority.pair("server")}
    document["receivers"]["otlp"]["protocols"] = {protocol: block}
    ottery.descriptors = 300
    ottery.write(yaml.dump(document))
    ottery.start()
    tls = ssl.create_default_context(cafile=str(authority.ca))
    tls.set_alpn_protocols(["h2" if protocol == "grpc" else "http/1.1"])

    def is_served():
        with socket.create_connection(("localhost", port), timeout=10) as plain:
            try:
                tls.wrap_socket(plain, server_hostname="localhost").close()
            except OSError:
                return False
        return True

    with ExitStack() as crowd:
        silent = [crowd.enter_context(socket.create_connection(("localhost", port))) for _ in range(151)]
        silent[-1].settimeout(5)
        assert silent[-1].recv(1) == b""
        assert not is_served()
    ottery.until(is_served, "served again")


def test_queries_without_an_engine_are_told_so(ottery):
    ottery.write(configuration(ottery, f'clickhouse_server: {{endpoint: "localhost:{ottery.clickhouse}"}}'))
    ottery.start()
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(f"http://localhost:{ottery.clickhouse}/?query=SELECT+1", timeout=10)
    with refused.value as answer:
        assert (answer.code, answer.headers["X-ClickHouse-Exception-Code"]) == (503, "210")
        assert "no exporter of this process has opened its embedded engine yet" in answer.read().decode()
