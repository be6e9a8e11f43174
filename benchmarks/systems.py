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
from typing import Any, Protocol

import yaml

from benchmarks import peers

DATABASE = "otel"
_BATCH = {"flush_timeout": "200ms", "min_size": 8192}


@dataclass(frozen=True, slots=True)
class Ports:
    """Where one run listens: the system's receivers and metrics, and the sink, `into` Kafka or ClickHouse.

    `broker` is where work that lies in Kafka is read from, in the topic `topic`.
    """

    grpc: int
    http: int
    metrics: int
    sink: int
    into: str = "clickhouse"
    broker: int = 0
    topic: str = ""


@dataclass(frozen=True, slots=True)
class Launch:
    """How a system is started."""

    command: list[str]
    environment: Mapping[str, str]


class System(Protocol):
    """One collector in one setting."""

    name: str
    slow: bool
    """Whether it is many times slower than the others, so that a part of the work tells as much."""

    def version(self) -> str:
        """Return its version. Raises `peers.UnavailableError` where the system cannot run here."""

    def launch(self, ports: Ports, directory: Path) -> Launch:
        """Return the command that starts it, after writing its configuration into `directory`."""


def _collector_config(ports: Ports, exporter: Mapping[str, object]) -> dict[str, Any]:
    reader = {"pull": {"exporter": {"prometheus": {"host": "127.0.0.1", "port": ports.metrics}}}}
    pipeline = {"receivers": ["otlp"], "exporters": [ports.into]}
    protocols = {"grpc": {"endpoint": f"127.0.0.1:{ports.grpc}"}, "http": {"endpoint": f"127.0.0.1:{ports.http}"}}
    return {
        "receivers": {"otlp": {"protocols": protocols}},
        "exporters": {ports.into: dict(exporter)},
        "service": {
            "telemetry": {"metrics": {"readers": [reader]}},
            "pipelines": dict.fromkeys(("traces", "logs", "metrics"), pipeline),
        },
    }


def _exporter(ports: Ports) -> dict[str, Any]:
    if ports.into == "kafka":
        return {
            "brokers": [f"127.0.0.1:{ports.sink}"],
            "producer": {"compression": "zstd", "required_acks": -1},
            "sending_queue": {"queue_size": 10000, "batch": dict(_BATCH)},
        }
    return {
        "endpoint": f"http://127.0.0.1:{ports.sink}",
        "database": DATABASE,
        "timeout": "30s",
        "compress": "lz4",
        "create_schema": True,
        "sending_queue": {"queue_size": 10000, "batch": dict(_BATCH)},
    }


def _reading_kafka(config: dict[str, Any], ports: Ports, own: Mapping[str, object]) -> dict[str, Any]:
    """Return the configuration with traces from a topic instead, and the receiver's keys `own`."""
    receiver = {"brokers": [f"127.0.0.1:{ports.broker}"], "group_id": ports.topic, "traces": {"topics": [ports.topic]}}
    pipelines = {"traces": {"receivers": ["kafka"], "exporters": [ports.into]}}
    service = {**config["service"], "pipelines": pipelines}
    return {**config, "receivers": {"kafka": {**receiver, **own}}, "service": service}


def _write(config: Mapping[str, object], directory: Path) -> Path:
    path = directory / "config.yaml"
    path.write_text(yaml.dump(json.loads(json.dumps(config)), sort_keys=False))
    return path


class Ottery:
    """Ottery with one of its two codecs."""

    def __init__(self, codec: str) -> None:
        self.codec = codec
        self.slow = codec == "python"
        self.name = f"ottery-{codec}"

    def version(self) -> str:
        if self.codec == "native" and importlib.util.find_spec("ottery_native") is None:
            raise peers.UnavailableError("the compiled codec is not installed: `make native` builds it where cargo is")
        return version("ottery")

    def launch(self, ports: Ports, directory: Path) -> Launch:
        config = _collector_config(ports, _exporter(ports))
        if ports.broker:
            config = _reading_kafka(config, ports, {})
            config["service"]["delivery"] = {"directory": ""}  # offsets move when the records are delivered
        path = _write(config, directory)
        command = [sys.executable, "-c", "from collector.cli import main; main()", "run", "--config", str(path)]
        return Launch(command, {"OTTERY_CODEC": self.codec})


class Otelcol:
    """The OpenTelemetry Collector with ClickHouse and Kafka of its contrib distribution.

    It does not split a request that is too long for a record, so its batches are smaller on the way into Kafka. Out of
    Kafka it marks an offset when its queue has the records; later would mean one record of a partition at a time.
    """

    name = "otelcol"
    slow = False

    def version(self) -> str:
        peers.otelcol()
        return peers.OTELCOL_VERSION

    def launch(self, ports: Ports, directory: Path) -> Launch:
        exporter = _exporter(ports)
        if ports.into == "kafka":
            exporter["sending_queue"] = {"queue_size": 10000, "batch": {**_BATCH, "min_size": 1024, "max_size": 1280}}
        config = _collector_config(ports, exporter)
        if ports.broker:
            exporter["sending_queue"]["block_on_overflow"] = True
            config = _reading_kafka(config, ports, {"initial_offset": "earliest", "message_marking": {"after": True}})
        path = _write(config, directory)
        return Launch([str(peers.otelcol()), "--config", f"file:{path}"], {})


class Rotel:
    """rotel, the collector in Rust."""

    name = "rotel"
    slow = False

    def version(self) -> str:
        program = peers.rotel()
        try:
            told = subprocess.run([str(program), "--version"], capture_output=True, text=True, check=True).stdout
        except (OSError, subprocess.CalledProcessError) as error:
            raise peers.UnavailableError(f"rotel's wheel does not run here: {error}") from error
        return f"wheel 0.0.1a15 ({told.strip()})"

    def launch(self, ports: Ports, directory: Path) -> Launch:
        if ports.broker:
            raise peers.UnavailableError("rotel's wheel has no Kafka receiver")
        sink = {
            "exporter": "clickhouse",
            "clickhouse-exporter-endpoint": f"http://127.0.0.1:{ports.sink}",
            "clickhouse-exporter-database": DATABASE,
            "clickhouse-exporter-compression": "lz4",
        }
        if ports.into == "kafka":
            sink = {
                "exporter": "kafka",
                "kafka-exporter-brokers": f"127.0.0.1:{ports.sink}",
                "kafka-exporter-traces-topic": "otlp_spans",
                "kafka-exporter-compression": "zstd",
                "kafka-exporter-acks": "all",
            }
        options = {
            "otlp-grpc-endpoint": f"127.0.0.1:{ports.grpc}",
            "otlp-http-endpoint": f"127.0.0.1:{ports.http}",
            **sink,
            "batch-max-size": "1024" if ports.into == "kafka" else "8192",
            "batch-timeout": "200ms",
            "pid-file": str(directory / "rotel.pid"),
            "log-file": str(directory / "rotel-agent.log"),
        }
        command = [str(peers.rotel()), "start"]
        return Launch(command + [part for key, value in options.items() for part in (f"--{key}", value)], {})


SYSTEMS: tuple[System, ...] = (Ottery("native"), Ottery("python"), Rotel(), Otelcol())
