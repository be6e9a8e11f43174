"""Small HTTP servers for operators: a few paths that answer GET, and Ottery's own `/metrics`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4

from collector.api import Fatal
from collector.http import AsgiServer, bind
from collector.telemetry.prometheus import PrometheusMetrics

if TYPE_CHECKING:
    from uvicorn._types import ASGIReceiveCallable, ASGISendCallable, Scope


@dataclass(frozen=True, slots=True)
class Page:
    """What a path answers."""

    body: bytes
    content_type: str = "text/plain; charset=utf-8"
    status: int = 200


class Pages:
    """A bare ASGI application that answers GET and HEAD for exact paths."""

    def __init__(self, pages: Mapping[str, Callable[[], Page]]) -> None:
        self._pages = pages

    async def __call__(self, scope: Scope, _receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        if scope["type"] != "http":
            return
        page = self._find(scope["path"], scope["method"])
        headers = [
            (b"content-type", page.content_type.encode()),
            (b"content-length", str(len(page.body)).encode()),
            (b"cache-control", b"no-store"),
        ]
        if page.status == 405:
            headers.append((b"allow", b"GET, HEAD"))
        await send({"type": "http.response.start", "status": page.status, "headers": headers, "trailers": False})
        body = b"" if scope["method"] == "HEAD" else page.body
        await send({"type": "http.response.body", "body": body, "more_body": False})

    def _find(self, path: str, method: str) -> Page:
        page = self._pages.get(path)
        if page is None:
            known = ", ".join(self._pages)
            return Page(f"There is nothing here. The paths are: {known}\n".encode(), status=404)
        if method not in ("GET", "HEAD"):
            return Page(b"GET or HEAD was expected.\n", status=405)
        return page()


class PageServer:
    """Serves pages at `endpoint` from `start` to `stop`. `start` raises `Fatal` when the address cannot be bound."""

    def __init__(self, endpoint: str, pages: Mapping[str, Callable[[], Page]]) -> None:
        self._endpoint = endpoint
        self._app = Pages(pages)
        self._server: AsgiServer | None = None

    async def start(self) -> None:
        self._server = AsgiServer(self._app, [bind(self._endpoint)], grace=1)
        await self._server.start()

    async def stop(self) -> None:
        if self._server is not None:
            await self._server.stop()

    @property
    def port(self) -> int:
        """The port in use. Raises RuntimeError before `start`."""
        if self._server is None:
            raise RuntimeError("the server was not started")
        return self._server.port


class MetricsServer(PageServer):
    """`/metrics` for Prometheus, in its text format, and other pages beside it. `before` runs before each scrape."""

    def __init__(
        self,
        endpoint: str,
        metrics: PrometheusMetrics,
        pages: Mapping[str, Callable[[], Page]] | None = None,
        before: Callable[[], None] = lambda: None,
    ) -> None:
        def scrape() -> Page:
            before()
            return Page(metrics.expose(), CONTENT_TYPE_PLAIN_0_0_4)

        super().__init__(endpoint, {"/metrics": scrape, **(pages or {})})

    async def start(self) -> None:
        """Listen. Raises `Fatal` that names the block of the configuration when the address cannot be bound."""
        try:
            await super().start()
        except Fatal as error:
            raise Fatal(f"service.telemetry.metrics: {error}") from error
