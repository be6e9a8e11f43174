"""Ottery as users run it: the real command in a process of its own."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

_LIMIT = 60.0
_pause = threading.Event()


def free_ports(count: int) -> list[int]:
    """Return ports that nobody uses at the moment."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [bound.getsockname()[1] for bound in sockets]
    for bound in sockets:
        bound.close()
    return ports


class Ottery:
    """One running collector over the embedded engine, with every port of its own."""

    def __init__(self, directory: Path, **environment: str):
        self.directory = directory
        self.grpc, self.http, self.clickhouse, self.metrics, self.health = free_ports(5)
        self.config = directory / "ottery.yaml"
        self.arguments = ["--config", str(self.config)]
        self.environment = environment
        self.descriptors = 0
        self.process: subprocess.Popen[bytes] | None = None
        self.output = directory / "output.txt"

    def write(self, text: str) -> None:
        self.config.write_text(text)

    @property
    def default_config(self) -> str:
        return f"""
receivers:
  otlp:
    protocols:
      grpc: {{endpoint: "localhost:{self.grpc}"}}
      http: {{endpoint: "localhost:{self.http}"}}
exporters:
  clickhouse:
    endpoint: chdb://{self.directory}/data
    sending_queue:
      batch: {{min_size: 1, flush_timeout: 10ms}}
extensions:
  health_check: {{endpoint: "localhost:{self.health}"}}
  clickhouse_server: {{endpoint: "localhost:{self.clickhouse}", path: {self.directory}/data}}
service:
  extensions: [health_check, clickhouse_server]
  telemetry:
    metrics: {{address: "localhost:{self.metrics}"}}
  pipelines:
    traces: {{receivers: [otlp], exporters: [clickhouse]}}
    metrics: {{receivers: [otlp], exporters: [clickhouse]}}
    logs: {{receivers: [otlp], exporters: [clickhouse]}}
"""

    def start(self) -> None:
        if str(self.config) in self.arguments and not self.config.exists():
            self.write(self.default_config)
        limit = ["sh", "-c", f'ulimit -n {self.descriptors}; exec "$@"', "sh"] if self.descriptors else []
        command = [*limit, str(Path(sys.executable).with_name("ottery")), "run", *self.arguments]
        with self.output.open("ab") as output:
            self.process = subprocess.Popen(
                command, stdout=output, stderr=output, cwd=self.directory, env={**os.environ, **self.environment}
            )
        self.until(self.ready, "ready")

    def ready(self) -> bool:
        assert self.process is not None
        if self.process.poll() is not None:
            pytest.fail(f"ottery ended with {self.process.returncode}:\n{self.output.read_text()}")
        return self.get(self.health, "/ready")[0] == 200

    def until(self, condition, what: str, limit: float = _LIMIT) -> None:
        """Ask again until the condition holds; a process in its own right can only be asked."""
        end = time.monotonic() + limit
        while not condition():
            if time.monotonic() > end:
                pytest.fail(f"waited {limit} s for: {what}\n{self.output.read_text()[-4000:]}")
            _pause.wait(0.02)

    def get(self, port: int, path: str) -> tuple[int, str]:
        try:
            with urllib.request.urlopen(f"http://localhost:{port}{path}", timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError as error:
            return 0, str(error)

    def query(self, sql: str) -> list[dict]:
        """Return rows over ClickHouse's HTTP protocol."""
        request = urllib.request.Request(
            f"http://localhost:{self.clickhouse}/?default_format=JSONEachRow"
            "&output_format_json_quote_64bit_integers=0&output_format_json_quote_denormals=1",
            data=sql.encode(),
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return [json.loads(line) for line in answer.read().decode().splitlines()]
        except urllib.error.HTTPError as error:
            pytest.fail(f"{sql}\n{error.code}: {error.read().decode()}")

    def count(self, table: str) -> int:
        if not self.query(f"EXISTS TABLE {table}")[0]["result"]:
            return 0
        return self.query(f"SELECT count() AS n FROM {table}")[0]["n"]

    def send(self, number: int) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def reload(self) -> None:
        """Let it read its configuration again, and wait until it has."""
        before = self.output.read_text().count("configuration reloaded")
        self.send(signal.SIGHUP)
        self.until(lambda: self.output.read_text().count("configuration reloaded") > before, "reloaded")

    def stop(self, number: int = signal.SIGTERM) -> int:
        """End the process and return its exit code."""
        if self.process is None:
            return 0
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(timeout=_LIMIT)


@pytest.fixture
def ottery(tmp_path):
    """An Ottery that is not started yet."""
    server = Ottery(tmp_path)
    yield server
    if server.process is not None and server.process.poll() is None:
        server.process.kill()
        server.process.wait()
