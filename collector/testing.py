"""Public fakes for tests of components: consumers and exporters that record, a clock that is moved by hand, samples.

```python
clock, metrics = FakeClock(), RecordingMetrics()
processor = FACTORY.create(config, settings(clock=clock, metrics=metrics))
```
"""

from __future__ import annotations

import asyncio
import heapq
from collections import deque
from collections.abc import Callable, Iterable
from itertools import count
from typing import Any

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, InstrumentationScope, KeyValue, KeyValueList
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, SeverityNumber
from opentelemetry.proto.metrics.v1.metrics_pb2 import AggregationTemporality, NumberDataPoint
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric as MetricMessage
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from collector.api import Batch, Delivery, Metric, Settings, Signal, State
from collector.wire.codec import codec

SAMPLE_TIME = 1_767_225_600_000_000_000
"""Wall-clock nanoseconds (2026-01-01T00:00:00Z) at which fake clocks and samples begin."""

_SECOND = 1_000_000_000


class Recorder:
    """Keeps what arrives, and lets a test wait for it, on the event loop where it arrives."""

    def __init__(self) -> None:
        self._watchers: list[asyncio.Event] = []

    def notify(self) -> None:
        """Let those who wait look again."""
        for watcher in self._watchers:
            watcher.set()

    async def until(self, condition: Callable[[], bool], limit: float = 10.0) -> None:
        """Wait until `condition` holds. Raises TimeoutError after `limit` seconds."""
        changed = asyncio.Event()
        self._watchers.append(changed)
        try:
            async with asyncio.timeout(limit):
                while not condition():
                    changed.clear()
                    await changed.wait()
        finally:
            self._watchers.remove(changed)


class RecordingConsumer(Recorder):
    """A `Consume` that keeps its batches. Each of `errors` is raised once, in order; None lets a batch through."""

    def __init__(self, errors: Iterable[Exception | None] = ()) -> None:
        super().__init__()
        self.batches: list[Batch] = []
        self.errors = deque(errors)

    async def __call__(self, batch: Batch) -> None:
        error = self.errors.popleft() if self.errors else None
        if error is not None:
            raise error
        self.batches.append(batch)
        self.notify()

    @property
    def items(self) -> int:
        """Items that have arrived."""
        return sum(batch.items for batch in self.batches)

    async def arrived(self, items: int) -> None:
        """Wait until so many items are here."""
        await self.until(lambda: self.items >= items)


class RecordingExporter(Recorder):
    """An `Exporter` into memory: `attempts` has every push, `deliveries` those that succeeded.

    Each of `errors` is raised by one push, in order; None lets a push succeed. While `open` is not set, pushes wait.
    """

    def __init__(self, errors: Iterable[Exception | None] = ()) -> None:
        super().__init__()
        self.attempts: list[Delivery] = []
        self.deliveries: list[Delivery] = []
        self.errors = deque(errors)
        self.open = asyncio.Event()
        self.open.set()
        self.started = False
        self.in_flight = 0

    async def start(self) -> None:
        self.started = True

    async def stop(self) -> None:
        self.started = False

    async def push(self, delivery: Delivery) -> None:
        error = self.errors.popleft() if self.errors else None
        self.attempts.append(delivery)
        self.in_flight += 1
        self.notify()
        try:
            await self.open.wait()
        finally:
            self.in_flight -= 1
        if error is not None:
            raise error
        self.deliveries.append(delivery)
        self.notify()

    @property
    def items(self) -> int:
        """Items that were delivered."""
        return sum(delivery.batch.items for delivery in self.deliveries)

    async def delivered(self, items: int) -> None:
        """Wait until so many items were delivered."""
        await self.until(lambda: self.items >= items)

    async def attempted(self, pushes: int) -> None:
        """Wait until `push` was called so often."""
        await self.until(lambda: len(self.attempts) >= pushes)


class FakeClock:
    """A `Clock` that stands still until a test moves it."""

    def __init__(self, now_ns: int = SAMPLE_TIME) -> None:
        self._start = now_ns
        self._passed = 0.0
        self._order = count()
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._recorder = Recorder()

    def now_ns(self) -> int:
        return self._start + round(self._passed * _SECOND)

    def monotonic(self) -> float:
        return self._passed

    async def sleep(self, seconds: float) -> None:
        waking = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._passed + seconds, next(self._order), waking))
        self._recorder.notify()
        await waking

    async def sleeping(self, sleepers: int = 1) -> None:
        """Wait until so many tasks sleep on this clock."""
        await self._recorder.until(lambda: sum(not waking.done() for _, _, waking in self._sleepers) >= sleepers)

    async def advance(self, seconds: float) -> None:
        """Move time on, and let each task whose sleep ends in between run at its own moment."""
        end = self._passed + seconds
        while self._sleepers and self._sleepers[0][0] <= end:
            due, _, waking = heapq.heappop(self._sleepers)
            self._passed = max(due, self._passed)
            if not waking.done():
                waking.set_result(None)
            for _ in range(5):
                await asyncio.sleep(0)
        self._passed = end


