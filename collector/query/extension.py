"""The extension `clickhouse_server`: the embedded engine over the ClickHouse HTTP protocol."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final, cast

from collector.api import Settings
from collector.http import AsgiServer, bind
from collector.query.app import ClickHouseHttp
from collector.query.config import ClickHouseServerConfig
from collector.query.engine import Engine
from collector.storage.engine import load_engine

if TYPE_CHECKING:
    from uvicorn._types import ASGI3Application

_KEEP_ALIVE: Final = 30
"""Seconds that an idle connection is kept, as ClickHouse keeps it: drivers do not repeat what they sent on one."""

_PATIENCE: Final = 2.0
"""Seconds that queries under way get to end by themselves when the server stops."""


class ClickHouseServer:
    """Listens from `start` to `stop`; the engine is opened by the first query."""

    def __init__(self, config: ClickHouseServerConfig, settings: Settings) -> None:
        self._config = config
        self._settings = settings
        self._engine = Engine(config)
        self._app: ClickHouseHttp | None = None
        self._server: AsgiServer | None = None

    @property
    def listening(self) -> Mapping[str, str]:
        """Where queries are answered."""
        if self._server is None:
            return {}
        host = self._config.endpoint.rpartition(":")[0] or "localhost"
        return {"ClickHouse over HTTP": f"http://{host}:{self._server.port}"}

    async def start(self) -> None:
        load_engine()
        bound = bind(self._config.endpoint)
        local = ip_address(bound.getsockname()[0]).is_loopback
        self._app = ClickHouseHttp(self._config, self._engine, self._settings.log, local=local)
        self._server = AsgiServer(cast("ASGI3Application", self._app), [bound], timeout_keep_alive=_KEEP_ALIVE)
        await self._server.start()
        if not local and not self._config.users:
            self._settings.log.warning(
                "everybody who reaches this address may query; name users, or listen on localhost",
                endpoint=self._config.endpoint,
            )

    async def stop(self) -> None:
        if self._server is not None and self._app is not None:
            ending = asyncio.get_running_loop().call_later(_PATIENCE, self._app.end_queries)
            await self._server.stop()
            ending.cancel()
            await asyncio.to_thread(self._app.stop)
        await asyncio.to_thread(self._engine.close)
