"""A small shop, instrumented by OpenTelemetry alone: its traces, logs and metrics go to wherever OTLP is taken.

Run it beside Ottery:

    uvicorn examples.shop.app:app --port 8000
    curl localhost:8000/checkout/42
"""

import logging

from opentelemetry import metrics, trace
from opentelemetry.instrumentation.starlette import StarletteInstrumentor
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

log = logging.getLogger("shop")


class Shop:
    """The shop's business, with a span, a log line and a measurement where something happens."""

    def __init__(self) -> None:
        meter = metrics.get_meter("shop", "1.0")
        self.tracer = trace.get_tracer("shop", "1.0")
        self.orders = meter.create_counter("shop.orders", unit="{order}", description="Orders placed")
        self.stock = meter.create_up_down_counter("shop.stock", unit="{item}", description="Items in stock")
        self.total = meter.create_histogram("shop.order.total", unit="EUR", description="Value of an order")
        meter.create_observable_gauge(
            "shop.open", callbacks=[lambda _: [metrics.Observation(1, {"till": "main"})]], description="1 while open"
        )

    async def checkout(self, request: Request) -> JSONResponse:
        order = int(request.path_params["order"])
        with self.tracer.start_as_current_span("charge card", kind=trace.SpanKind.CLIENT) as span:
            span.set_attributes({"order.id": order, "order.total": 12.5, "order.gift": False, "order.tags": ["a", "b"]})
            span.add_event("card accepted", {"card.brand": "visa"})
            self.orders.add(1, {"country": "NO"})
            self.stock.add(-1)
            self.total.record(12.5, {"country": "NO"})
            log.warning("order %d placed", order, extra={"order.id": order})
        return JSONResponse({"order": order})

    async def warehouse(self, request: Request) -> JSONResponse:
        """Fail, so that there is an error to find."""
        with self.tracer.start_as_current_span("ask the warehouse"):
            raise TimeoutError(f"the warehouse does not answer {request.url.path}")


def create() -> Starlette:
    """Return the instrumented application."""
    shop = Shop()
    app = Starlette(routes=[Route("/checkout/{order:int}", shop.checkout), Route("/warehouse", shop.warehouse)])
    StarletteInstrumentor().instrument_app(app)
    return app


app = create()
