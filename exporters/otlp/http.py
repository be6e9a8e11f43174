"""OTLP over HTTP: one POST a batch, protobuf or JSON."""

from __future__ import annotations

import asyncio
import gzip
from contextlib import AbstractAsyncContextManager, nullcontext
from http.cookiejar import CookieJar, DefaultCookiePolicy
from importlib.metadata import version
from urllib.parse import urlsplit

import httpx2
import zstandard

from collector.api import Batch, Delivery, Fatal, Retryable, Settings, Signal
from collector.wire.codec import codec
from exporters.otlp.answers import of_http, partial_success
from exporters.otlp.config import HttpConfig
from exporters.otlp.partial import PartialSuccess
from exporters.otlp.turns import Turns

_RESPONSE_LIMIT = 64 << 10
_GZIP_LEVEL = 1
_ZSTD_LEVEL = 1


class HttpExporter:
    """Sends batches to one or several OTLP/HTTP servers."""

    def __init__(self, config: HttpConfig, settings: Settings) -> None:
        self._config = config
        self._partial = PartialSuccess(settings)
        self._turns = {signal: Turns(config.urls(signal), settings.clock) for signal in Signal if config.urls(signal)}
        self._hosts = {host: _turnstile(config) for signal in Signal for host in map(_host, config.urls(signal))}
        self._client: httpx2.AsyncClient | None = None

    async def start(self) -> None:
        """Make the client. Raises `Fatal` when a certificate cannot be read."""
        config = self._config
        headers = {
            **config.headers,
            "user-agent": f"ottery/{version('ottery')}",
            "accept-encoding": "identity",
            "content-type": "application/x-protobuf" if config.encoding == "proto" else "application/json",
        }
        if config.compression not in ("none", ""):
            headers["content-encoding"] = config.compression
        try:
            context = config.tls.context()
        except OSError as error:
            raise Fatal(f"tls: {config.tls.files} cannot be used: {error.strerror or error}") from error
        self._client = httpx2.AsyncClient(
            headers=headers,
            cookies=CookieJar(None if config.cookies.enabled else DefaultCookiePolicy(allowed_domains=[])),
            verify=context,
            proxy=config.proxy_url,
            timeout=config.timeout or None,
            trust_env=config.proxy_url is None,
            limits=_limits(config),
        )

    async def stop(self) -> None:
        if self._client is not None:
            await self._client.aclose()
            self._client = None

    async def push(self, delivery: Delivery) -> None:
        batch = delivery.batch
        if (turns := self._turns.get(batch.signal)) is None:
            raise Fatal(f"no endpoint for {batch.signal}: set endpoint or {batch.signal}_endpoint")
        body = await asyncio.to_thread(self._body, batch)
        answer = await turns.send(lambda url: self._post(url, body, batch.signal))
        self._partial.note(batch, *answer)

    def _body(self, batch: Batch) -> bytes:
        config, body = self._config, batch.otlp
        if config.encoding == "json":
            body = codec().to_json(batch.signal, body)
        level = config.compression_params.get("level")
        if config.compression == "gzip":
            return gzip.compress(body, _GZIP_LEVEL if level is None else level, mtime=0)
        if config.compression == "zstd":
            return zstandard.compress(body, _ZSTD_LEVEL if level is None else level)
        return body

    async def _post(self, url: str, body: bytes, signal: Signal) -> tuple[int, str]:
        if self._client is None:
            raise Retryable("the exporter is not started", kind="stopped")
        try:
            async with self._hosts[_host(url)], self._client.stream("POST", url, content=body) as response:
                answer = await _read(response)
        except httpx2.TransportError as error:
            raise Retryable(f"{type(error).__name__}: {error}", kind="connection") from error
        except (httpx2.InvalidURL, httpx2.HTTPError) as error:
            raise Fatal(f"{type(error).__name__}: {error}") from error
        if response.is_success:
            return partial_success(signal, answer, json=self._config.encoding == "json")
        headers = response.headers
        raise of_http(response.status_code, headers.get("retry-after"), answer, headers.get("content-type", ""))


def _limits(config: HttpConfig) -> httpx2.Limits:
    kept = 0 if config.disable_keep_alives else config.max_idle_conns or None
    return httpx2.Limits(max_connections=None, max_keepalive_connections=kept)


def _turnstile(config: HttpConfig) -> AbstractAsyncContextManager[None]:
    """Return what lets through as many requests as a host may have connections: HTTP/1.1 carries one on each.

    The client's own limit counts the connections of all hosts together.
    """
    return asyncio.Semaphore(config.max_conns_per_host) if config.max_conns_per_host else nullcontext()


def _host(url: str) -> tuple[str, str]:
    scheme, address, *_ = urlsplit(url)
    return scheme, address.lower()


async def _read(response: httpx2.Response) -> bytes:
    """Return the first 64 KiB of an answer; the rest does not matter.

    They are taken as they came: an answer that is compressed although nobody asked for that may be a bomb.
    """
    parts: list[bytes] = []
    size = 0
    async for part in response.aiter_raw():
        parts.append(part)
        size += len(part)
        if size >= _RESPONSE_LIMIT:
            break
    return b"".join(parts)[:_RESPONSE_LIMIT]
