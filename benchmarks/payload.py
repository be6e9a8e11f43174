"""OTLP requests of a fixed shape whose item ids are patched into serialized bytes.

The trace request is the reference of the project's measurements: with 512 spans exactly 184,000 bytes (one
resource with six attributes, one scope, eight attributes a span of which two are integers, an event on every
tenth span), with one span 655 bytes.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from random import Random

import numpy as np
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.metrics.v1.metrics_pb2 import AggregationTemporality, Metric
from opentelemetry.proto.resource.v1.resource_pb2 import Resource

from benchmarks.ids import PREFIX, Bytes, span_ids, trace_ids

# a placeholder is the prefix and a small index, found behind the tag and length of span_id or as text
_PLACEHOLDER_FIELD = re.compile(rb"[\x12\x52]\x08(" + re.escape(PREFIX) + rb"\x00\x00\x00)")
_PLACEHOLDER_TEXT = re.compile(b"(" + PREFIX.hex().encode() + b"000000)")
_TRACE_PLACEHOLDER = b"\x77" * 16
_ROUTES = ("/api/v1/orders", "/api/v1/basket", "/api/v1/search", "/api/v1/health")
_METHODS = ("POST", "POST", "HEAD", "POST")
_POINTS_A_METRIC = 16
_BOUNDS = (5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1000.0)


def _attributes(values: Mapping[str, str | int]) -> list[KeyValue]:
    return [
        KeyValue(key=key, value=AnyValue(int_value=value) if isinstance(value, int) else AnyValue(string_value=value))
        for key, value in values.items()
    ]


def _resource() -> Resource:
    return Resource(
        attributes=_attributes(
            {
                "service.name": "checkout-service",
                "service.version": "1.42.7-rc.3",
                "service.namespace": "shop",
                "deployment.environment.name": "production",
                "host.name": "node-0007.eu-central-1.shop.example",
                "k8s.pod.name": "checkout-6d5f7c9b8-x2x4p",
            }
        )
    )


_SCOPE = InstrumentationScope(name="opentelemetry.instrumentation.starlette", version="0.66b0")


def _placeholder(index: int) -> bytes:
    return PREFIX + index.to_bytes(5, "big")


def _traces(items: int, start: int) -> bytes:
    request = ExportTraceServiceRequest()
    envelope = request.resource_spans.add(resource=_resource())
    scope = envelope.scope_spans.add(scope=_SCOPE)
    chance = Random(items)
    for index in range(items):
        begin = start + index * 1_000_000 + chance.randrange(1_000_000)
        span = scope.spans.add(
            trace_id=_TRACE_PLACEHOLDER,
            span_id=_placeholder(index),
            parent_span_id=bytes(byte & 0x77 for byte in chance.randbytes(8)),
            name=f"{_METHODS[index % 4]} {_ROUTES[index % 4]}",
            kind=2 + index % 2,
            start_time_unix_nano=begin,
            end_time_unix_nano=begin + chance.randrange(100_000_000),
            attributes=_attributes(
                {
                    "http.request.method": _METHODS[index % 4],
                    "http.route": _ROUTES[index % 4],
                    "url.path": f"{_ROUTES[index % 4]}/{chance.randrange(10_000):04}",
                    "url.scheme": "https",
                    "server.address": "shop2.example",
                    "user_agent.original": f"Mozilla/5.0 (X11; Linux) Firefox/{100 + chance.randrange(40)}",
                    "http.response.status_code": 200 + index % 5,
                    "server.port": 8443,
                }
            ),
        )
        if index % 10 == 9:
            span.events.add(time_unix_nano=begin + 500_000, name="retry on upstream timeout")
    return request.SerializeToString()


def _logs(items: int, start: int) -> bytes:
    request = ExportLogsServiceRequest()
    scope = request.resource_logs.add(resource=_resource()).scope_logs.add(scope=_SCOPE)
    for index in range(items):
        time_ns = start + index * 1_000_000
        scope.log_records.add(
            time_unix_nano=time_ns,
            observed_time_unix_nano=time_ns + 1000,
            severity_number=9 + 4 * (index % 3),
            severity_text=("INFO", "WARN", "ERROR")[index % 3],
            body=AnyValue(
                string_value=f"payment {index:06} of customer {index * 7 % 9973:05} was accepted by provider "
                f"{('stripe', 'adyen', 'paypal')[index % 3]} after {index % 900} ms and {index % 4} retries"
            ),
            attributes=_attributes(
                {
                    "http.route": _ROUTES[index % 4],
                    "code.function.name": "checkout.payments.settle",
                    "thread.id": index % 64,
                    "enduser.id": f"user-{index * 31 % 99991:05}",
                }
            ),
            trace_id=_TRACE_PLACEHOLDER,
            span_id=_placeholder(index),
        )
    return request.SerializeToString()


def _metric(metric: Metric, kind: int, first: int, items: int, start: int) -> None:
    for index in range(first, min(first + _POINTS_A_METRIC, items)):
        common = {
            "attributes": [
                KeyValue(key="bench.id", value=AnyValue(string_value=_placeholder(index).hex())),
                *_attributes({"http.route": _ROUTES[index % 4], "http.response.status_code": 200 + index % 5}),
            ],
            "start_time_unix_nano": start,
            "time_unix_nano": start + index * 1_000_000,
        }
        if kind == 0:
            metric.gauge.data_points.add(as_double=index * 0.25, **common)
        elif kind == 1:
            metric.sum.data_points.add(as_int=index * 3, **common)
        else:
            counts = [index % 7] * (len(_BOUNDS) + 1)
            metric.histogram.data_points.add(
                count=sum(counts), sum=12.5 * index, bucket_counts=counts, explicit_bounds=_BOUNDS, **common
            )


def _metrics(items: int, start: int) -> bytes:
    request = ExportMetricsServiceRequest()
    scope = request.resource_metrics.add(resource=_resource()).scope_metrics.add(scope=_SCOPE)
    for number, first in enumerate(range(0, items, _POINTS_A_METRIC)):
        kind = number % 3
        metric = scope.metrics.add(name=f"http.server.measure.{number}", description="what a request took", unit="ms")
        _metric(metric, kind, first, items, start)
        if kind:
            data = metric.sum if kind == 1 else metric.histogram
            data.aggregation_temporality = AggregationTemporality.AGGREGATION_TEMPORALITY_CUMULATIVE
    return request.SerializeToString()


_BUILDERS = {"traces": _traces, "logs": _logs, "metrics": _metrics}


class Template:
    """A serialized request of `items` items in which ids can be replaced."""

    def __init__(self, signal: str, items: int, start: int | None = None) -> None:
        self.items = items
        self._bytes = np.frombuffer(_BUILDERS[signal](items, start or time.time_ns()), np.uint8)
        self._hex = signal == "metrics"
        pattern = _PLACEHOLDER_TEXT if self._hex else _PLACEHOLDER_FIELD
        found = [match.start(1) for match in pattern.finditer(self._bytes.tobytes())]
        if len(found) != items:
            raise ValueError(f"{len(found)} ids were found in a request of {items} {signal}")
        self._spans = np.array(found)[:, None] + np.arange(16 if self._hex else 8)
        # the 16 bytes of the trace id stand before the span id's tag and length in spans and in log records
        self._traces = np.array(found)[:, None] - 18 + np.arange(16)

    def request(self, first: int) -> bytes:
        """Return the request whose items have the numbers from `first` on."""
        numbers = np.arange(first, first + self.items, dtype=np.uint64)
        patched = self._bytes.copy()
        ids = span_ids(numbers)
        if self._hex:
            patched[self._spans] = _hexadecimal(ids)
        else:
            patched[self._spans] = ids
            patched[self._traces] = trace_ids(numbers)
        return patched.tobytes()


def _hexadecimal(ids: Bytes) -> Bytes:
    return np.frombuffer(ids.tobytes().hex().encode(), np.uint8).reshape(-1, 16)
