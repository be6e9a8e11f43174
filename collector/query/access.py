"""Who may ask: users with passwords, and web pages of other origins."""

from __future__ import annotations

import hmac
from collections.abc import Sequence

from collector.query.config import ClickHouseServerConfig
from collector.query.failure import Failure
from collector.query.request import Request

Header = tuple[bytes, bytes]


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
    if origin not in allowed and "*" not in allowed:
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
