"""Who may come in: an issuer of signed tokens whose key the broker knows, and the endpoint that hands them out."""

from __future__ import annotations

import base64
import json
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qs

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

ISSUER = "https://issuer.example.com"
AUDIENCE = "kafka"
CLIENT, SECRET = "ottery", "s3cret"
_KEY_ID = "one"
_LIMIT = 30.0


class Issuer:
    """Signs tokens with RS256; `jwks` is the file of its public key."""

    def __init__(self, folder: Path) -> None:
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        public = self._key.public_key().public_numbers()
        numbers = {"n": _base64(_bytes(public.n)), "e": _base64(_bytes(public.e))}
        key = {"kty": "RSA", "use": "sig", "alg": "RS256", "kid": _KEY_ID, **numbers}
        self.jwks = folder / f"jwks-{uuid.uuid4().hex[:8]}.json"
        self.jwks.write_text(json.dumps({"keys": [key]}))

    def token(self, lifetime: float = 3600, **claims: Any) -> str:
        """Return a token for `lifetime` seconds from now on, as JWS."""
        now = time.time()
        own = {"iss": ISSUER, "aud": AUDIENCE, "sub": CLIENT, "iat": now, "exp": int(now + lifetime)}
        header = {"alg": "RS256", "typ": "JWT", "kid": _KEY_ID}
        signed = ".".join(_base64(json.dumps(part).encode()) for part in (header, own | claims))
        return f"{signed}.{_base64(self._key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256()))}"


class TokenEndpoint:
    """OAuth's client credentials over HTTP on loopback. `make` is what a request is answered with, or its refusal."""

    def __init__(self, issuer: Issuer) -> None:
        self.issuer = issuer
        self.make: Callable[[], str] = issuer.token
        self.refusal: tuple[int, dict[str, str]] | None = None
        self.requests: list[dict[str, list[str]]] = []
        self._asked = threading.Condition()

    def asked(self, times: int) -> None:
        """Wait until a token was asked for so often."""
        with self._asked:
            if not self._asked.wait_for(lambda: len(self.requests) >= times, _LIMIT):
                raise TimeoutError(f"asked {len(self.requests)} times, {times} were expected")

    def answer(self, authorization: str, form: str) -> tuple[int, dict[str, Any]]:
        """Return status and body for a request."""
        with self._asked:
            self.requests.append(parse_qs(form))
            self._asked.notify_all()
        if self.refusal is not None:
            return self.refusal
        if authorization != "Basic " + base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode():
            return 401, {"error": "invalid_client", "error_description": "no such client or secret"}
        return 200, {"access_token": self.make(), "token_type": "Bearer"}

    @contextmanager
    def serving(self, port: int = 0) -> Iterator[Self]:
        """Listen; `url` is where."""
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                form = self.rfile.read(int(self.headers["content-length"])).decode()
                status, body = endpoint.answer(self.headers["authorization"] or "", form)
                content = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        with ThreadingHTTPServer(("127.0.0.1", port), Handler) as server:
            self.url = f"http://127.0.0.1:{server.server_port}/token"
            thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
            thread.start()
            try:
                yield self
            finally:
                server.shutdown()
                thread.join()


def _bytes(number: int) -> bytes:
    return number.to_bytes((number.bit_length() + 7) // 8)


def _base64(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")
