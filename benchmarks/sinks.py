"""Where collectors send to: the counting sink, or the real engine behind the same protocol."""

from __future__ import annotations

import json
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, Protocol

from benchmarks.ids import PREFIX
from benchmarks.peers import ROOT, SITE
from benchmarks.processes import Server, free_port
from benchmarks.systems import DATABASE
from benchmarks.work import Work

_METRIC_TABLES = ("otel_metrics_gauge", "otel_metrics_sum", "otel_metrics_histogram")
_IDS = {
    "traces": f"SELECT SpanId AS id FROM {DATABASE}.otel_traces",
    "logs": f"SELECT SpanId AS id FROM {DATABASE}.otel_logs",
    "metrics": " UNION ALL ".join(f"SELECT Attributes['bench.id'] AS id FROM {DATABASE}.{t}" for t in _METRIC_TABLES),
}
_UNKNOWN = ("UNKNOWN_TABLE", "UNKNOWN_DATABASE", "Code: 60", "Code: 81")


class InvalidError(Exception):
    """A run lost, doubled or invented items, or did not end: it has no result."""


class Sink(Protocol):
    """A server that collectors insert into, and that tells what arrived."""

    name: str
    port: int
    server: Server

    def reset(self, work: Work, expected: int) -> None:
        """Forget the run before; the items 0 to `expected` of `work` will come."""

    def state(self) -> dict[str, Any]:
        """Return rows, arrived, doubled and foreign items, inserts and the formats they came in."""


class CountingSink:
    """The sink that accepts everything, in its own process."""

    name = "sink"

    def __init__(self, directory: Path) -> None:
        self.port = free_port()
        command = [sys.executable, "-m", "benchmarks.sink", "--port", str(self.port)]
        self.server = Server(command, directory / "sink.log", {"PYTHONPATH": f"{ROOT}:{SITE}"})
        self.server.await_ports(self.port)

    def reset(self, work: Work, expected: int) -> None:  # noqa: ARG002 - the sink needs no word about the work
        self._ask(f"reset?expected={expected}", data=b"")

    def state(self) -> dict[str, Any]:
        return dict(json.loads(self._ask("state")))

    def _ask(self, what: str, data: bytes | None = None) -> bytes:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/bench/{what}", data, timeout=60) as answer:
            return bytes(answer.read())


class Engine:
    """The embedded ClickHouse that Ottery serves, writable, in its own process; tables stay from run to run."""

    name = "engine"

    def __init__(self, directory: Path) -> None:
        self.port = free_port()
        path = directory / "engine"
        command = [sys.executable, "-m", "collector.query.server", "--path", str(path), "--port", str(self.port)]
        self.server = Server([*command, "--writable"], directory / "engine.log", {"PYTHONPATH": str(ROOT)})
        self.server.await_ports(self.port)
        self._ids = ""

    def reset(self, work: Work, expected: int) -> None:  # noqa: ARG002 - nothing is kept for each item
        self._ids = _IDS[work.signal]
        found = self._query(
            f"SELECT name FROM system.tables WHERE database = '{DATABASE}' AND engine LIKE '%MergeTree'"
        )
        for table in found.split():
            self._query(f"TRUNCATE TABLE {DATABASE}.{table}")

    def state(self) -> dict[str, Any]:
        known = f"startsWith(id, '{PREFIX.hex()}')"
        answer = self._query(f"SELECT count(), uniqExactIf(id, {known}), countIf(NOT {known}) FROM ({self._ids})")
        rows, arrived, foreign = map(int, answer.split() or (0, 0, 0))
        doubled = rows - foreign - arrived
        return {"rows": rows, "arrived": arrived, "doubled": doubled, "foreign": foreign, "inserts": 0, "kinds": []}

    def _query(self, statement: str) -> str:
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}/", statement.encode(), method="POST")
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return str(answer.read().decode())
        except urllib.error.HTTPError as error:
            told = error.read().decode(errors="replace")
            if any(sign in told for sign in _UNKNOWN):
                return ""
            raise InvalidError(f"the engine refused {statement[:60]!r}: {told[:300]}") from error
