"""How any client of ours reaches a Kafka cluster: addresses, TLS, SASL, in the OpenTelemetry Collector's keys."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, SecretStr, model_validator

from collector.api import ConfigModel, Duration, Fatal, Logger

Property = str | int | float | bool


class Tls(ConfigModel):
    """`tls`: how brokers are verified, and who we are. The block's presence turns TLS on."""

    insecure: bool = False
    """Speak without TLS, as if the block were not there."""
    insecure_skip_verify: bool = False
    """Accept any certificate."""
    ca_file: Path | None = None
    """Authorities to trust, in PEM; the system's when empty."""
    cert_file: Path | None = None
    """Our certificate chain in PEM, for mutual TLS."""
    key_file: Path | None = None
    """Our private key in PEM."""

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if (self.cert_file is None) != (self.key_file is None):
            raise ValueError("cert_file and key_file belong together")
        return self

    def check(self) -> None:
        """Look at the files, which the client library would not name. Raises `Fatal`."""
        for name in ("ca_file", "cert_file", "key_file"):
            path: Path | None = getattr(self, name)
            try:
                if path is not None:
                    path.open("rb").close()
            except OSError as error:
                raise Fatal(f"tls.{name}: {error}") from error

    def properties(self) -> dict[str, Property]:
        """Return the client's properties."""
        files = {
            "ssl.ca.location": self.ca_file,
            "ssl.certificate.location": self.cert_file,
            "ssl.key.location": self.key_file,
        }
        verify: dict[str, Property] = {"enable.ssl.certificate.verification": not self.insecure_skip_verify}
        return verify | {name: str(path) for name, path in files.items() if path}


class OauthBearer(ConfigModel):
    """`auth.sasl.oauthbearer`: where tokens come from, by OAuth's client credentials."""

    token_endpoint_url: str = Field(min_length=1)
    client_id: str = Field(min_length=1)
    client_secret: SecretStr
    scope: str = ""

    def properties(self) -> dict[str, Property]:
        """Return the client's properties."""
        return {
            "sasl.oauthbearer.method": "oidc",
            "sasl.oauthbearer.token.endpoint.url": self.token_endpoint_url,
            "sasl.oauthbearer.client.id": self.client_id,
            "sasl.oauthbearer.client.secret": self.client_secret.get_secret_value(),
            **({"sasl.oauthbearer.scope": self.scope} if self.scope else {}),
        }


class Sasl(ConfigModel):
    """`auth.sasl`: how we sign in."""

    mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"]
    username: str = ""
    password: SecretStr = SecretStr("")
    version: int = 0
    """Accepted for compatibility; the client and the broker agree on it themselves."""
    oauthbearer: OauthBearer | None = None

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.mechanism != "OAUTHBEARER" and not (self.username and self.password.get_secret_value()):
            raise ValueError(f"{self.mechanism} needs username and password")
        if self.mechanism == "OAUTHBEARER" and self.oauthbearer is None:
            raise ValueError("OAUTHBEARER needs the block oauthbearer, which says where tokens come from")
        return self

    def properties(self) -> dict[str, Property]:
        """Return the client's properties."""
        mechanism: dict[str, Property] = {"sasl.mechanisms": self.mechanism}
        if self.mechanism == "OAUTHBEARER":
            return mechanism | (self.oauthbearer.properties() if self.oauthbearer else {})
        return mechanism | {"sasl.username": self.username, "sasl.password": self.password.get_secret_value()}

    def advice(self, *, without_token: bool) -> str:
        """Return what to look at when signing in fails, for want of a token or because the broker says no."""
        if self.oauthbearer is None:
            return "look at auth.sasl.username and auth.sasl.password"
        url = self.oauthbearer.token_endpoint_url
        if without_token:
            return f"look at {url} and at the rest of auth.sasl.oauthbearer"
        return (
            f"the broker does not take the token of {url}: look at auth.sasl.oauthbearer.scope, and at which issuer, "
            "audience and lifetime the broker wants (its log names what is wrong)"
        )


class Auth(ConfigModel):
    """`auth`."""

    sasl: Sasl | None = None


class MetadataRetry(ConfigModel):
    """`metadata.retry`: accepted for compatibility; the client asks until a broker answers."""

    max: int = Field(20, ge=0)
    backoff: Duration = 0.25


class Metadata(ConfigModel):
    """`metadata`: what is known of topics and brokers."""

    full: bool = True
    """Accepted for compatibility: only the topics in use are asked for."""
    refresh_interval: Duration = 600.0
    """Longest time until partitions and brokers are looked at again."""
    retry: MetadataRetry = MetadataRetry()


class ClientConfig(ConfigModel):
    """Keys that the exporter and the receiver share."""

    brokers: tuple[str, ...] = Field(("localhost:9092",), min_length=1)
    """`host:port` of some brokers; the others are learned from them."""
    client_id: str = "otel-collector"
    """Shown in the brokers' logs and quotas."""
    protocol_version: str = ""
    """Accepted for compatibility; the client and the brokers agree on it themselves."""
    resolve_canonical_bootstrap_servers_only: bool = False
    """Replace each address of `brokers` by the names that its IP addresses stand for."""
    conn_idle_timeout: Duration = 540.0
    """Close connections that were idle for so long."""
    tls: Tls | None = None
    auth: Auth = Auth()
    metadata: Metadata = Metadata()
    librdkafka: dict[str, Property] = Field(default_factory=dict)
    """Further properties of the client library by its own names; they win over everything else."""

    def check_files(self) -> None:
        """Raise `Fatal` that names a file which cannot be read."""
        if self.tls is not None and not self.tls.insecure:
            self.tls.check()

    def properties(self, log: Logger | None) -> dict[str, Any]:
        """Return the connection's properties for the client library, whose words go to `log` or to nobody."""
        tls = self.tls is not None and not self.tls.insecure
        protocol = f"{'SASL_' if self.auth.sasl else ''}{'SSL' if tls else 'PLAINTEXT'}"
        canonical = "resolve_canonical_bootstrap_servers_only"
        return {
            "bootstrap.servers": ",".join(self.brokers),
            "client.id": self.client_id,
            "client.dns.lookup": canonical if self.resolve_canonical_bootstrap_servers_only else "use_all_dns_ips",
            "connections.max.idle.ms": int(self.conn_idle_timeout * 1000),
            "topic.metadata.refresh.interval.ms": int(self.metadata.refresh_interval * 1000),
            "security.protocol": protocol,
            **(self.tls.properties() if self.tls and tls else {}),
            **(self.auth.sasl.properties() if self.auth.sasl else {}),
            **({"log_level": 0} if log is None else {"logger": ClientLog(log)}),
        }


class ClientLog:
    """What the client library calls a logger; here its words become events of ours."""

    def __init__(self, log: Logger) -> None:
        self._log = log

    def log(self, level: int, message: str, *values: Any) -> None:
        """Log one line; `level` is that of the `logging` module, and the message names the thread's client."""
        say = self._log.warning if level >= 30 else self._log.info
        say("kafka client", message=message % values if values else message)
