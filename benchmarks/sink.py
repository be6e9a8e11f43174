"""An HTTP server that looks like ClickHouse to an exporter: it takes every INSERT and keeps it for counting.

Whatever is not an INSERT is answered by the embedded engine, in memory, so that schemas, versions and
descriptions of tables are real. Inserts are only kept while a run goes on; they are decompressed and counted
when the harness asks, so that the sink takes as little of the machine as it can.

    GET  /bench/state            rows, items that arrived, doubled and foreign ones, so far
    POST /bench/reset?expected=N forget everything, expect the items 0 to N
"""

from __future__ import annotations

import argparse
import json
import re
import tempfile
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import parse_qsl

import uvicorn
from chdb.session import Session

from benchmarks.inserts import Insert, Ledger, decompress

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

_INSERT = re.compile(rb"\s*INSERT\s", re.IGNORECASE)
_FORMAT = re.compile(rb"\bFORMAT\s+(\w+)\s*;?\s*", re.IGNORECASE)
_CLICKHOUSE_GO = 54454


class Sink:
    """The state of one run, and the engine that answers what is not an INSERT."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.reset(0)

    def reset(self, expected: int) -> None:
        """Forget the run before; the items 0 to `expected` will come."""
        self.ledger = Ledger(expected)
        self.waiting: list[Insert] = []
        self.inserts = 0
        self.bytes = 0
        self.kinds: set[str] = set()

    def take(self, insert: Insert) -> None:
        """Keep an INSERT for later counting."""
        self.waiting.append(insert)
        self.inserts += 1
        self.bytes += len(insert.body)
        self.kinds.add(f"{insert.format} {insert.encoding or 'plain'}")

    def state(self) -> dict[str, Any]:
        """Count what waits and return the ledger."""
        waiting, self.waiting = self.waiting, []
        for insert in waiting:
            self.ledger.add(*insert.read())
        counts = {"inserts": self.inserts, "bytes": self.bytes, "kinds": sorted(self.kinds)}
        return self.ledger.summary() | counts

    def answer(self, query: str, parameters: dict[str, str]) -> bytes:
        """Run a query that is not an INSERT in the engine and return its answer."""
        if database := parameters.get("database"):
            self.session.query(f"CREATE DATABASE IF NOT EXISTS `{database}`")
            self.session.query(f"USE `{database}`")
        protocol = int(parameters.get("client_protocol_version", "0"))
        if protocol >= _CLICKHOUSE_GO:
            return self._answer_go(query, protocol, framed=parameters.get("compress") == "1")
        placeholders = {name[6:]: value for name, value in parameters.items() if name.startswith("param_")}
        answer = self.session.query(query, parameters.get("default_format", "TabSeparated"), params=placeholders)
        return bytes(answer.bytes())

    def _answer_go(self, query: str, protocol: int, *, framed: bool) -> bytes:
        from benchmarks.native_format import encode, frame  # noqa: PLC0415 - its hash is there only with the peers

        answer = bytes(self.session.query(query, "JSONCompact").bytes())
        if not answer:
            return b""
        block = encode(answer.decode(), protocol)
        return frame(block) if framed else block


def _insert(query: bytes, encoding: str, body: bytes) -> Insert:
    found = _FORMAT.search(query)
    return Insert(found[1].decode() if found else "Values", encoding, body)


class Application:
    """The bare ASGI application around a sink."""

    def __init__(self, sink: Sink) -> None:
        self.sink = sink

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer one request."""
        parameters = dict(parse_qsl(scope["query_string"].decode(), keep_blank_values=True))
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        body = await _read(receive)
        try:
            status, answer = 200, self._route(scope["path"], parameters, headers, body)
        except Exception as error:  # noqa: BLE001 - the harness must see any error, and the collector an answer
            status, answer = 500, f"Code: 0. {type(error).__name__}: {error}".encode()
        await _respond(send, status, answer)

    def _route(self, path: str, parameters: dict[str, str], headers: dict[str, str], body: bytes) -> bytes:
        if path == "/ping":
            return b"Ok.\n"
        if path == "/bench/state":
            return json.dumps(self.sink.state()).encode()
        if path == "/bench/reset":
            self.sink.reset(int(parameters["expected"]))
            return b""
        return self._clickhouse(parameters, headers, body)

    def _clickhouse(self, parameters: dict[str, str], headers: dict[str, str], body: bytes) -> bytes:
        encoding = "clickhouse" if parameters.get("decompress") == "1" else headers.get("content-encoding", "")
        query = parameters.get("query", "").encode()
        if _INSERT.match(query):
            self.sink.take(_insert(query, encoding, body))
            return b""
        statement = (query + b" " + decompress(body, encoding)).strip()
        if not _INSERT.match(statement):
            name = headers.get("x-clickhouse-format")
            return self.sink.answer(statement.decode(), parameters | ({"default_format": name} if name else {}))
        found = _FORMAT.search(statement)
        end = found.end() if found else len(statement)
        self.sink.take(_insert(statement[:end], "", statement[end:]))
        return b""


async def _read(receive: Receive) -> bytes:
    parts = []
    while True:
        message = await receive()
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(parts)


async def _respond(send: Send, status: int, answer: bytes) -> None:
    headers = [(b"content-length", str(len(answer)).encode()), (b"x-clickhouse-server-display-name", b"sink")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": answer})


def main() -> None:
    """Serve until killed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    port = parser.parse_args().port
    with tempfile.TemporaryDirectory(prefix="ottery-sink-") as directory:
        sink = Sink(Session(directory))
        uvicorn.run(
            Application(sink), host="127.0.0.1", port=port, lifespan="off", log_level="warning", access_log=False,
            loop="uvloop", http="httptools", timeout_keep_alive=120,
        )  # fmt: skip


if __name__ == "__main__":
    main()
