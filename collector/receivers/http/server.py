"""An HTTP/1.1 server: what its connections share."""

from __future__ import annotations

import asyncio
import time
from email.utils import formatdate

from collector.api import Logger
from collector.receivers.admission import Admission
from collector.receivers.config import HttpServerConfig
from collector.receivers.http.connection import HttpConnection
from collector.receivers.http.exchange import Application
from collector.receivers.server import Server


class HttpServer(Server):
    """Serves an application."""

    def __init__(self, config: HttpServerConfig, application: Application, admission: Admission, log: Logger) -> None:
        super().__init__(log)
        self.config = config
        self.application = application
        self.admission = admission
        self._date = b""
        self._stale = 0.0

    def connection(self) -> asyncio.Protocol:
        return HttpConnection(self)

    def date(self, now: float) -> bytes:
        """Return the header of an answer at this time of the event loop's; it is up to a second old."""
        if now >= self._stale:
            self._date = f"date: {formatdate(time.time(), usegmt=True)}\r\n".encode()
            self._stale = now + 1
        return self._date
