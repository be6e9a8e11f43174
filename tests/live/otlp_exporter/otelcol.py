"""The real OpenTelemetry Collector, from OTLP to OTLP in every way that its exporters know.

It is built from its Go modules by `python -m tests.live.otlp_exporter.otelcol`, which takes a minute or two.
"""

import shutil
import socket
import subprocess
import threading
import time
from pathlib import Path

import yaml

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
PROGRAM = ROOT / "build" / "otelcol-live" / "otelcol"
_VERSION = "v0.161.0"
_LIMIT = 30.0
_pause = threading.Event()

HTTP_ENCODINGS = ("none", "gzip", "zstd", "zlib", "deflate", "snappy", "x-snappy-framed", "lz4")
WAYS = {
    "grpc-none": ("otlp_grpc", {"compression": "none"}),
    "grpc-gzip": ("otlp_grpc", {"compression": "gzip"}),
    **{f"http-{name}": ("otlp_http", {"compression": name}) for name in HTTP_ENCODINGS},
    "json-gzip": ("otlp_http", {"compression": "gzip", "encoding": "json"}),
    "direct-grpc": ("otlp_grpc", {"retry_on_failure": {"enabled": False}}),
    "direct-http": ("otlp_http", {"retry_on_failure": {"enabled": False}}),
}
"""The pipelines of the collector by name: the exporter at the end of each, and its settings."""


class OtelCollector:
    """One process. `way` leads into a pipeline; all of them lead to the `grpc` and `http` endpoints of Ottery."""

    program = PROGRAM

    def __init__(self, folder):
        self._folder = folder
        ports = iter(_free_ports(2 + 2 * len(WAYS)))
        self.grpc, self.http = (f"127.0.0.1:{next(ports)}" for _ in range(2))
        self._ways = {name: {"grpc": f"127.0.0.1:{next(ports)}", "http": f"127.0.0.1:{next(ports)}"} for name in WAYS}
        self._process = None

    def way(self, name):
        """Return where to send, by protocol."""
        return self._ways[name]

    def start(self):
        path, output = self._folder / "otelcol.yaml", self._folder / "output.txt"
        path.write_text(yaml.safe_dump(self._config()))
        with output.open("wb") as file:
            self._process = subprocess.Popen([self.program, "--config", path], stdout=file, stderr=file)
        end = time.monotonic() + _LIMIT
        while b"Everything is ready" not in output.read_bytes():
            if self._process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(output.read_text()[-2000:])
            _pause.wait(0.02)

    def stop(self):
        self._process.terminate()
        self._process.wait(_LIMIT)

    def _config(self):
        receivers = {
            f"otlp/{name}": {"protocols": {protocol: {"endpoint": endpoint} for protocol, endpoint in where.items()}}
            for name, where in self._ways.items()
        }
        exporters = {f"{kind}/{name}": self._exporter(kind, settings) for name, (kind, settings) in WAYS.items()}
        pipelines = {
            f"{signal}/{name}": {"receivers": [f"otlp/{name}"], "exporters": [f"{kind}/{name}"]}
            for name, (kind, _) in WAYS.items()
            for signal in ("traces", "metrics", "logs")
        }
        telemetry = {"metrics": {"level": "none"}}
        service = {"telemetry": telemetry, "pipelines": pipelines}
        return {"receivers": receivers, "exporters": exporters, "service": service}

    def _exporter(self, kind, settings):
        endpoint = self.grpc if kind == "otlp_grpc" else f"http://{self.http}"
        retry = {"initial_interval": "50ms", "max_interval": "100ms", "max_elapsed_time": "10s"}
        common = {"endpoint": endpoint, "tls": {"insecure": True}, "sending_queue": {"enabled": False}}
        return {**common, "retry_on_failure": retry, **settings}


def _free_ports(count):
    bound = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in bound]
    for each in bound:
        each.close()
    return ports


def build():
    """Build the program. Needs Go and its module proxy."""
    go = shutil.which("go")
    if go is None:
        raise SystemExit("Go is not installed")
    module = f"go.opentelemetry.io/collector/cmd/builder@{_VERSION}"
    subprocess.run([go, "run", module, "--config", HERE / "otelcol-builder.yaml"], cwd=ROOT, check=True)


if __name__ == "__main__":
    build()
