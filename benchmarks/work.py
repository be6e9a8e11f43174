"""The work that is measured: which requests, how many of them, over which transport."""

from __future__ import annotations

from dataclasses import dataclass, replace

DESIGN_TARGETS = {
    ("grpc-traces-512", "sink"): (2.5, 1.5),
    ("http-traces-512", "sink"): (2.5, 1.5),
    ("grpc-traces-512", "kafka"): (1.2, 0.8),
    ("http-traces-512", "kafka"): (1.2, 0.8),
}
"""CPU per span in microseconds that the design allows at most, and the stretch, by work and sink."""


@dataclass(frozen=True, slots=True)
class Work:
    """`requests` requests of `items` items each, after `warm_up` requests that are not measured."""

    transport: str
    signal: str
    items: int
    requests: int
    gzip: bool = False

    @property
    def name(self) -> str:
        """For instance `grpc-traces-512`."""
        return f"{self.transport}-{self.signal}-{self.items}" + ("-gzip" if self.gzip else "")

    def for_slow(self) -> Work:
        """Return a tenth of it, for what is many times slower than all others."""
        return replace(self, requests=max(4, self.requests // _SLOW_SHARE))

    @property
    def warm_up(self) -> int:
        """Requests sent before the measurement: they create tables, connections and caches."""
        return max(4, self.requests // 10)

    @property
    def in_flight(self) -> int:
        """Requests sent at a time: enough to keep a collector busy, less for large requests."""
        return 4 if self.items > 1000 else 16


_REQUESTS = {1: 10000, 50: 5000, 512: 1000, 8192: 64}
"""Enough that a process has grown to its size long before the end: what goes on for days is what is to be measured."""

_SLOW_SHARE = 10


def _work(transport: str, signal: str, items: int, *, gzip: bool = False) -> Work:
    return Work(transport, signal, items, _REQUESTS[items], gzip)


_TRACES = tuple(_work(transport, "traces", items) for transport in ("grpc", "http") for items in (512, 50, 1))
_SIGNALS = tuple(_work(transport, signal, 512) for transport in ("grpc", "http") for signal in ("logs", "metrics"))
_LARGE = tuple(_work(transport, "traces", 8192) for transport in ("grpc", "http"))
_GZIP = tuple(_work(transport, "traces", 512, gzip=True) for transport in ("grpc", "http"))

QUICK = (*(work for work in _TRACES if work.items != 50), *_SIGNALS[:2])
STANDARD = (*_TRACES, *_SIGNALS[:2])
FULL = (*_TRACES, *_LARGE, *_SIGNALS, *_GZIP)
INTO_KAFKA = _TRACES
FROM_KAFKA = (_work("kafka", "traces", 512), _work("kafka", "traces", 50))
