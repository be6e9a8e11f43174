"""Configuration of the exporters `otlp_grpc` and `otlp_http`, in the OpenTelemetry Collector's keys."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, field_validator, model_validator

from collector.api import ConfigModel, Duration, ExporterConfig, Signal


def _no_authenticator(value: Any) -> None:
    if value:
        raise ValueError("there are no authenticator extensions; use headers, or a certificate (tls.cert_file)")


_VERSIONS = {
    "1.2": ssl.TLSVersion.TLSv1_2,
    "1.3": ssl.TLSVersion.TLSv1_3,
    "": ssl.TLSVersion.MAXIMUM_SUPPORTED,
}
_OF_HTTP = ("insecure_skip_verify", "include_system_ca_certs_pool", "min_version", "max_version")
Authenticator = Annotated[None, BeforeValidator(_no_authenticator)]


class ClientTls(ConfigModel):
    """`tls`: how the server is verified, and who we are."""

    insecure: bool = False
    """Speak without TLS (gRPC, where the endpoint has no scheme; otherwise the scheme decides)."""
    insecure_skip_verify: bool = False
    """Accept any certificate (HTTP only)."""
    ca_file: Path | None = None
    """Authorities to trust, in PEM; the system's when empty."""
    ca_pem: str | None = None
    """The authorities themselves, instead of `ca_file`."""
    include_system_ca_certs_pool: bool = False
    """Trust the system's authorities beside those of `ca_file` (HTTP only)."""
    cert_file: Path | None = None
    """Our certificate chain in PEM, for mutual TLS."""
    key_file: Path | None = None
    """Our private key in PEM."""
    min_version: Literal["", "1.2", "1.3"] = ""
    """Lowest version of TLS; empty is 1.2 (HTTP only)."""
    max_version: Literal["", "1.2", "1.3"] = ""
    """Highest version of TLS; empty is the highest there is (HTTP only)."""
    server_name_override: str = ""
    """Name that the server's certificate must have, instead of the endpoint's (gRPC only)."""

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if (self.cert_file is None) != (self.key_file is None):
            raise ValueError("cert_file and key_file belong together")
        if self.ca_file is not None and self.ca_pem is not None:
            raise ValueError("ca_file and ca_pem exclude each other")
        return self

    @property
    def files(self) -> str:
        """The paths of all files, for messages: ssl's own do not tell which one is meant."""
        return ", ".join(str(path) for path in (self.ca_file, self.cert_file, self.key_file) if path)

    def authorities(self) -> bytes | None:
        """Return the authorities to trust in PEM, None for the system's. Raises OSError when a file cannot be read."""
        if self.ca_file is not None:
            return self.ca_file.read_bytes()
        return self.ca_pem.encode() if self.ca_pem else None

    def context(self) -> ssl.SSLContext:
        """Return the context of a TLS client. Raises OSError when a file cannot be used."""
        authorities = self.authorities()
        context = ssl.create_default_context(cadata=authorities.decode("ascii", "replace") if authorities else None)
        if self.include_system_ca_certs_pool:
            context.load_default_certs()
        context.minimum_version = _VERSIONS[self.min_version or "1.2"]
        context.maximum_version = _VERSIONS[self.max_version]
        if self.insecure_skip_verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if self.cert_file is not None:
            context.load_cert_chain(self.cert_file, self.key_file)
        return context


class Keepalive(ConfigModel):
    """`keepalive`: pings on an idle connection."""

    time: Duration = 10.0
    timeout: Duration = 10.0
    permit_without_stream: bool = False


