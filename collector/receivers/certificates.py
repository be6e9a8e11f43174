"""The certificates of a server, read again when their files change. `Certificates` raises `Fatal` for unusable ones."""

from __future__ import annotations

import ssl
import tempfile
from pathlib import Path
from typing import Any, Final

from collector.api import Clock, Fatal, Logger
from collector.receivers.ciphers import openssl_name
from collector.receivers.config import ServerTls

_VERSIONS: Final = {
    "1.2": ssl.TLSVersion.TLSv1_2,
    "1.3": ssl.TLSVersion.TLSv1_3,
    "": ssl.TLSVersion.MAXIMUM_SUPPORTED,
}
_Signature = tuple[tuple[int, int, int], ...]


class Certificates:
    """Hands out the newest context that works: after a broken change the old one stays in use.

    `protocol` is what the server speaks, by its name in ALPN.
    """

    def __init__(self, config: ServerTls, protocol: str, clock: Clock, log: Logger) -> None:
        self._config = config
        self._protocol = protocol
        self._clock = clock
        self._log = log
        self._checked = clock.monotonic()
        try:
            self._signature = self._look()
            self._context = self._read()
        except (OSError, ValueError) as error:
            raise Fatal(f"tls: {error}") from error

    def server_context(self) -> ssl.SSLContext:
        """Return a context whose every new connection is served with what the files hold by then."""
        context = self._context
        context.sni_callback = self._swap
        return context

    def _swap(self, connection: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> None:
        if self._due():
            self._refresh()
        connection.context = self._context

    def _due(self) -> bool:
        interval = self._config.reload_interval
        passed = self._clock.monotonic() - self._checked
        return self._config.client_ca_file_reload or bool(interval and passed >= interval)

    def _refresh(self) -> None:
        self._checked = self._clock.monotonic()
        try:
            seen = self._look()
            if seen == self._signature:
                return
            self._signature = seen
            self._context = self._read()
        except (OSError, ValueError) as error:
            self._log.warning("certificates cannot be read, the old ones stay in use", error=str(error))
        else:
            self._log.info("certificates were read again")

    def _look(self) -> _Signature:
        files = (self._config.cert_file, self._config.key_file, self._config.client_ca_file)
        found = [file.stat() for file in files if file]
        return tuple((stat.st_mtime_ns, stat.st_size, stat.st_ino) for stat in found)

    def _read(self) -> ssl.SSLContext:
        """Read the files once. Raises OSError or ValueError (ssl.SSLError is both) when they do not fit together."""
        config = self._config
        chain = _pem(config.cert_pem, config.cert_file)
        key = _pem(config.key_pem, config.key_file)
        client_ca = config.client_ca_file.read_bytes() if config.client_ca_file else None
        context = _context(config, chain, key, client_ca)
        context.set_alpn_protocols([self._protocol])
        return context


def _pem(text: str | None, file: Path | None) -> bytes:
    return file.read_bytes() if file else (text or "").encode()


def _context(config: ServerTls, chain: bytes, key: bytes, client_ca: bytes | None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = _VERSIONS[config.min_version]
    context.maximum_version = _VERSIONS[config.max_version]
    suites = [name for name in map(openssl_name, config.cipher_suites) if name]
    if suites:
        context.set_ciphers(":".join(suites))
    if client_ca is not None:
        context.load_verify_locations(cadata=client_ca.decode("ascii"))
        context.verify_mode = ssl.CERT_REQUIRED
    with tempfile.TemporaryDirectory(prefix="ottery-tls-") as folder:  # the ssl module reads keys only from files
        pair = Path(folder, "pair.pem")
        pair.touch(0o600)
        pair.write_bytes(key + b"\n" + chain)
        context.load_cert_chain(pair, password=_no_password)
    return context


def _no_password(*_: Any) -> str:
    raise ValueError("the private key is encrypted; a key without a password is needed")