class RecordingMetrics(Recorder):
    """A `Metrics` that keeps numbers; refuses labels that the metric does not have."""

    def __init__(self) -> None:
        super().__init__()
        self._values: dict[tuple[str, tuple[str, ...]], float] = {}
        self._observations: dict[tuple[str, tuple[str, ...]], list[float]] = {}

    def add(self, metric: Metric, value: float = 1, **labels: str) -> None:
        key = _series(metric, "counter", labels)
        self._values[key] = self._values.get(key, 0) + value
        self.notify()

    def set(self, metric: Metric, value: float, **labels: str) -> None:
        self._values[_series(metric, "gauge", labels)] = value
        self.notify()

    def observe(self, metric: Metric, value: float, **labels: str) -> None:
        self._observations.setdefault(_series(metric, "histogram", labels), []).append(value)
        self.notify()

    def bind(self, metric: Metric, **labels: str) -> Callable[[float], None]:
        count = self.observe if metric.kind == "histogram" else self.add
        return lambda value: count(metric, value, **labels)

    def value(self, metric: Metric, **labels: str) -> float:
        """Return a counter's sum or a gauge's value; 0 when it was never touched."""
        return self._values.get(_series(metric, metric.kind, labels), 0)

    def observations(self, metric: Metric, **labels: str) -> list[float]:
        """Return what a histogram observed, in order."""
        return self._observations.get(_series(metric, "histogram", labels), [])


def _series(metric: Metric, kind: str, labels: dict[str, str]) -> tuple[str, tuple[str, ...]]:
    if metric.kind != kind:
        raise ValueError(f"{metric.name} is a {metric.kind}, not a {kind}")
    if set(labels) != set(metric.labels):
        raise ValueError(f"{metric.name} has the labels {metric.labels}, not {tuple(labels)}")
    return metric.name, tuple(labels[name] for name in metric.labels)


class RecordingLog(Recorder):
    """A `Logger` that keeps its lines as (level, event, values)."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[tuple[str, str, dict[str, Any]]] = []

    def debug(self, event: str, **values: Any) -> None:
        self._keep("debug", event, values)

    def info(self, event: str, **values: Any) -> None:
        self._keep("info", event, values)

    def warning(self, event: str, **values: Any) -> None:
        self._keep("warning", event, values)

    def error(self, event: str, **values: Any) -> None:
        self._keep("error", event, values)

    def exception(self, event: str, **values: Any) -> None:
        self._keep("exception", event, values)

    def _keep(self, level: str, event: str, values: dict[str, Any]) -> None:
        self.lines.append((level, event, values))
        self.notify()


class RecordingReport(Recorder):
    """A `Report` that keeps what was reported, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.states: list[tuple[State, str]] = []

    def __call__(self, state: State, message: str = "") -> None:
        self.states.append((state, message))
        self.notify()


def settings(id: str = "test", **fields: Any) -> Settings:  # noqa: A002 - the name of the field in Settings
    """Return `Settings` made of the fakes here; `fields` replace some of them."""
    fakes: dict[str, Any] = {
        "metrics": RecordingMetrics(),
        "log": RecordingLog(),
        "report": RecordingReport(),
        "clock": FakeClock(),
    }
    return Settings(id=id, **{**fakes, **fields})


def sample_batch(signal: Signal, items: int = 3) -> Batch:
    """Return a batch of `sample_request`, with the codec of this process."""
    return Batch(signal, codec(), requests=(sample_request(signal, items),), items=items)


def sample_request(signal: Signal, items: int = 3) -> bytes:
    """Return an OTLP protobuf export request, always the same for the same arguments.

    It has one resource (`service.name` shop), one scope, and `items` spans, log records or data points whose
    attributes have every type; metrics take turns in all five kinds.
    """
    request: bytes = _SAMPLES[signal](items).SerializeToString()
    return request


def _attributes(**values: AnyValue) -> list[KeyValue]:
    return [KeyValue(key=key.replace("__", "."), value=value) for key, value in values.items()]


def _envelope() -> tuple[Resource, InstrumentationScope]:
    name = _attributes(service__name=AnyValue(string_value="shop"))
    return Resource(attributes=name), InstrumentationScope(name="ottery.testing", version="1.0")


