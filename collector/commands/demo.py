"""`ottery demo`: the first trace, logs and metrics of somebody who has just started Ottery."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from collector.commands.output import Failed, out

if TYPE_CHECKING:
    from collector.commands.demo_story import Story

_DEFAULTS: Final = {"http": "http://localhost:4318", "grpc": "http://localhost:4317"}
_PORTS: Final = {"http": 80, "https": 443}
_NAMES: Final = {"http": "OTLP/HTTP", "grpc": "OTLP/gRPC"}
_CONNECT_TIMEOUT: Final = 3.0
_LOOK: Final = (
    "SELECT ServiceName, SpanName, StatusCode, Duration / 1e6 AS ms FROM otel_traces "
    "WHERE TraceId = 'TRACE' ORDER BY Timestamp"
)


def demo(endpoint: str, protocol: str) -> int:
    """Send one checkout in a web shop to `endpoint` (empty is this machine) and say how to look at it.

    `protocol` is `http` or `grpc`. Raises Failed where nothing listens, where the SDK is missing, or where the
    receiver did not take everything.
    """
    endpoint = (endpoint or _DEFAULTS[protocol]).rstrip("/")
    try:
        from collector.commands.demo_send import send  # noqa: PLC0415 - the extra `demo` brings the SDK
        from collector.commands.demo_story import tell  # noqa: PLC0415 - as above
    except ImportError as error:
        raise Failed("the demo needs the OpenTelemetry SDK: pip install 'ottery[demo]'") from error
    _check_listens(endpoint)
    story = tell()
    send(story, endpoint, protocol)
    _describe(story, f"{endpoint} ({_NAMES[protocol]})")
    return 0


def _check_listens(endpoint: str) -> None:
    parts = urlsplit(endpoint)
    try:
        host, port = parts.hostname, parts.port or _PORTS[parts.scheme]
    except (ValueError, KeyError):
        host, port = None, 0
    if not host:
        raise Failed(f"--endpoint: http://host:port was expected, not {endpoint!r}")
    try:
        socket.create_connection((host, port), _CONNECT_TIMEOUT).close()
    except OSError as error:
        hint = "start Ottery with `ottery run`, or name another place with --endpoint"
        raise Failed(f"nothing listens at {host}:{port} ({error.strerror or error}); {hint}") from error


def _describe(story: Story, where: str) -> None:
    services = {str(span.resource.attributes["service.name"]) for span in story.spans}
    console = out()
    console.print(f"Sent to {where}:")
    console.print(f"  1 trace of {len(story.spans)} spans in {len(services)} services: {story.trace_id}")
    console.print(f"  {len(story.logs)} log records, {story.metric_count} metrics")
    console.print("Look at the trace once it is stored, after a second or so:")
    console.print(f'  ottery query "{_LOOK.replace("TRACE", story.trace_id)}"', style="bold", markup=False)
