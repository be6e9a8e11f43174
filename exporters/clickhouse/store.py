"""ClickHouse as the exporter uses it: blocking calls on a server, a cluster or the embedded engine."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from math import ceil
from queue import Empty, LifoQueue
from threading import Lock
from typing import Any, Protocol, TypeVar

import clickhouse_connect
import urllib3
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError, ProgrammingError
from clickhouse_connect.driver.httputil import get_pool_manager
from urllib3.exceptions import ConnectTimeoutError, InsecureRequestWarning, MaxRetryError, NewConnectionError

from collector.api import Fatal
from collector.api.config import parse_duration
from collector.storage.engine import load_engine, open_engine
from exporters.clickhouse.config import ClickHouseConfig
from exporters.clickhouse.endpoint import Endpoint, Host

T = TypeVar("T")


class Store(Protocol):
    """Hands out clients. Calls are made from many threads; errors are those of clickhouse-connect."""

    def run(self, call: Callable[[Client], T], key: str = "") -> T:
        """Return what `call` returns, called with a client that nobody else uses in a way that matters.

        Calls with one `key` go to one server where there are several.
        """

    def close(self) -> None:
        """Let go of every client."""


def open_store(config: ClickHouseConfig) -> Store:
    """Return the store that a configuration names; nothing is connected to yet. Raises Fatal without an engine."""
    target = config.target
    if target.path:
        load_engine()
        return EmbeddedStore(target)
    return HttpStore(target, config)


class EmbeddedStore:
    """The engine in this process. A handle serves one call at a time, so each caller gets one of its own."""

    def __init__(self, target: Endpoint) -> None:
        self._target = target
        self._idle: LifoQueue[Client] = LifoQueue()
        self._clients: list[Client] = []
        self._opening = Lock()
        self._engine: Any = None

    def run(self, call: Callable[[Client], T], key: str = "") -> T:  # noqa: ARG002 - there is one engine
        with self._lease() as client:
            return call(client)

    @contextmanager
    def _lease(self) -> Iterator[Client]:
        try:
            client = self._idle.get_nowait()
        except Empty:
            self._open()
            client = clickhouse_connect.get_client(interface="chdb", path=self._target.path)
            self._clients.append(client)
        try:
            yield client
        finally:
            self._idle.put(client)

    def _open(self) -> None:
        with self._opening:
            if self._engine is None:
                try:
                    self._engine = open_engine(self._target.path)
                except Fatal as error:
                    raise ProgrammingError(str(error)) from error

    def close(self) -> None:
        while self._clients:
            self._clients.pop().close()
        if self._engine is not None:
            self._engine.close()
            self._engine = None


class HttpStore:
    """One or more servers. A call that cannot connect to one goes on to the next.

    It does not once it was sent: the rows may be stored, and only the same server would notice the repetition.
    """

    def __init__(self, target: Endpoint, config: ClickHouseConfig) -> None:
        self._target = target
        self._options = _client_options(target, config)
        self._spread = config.strategy != "in_order"
        self._clients: dict[Host, Client] = {}
        self._lock = Lock()
        threads = config.sending_queue.num_consumers + 1  # and the one that makes contact
        self._pool = get_pool_manager(maxsize=threads, block=False, **_pool(target, config))

    def run(self, call: Callable[[Client], T], key: str = "") -> T:
        *others, last = self._order(key)
        for host in others:
            try:
                return call(self._client(host))
            except ClickHouseError as error:
                if not _never_connected(error):
                    raise
        return call(self._client(last))

    def _order(self, key: str) -> Sequence[Host]:
        """Return the servers in the order to try. The key picks the first one, so that a retry begins there again."""
        hosts = self._target.hosts
        first = zlib.crc32(key.encode()) % len(hosts) if self._spread else 0
        return hosts[first:] + hosts[:first]

    def _client(self, host: Host) -> Client:
        client = self._clients.get(host)
        if client is None:
            # Two threads may both connect; both clients are good, and they share the pool of connections.
            client = clickhouse_connect.get_client(host=host.name, port=host.port, pool_mgr=self._pool, **self._options)
            with self._lock:
                client = self._clients.setdefault(host, client)
        return client

    def close(self) -> None:
        with self._lock:
            self._clients.clear()
        self._pool.clear()


def _client_options(target: Endpoint, config: ClickHouseConfig) -> dict[str, Any]:
    params = target.params
    seconds = parse_duration(params.get("read_timeout", config.timeout))
    return {
        "interface": "https" if target.secure else "http",
        "username": target.username or None,
        "password": target.password,
        "connect_timeout": max(1, ceil(parse_duration(params.get("dial_timeout", min(config.timeout, 10.0))))),
        "send_receive_timeout": max(1, ceil(seconds)),
        "settings": target.session_settings,
        "autogenerate_session_id": False,
        "client_name": "ottery",
        "proxy_path": params.get("http_path", ""),
        "show_clickhouse_errors": True,
    }


def _never_connected(error: ClickHouseError) -> bool:
    """Tell whether the server cannot have received anything."""
    cause = error.__cause__
    reason = cause.reason if isinstance(cause, MaxRetryError) else cause
    return isinstance(reason, NewConnectionError | ConnectTimeoutError)


def _pool(target: Endpoint, config: ClickHouseConfig) -> dict[str, Any]:
    proxy = target.params.get("http_proxy")
    kind = "https_proxy" if target.secure else "http_proxy"
    return _tls(target, config) | ({kind: proxy} if proxy else {})


def _tls(target: Endpoint, config: ClickHouseConfig) -> dict[str, Any]:
    if not target.secure:
        return {}
    tls = config.tls
    verify = not (tls.insecure_skip_verify or target.params.get("skip_verify", "").lower() in ("true", "1"))
    if not verify:
        urllib3.disable_warnings(InsecureRequestWarning)  # the operator asked for it, and knows
    options: dict[str, Any] = {"verify": verify, "ca_cert": tls.ca_file or None}
    if tls.cert_file:
        options |= {"client_cert": tls.cert_file, "client_cert_key": tls.key_file or None}
    if tls.server_name_override:
        options |= {"server_hostname": tls.server_name_override}
        if verify:
            options["assert_hostname"] = tls.server_name_override
    return options
