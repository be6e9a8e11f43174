"""One measurement: a sink, a collector and a generator, each a process, and the numbers between two moments."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.kafka import BrokerServer
from benchmarks.processes import Driver, Server, free_port
from benchmarks.sinks import InvalidError, Sink
from benchmarks.systems import Ports, System
from benchmarks.work import Work

_POLL = 0.1
_STALLED = 20.0
_SETTLE = 0.25
_TOPIC = "bench"


@dataclass(frozen=True, slots=True)
class Result:
    """What one run measured. CPU is in seconds, memory in MiB, `bytes` are those of the requests before gzip."""

    system: str
    work: str
    sink: str
    items: int
    bytes: int
    seconds: float
    cpu: float
    generator_cpu: float
    sink_cpu: float
    idle_memory: float
    peak_memory: float
    retries: int
    inserts: int
    format: str

    @property
    def cpu_per_item(self) -> float:
        """Microseconds of CPU (user and system, whole process tree) an item."""
        return self.cpu / self.items * 1e6

    def to_dict(self) -> dict[str, Any]:
        """Return the fields and the derived figures for JSON."""
        return asdict(self) | {"cpu_per_item_us": self.cpu_per_item, "items_per_second": self.items / self.seconds}


def _await_items(sink: Sink, expected: int) -> dict[str, Any]:
    """Wait until `expected` items arrived, as long as some still come; return the sink's last state."""
    last, changed = -1, time.monotonic()
    while True:
        state = sink.state()
        if state["arrived"] >= expected:
            return state
        if state["arrived"] != last:
            last, changed = state["arrived"], time.monotonic()
        elif time.monotonic() - changed > _STALLED:
            return state
        time.sleep(_POLL)


def _check(state: dict[str, Any], expected: int) -> None:
    wrong = {
        "lost": expected - state["arrived"],
        "doubled": state["doubled"],
        "invented": state["foreign"],
        "rows too many": state["rows"] - expected,
    }
    if any(wrong.values()):
        told = ", ".join(f"{count} {name}" for name, count in wrong.items() if count)
        raise InvalidError(f"of {expected} items: {told}")


def _generator(work: Work, ports: Ports, log: Path) -> Driver:
    port = {"grpc": ports.grpc, "http": ports.http, "kafka": ports.broker}[work.transport]
    command = [sys.executable, "-m", "benchmarks.generator", "--transport", work.transport, "--signal", work.signal]
    command += ["--port", str(port), "--topic", ports.topic or "none"]
    command += ["--items", str(work.items), "--in-flight", str(work.in_flight), *(["--gzip"] if work.gzip else [])]
    return Driver(command, log)


@contextmanager
def _source(work: Work, directory: Path) -> Iterator[int]:
    """Run the broker that the work lies in, where it does; gives its port, or 0."""
    if work.transport != "kafka":
        yield 0
        return
    broker = BrokerServer(directory)
    try:
        broker.make_topic(_TOPIC)
        yield broker.broker.ports["plain"]
    finally:
        broker.stop()


@dataclass(frozen=True, slots=True)
class Running:
    """A collector, the generator of its work, and where it listens."""

    server: Server
    generator: Driver
    ports: Ports


@contextmanager
def running(system: System, work: Work, sink: Sink) -> Iterator[Running]:
    """Start the collector and the generator of `work`; end both.

    Raises `NotReadyError` when one of them did not start.
    """
    with tempfile.TemporaryDirectory(prefix="ottery-bench-") as name, _source(work, Path(name)) as broker:
        directory = Path(name)
        into = "kafka" if sink.name == "kafka" else "clickhouse"
        ports = Ports(free_port(), free_port(), free_port(), sink.port, into, broker, _TOPIC if broker else "")
        launch = system.launch(ports, directory)
        server = Server(launch.command, directory / "system.log", launch.environment)
        try:
            server.await_ports(*((ports.metrics,) if broker else (ports.grpc, ports.http)))
            generator = _generator(work, ports, directory / "generator.log")
            try:
                yield Running(server, generator, ports)
            finally:
                generator.stop()
        finally:
            server.stop()


def measure(system: System, work: Work, sink: Sink) -> Result:
    """Run `work` through `system` into `sink`.

    Raises `InvalidError` when not every item arrived exactly once, `NotReadyError` when a process did not start.
    """
    with running(system, work, sink) as under_test:
        try:
            return _measure(system, work, sink, under_test.server, under_test.generator)
        except InvalidError as error:
            raise InvalidError(f"{error}; its log ends: {under_test.server.tail()}") from None


def _measure(system: System, work: Work, sink: Sink, server: Server, generator: Driver) -> Result:
    warm_up = work.warm_up * work.items
    items = work.requests * work.items
    sink.reset(work, warm_up + items)
    idle = server.usage()
    generator.ask(f"0 {work.warm_up}")
    generator.ask("go")
    _check(_await_items(sink, warm_up), warm_up)

    size = generator.ask(f"{warm_up} {work.requests}")["ready"]
    time.sleep(_SETTLE)
    before, generator_before, sink_before = server.usage(), generator.cpu(), sink.server.usage()
    begin = time.monotonic()
    sent = generator.ask("go")
    generator_cpu = generator.cpu() - generator_before
    state = _await_items(sink, warm_up + items)
    seconds = time.monotonic() - begin
    time.sleep(_SETTLE)
    after = server.usage()
    _check(sink.state(), warm_up + items)
    return Result(
        system=system.name,
        work=work.name,
        sink=sink.name,
        items=items,
        bytes=int(size),
        seconds=seconds,
        cpu=after.cpu - before.cpu,
        generator_cpu=generator_cpu,
        sink_cpu=sink.server.usage().cpu - sink_before.cpu,
        idle_memory=idle.resident,
        peak_memory=after.peak,
        retries=int(sent["retries"]),
        inserts=state["inserts"],
        format=", ".join(state["kinds"]),
    )
