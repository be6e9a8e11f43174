"""Who may ask: users with passwords, and the web pages that an operator allows."""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from ipaddress import ip_address
from urllib.parse import urlsplit

from collector.query.config import ClickHouseServerConfig
from collector.query.failure import Failure
from collector.query.request import Request

Header = tuple[bytes, bytes]


def check_page(config: ClickHouseServerConfig, request: Request, *, local: bool) -> None:
    """Raise `Failure` for what a web page sends that was not allowed to.

    A browser sends for any page, wherever it is from, and names its origin. A page whose own host name is made to
    lead here (DNS rebinding) has no other origin, but shows that name: a `local` server, which only programs of its
    machine reach, knows none but `localhost`. With users there is no need to look: such a page has no password.
    """
    origin = request.headers.get("origin", "")
    if origin and not _allows(config, origin):
        raise Failure(497, "ACCESS_DENIED", f"pages of {origin[:100]} may not query; see cors_allowed_origins")
    host = request.headers.get("host", "")
    if local and not config.users and not _is_local(host):
        raise Failure(497, "ACCESS_DENIED", f"this server is localhost, not {host[:100]}; name users to allow it")


def _is_local(host: str) -> bool:
    try:
        name = urlsplit(f"//{host}").hostname or "localhost"
        return name == "localhost" or name.endswith(".localhost") or bool(ip_address(name))
    except ValueError:
        return False


def _allows(config: ClickHouseServerConfig, origin: str) -> bool:
    return origin in config.cors_allowed_origins or "*" in config.cors_allowed_origins


def authenticate(config: ClickHouseServerConfig, request: Request) -> None:
    """Raise `Failure` unless the request is from a user; without any configured, that is `default`."""
    user, password = request.credentials()
    expected = config.users.get(user)
    if expected is None and not config.users and user == "default":
        return
    known = expected.get_secret_value().encode() if expected else b""
    if hmac.compare_digest(known, password.encode()) and expected is not None:
        return
    text = f"{user[:100]}: Authentication failed: password is incorrect, or there is no user with such name."
    raise Failure(516, "AUTHENTICATION_FAILED", text, 403 if request.has_credentials else 401)


def cors(config: ClickHouseServerConfig, request: Request, *, preflight: bool = False) -> Sequence[Header]:
    """Return the headers that let a page of another origin read the answer; none where it may not."""
    origin = request.headers.get("origin", "")
    allowed = config.cors_allowed_origins
    if not origin or not allowed:
        return ()
    if not _allows(config, origin):
        return ((b"vary", b"Origin"),)
    headers = [
        (b"access-control-allow-origin", b"*" if "*" in allowed else origin.encode()),
        (b"access-control-expose-headers", b"X-ClickHouse-Summary, X-ClickHouse-Query-Id, X-ClickHouse-Exception-Code"),
        (b"vary", b"Origin"),
    ]
    if preflight:
        headers += [
            (b"access-control-allow-methods", b"GET, POST"),
            (b"access-control-allow-headers", b"Authorization, Content-Type, X-ClickHouse-User, X-ClickHouse-Key"),
            (b"access-control-max-age", b"3600"),
        ]
    return headers
