"""One checkout in a web shop, told by four services through the OpenTelemetry SDK.

A payment times out and is tried again, so that there is something to find: an error span with its exception, a
warning in the logs, a slow request in a histogram with an exemplar that leads to the trace.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.sdk._logs import LoggerProvider, ReadableLogRecord
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.metrics import Histogram, MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader, MetricsData
from opentelemetry.sdk.metrics.view import ExponentialBucketHistogramAggregation, View
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import (
    Link,
    Span,
    SpanKind,
    Status,
    StatusCode,
    get_current_span,
    use_span,
)

Value = str | bool | int | float | Sequence[str]
Attributes = Mapping[str, Value]

_SCOPE: Final = "ottery.demo"
_MS: Final = 1_000_000
_WARN: Final = SeverityNumber.WARN
_INFO: Final = SeverityNumber.INFO
_ERROR: Final = SeverityNumber.ERROR


@dataclass(frozen=True, slots=True)
class Story:
    """What the services recorded. `trace_id` is in hex."""

    trace_id: str
    spans: Sequence[ReadableSpan]
    logs: Sequence[ReadableLogRecord]
    metrics: Sequence[MetricsData]

    @property
    def metric_count(self) -> int:
        """Number of metrics, over all services."""
        resources = [resource for data in self.metrics for resource in data.resource_metrics]
        return sum(len(scope.metrics) for resource in resources for scope in resource.scope_metrics)


class _Service:
    """One service of the shop with its own resource; times are milliseconds since the story began."""

    def __init__(self, name: str, version: str, began: int) -> None:
        resource = Resource.create(
            {"service.name": name, "service.version": version, "deployment.environment.name": "demo"}
        )
        self._began = began
        self.spans = InMemorySpanExporter()
        self.records = InMemoryLogRecordExporter()  # type: ignore[no-untyped-call]  # the SDK left it untyped
        self.reader = InMemoryMetricReader()
        tracers = TracerProvider(sampler=ALWAYS_ON, resource=resource, shutdown_on_exit=False)
        tracers.add_span_processor(SimpleSpanProcessor(self.spans))
        loggers = LoggerProvider(resource=resource, shutdown_on_exit=False)
        loggers.add_log_record_processor(SimpleLogRecordProcessor(self.records))
        view = View(
            instrument_type=Histogram, instrument_name="*.value", aggregation=ExponentialBucketHistogramAggregation()
        )
        meters = MeterProvider([self.reader], resource=resource, shutdown_on_exit=False, views=[view])
        self._tracer = tracers.get_tracer(_SCOPE, version)
        self._logger = loggers.get_logger(_SCOPE, version)
        self.meter = meters.get_meter(_SCOPE, version)

    @contextmanager
    def span(
        self, name: str, kind: SpanKind, during: tuple[int, int], attributes: Attributes, links: Sequence[Link] = ()
    ) -> Iterator[Span]:
        """Open a span inside the current one; it lasts `during`, whatever the real clock says."""
        span = self._tracer.start_span(
            name, kind=kind, attributes=dict(attributes), links=links, start_time=self._began + during[0] * _MS
        )
        with use_span(span, end_on_exit=False):
            yield span
        span.end(self._began + during[1] * _MS)

    def fail(self, error: Exception, at: int) -> None:
        """Record an exception on the current span and give it the error status."""
        span = get_current_span()
        span.record_exception(error, timestamp=self._began + at * _MS)
        span.set_status(Status(StatusCode.ERROR, str(error)))

    def log(self, severity: SeverityNumber, at: int, body: str, attributes: Attributes) -> None:
        """Write a log record that belongs to the current span."""
        moment = self._began + at * _MS
        record = LogRecord(
            timestamp=moment,
            observed_timestamp=moment,
            severity_number=severity,
            severity_text=severity.name,
            body=body,
            attributes=dict(attributes),
        )
        self._logger.emit(record)


class _Shop:
    """The four services, and the way of one order through them."""

    def __init__(self, began: int) -> None:
        self.storefront = _Service("storefront", "3.4.1", began)
        self.checkout = _Service("checkout", "2.0.7", began)
        self.payment = _Service("payment", "1.9.0", began)
        self.mailer = _Service("mailer", "1.2.3", began)
        self.services = (self.storefront, self.checkout, self.payment, self.mailer)

    def order(self) -> str:
        """Place one order and return its trace id."""
        route: Attributes = {"http.request.method": "POST", "http.route": "/checkout", "http.response.status_code": 200}
        with self.storefront.span(
            "POST /checkout", SpanKind.SERVER, (0, 386), {**route, "user_agent.original": "Mozilla/5.0"}
        ) as root:
            active = self.storefront.meter.create_up_down_counter("http.server.active_requests", "{request}")
            active.add(1, {"http.request.method": "POST"})
            self.storefront.log(_INFO, 3, "checkout started", {"cart.items": 3, "customer.returning": True})
            with self.storefront.span("shop.Checkout/PlaceOrder", SpanKind.CLIENT, (12, 371), _RPC):
                self._place_order()
            duration = self.storefront.meter.create_histogram("http.server.request.duration", "s", "Time to answer.")
            for seconds in (0.041, 0.052, 0.087, 0.386):
                duration.record(seconds, dict(route))
            active.add(-1, {"http.request.method": "POST"})
        return format(root.get_span_context().trace_id, "032x")

    def _place_order(self) -> None:
        with self.checkout.span("shop.Checkout/PlaceOrder", SpanKind.SERVER, (14, 369), _RPC):
            with self.checkout.span("SELECT shop.stock", SpanKind.CLIENT, (18, 41), _QUERY):
                pass
            self._pay()
            with self.checkout.span("send orders", SpanKind.PRODUCER, (318, 331), _MESSAGE) as sent:
                self._mail(Link(sent.get_span_context(), {"messaging.operation.type": "receive"}))
            self.checkout.log(_INFO, 340, "order placed", {"order.id": "A-1042", "order.lines": ("tea", "cup", "pot")})
            self.checkout.meter.create_counter("shop.orders", "{order}", "Orders placed.").add(1, {"currency": "EUR"})
            value = self.checkout.meter.create_histogram("shop.order.value", "EUR", "Worth of an order.")
            for euros in (12.5, 48.0, 59.9, 230.0):
                value.record(euros, {"currency": "EUR"})

    def _pay(self) -> None:
        attempts = self.payment.meter.create_counter("payment.attempts", "{attempt}", "Tries to charge a card.")
        with self.checkout.span("POST", SpanKind.CLIENT, (45, 99), {**_CHARGE, "error.type": "504"}):
            with self.payment.span(
                "POST /charge", SpanKind.SERVER, (47, 98), {**_CHARGE, "error.type": "TimeoutError"}
            ):
                self.payment.fail(TimeoutError("the card network did not answer within 50 ms"), 97)
                self.payment.log(_ERROR, 97, "charge failed", {"exception.type": "TimeoutError", "attempt": 1})
                attempts.add(1, {"outcome": "timeout"})
            self.checkout.fail(ConnectionError("payment answered 504"), 99)
        self.checkout.log(_WARN, 100, "payment timed out, trying again", {"retry.delay_ms": 18.5})
        with (
            self.checkout.span("POST", SpanKind.CLIENT, (118, 310), {**_CHARGE, "http.request.resend_count": 1}),
            self.payment.span("POST /charge", SpanKind.SERVER, (121, 306), _CHARGE),
        ):
            self.payment.log(_INFO, 305, "charged", {"amount": 59.9, "currency": "EUR"})
            attempts.add(1, {"outcome": "charged"})

    def _mail(self, cause: Link) -> None:
        with self.mailer.span("process orders", SpanKind.CONSUMER, (334, 361), _MESSAGE, [cause]):
            self.mailer.log(_INFO, 358, "confirmation sent", {"template": "order-placed"})
        self.mailer.meter.create_gauge("mailer.queue.depth", "{message}", "Mails that wait.").set(4)


_RPC: Final[Attributes] = {"rpc.system": "grpc", "rpc.service": "shop.Checkout", "rpc.method": "PlaceOrder"}
_QUERY: Final[Attributes] = {
    "db.system.name": "postgresql",
    "db.namespace": "shop",
    "db.query.text": "SELECT sku, left FROM stock WHERE sku = ANY($1)",
    "db.response.returned_rows": 3,
}
_CHARGE: Final[Attributes] = {
    "http.request.method": "POST",
    "http.route": "/charge",
    "server.address": "payment.internal",
}
_MESSAGE: Final[Attributes] = {"messaging.system": "kafka", "messaging.destination.name": "orders"}


def tell() -> Story:
    """Return what the shop's services recorded of an order that was placed a moment ago."""
    shop = _Shop(time.time_ns() - 500 * _MS)
    trace_id = shop.order()
    return Story(
        trace_id,
        [span for service in shop.services for span in service.spans.get_finished_spans()],
        [record for service in shop.services for record in service.records.get_finished_logs()],
        [data for service in shop.services if (data := service.reader.get_metrics_data()) is not None],
    )
