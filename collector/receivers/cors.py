"""Cross-origin requests: which web pages may send, answered without credentials."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from collector.receivers.config import Cors

Header = tuple[bytes, bytes]

_ALWAYS_ALLOWED: Final = ("accept", "content-type", "content-encoding", "x-requested-with")
_VARY: Final[Header] = (b"vary", b"Origin")


class CorsPolicy:
    """The headers that an answer needs, by the origin that asks."""

    def __init__(self, config: Cors) -> None:
        self._any = "*" in config.allowed_origins
        self._exact = frozenset(config.allowed_origins)
        self._wild = tuple(origin.split("*") for origin in config.allowed_origins if "*" in origin and origin != "*")
        exposed = ", ".join(dict.fromkeys([*config.exposed_headers, "Retry-After"]))
        self._exposed: Header = (b"access-control-expose-headers", exposed.encode())
        allowed = ", ".join(dict.fromkeys([*_ALWAYS_ALLOWED, *(name.lower() for name in config.allowed_headers)]))
        self._preflight: list[Header] = [
            (b"access-control-allow-methods", b"POST"),
            (b"access-control-allow-headers", allowed.encode()),
        ]
        if config.max_age:
            self._preflight.append((b"access-control-max-age", str(config.max_age).encode()))

    def allows(self, origin: str) -> bool:
        """Whether pages of this origin may send."""
        if self._any or origin in self._exact:
            return True
        return any(
            origin.startswith(before) and origin.endswith(after) and len(origin) > len(before) + len(after)
            for before, after in self._wild
        )

    def headers(self, origin: bytes) -> Sequence[Header]:
        """Return what an answer to a page has: nothing where the origin is not allowed, so that browsers hide it."""
        if not self.allows(origin.decode("latin-1")):
            return (_VARY,)
        return (self._allow_origin(origin), _VARY, self._exposed)

    def preflight(self, origin: bytes) -> Sequence[Header]:
        """Return what the answer to a browser's question has, before it sends."""
        if not self.allows(origin.decode("latin-1")):
            return (_VARY,)
        return (self._allow_origin(origin), _VARY, *self._preflight)

    def _allow_origin(self, origin: bytes) -> Header:
        return (b"access-control-allow-origin", b"*" if self._any else origin)
