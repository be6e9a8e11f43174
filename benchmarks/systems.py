"""The systems under measurement, all set up alike: batches of 8192 items or 200 ms, lz4 towards ClickHouse."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Protocol

import yaml

from benchmarks import peers

DATABASE = "otel"
_BATCH = {"flush_timeout": "200ms", "min_size": 8192}


@dataclass(frozen=True, slots=True)
class Ports:
    """Where one run listens: the system's receivers and metrics, and the sink."""

    grpc: int
    http: int
    metrics: int
    sink: int


@dataclass(frozen=True, slots=True)
class Launch:
    """How a system is started."""

    command: list[str]
    environment: Mapping[str, str]


class System(Protocol):
    """One collector in one setting."""

    name: str

    def version(self) -> str:
        """Return its version. Raises `peers.UnavailableError` where the system cannot run here."""

    def launch(self, ports: Ports, directory: Path) -> Launch:
        """Return the command that starts it, after writing its configuration into `directory`."""


def _collector_config(ports: Ports, exporter: Mapping[str, object]) -> dict[str, object]:
    reader = {"pull": {"exporter": {"prometheus": {"host": "127.0.0.1", "port": ports.metrics}}}}
    pipeline = {"receivers": ["otlp"], "exporters": ["clickhouse"]}
    protocols = {"grpc": {"endpoint": f"127.0.0.1:{ports.grpc}"}, "http": {"endpoint": f"127.0.0.1:{ports.http}"}}
    return {
        "receivers": {"otlp": {"protocols": protocols}},
        "exporters": {"clickhouse": dict(exporter)},
        "service": {
            "telemetry": {"metrics": {"readers": [reader]}},
            "pipelines": dict.fromkeys(("traces", "logs", "metrics"), pipeline),
        },
    }


def _exporter(ports: Ports) -> dict[str, object]:
    return {
        "endpoint": f"http://127.0.0.1:{ports.sink}",
        "database": DATABASE,
        "timeout": "30s",
        "compress": "lz4",
        "create_schema": True,
        "sending_queue": {"queue_size": 10000, "batch": dict(_BATCH)},
    }


def _write(config: Mapping[str, object], directory: Path) -> Path:
    path = directory / "config.yaml"
    path.write_text(yaml.dump(json.loads(json.dumps(config)), sort_keys=False))
    return path


class Ottery:
    """Ottery with one of its two codecs."""

    def __init__(self, codec: str) -> None:
        self.codec = codec
        self.name = f"ottery-{codec}"

    def version(self) -> str:
        if self.codec == "native" and importlib.util.find_spec("ottery_native") is None:
            raise peers.UnavailableError("the compiled codec is not installed: `make native` builds it where cargo is")
        return version("ottery")

    def launch(self, ports: Ports, directory: Path) -> Launch:
        path = _write(_collector_config(ports, _exporter(ports)), directory)
        command = [sys.executable, "-c", "from collector.cli import main; main()", "run", "--config", str(path)]
        return Launch(command, {"OTTERY_CODEC": self.codec})


class Otelcol:
    """The OpenTelemetry Collector with the ClickHouse exporter of its contrib distribution."""

    name = "otelcol"

    def version(self) -> str:
        peers.otelcol()
        return peers.OTELCOL_VERSION

    def launch(self, ports: Ports, directory: Path) -> Launch:
        path = _write(_collector_config(ports, _exporter(ports)), directory)
        return Launch([str(peers.otelcol()), "--config", f"file:{path}"], {})


class Rotel:
    """rotel, the collector in Rust."""

    name = "rotel"

    def version(self) -> str:
        program = peers.rotel()
        try:
            told = subprocess.run([str(program), "--version"], capture_output=True, text=True, check=True).stdout
        except (OSError, subprocess.CalledProcessError) as error:
            raise peers.UnavailableError(f"rotel's wheel does not run here: {error}") from error
        return f"wheel 0.0.1a15 ({told.strip()})"

    def launch(self, ports: Ports, directory: Path) -> Launch:
        options = {
            "otlp-grpc-endpoint": f"127.0.0.1:{ports.grpc}",
            "otlp-http-endpoint": f"127.0.0.1:{ports.http}",
            "exporter": "clickhouse",
            "clickhouse-exporter-endpoint": f"http://127.0.0.1:{ports.sink}",
            "clickhouse-exporter-database": DATABASE,
            "clickhouse-exporter-compression": "lz4",
            "batch-max-size": "8192",
            "batch-timeout": "200ms",
            "pid-file": str(directory / "rotel.pid"),
            "log-file": str(directory / "rotel-agent.log"),
        }
        command = [str(peers.rotel()), "start"]
        return Launch(command + [part for key, value in options.items() for part in (f"--{key}", value)], {})


SYSTEMS: tuple[System, ...] = (Ottery("native"), Ottery("python"), Rotel(), Otelcol())
