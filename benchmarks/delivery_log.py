"""Microseconds CPU a span that the log on disk adds to the log in memory, on the reference request.

python -m benchmarks.delivery_log [directory]

Everything between a batch and its answer counts, in all threads and in the system: the digest of the request, the
append, the sync, and a cursor that takes what comes. Requests are made before the clock starts.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvloop

from benchmarks.payload import Template
from collector.api import Batch, Signal
from collector.delivery.config import LogConfig
from collector.delivery.disk.log import DiskLog
from collector.delivery.log import Bounds, Cursor, Limits, Log
from collector.delivery.memory import MemoryLog
from collector.delivery.requests import digest_of
from collector.testing import settings
from collector.wire.codec import codec

REQUESTS = {512: 600, 1: 6000}
CLIENTS = (1, 8, 32)
DISKS = {
    "disk, sync always": LogConfig(),
    "disk, sync interval": LogConfig(sync="interval"),
    "disk, sync always, lz4": LogConfig(compression="lz4"),
}


async def deliver(cursor: Cursor) -> None:
    while await cursor.wait(8192, 0.2):
        portion = await cursor.take(Limits(size=16 << 20))
        if portion is not None:
            cursor.done(portion)


async def send(log: Log, bodies: list[bytes], spans: int) -> None:
    while bodies:
        batch = Batch(Signal.TRACES, codec(), requests=(bodies.pop(),), items=spans)
        await log.append(batch, await digest_of(batch) if log.durable else b"", unchanged=True)


async def measure(log: Log, clients: int, spans: int) -> float:
    """Return microseconds CPU a request."""
    count, template = REQUESTS[spans], Template("traces", spans)
    bodies = [template.request(number * spans) for number in range(count)]
    await log.open()
    cursor = log.cursor("sink", Bounds(0))
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(deliver(cursor))
        began = time.process_time()
        async with asyncio.TaskGroup() as senders:
            for _ in range(clients):
                senders.create_task(send(log, bodies, spans))
        used = time.process_time() - began
        log.close()
    await log.shut()
    return used / count * 1e6


@contextmanager
def disk(config: LogConfig, root: str | None) -> Iterator[Log]:
    with tempfile.TemporaryDirectory(dir=root) as directory:
        yield DiskLog(Path(directory), config, Signal.TRACES, codec(), settings("traces"), window=120.0)


def main(root: str | None = None) -> None:
    for spans in REQUESTS:
        for clients in CLIENTS:
            memory = uvloop.run(measure(MemoryLog(), clients, spans))
            print(f"{spans} spans a request, {clients} clients: memory {memory:.0f} us a request")
            for name, config in DISKS.items():
                with disk(config, root) as log:
                    added = uvloop.run(measure(log, clients, spans)) - memory
                print(f"  {name}: {added:+.0f} us a request, {added / spans:+.3f} us a span")


if __name__ == "__main__":
    main(*sys.argv[1:])
