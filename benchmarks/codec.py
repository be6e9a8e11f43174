"""Microseconds an item that each codec twin takes, on the reference request of the design (512 spans, 184 kB).

python -m benchmarks.codec
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

from benchmarks.payload import Template
from collector.api import Signal
from collector.wire.clickhouse import COLUMNS
from collector.wire.codec import load_twin
from collector.wire.types import Limits, Twin

START = 1_790_000_000_000_000_000
STRINGS = {
    "http.request.method": "GET",
    "http.route": "/api/v1/orders/{order_id}",
    "url.path": "/api/v1/orders/{n}",
    "server.address": "orders.shop.svc.cluster.local",
    "client.address": "10.42.7.{n}",
    "user_agent.original": "Mozilla/5.0 (X11; Linux x86_64)",
}


def attributes(n: int) -> list[KeyValue]:
    strings = {key: text.replace("{n}", str(n)) for key, text in STRINGS.items()}
    numbers = {"http.response.status_code": 200, "http.response.body.size": 1000 + n}
    return [
        *(KeyValue(key=key, value=AnyValue(string_value=text)) for key, text in strings.items()),
        *(KeyValue(key=key, value=AnyValue(int_value=number)) for key, number in numbers.items()),
    ]


def reference(spans: int = 512) -> bytes:
    """Return one trace request like those that the numbers in the design were measured with."""
    request = ExportTraceServiceRequest()
    outer = request.resource_spans.add()
    resource = {"service.name": "orders", "service.version": "1.4.2", "service.namespace": "shop"}
    place = {"k8s.pod.name": "orders-7c9f", "host.name": "node-3", "telemetry.sdk.language": "python"}
    for key, text in (resource | place).items():
        outer.resource.attributes.add(key=key, value=AnyValue(string_value=text))
    inner = outer.scope_spans.add()
    inner.scope.name, inner.scope.version = "opentelemetry.instrumentation.starlette", "0.66b0"
    for n in range(spans):
        digest = hashlib.sha256(str(n).encode()).digest()
        span = inner.spans.add(trace_id=digest[:16], span_id=digest[16:24], parent_span_id=digest[24:])
        span.name, span.kind = "GET /api/v1/orders/{order_id}", 2
        span.attributes.extend(attributes(n))
        span.start_time_unix_nano = START + n * 1_000_000
        span.end_time_unix_nano = span.start_time_unix_nano + 700_000 + n
        span.status.code = 1
        if n % 10 == 0:
            span.events.add(time_unix_nano=START + n, name="cache.miss").attributes.add(key="key").value.int_value = n
    return request.SerializeToString()


def best(work: Callable[[], object], seconds: float = 1.0) -> float:
    """Return the shortest CPU time of a call, in seconds."""
    shortest, until = float("inf"), time.monotonic() + seconds
    while time.monotonic() < until:
        before = time.process_time_ns()
        work()
        shortest = min(shortest, (time.process_time_ns() - before) / 1e9)
    return shortest


def jobs(twin: Twin) -> Iterator[tuple[str, Callable[[], object]]]:
    request, limits = reference(), Limits()
    yield "scan", lambda: twin.scan(Signal.TRACES, request, limits)
    yield "decode", lambda: twin.decode(Signal.TRACES, [request], limits)
    columns, _ = twin.decode(Signal.TRACES, [request], limits)
    if hasattr(twin, "encode"):
        yield "encode", lambda: twin.encode(Signal.TRACES, columns)
    if hasattr(twin, "proto_to_json"):
        document = twin.proto_to_json(Signal.TRACES, request)
        yield "proto to JSON", lambda: twin.proto_to_json(Signal.TRACES, request)
        yield "JSON to proto", lambda: twin.json_to_proto(Signal.TRACES, document, limits)


def block_jobs(twin: Any, signal: Signal) -> Iterator[tuple[str, Callable[[], object]]]:
    """Yield the ways to blocks for ClickHouse, not compressed: that costs the same on each of them."""
    request, limits = Template(signal.value, 512, START).request(0), Limits()
    layouts = {kind: [(name, "DateTime64(9)") for name in columns] for kind, columns in COLUMNS.items()}

    def blocks(source: object) -> object:
        rows = twin.ClickHouseRows(signal, [source], limits, START)
        return [rows.block(part, layouts[kind], "none") for part, (kind, *_) in enumerate(rows.parts())]

    columns, _ = twin.decode(signal, [request], limits)
    yield f"{signal.value}: bytes to blocks", lambda: blocks(request)
    yield f"{signal.value}: columns to blocks", lambda: blocks(columns)
    yield f"{signal.value}: columns, encoded, to blocks", lambda: blocks(twin.encode(signal, columns))


def all_jobs(twin: Twin) -> Iterator[tuple[str, Callable[[], object]]]:
    yield from jobs(twin)
    if hasattr(twin, "ClickHouseRows"):
        for signal in Signal:
            yield from block_jobs(twin, signal)


def main() -> None:
    print(f"reference request: 512 spans, {len(reference())} bytes")
    for name in ("native", "python"):
        for job, work in all_jobs(load_twin(name)):
            print(f"{name:8}{job:40}{best(work) / 512 * 1e6:8.3f} us an item")


if __name__ == "__main__":
    main()
