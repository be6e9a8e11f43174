"""Tells a request that is sent again from one that is new."""

from __future__ import annotations

import asyncio

import pyarrow.compute as pc
from xxhash import xxh3_128

from collector.api import Batch, Signal

_INLINE_BYTES = 256 << 10
"""Largest request whose digest is made on the event loop: a thread costs more."""


async def digest_of(batch: Batch) -> bytes:
    """Return 16 bytes that name the request a batch was made of, none where two requests may rightly be the same.

    A span has an id. A log record or data point without a time has nothing that tells it from the next one. Rows with
    an origin are named by it: equal bytes from two places are two.
    """
    if batch.context.origin:
        return xxh3_128(batch.context.origin.encode()).digest()
    if batch.signal is Signal.TRACES and batch.size <= _INLINE_BYTES:
        return _digest(batch)
    return await asyncio.to_thread(_digest_of_timed, batch)


def _digest_of_timed(batch: Batch) -> bytes:
    return _digest(batch) if batch.signal is Signal.TRACES or _is_timed(batch) else b""


def _is_timed(batch: Batch) -> bool:
    earliest = pc.min(batch.columns.column("time_unix_nano")).as_py()
    return bool(earliest)


def _digest(batch: Batch) -> bytes:
    digest = xxh3_128()
    for request in batch.requests:
        digest.update(request)
    return digest.digest()
