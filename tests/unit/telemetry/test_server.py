import httpx2

from collector.api import Signal
from collector.telemetry.catalogue import RECEIVER_ACCEPTED
from collector.telemetry.prometheus import PrometheusMetrics
from collector.telemetry.server import MetricsServer


async def test_prometheus_reads_the_metrics_at_their_path_and_nowhere_else():
    metrics = PrometheusMetrics({"service.name": "edge"})
    metrics.add(RECEIVER_ACCEPTED[Signal.LOGS], 3, receiver="otlp", transport="http")
    server = MetricsServer("127.0.0.1:0", metrics)
    await server.start()
    async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{server.port}") as client:
        answer, nothing = await client.get("/metrics"), await client.get("/")
    await server.stop()
    line = 'otelcol_receiver_accepted_log_records_total{receiver="otlp",service_name="edge",transport="http"} 3.0'
    assert line in answer.text.splitlines()
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert (nothing.status_code, nothing.text) == (404, "There is nothing here. The paths are: /metrics\n")