class GrpcConfig(ExporterConfig):
    """`otlp_grpc`."""

    endpoint: str = Field(min_length=1)
    """`host:port`, `https://host:port`, `http://host:port` (without TLS), or several with commas, all with TLS or none.

    Requests take turns over several; one that does not answer is left out of its turn until it does.
    """
    tls: ClientTls = ClientTls()
    compression: Literal["gzip", "none", ""] = "gzip"
    """gRPC for Python knows gzip alone."""
    headers: dict[str, str] = Field(default_factory=dict)
    """Sent with every request."""
    keepalive: Keepalive | None = None
    wait_for_ready: bool = False
    """Wait for a connection, up to `timeout`, instead of failing at once."""
    authority: str = ""
    """Value of the `:authority` header."""
    balancer_name: Literal["round_robin", "pick_first"] = "round_robin"
    """How requests spread over the addresses of one name."""
    auth: Authenticator = None
    read_buffer_size: int = 0
    """Accepted for compatibility: gRPC's core sizes its buffers itself."""
    write_buffer_size: int = 0
    """Accepted for compatibility."""

    @field_validator("tls")
    @classmethod
    def _tls_of_grpc(cls, tls: ClientTls) -> ClientTls:
        for key in _OF_HTTP:
            if getattr(tls, key):
                raise ValueError(f"gRPC for Python always verifies, with TLS 1.2 or 1.3: remove {key}")
        return tls

    @model_validator(mode="after")
    def _one_security(self) -> Self:
        if not self._endpoints:
            raise ValueError(f"endpoint: host:port was expected, not {self.endpoint!r}")
        if len({self._is_plaintext(endpoint) for endpoint in self._endpoints}) > 1:
            raise ValueError(
                "endpoint: endpoints with TLS and without do not mix: give all of them the same scheme,"
                " or each an exporter of its own"
            )
        return self

    @property
    def _endpoints(self) -> list[str]:
        return [part.strip() for part in self.endpoint.split(",") if part.strip()]

    def _is_plaintext(self, endpoint: str) -> bool:
        if endpoint.startswith(("http://", "https://")):
            return endpoint.startswith("http://")
        return self.tls.insecure

    @property
    def targets(self) -> list[str]:
        """Each endpoint as gRPC names it."""
        return [endpoint.removeprefix("http://").removeprefix("https://") for endpoint in self._endpoints]

    @property
    def plaintext(self) -> bool:
        """Whether connections go without TLS: all of them do, or none."""
        return self._is_plaintext(self._endpoints[0])


class Cookies(ConfigModel):
    """`cookies`: whether those that a server sets are sent back, which ties us to one server behind a balancer."""

    enabled: bool = False


class HttpConfig(ExporterConfig):
    """`otlp_http`."""

    timeout: Duration = 30.0
    endpoint: str = ""
    """Base URL; `/v1/traces`, `/v1/metrics` or `/v1/logs` is appended. Several with commas take turns."""
    traces_endpoint: str = ""
    """URL for traces, used as it is."""
    metrics_endpoint: str = ""
    """URL for metrics, used as it is."""
    logs_endpoint: str = ""
    """URL for logs, used as it is."""
    encoding: Literal["proto", "json"] = "proto"
    compression: Literal["gzip", "zstd", "none", ""] = "gzip"
    compression_params: dict[Literal["level"], int] = Field(default_factory=dict)
    headers: dict[str, str] = Field(default_factory=dict)
    """Sent with every request."""
    proxy_url: str | None = None
    tls: ClientTls = ClientTls()
    max_idle_conns: int = Field(100, ge=0)
    """Idle connections that are kept open, to all hosts together; 0 is no limit."""
    max_conns_per_host: int = Field(0, ge=0)
    """Connections to each host and port at most; 0 is no limit."""
    disable_keep_alives: bool = False
    """Connect anew for every request."""
    cookies: Cookies = Cookies()
    auth: Authenticator = None
    profiles_endpoint: str = ""
    """Accepted for compatibility: there are no profiles."""
    read_buffer_size: int = 0
    """Accepted for compatibility."""
    write_buffer_size: int = 0
    """Accepted for compatibility."""

    @field_validator("endpoint", "traces_endpoint", "metrics_endpoint", "logs_endpoint")
    @classmethod
    def _is_url(cls, value: str) -> str:
        for part in filter(None, value.split(",")):
            url = urlsplit(part.strip())
            if url.scheme not in ("http", "https") or not url.hostname:
                raise ValueError(f"a URL such as https://collector:4318 was expected, not {part.strip()!r}")
        return value

    @field_validator("tls")
    @classmethod
    def _tls_of_http(cls, tls: ClientTls) -> ClientTls:
        if tls.server_name_override:
            raise ValueError("HTTP verifies the name in the endpoint: remove server_name_override")
        return tls

    @model_validator(mode="after")
    def _somewhere(self) -> Self:
        if not any((self.endpoint, self.traces_endpoint, self.metrics_endpoint, self.logs_endpoint)):
            raise ValueError("endpoint, or an endpoint for each signal, is needed")
        return self

    def urls(self, signal: Signal) -> list[str]:
        """Return where a signal goes: its own endpoint, else the base with the path of OTLP; empty is nowhere."""
        own: str = getattr(self, f"{signal}_endpoint")
        if own:
            return [part.strip() for part in own.split(",")]
        return [f"{part.strip().rstrip('/')}/v1/{signal}" for part in self.endpoint.split(",") if part.strip()]
