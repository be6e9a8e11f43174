"""`ottery run`: one process from its configuration to its end."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Sequence
from functools import partial
from importlib.metadata import version

import uvloop

from collector.api import OtteryError, SystemClock
from collector.config import LoadedConfig, load
from collector.pipeline.banner import banner
from collector.pipeline.build import Graph, Surroundings
from collector.pipeline.memory import settle
from collector.pipeline.service import Service
from collector.telemetry.catalogue import OTTERY_CODEC
from collector.telemetry.health import HealthBoard
from collector.telemetry.logs import configure
from collector.telemetry.process import ProcessCollector, watch_event_loop
from collector.telemetry.prometheus import PrometheusMetrics
from collector.telemetry.resource import resource
from collector.telemetry.server import MetricsServer, Page
from collector.wire.codec import codec

_DRAIN_TIMEOUT = 25.0


def run(sources: Sequence[str], drain_timeout: float = _DRAIN_TIMEOUT) -> int:
    """Run until SIGTERM or SIGINT and return the exit code: 0 after an orderly end, 1 when it could not start.

    Raises `ConfigError` when the configuration cannot be used.
    """
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # its own log lines are in no form that we promise
    reload = partial(load, sources)
    return uvloop.run(_run(reload(), reload, drain_timeout))


async def _run(config: LoadedConfig, reload: partial[LoadedConfig], drain_timeout: float) -> int:
    telemetry, clock = config.telemetry, SystemClock()
    log = configure(telemetry.logs)
    for notice in config.notices:
        log.warning(str(notice))
    metrics = PrometheusMetrics(resource(telemetry.resource, os.environ, version("ottery")))
    metrics.register(ProcessCollector(metrics.constant, clock))
    metrics.set(OTTERY_CODEC, 1, codec=codec().name)
    board = HealthBoard(clock, metrics)
    service = Service(reload, Surroundings(metrics, log, board.report, board.statuses, clock), drain_timeout)
    _listen_to_signals(service)
    server = _server(telemetry.metrics.endpoint, metrics, service)
    async with asyncio.TaskGroup() as tasks:
        lag = tasks.create_task(watch_event_loop(metrics, clock))
        try:
            if server is not None:
                await server.start()
            await service.run(config, _announce)
        except OtteryError as error:
            print(f"ottery: {error}", file=sys.stderr)  # noqa: T201 - the last word to whoever started it
            return 1
        finally:
            lag.cancel()
            if server is not None:
                await server.stop()
    return 0


def _server(endpoint: str | None, metrics: PrometheusMetrics, service: Service) -> MetricsServer | None:
    def ledger() -> Page:
        accounts = [account.to_dict() for account in service.ledger()]
        document = {"balanced": not any(account["missing"] for account in accounts), "accounts": accounts}
        return Page(json.dumps(document).encode(), "application/json")

    return MetricsServer(endpoint, metrics, {"/debug/ledger": ledger}, service.publish) if endpoint else None


def _announce(graph: Graph) -> None:
    settle()
    print(banner(graph, codec().name), file=sys.stderr, flush=True)  # noqa: T201 - the first screen


def _listen_to_signals(service: Service) -> None:
    """Let the first SIGTERM or SIGINT drain, the second end at once, and SIGHUP read the configuration again."""
    loop = asyncio.get_running_loop()
    asked: list[int] = []

    def end(number: int) -> None:
        if asked:
            os._exit(128 + number)
        asked.append(number)
        service.stop()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, end, number)
    loop.add_signal_handler(signal.SIGHUP, service.reload)
