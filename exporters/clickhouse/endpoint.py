"""Where ClickHouse is: the endpoint forms of the OpenTelemetry Collector's exporter, and `chdb://`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from collector.storage.engine import MEMORY, engine_path

HTTP_PORTS = {9000: 8123, 9440: 8443}
"""HTTP port that a server has beside each port of the native protocol."""

DRIVER_PARAMS = frozenset(
    {
        "block_buffer_size",
        "client_info_product",
        "compress",
        "compress_level",
        "conn_max_lifetime",
        "connection_open_strategy",
        "debug",
        "dial_timeout",
        "http_path",
        "http_proxy",
        "max_compression_buffer",
        "max_idle_conns",
        "max_open_conns",
        "read_timeout",
        "secure",
        "skip_verify",
    }
)
"""Parameters of the Go driver; all others are settings of the session."""

_SCHEMES = ("http", "https", "clickhouse", "tcp", "chdb")


@dataclass(frozen=True, slots=True)
class Host:
    """One server, spoken to over HTTP."""

    name: str
    port: int

    def __str__(self) -> str:
        return f"{self.name}:{self.port}"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A parsed endpoint: either the hosts of a server or cluster, or the `path` of an embedded engine."""

    hosts: tuple[Host, ...] = ()
    path: str = ""
    secure: bool = False
    database: str = ""
    username: str = ""
    password: str = field(default="", repr=False)
    params: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    """What an operator should know about how the endpoint was read."""

    @property
    def session_settings(self) -> dict[str, str]:
        """The parameters that are settings of the session, and not of the Go driver."""
        return {name: value for name, value in self.params.items() if name not in DRIVER_PARAMS}


def parse_endpoint(text: str, connection_params: Mapping[str, str] | None = None) -> Endpoint:
    """Return what an endpoint says, its query parameters overridden by `connection_params`.

    Forms: `http(s)://host:port`, `clickhouse://` and `tcp://` (a native port is mapped to the HTTP port beside it,
    which is what Ottery speaks), several hosts separated by commas, each with query parameters;
    `chdb:///absolute/path`, `chdb://./relative/path`, `chdb://memory`. Raises ValueError for anything else.
    """
    scheme, separator, _ = text.partition("://")
    if not separator or scheme not in _SCHEMES:
        forms = ", ".join(f"{name}://" for name in _SCHEMES)
        raise ValueError(f"an endpoint that begins with one of {forms} was expected, not {text.partition('?')[0]!r}")
    if scheme == "chdb":
        return _embedded(urlsplit(text), connection_params or {})
    # Go's form lists hosts after one scheme; `a,tcp://b` is also seen.
    url = urlsplit(text.replace(f",{scheme}://", ","))
    params = {**dict(parse_qsl(url.query)), **(connection_params or {})}
    secure = scheme == "https" or params.pop("secure", "false").lower() in ("true", "1")
    notes: list[str] = []
    hosts = tuple(_host(part, scheme, secure=secure, notes=notes) for part in _netloc(url).split(","))
    return Endpoint(
        hosts=hosts,
        secure=secure,
        database=params.pop("database", "") or url.path.strip("/"),
        username=params.pop("username", "") or unquote(url.username or ""),
        password=params.pop("password", "") or unquote(url.password or ""),
        params=params,
        notes=tuple(notes),
    )


def _embedded(url: SplitResult, connection_params: Mapping[str, str]) -> Endpoint:
    if url.netloc == "memory" and not url.path.strip("/"):
        path = MEMORY
    elif url.netloc in ("", ".", "..", "~"):
        path = engine_path(str(Path(url.netloc or "/") / unquote(url.path).lstrip("/")))
    else:
        raise ValueError(
            f"chdb:///absolute/path, chdb://./relative/path or chdb://memory was expected, not chdb://{url.netloc}"
        )
    params = {**dict(parse_qsl(url.query)), **connection_params}
    return Endpoint(path=path, database=params.pop("database", ""), params=params)


def _netloc(url: SplitResult) -> str:
    return url.netloc.rpartition("@")[2]


def _host(text: str, scheme: str, *, secure: bool, notes: list[str]) -> Host:
    name, separator, port_text = text.rpartition(":")
    if not separator or port_text.endswith("]"):
        name, port_text = text, ""
    if not name:
        raise ValueError("a host was expected before the port")
    if port_text and not (port_text.isdigit() and 0 < int(port_text) < 65536):
        raise ValueError(f"a port from 1 to 65535 was expected, not {port_text!r}")
    port = int(port_text) if port_text else (8443 if secure else 8123)
    if scheme in ("clickhouse", "tcp") and port in HTTP_PORTS:
        notes.append(f"{name}:{port} is a native port; Ottery speaks HTTP and uses {HTTP_PORTS[port]}")
        port = HTTP_PORTS[port]
    return Host(name.strip("[]"), port)
