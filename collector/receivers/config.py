"""Configuration blocks that every network receiver has: TLS, CORS, gRPC and HTTP servers."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, field_validator, model_validator

from collector.api import ConfigModel, Duration
from collector.http import split_endpoint
from collector.receivers.ciphers import openssl_name
from collector.receivers.inert import Inert
from collector.receivers.inflate import ENCODINGS
from collector.wire.codec import LARGEST_REQUEST

MEBIBYTE = 1024 * 1024
BODY_LIMIT = 64 * MEBIBYTE
"""The size of a request that OTLP recommends to accept."""


def _refused(reason: str) -> BeforeValidator:
    def check(value: Any) -> None:
        if value:
            raise ValueError(reason)

    return BeforeValidator(check)


def _or_default(default: int) -> BeforeValidator:
    """Read 0 as the default, as the OpenTelemetry Collector does."""
    return BeforeValidator(lambda value: default if value == 0 else value)


def _at_most(limit: int, unit: str) -> AfterValidator:
    def check(value: int) -> int:
        if value > limit:
            raise ValueError(f"at most {limit} {unit} was expected, not {value}: larger requests cannot be decoded")
        return value

    return AfterValidator(check)


Authenticator = Annotated[None, _refused("there are no authenticator extensions; use mutual TLS (tls.client_ca_file)")]
Middlewares = Annotated[None, _refused("there are no middleware extensions")]
_ORIGIN = re.compile(r"\*|[a-z][a-z0-9+.-]*://(\*|(\*\.)?[^*/:]+)(:\d+|:\*)?")
_CLIENT_SIDE = Inert("a server has no use for it; clients are verified by client_ca_file")


class ServerTls(ConfigModel):
    """`tls`: the certificate of a server, and the authority of its clients' certificates."""

    cert_file: Path | None = None
    """Certificate chain in PEM."""
    key_file: Path | None = None
    """Private key in PEM."""
    cert_pem: str | None = None
    """The chain itself, instead of `cert_file`."""
    key_pem: str | None = None
    """The key itself, instead of `key_file`."""
    client_ca_file: Path | None = None
    """Authorities of client certificates in PEM; a client without a certificate of theirs is turned away."""
    client_ca_file_reload: bool = False
    """Look at `client_ca_file` again on every connection."""
    reload_interval: Duration = 0.0
    """Look whether the files changed when a client connects and this has passed since the last look; 0 is never."""
    min_version: Literal["1.2", "1.3"] = "1.2"
    """Lowest version of TLS."""
    max_version: Literal["", "1.2", "1.3"] = ""
    """Highest version of TLS; empty is the highest there is."""
    cipher_suites: tuple[str, ...] = ()
    """Cipher suites of TLS 1.2 by their IANA names; those of TLS 1.3 are always on."""
    curve_preferences: Annotated[None, _refused("Python cannot choose curves; leave it out")] = None
    tpm: Annotated[None, _refused("keys in a TPM are not supported")] = None
    ca_file: Annotated[Path | None, _CLIENT_SIDE] = None
    ca_pem: Annotated[str | None, _CLIENT_SIDE] = None
    include_system_ca_certs_pool: Annotated[bool, _CLIENT_SIDE] = False

    @field_validator("cipher_suites")
    @classmethod
    def _known(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            openssl_name(name)
        return names

    @model_validator(mode="after")
    def _complete(self) -> Self:
        for pem, file, name in ((self.cert_pem, self.cert_file, "cert"), (self.key_pem, self.key_file, "key")):
            if (pem is None) == (file is None):
                raise ValueError(f"exactly one of {name}_file and {name}_pem is needed")
        return self


class _ServerParameters(ConfigModel):
    """`keepalive.server_parameters`; 0 is gRPC's own default."""

    max_connection_idle: Duration = 0.0
    """Close a connection that had no request for this long; 0 is never."""
    max_connection_age: Duration = 0.0
    """Close a connection after this long (with 10 % jitter), so that clients balance anew; 0 is never."""
    max_connection_age_grace: Duration = 0.0
    """How much longer its requests may take then; 0 is for ever."""
    time: Duration = 7200.0
    """Ping a client that was silent for this long."""
    timeout: Duration = 20.0
    """Close the connection when the ping is not answered within this."""


class _EnforcementPolicy(ConfigModel):
    """`keepalive.enforcement_policy`: how often clients may ping."""

    min_time: Duration = 300.0
    """A client that pings more often is disconnected."""
    permit_without_stream: bool = False
    """Whether clients may ping while no request is under way."""


class Keepalive(ConfigModel):
    """`keepalive` of a gRPC server."""

    server_parameters: _ServerParameters = _ServerParameters()
    enforcement_policy: _EnforcementPolicy = _EnforcementPolicy()


class ServerConfig(ConfigModel):
    """What gRPC and HTTP servers have in common."""

    endpoint: str
    """`host:port` to listen on (`:port` is every interface), or the path of a unix socket."""
    transport: Literal["tcp", "unix"] = "tcp"
    tls: ServerTls | None = None
    so_reuseport: bool = False
    """Let several processes listen on the same port; otherwise a port in use is an error."""
    include_metadata: bool = False
    """Keep the client's headers with its data, for processors."""
    middlewares: Middlewares = None

    @model_validator(mode="after")
    def _address(self) -> Self:
        if self.transport == "tcp":
            split_endpoint(self.endpoint)
        elif self.so_reuseport:
            raise ValueError("a unix socket cannot be shared: so_reuseport needs transport tcp")
        return self


class GrpcServerConfig(ServerConfig):
    """A gRPC server."""

    endpoint: str = "localhost:4317"
    max_recv_msg_size_mib: Annotated[
        int,
        _or_default(64),
        Field(gt=0, json_schema_extra={"maximum": LARGEST_REQUEST // MEBIBYTE}),
        _at_most(LARGEST_REQUEST // MEBIBYTE, "MiB"),
    ] = 64
    """Largest request in MiB, before and after decompression; at most 256."""
    max_concurrent_streams: Annotated[int, _or_default(100), Field(gt=0)] = 100
    """Requests under way on one connection. Without a limit, a client that opens and resets them shuts others out."""
    keepalive: Keepalive = Keepalive()
    auth: Authenticator = None
    read_buffer_size: Annotated[int, Inert("buffers are sized by what arrives")] = 512 * 1024
    write_buffer_size: Annotated[int, Inert("buffers are sized by what arrives")] = 0


class Cors(ConfigModel):
    """`cors`: which web pages may send. Answers never allow credentials."""

    allowed_origins: tuple[str, ...] = ()
    """Origins such as `https://shop.example`; one `*` may stand for everything, a host, a subdomain or a port."""
    allowed_headers: tuple[str, ...] = ()
    """Request headers beside those that OTLP itself needs."""
    exposed_headers: tuple[str, ...] = ()
    """Response headers that pages may read, beside `Retry-After`."""
    max_age: int = Field(0, ge=0)
    """Seconds that a browser may remember the answer; 0 leaves it to the browser."""

    @field_validator("allowed_origins")
    @classmethod
    def _origins(cls, origins: tuple[str, ...]) -> tuple[str, ...]:
        for origin in origins:
            if not _ORIGIN.fullmatch(origin) or origin.count("*") > 1:
                raise ValueError(
                    "an origin such as https://shop.example, https://*.shop.example or http://localhost:* "
                    f"was expected, not {origin!r}"
                )
        return origins


class HttpServerConfig(ServerConfig):
    """An HTTP/1.1 server."""

    endpoint: str = "localhost:4318"
    cors: Cors = Cors()
    max_request_body_size: Annotated[
        int,
        _or_default(BODY_LIMIT),
        Field(gt=0, json_schema_extra={"maximum": LARGEST_REQUEST}),
        _at_most(LARGEST_REQUEST, "bytes"),
    ] = BODY_LIMIT
    """Largest body in bytes, before and after decompression; at most 256 MiB."""
    compression_algorithms: tuple[str, ...] = ("", *ENCODINGS)
    """Encodings of requests that are accepted; the empty one is none at all."""
    response_headers: dict[str, str] = Field(default_factory=dict)
    """Headers added to every response."""
    read_header_timeout: Duration = 5.0
    """Longest time for the head of a request; 0 is no limit."""
    read_timeout: Duration = 60.0
    """Longest time for a whole request; 0 is no limit. Beside it, 10 s without any byte of a body end a request."""
    idle_timeout: Duration = 60.0
    """How long a connection waits for its next request; 0 is for ever."""
    write_timeout: Duration = 30.0
    """How long answers wait for a client that does not read them; 0 is for ever."""
    keep_alives_enabled: bool = True
    """Whether a connection may carry more than one request."""
    auth: Authenticator = None

    @field_validator("compression_algorithms")
    @classmethod
    def _encodings(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            if name and name not in ENCODINGS:
                raise ValueError(f"no such encoding: {name!r}; there are {', '.join(ENCODINGS)}")
        return names

    @field_validator("response_headers")
    @classmethod
    def _headers(cls, headers: dict[str, str]) -> dict[str, str]:
        for name, value in headers.items():
            if not name.isascii() or not name.replace("-", "").replace("_", "").isalnum():
                raise ValueError(f"{name!r} is not the name of a header")
            if not value.isprintable() or not value.isascii():
                raise ValueError(f"the value of {name} has characters that a header cannot have")
        return headers
