"""`python -m collector.query.server --path DIR --port N`: the embedded engine as a ClickHouse server of its own."""

from __future__ import annotations

import argparse
import asyncio
import signal

import structlog
import uvloop

from collector.api import Settings
from collector.query.config import ClickHouseServerConfig
from collector.query.extension import ClickHouseServer
from collector.telemetry.prometheus import PrometheusMetrics


def main() -> None:
    """Serve until SIGINT or SIGTERM."""
    parser = argparse.ArgumentParser(prog="collector.query.server", description=__doc__)
    parser.add_argument("--path", required=True, help="data directory of the engine")
    parser.add_argument("--host", default="localhost")
    parser.add_argument("--port", type=int, default=8123)
    parser.add_argument("--writable", action="store_true", help="take statements that change data")
    given = parser.parse_args()
    config = ClickHouseServerConfig(endpoint=f"{given.host}:{given.port}", path=given.path, writable=given.writable)
    uvloop.run(_serve(config))


async def _serve(config: ClickHouseServerConfig) -> None:
    log = structlog.get_logger("clickhouse_server")
    server = ClickHouseServer(config, Settings("clickhouse_server", PrometheusMetrics({}), log, lambda *_: None))
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, ended.set)
    await server.start()
    log.info("listening", **{what.replace(" ", "_").lower(): where for what, where in server.listening.items()})
    await ended.wait()
    await server.stop()


if __name__ == "__main__":
    main()
