"""Apache Kafka as one real broker in KRaft mode on loopback, from jars that Maven copies into `build`.

`python -m tests.live.kafka.broker` (`make kafka`) runs one on localhost:9092 until it is interrupted.
"""

from __future__ import annotations

import base64
import hashlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from pathlib import Path

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource

from tests.live.certificates import Authority
from tests.live.kafka.tokens import AUDIENCE, ISSUER, Issuer

_HERE = Path(__file__).parent
_JARS = _HERE.parents[2] / "build" / "kafka"
_READY_LIMIT = 60.0
_pause = threading.Event()


class NoBroker(Exception):
    """The broker cannot be had; the message says why."""


def free_ports(count: int) -> list[int]:
    """Return ports of the loopback interface that nobody uses at the moment."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [bound.getsockname()[1] for bound in sockets]
    for bound in sockets:
        bound.close()
    return ports


def jars() -> Path:
    """Return the folder of the broker's jars, filled first where it is not. Raises `NoBroker`."""
    for program in ("java", "mvn"):
        if shutil.which(program) is None:
            raise NoBroker(f"{program} is not installed; tests/live/kafka/install-java does that")
    pom = _HERE / "pom.xml"
    folder = _JARS / hashlib.sha256(pom.read_bytes()).hexdigest()[:12]
    if not folder.exists():
        partial = folder.with_suffix(f".{uuid.uuid4().hex}")
        command = ["mvn", "-q", "-B", "-f", str(pom), "dependency:copy-dependencies", "-DincludeScope=runtime"]
        done = subprocess.run([*command, f"-DoutputDirectory={partial}"], capture_output=True, text=True, check=False)
        if done.returncode:
            raise NoBroker(f"Maven could not fetch Kafka: {(done.stdout + done.stderr)[-1000:]}")
        partial.rename(folder)
    return folder


def _oauth(jwks: Path) -> dict[str, str]:
    """Return how the listener OAUTH tells good tokens from bad: those that the key in `jwks` has signed, for us."""
    package, listener = "org.apache.kafka.common.security.oauthbearer", "listener.name.oauth"
    return {
        f"{listener}.sasl.enabled.mechanisms": "OAUTHBEARER",
        f"{listener}.oauthbearer.sasl.server.callback.handler.class": f"{package}.OAuthBearerValidatorCallbackHandler",
        f"{listener}.oauthbearer.sasl.jaas.config": f"{package}.OAuthBearerLoginModule required;",
        f"{listener}.oauthbearer.connections.max.reauth.ms": "3600000",  # ends a connection whose token has expired
        f"{listener}.sasl.oauthbearer.jwks.endpoint.url": jwks.as_uri(),
        f"{listener}.sasl.oauthbearer.expected.issuer": ISSUER,
        f"{listener}.sasl.oauthbearer.expected.audience": AUDIENCE,
        f"{listener}.sasl.oauthbearer.clock.skew.seconds": "0",
    }


def _properties(directory: Path, ports: dict[str, int], jwks: Path, extra: dict[str, str]) -> str:
    settings = {
        "process.roles": "broker,controller",
        "node.id": "1",
        "controller.quorum.voters": f"1@127.0.0.1:{ports['controller']}",
        "controller.listener.names": "CONTROLLER",
        "listeners": f"PLAINTEXT://127.0.0.1:{ports['plain']},PROXIED://127.0.0.1:{ports['behind']},"
        f"SASL://127.0.0.1:{ports['sasl']},OAUTH://127.0.0.1:{ports['oauth']},TLS://127.0.0.1:{ports['tls']},"
        f"CONTROLLER://127.0.0.1:{ports['controller']}",
        "advertised.listeners": f"PLAINTEXT://127.0.0.1:{ports['plain']},PROXIED://127.0.0.1:{ports['proxied']},"
        f"SASL://127.0.0.1:{ports['sasl']},OAUTH://127.0.0.1:{ports['oauth']},TLS://127.0.0.1:{ports['tls']}",
        "listener.security.protocol.map": (
            "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,PROXIED:PLAINTEXT,SASL:SASL_PLAINTEXT,OAUTH:SASL_PLAINTEXT,TLS:SSL"
        ),
        "listener.name.tls.ssl.keystore.type": "PEM",
        "listener.name.tls.ssl.keystore.location": str(directory / "keystore.pem"),
        "listener.name.tls.ssl.truststore.type": "PEM",
        "listener.name.tls.ssl.truststore.location": str(directory / "authority.pem"),
        "listener.name.tls.ssl.client.auth": "required",
        "inter.broker.listener.name": "PLAINTEXT",
        "listener.name.sasl.sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512",
        "listener.name.sasl.plain.sasl.jaas.config": (
            "org.apache.kafka.common.security.plain.PlainLoginModule required"
            ' username="broker" password="secret" user_ottery="secret";'
        ),
        **{
            f"listener.name.sasl.scram-sha-{bits}.sasl.jaas.config": (
                "org.apache.kafka.common.security.scram.ScramLoginModule required;"
            )
            for bits in (256, 512)
        },
        **_oauth(jwks),
        "log.dirs": str(directory / "data"),
        "num.partitions": "1",
        "offsets.topic.num.partitions": "1",
        "offsets.topic.replication.factor": "1",
        "transaction.state.log.num.partitions": "1",
        "transaction.state.log.replication.factor": "1",
        "transaction.state.log.min.isr": "1",
        "group.initial.rebalance.delay.ms": "0",
        "broker.session.timeout.ms": "2000",  # a killed broker is let in again when this is over
        "broker.heartbeat.interval.ms": "400",
        "group.min.session.timeout.ms": "1000",
        **extra,
    }
    return "".join(f"{key}={value}\n" for key, value in settings.items())


