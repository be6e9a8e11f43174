"""Requests as the ClickHouse HTTP protocol has them."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl
from uuid import uuid4

from collector.query.failure import Failure, bad_request
from collector.query.forms import form_fields, is_form
from collector.query.statement import Query

_RESERVED: Final = frozenset(
    {
        "buffer_size",
        "client_protocol_version",
        "close_session",
        "compress",
        "database",
        "decompress",
        "default_format",
        "enable_http_compression",
        "http_headers_progress_interval_ms",
        "http_zlib_compression_level",
        "password",
        "query",
        "query_id",
        "quota_key",
        "role",
        "send_progress_in_http_headers",
        "session_check",
        "session_id",
        "session_timeout",
        "user",
        "wait_end_of_query",
        "cancel_http_readonly_queries_on_client_close",
    }
)
"""URL parameters that are the protocol's own; all others but `param_*` are settings."""


_UNPRINTABLE: Final = re.compile(r"[^\x20-\x7e]")


@dataclass(frozen=True, slots=True)
class Request:
    """What the head of a request says. `arguments` are its URL parameters, `headers` have lower-case names."""

    method: str
    arguments: Mapping[str, str]
    headers: Mapping[str, str]
    query_id: str

    @classmethod
    def read(cls, method: str, query_string: bytes, headers: Iterable[tuple[bytes, bytes]]) -> Request:
        """Return the request. Raises `Failure` for a URL that cannot be read."""
        try:
            pairs = parse_qsl(query_string.decode(), keep_blank_values=True, errors="strict", max_num_fields=1000)
        except ValueError as error:
            raise bad_request("the URL has more than 1000 parameters, or is not UTF-8") from error
        arguments: dict[str, str] = {}
        for name, value in pairs:
            arguments[name] = f"{arguments[name]}{value}" if name == "query" and name in arguments else value
        named = {name.decode("latin-1"): value.decode("latin-1") for name, value in headers}
        query_id = arguments.get("query_id") or named.get("x-clickhouse-query-id") or str(uuid4())
        return cls(method, arguments, named, _UNPRINTABLE.sub("?", query_id[:200]))

    def flag(self, name: str) -> bool:
        """Whether a parameter is set and not 0."""
        return self.arguments.get(name, "0").lower() not in ("", "0", "false")

    @property
    def has_credentials(self) -> bool:
        """Whether the client says who it is."""
        return "user" in self.arguments or "authorization" in self.headers or "x-clickhouse-user" in self.headers

    def credentials(self) -> tuple[str, str]:
        """Return user and password, from wherever ClickHouse takes them. Raises `Failure` for an unreadable header."""
        authorization = self.headers.get("authorization", "")
        scheme, _, given = authorization.partition(" ")
        if scheme.lower() == "basic":
            try:
                user, _, password = base64.b64decode(given, validate=True).decode().partition(":")
            except (binascii.Error, UnicodeDecodeError) as error:
                raise Failure(516, "AUTHENTICATION_FAILED", "the Authorization header cannot be read") from error
            return user or "default", password
        if authorization:
            raise Failure(516, "AUTHENTICATION_FAILED", "basic authentication was expected")
        user = self.headers.get("x-clickhouse-user") or self.arguments.get("user") or "default"
        return user, self.headers.get("x-clickhouse-key") or self.arguments.get("password", "")

    def query(self, body: bytes) -> Query:
        """Return the query: what is in the URL, then what is in the body."""
        arguments, kind = self.arguments, self.headers.get("content-type", "")
        if is_form(kind):
            arguments, body = {**arguments, **form_fields(kind, body)}, b""
        text = b"\n".join(part for part in (arguments.get("query", "").encode(), body) if part)
        if not text.strip():
            raise Failure(62, "SYNTAX_ERROR", "Empty query")
        rest = {name: value for name, value in arguments.items() if name not in _RESERVED}
        parameters = {name[6:]: value for name, value in rest.items() if name.startswith("param_")}
        settings = {name: value for name, value in rest.items() if not name.startswith("param_")}
        headers = self.headers
        return Query(
            text,
            database=arguments.get("database") or headers.get("x-clickhouse-database", ""),
            format=arguments.get("default_format") or headers.get("x-clickhouse-format") or "TabSeparated",
            settings=settings,
            parameters=parameters,
            read_only=self.method != "POST",
            whole=self.flag("wait_end_of_query"),
        )
