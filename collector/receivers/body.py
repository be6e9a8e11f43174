"""Reading the body of an HTTP request: counted while it streams, and bounded in time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

from collector.api import OtteryError, TooLarge
from collector.receivers.admission import Lease

CHUNK_TIMEOUT: Final = 10.0
"""Seconds without any byte of a body after which its client is given up."""

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]


class Disconnected(OtteryError):
    """The client went away before its request was complete."""


class TooSlow(OtteryError):
    """The client did not send its request in time."""


async def read_body(
    receive: Receive,
    lease: Lease,
    limit: int,
    timeout: float,  # noqa: ASYNC109 - two in one
) -> list[bytes]:
    """Return the body in pieces, at most `limit` bytes, which `lease` then holds; `timeout` 0 is no limit on the whole.

    Raises `TooLarge` as soon as the limit is passed, `Overloaded`, `Disconnected` and `TooSlow`.
    """
    clock = asyncio.get_running_loop().time
    end = clock() + timeout if timeout else float("inf")
    chunks: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout_at(min(clock() + CHUNK_TIMEOUT, end)) as deadline:
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise Disconnected("the client closed the connection within a request")
                chunk = message.get("body", b"")
                size += len(chunk)
                if size > limit:
                    raise TooLarge(f"the body is larger than the {limit} bytes accepted")
                lease.take(len(chunk))
                chunks.append(chunk)
                if not message.get("more_body", False):
                    return chunks
                deadline.reschedule(min(clock() + CHUNK_TIMEOUT, end))
    except TimeoutError as error:
        raise TooSlow(f"the body did not arrive in time; {size} bytes of it did") from error
