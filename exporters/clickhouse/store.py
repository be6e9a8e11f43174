"""ClickHouse as the exporter uses it: blocking calls on a server, a cluster or the embedded engine."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import count
from math import ceil
from queue import Empty, LifoQueue
from threading import Lock
from typing import Any, Protocol, TypeVar

import clickhouse_connect
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError
from clickhouse_connect.driver.httputil import get_pool_manager

from collector.api.config import parse_duration
from collector.storage.engine import load_engine
from exporters.clickhouse.config import DRIVER_PARAMS, ClickHouseConfig, Strategy
from exporters.clickhouse.endpoint import Endpoint, Host

T = TypeVar("T")


class Store(Protocol):
    """Hands out clients. Calls are made from many threads; errors are those of clickhouse-connect."""

    def run(self, call: Callable[[Client], T]) -> T:
        """Return what `call` returns, called with a client that nobody else uses in a way that matters."""

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

    def run(self, call: Callable[[Client], T]) -> T:
        with self._lease() as client:
            return call(client)

    @contextmanager
    def _lease(self) -> Iterator[Client]:
        try:
            client = self._idle.get_nowait()
        except Empty:
            client = clickhouse_connect.get_client(interface="chdb", path=self._target.path)
            self._clients.append(client)
        try:
            yield client
        finally:
            self._idle.put(client)

    def close(self) -> None:
        while self._clients:
            self._clients.pop().close()


class HttpStore:
    """One or more servers. A call that finds a server unreachable goes on to the next one."""

    def __init__(self, target: Endpoint, config: ClickHouseConfig) -> None:
        self._target = target
        self._options = _client_options(target, config)
        self._strategy: Strategy = _strategy(target)
        self._turns = count()
        self._clients: dict[Host, Client] = {}
        self._lock = Lock()
        self._pool = get_pool_manager(maxsize=config.sending_queue.num_consumers, block=False, **_tls(target, config))

    def run(self, call: Callable[[Client], T]) -> T:
        *others, last = self._order()
        for host in others:
            try:
                return call(self._client(host))
            except ClickHouseError as error:
                if getattr(error, "code", None) is not None:
                    raise
        return call(self._client(last))

    def _order(self) -> Sequence[Host]:
        hosts = self._target.hosts
        if self._strategy == "random":
            return random.sample(hosts, len(hosts))
        first = next(self._turns) % len(hosts) if self._strategy == "round_robin" else 0
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
        "settings": session_settings(params),
        "autogenerate_session_id": False,
        "client_name": "ottery",
        "proxy_path": params.get("http_path", ""),
        "show_clickhouse_errors": True,
    }


def session_settings(params: Mapping[str, str]) -> dict[str, str]:
    """Return the parameters that are settings of the session, and not of the Go driver."""
    return {name: value for name, value in params.items() if name not in DRIVER_PARAMS}


def _strategy(target: Endpoint) -> Strategy:
    wanted = target.params.get("connection_open_strategy", "in_order")
    strategies: dict[str, Strategy] = {"in_order": "in_order", "round_robin": "round_robin", "random": "random"}
    if wanted not in strategies:
        raise ValueError(f"connection_open_strategy: one of {', '.join(strategies)} was expected, not {wanted!r}")
    return strategies[wanted]


def _tls(target: Endpoint, config: ClickHouseConfig) -> dict[str, Any]:
    if not target.secure:
        return {}
    tls = config.tls
    verify = not (tls.insecure_skip_verify or target.params.get("skip_verify", "").lower() in ("true", "1"))
    options: dict[str, Any] = {"verify": verify, "ca_cert": tls.ca_file or None}
    if tls.cert_file:
        options |= {"client_cert": tls.cert_file, "client_cert_key": tls.key_file or None}
    if tls.server_name_override:
        options |= {"server_hostname": tls.server_name_override}
        if verify:
            options["assert_hostname"] = tls.server_name_override
    return options