def _item_attributes(index: int) -> list[KeyValue]:
    nested = KeyValueList(values=_attributes(city=AnyValue(string_value="Bergen")))
    return _attributes(
        http__route=AnyValue(string_value=f"/orders/{index % 7}"),
        http__status=AnyValue(int_value=200 + index % 5),
        ratio=AnyValue(double_value=index / 4),
        cached=AnyValue(bool_value=index % 2 == 0),
        tags=AnyValue(array_value=ArrayValue(values=[AnyValue(string_value="a"), AnyValue(int_value=index)])),
        address=AnyValue(kvlist_value=nested),
        digest=AnyValue(bytes_value=index.to_bytes(4, "big")),
    )


def _trace_id(index: int) -> bytes:
    return (1 + index // 4).to_bytes(16, "big")


def _span_id(index: int) -> bytes:
    return (1 + index).to_bytes(8, "big")


def _span(index: int) -> Span:
    start = SAMPLE_TIME + index * _SECOND
    span = Span(
        trace_id=_trace_id(index),
        span_id=_span_id(index),
        parent_span_id=_span_id(index - 1) if index % 4 else b"",
        name=f"GET /orders/{index % 7}",
        kind=Span.SPAN_KIND_SERVER,
        start_time_unix_nano=start,
        end_time_unix_nano=start + 5_000_000,
        attributes=_item_attributes(index),
    )
    span.events.add(time_unix_nano=start + 1_000_000, name="cache.miss", attributes=_item_attributes(index)[:1])
    span.links.add(trace_id=_trace_id(index + 4), span_id=_span_id(index + 4))
    span.status.code = Status.STATUS_CODE_ERROR if index % 5 == 4 else Status.STATUS_CODE_OK
    return span


def _traces(items: int) -> ExportTraceServiceRequest:
    request = ExportTraceServiceRequest()
    resource, scope = _envelope()
    spans = request.resource_spans.add(resource=resource)
    spans.scope_spans.add(scope=scope, spans=map(_span, range(items)))
    return request


_SEVERITIES = (
    SeverityNumber.SEVERITY_NUMBER_INFO,
    SeverityNumber.SEVERITY_NUMBER_WARN,
    SeverityNumber.SEVERITY_NUMBER_ERROR,
)


def _log_record(index: int) -> LogRecord:
    severity = _SEVERITIES[index % 3]
    return LogRecord(
        time_unix_nano=SAMPLE_TIME + index * _SECOND,
        observed_time_unix_nano=SAMPLE_TIME + index * _SECOND + 1000,
        severity_number=severity,
        severity_text=SeverityNumber.Name(severity).rpartition("_")[2],
        body=AnyValue(string_value=f"order {index} placed"),
        attributes=_item_attributes(index),
        trace_id=_trace_id(index),
        span_id=_span_id(index),
    )


def _logs(items: int) -> ExportLogsServiceRequest:
    request = ExportLogsServiceRequest()
    resource, scope = _envelope()
    logs = request.resource_logs.add(resource=resource)
    logs.scope_logs.add(scope=scope, log_records=map(_log_record, range(items)))
    return request


def _metric(index: int) -> MetricMessage:
    common: dict[str, Any] = {
        "start_time_unix_nano": SAMPLE_TIME,
        "time_unix_nano": SAMPLE_TIME + (1 + index) * _SECOND,
        "attributes": _item_attributes(index),
    }
    cumulative = AggregationTemporality.AGGREGATION_TEMPORALITY_CUMULATIVE
    metric = MetricMessage(name=f"shop.metric_{index % 5}", description="A sample", unit="1")
    match index % 5:
        case 0:
            metric.gauge.data_points.append(NumberDataPoint(as_double=index / 2, **common))
        case 1:
            metric.sum.aggregation_temporality, metric.sum.is_monotonic = cumulative, True
            metric.sum.data_points.append(NumberDataPoint(as_int=index, **common))
        case 2:
            metric.histogram.aggregation_temporality = cumulative
            metric.histogram.data_points.add(
                count=3, sum=4.5, min=0.5, max=3.0, bucket_counts=[1, 1, 1], explicit_bounds=[1.0, 2.0], **common
            )
        case 3:
            metric.exponential_histogram.aggregation_temporality = cumulative
            point = metric.exponential_histogram.data_points.add(count=4, sum=9.0, scale=1, zero_count=1, **common)
            point.positive.offset, point.positive.bucket_counts[:] = 1, [2, 1]
        case _:
            quantiles = metric.summary.data_points.add(count=2, sum=3.0, **common).quantile_values
            quantiles.add(quantile=0.5, value=1.5)
    return metric


def _metrics(items: int) -> ExportMetricsServiceRequest:
    request = ExportMetricsServiceRequest()
    resource, scope = _envelope()
    metrics = request.resource_metrics.add(resource=resource)
    metrics.scope_metrics.add(scope=scope, metrics=map(_metric, range(items)))
    return request


_SAMPLES: dict[Signal, Callable[[int], Any]] = {
    Signal.TRACES: _traces,
    Signal.LOGS: _logs,
    Signal.METRICS: _metrics,
}