class Broker:
    """One node in `directory`. `address` is the direct way to it, `behind_proxy` the one that goes by port `proxied`.

    Whoever uses `behind_proxy` runs a `tests.live.proxy.Proxy` on port `proxied` to port `behind`.
    """

    def __init__(self, directory: Path, port: int | None = None, **extra: str) -> None:
        names = ("plain", "controller", "proxied", "behind", "sasl", "oauth", "tls")
        self.ports = dict(zip(names, free_ports(len(names)), strict=True))
        if port is not None:
            self.ports["plain"] = port
        self.directory = directory
        self.output = directory / "broker.log"
        self.process: subprocess.Popen[bytes] | None = None
        data = directory / "data"
        data.mkdir(parents=True)
        self.authority = Authority(directory)
        self.issuer = Issuer(directory)
        own = self.authority.pair("broker")
        keystore = "".join(Path(own[part]).read_text() for part in ("key_file", "cert_file"))
        (directory / "keystore.pem").write_text(keystore)
        identity = [base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=") for _ in range(2)]
        (data / "meta.properties").write_text(
            f"version=1\ncluster.id={identity[0]}\nnode.id=1\ndirectory.id={identity[1]}\n"
        )
        (directory / "server.properties").write_text(_properties(directory, self.ports, self.issuer.jwks, extra))

    @property
    def address(self) -> str:
        """`host:port` of the broker itself."""
        return f"127.0.0.1:{self.ports['plain']}"

    @property
    def behind_proxy(self) -> str:
        """`host:port` of the way through a proxy."""
        return f"127.0.0.1:{self.ports['proxied']}"

    @property
    def sasl(self) -> str:
        """`host:port` of the way for users who sign in."""
        return f"127.0.0.1:{self.ports['sasl']}"

    @property
    def oauth(self) -> str:
        """`host:port` of the way for those with a token of `issuer`."""
        return f"127.0.0.1:{self.ports['oauth']}"

    @property
    def tls(self) -> str:
        """`host:port` of the way with TLS, for clients with a certificate of `authority`."""
        return f"127.0.0.1:{self.ports['tls']}"

    def start(self) -> None:
        """Start, and return when clients are served. Raises `NoBroker`."""
        command = ["java", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto"]
        command += [f"-Dorg.apache.kafka.sasl.oauthbearer.allowed.urls={self.issuer.jwks.as_uri()}"]
        command += ["-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp", f"{jars()}/*", "kafka.Kafka"]
        with self.output.open("ab") as output:
            self.process = subprocess.Popen(
                [*command, str(self.directory / "server.properties")], stdout=output, stderr=output
            )
        end = time.monotonic() + _READY_LIMIT
        while not self._ready():
            if self.process.poll() is not None or time.monotonic() > end:
                raise NoBroker(f"the broker did not start:\n{self.output.read_text()[-3000:]}")
            _pause.wait(0.05)

    def _ready(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.ports["plain"]), 1).close()
            self.admin().list_topics(timeout=2)
        except (OSError, KafkaException):
            return False
        return True

    def admin(self) -> AdminClient:
        """Return a client for topics and users."""
        return AdminClient({"bootstrap.servers": self.address, "log_level": 0})

    def configure(self, topic: str, name: str, value: str) -> None:
        """Change a setting of a topic."""
        change = ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET)
        admin = self.admin()
        for done in admin.incremental_alter_configs(
            [ConfigResource("TOPIC", topic, incremental_configs=[change])]
        ).values():
            done.result(20)

    def stop(self) -> None:
        """End in order."""
        self._end(kill=False)

    def kill(self) -> None:
        """End as a power cut does."""
        self._end(kill=True)

    def _end(self, *, kill: bool) -> None:
        if self.process is not None:
            self.process.kill() if kill else self.process.terminate()
            self.process.wait(30)
            self.process = None

    def restart(self) -> None:
        """Stop, and start again on the same data."""
        self.stop()
        self.start()


def main() -> int:
    """Run a broker for a person to try."""
    port = int(os.environ.get("KAFKA_PORT", "9092"))
    with tempfile.TemporaryDirectory(prefix="ottery-kafka-") as directory:
        broker = Broker(Path(directory) / "kafka", port)
        try:
            broker.start()
        except NoBroker as error:
            print(f"ottery: no Kafka: {error}", file=sys.stderr)  # noqa: T201 - a person reads this
            return 1
        print(f"ottery: Kafka listens on {broker.address}; Ctrl-C ends it and forgets its data", flush=True)  # noqa: T201 - a person reads this
        try:
            if broker.process is not None:
                broker.process.wait()
        except KeyboardInterrupt:
            broker.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
