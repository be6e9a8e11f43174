"""The log on disk: answered means written."""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import Awaitable, Collection, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Final
from urllib.parse import unquote

from collector.api import Batch, Codec, Fatal, Overloaded, Settings, Signal, State
from collector.delivery.config import LogConfig
from collector.delivery.cursor import Cursors, LogCursor, Reading, leading, weigh
from collector.delivery.disk import recovery
from collector.delivery.disk.digests import Digests, Taken, recall
from collector.delivery.disk.places import SUFFIX as PLACE
from collector.delivery.disk.places import PlaceFile
from collector.delivery.disk.reader import Extent, Reader
from collector.delivery.disk.record import NO_DIGEST, Entry
from collector.delivery.disk.segment import Segment
from collector.delivery.disk.shelf import DiskShelf
from collector.delivery.disk.writer import Writer, Written
from collector.delivery.files import file_name
from collector.delivery.log import NOTHING, Bounds, Limits, Record, Tally
from collector.delivery.place import BadPlace, Place
from collector.telemetry import catalogue

_RECENT_BYTES: Final = 32 << 20
"""Bytes of the newest records that stay in memory, so that a cursor that keeps up reads nothing from the disk."""
_RETRY_AFTER: Final = 5.0


@dataclass(slots=True)
class _Waiting:
    """A batch whose writer waits for it to be safe."""

    entry: Entry | None
    tally: Tally
    done: asyncio.Future[int]

    def fail(self, error: Exception) -> None:
        """Tell the writer why its batch is not kept, if it still listens."""
        self.done.set_exception(error)
        self.done.exception()


class DiskLog:
    """Keeps the batches of one pipeline in segments. Everything but the files is touched on the event loop alone.

    `window` is for how many seconds digests of requests are remembered.
    All writers that wait share one write and one sync: while a thread does those, the next ones gather. A write begins
    at the end of a turn of the loop, so that whoever the last one has woken is in it.
    """

    durable = True

    def __init__(
        self,
        directory: Path,
        config: LogConfig,
        signal: Signal,
        codec: Codec,
        settings: Settings,
        *,
        window: float = 0.0,
    ) -> None:
        self.id = ""
        self.capacity = int(config.max_size)
        self.signal = signal
        self.settings = settings
        self.closed = False
        self.total = NOTHING
        self.end = 0
        self._directory = directory
        self._config = config
        self._reader = Reader(codec, settings.log)
        self._writer: Writer | None = None
        self._lock = -1
        self._segments: list[Segment] = []
        self._used = 0
        self._unborn: list[tuple[PlaceFile, bytes]] = []
        self._recent: deque[Record] = deque()
        self._recent_size = 0
        self._digests = Digests(round(window * 1e9))
        self._writing: dict[bytes, asyncio.Future[int]] = {}
        self._cursors = Cursors()
        self._shelves: list[tuple[DiskShelf, LogCursor]] = []
        self._waiting: deque[_Waiting] = deque()
        self._pending = NOTHING
        self._committing = False
        self._quiet = asyncio.Event()
        self._quiet.set()
        self._sync_timer: asyncio.TimerHandle | None = None
        self._probe_timer: asyncio.TimerHandle | None = None
        self._state = State.STARTING
        self._threads: dict[str, ThreadPoolExecutor] = {}

    async def open(self) -> None:
        self._threads = {name: ThreadPoolExecutor(1, f"log-{name}") for name in ("write", "read", "place")}
        if self._lock < 0:
            self._lock = await asyncio.to_thread(recovery.take, self._directory)
        try:
            found = await asyncio.to_thread(recovery.recover, self._directory, self.settings.log)
            taken = await asyncio.to_thread(recall, self._directory, found.segments, self._since())
        except OSError as error:
            raise Fatal(f"the log in {self._directory} cannot be read: {error}") from error
        for each in taken:
            self._digests.add(each)
        found.leap()
        self._cursors, self._shelves, self._unborn = Cursors(), [], []
        self.id = found.log_id.hex()
        self._segments, self.end, self.total = found.segments, found.end, found.total
        for path in self._directory.glob(f"*{PLACE}"):
            with suppress(BadPlace, OSError):
                self._catch_up(PlaceFile(path, sync=False).load() or Place())
        self._writer = Writer(self._directory, found.log_id, self._config)
        for kind, count in (("torn", int(found.torn > 0)), ("segment", found.damaged)):
            self.settings.metrics.add(catalogue.OTTERY_LOG_DAMAGE, count, pipeline=self.settings.id, kind=kind)
        self._measure()
        self._report(State.OK)

    def _catch_up(self, place: Place) -> None:
        """Go on where a cursor has been, also where the disk lost what was there."""
        self.end = max(self.end, place.next)
        if place.taken.items > self.total.items:
            self.total = place.taken

    def retire(self, names: Collection[str]) -> None:
        files = {file_name(name) for name in names}
        for path in self._directory.glob(f"*{PLACE}"):
            if path.stem not in files:
                self._retire(path)

    def _retire(self, path: Path) -> None:
        try:
            place = PlaceFile(path, sync=False).load() or Place()
            path.rename(path.with_name(f"{path.name}.retired"))
        except (BadPlace, OSError) as error:
            self.settings.log.warning("a cursor of a removed exporter is left", cursor=path.name, reason=str(error))
            return
        flying = sum(portion.unsettled for portion in place.flight.values())
        if items := self.total.items - place.taken.items + flying:
            self.lost(unquote(path.stem), items, "exporter_removed")

    def lost(self, exporter: str, items: int, reason: str) -> None:
        """Count items that an exporter will not get."""
        settings, labels = self.settings, {"signal": self.signal.value, "component": exporter, "reason": reason}
        settings.metrics.add(catalogue.OTTERY_DROPPED, items, **labels, intentional="false")
        settings.log.error(
            "items of the log are lost", pipeline=settings.id, exporter=exporter, items=items, reason=reason
        )

    def cursor(self, name: str, bounds: Bounds) -> LogCursor:
        file = PlaceFile(self._directory / f"{file_name(name)}{PLACE}", sync=self._config.sync != "never")
        try:
            place = file.load()
        except BadPlace as error:
            self.settings.log.error("a cursor's place is damaged; it starts over", exporter=name, reason=str(error))
            first = self._segments[0] if self._segments else None
            origin = first.before if first else self.total
            place = Place(next=first.base if first else self.end, origin=origin, taken=origin)
        if place is None:
            place = Place(next=self.end, origin=self.total, taken=self.total)
            self._unborn.append((file, place.to_json()))
        shelf = DiskShelf(self, name, file, self._threads["place"])
        shelf.written = place.oldest()
        cursor = LogCursor(name, bounds, shelf, place)
        self._cursors.all.append(cursor)
        self._shelves.append((shelf, cursor))
        return cursor

    def admit(self, batch: Batch) -> None:
        self._admit(weigh(batch))

    def _admit(self, offered: Tally) -> None:
        if self.closed or self._writer is None:
            raise Overloaded("shutting down" if self.closed else "the log is not open")
        self._cursors.admit(offered + self._pending)
        self._expire()
        while self._used + self._pending.size + offered.size > self._config.max_size:
            if self._config.on_full == "refuse" or not self._drop_oldest("log_full"):
                self._refuse(
                    f"the log of pipeline {self.settings.id} is full: max_size is {self._config.max_size} bytes",
                    offered.items,
                    "full",
                )

    async def known(self, digest: bytes) -> int | None:
        sequence = self._digests.find(digest, self.settings.clock.now_ns())
        if sequence is None and (writing := self._writing.get(digest)) is not None:
            sequence = await asyncio.shield(writing)
        return sequence

    async def append(self, batch: Batch, digest: bytes = b"", /, *, unchanged: bool = False) -> int:
        if digest and (sequence := await self.known(digest)) is not None:
            return sequence
        tally = weigh(batch)
        self._admit(tally)
        await self._cursors.room(tally)
        if self.closed:
            raise Overloaded("shutting down")
        entry = Entry(batch, digest or NO_DIGEST, unchanged and bool(digest))
        waiting = _Waiting(entry, tally, asyncio.get_running_loop().create_future())
        if digest:
            self._writing[digest] = waiting.done
        self._waiting.append(waiting)
        self._pending += tally
        self._quiet.clear()
        if len(self._waiting) == 1 and not self._committing:
            asyncio.get_running_loop().call_soon(self._commit)
        return await asyncio.shield(waiting.done)

    def _commit(self) -> None:
        """Let the thread write what waits, unless it is at work."""
        if self._committing or self._writer is None:
            return
        if not self._waiting:
            self._quiet.set()
            return
        group, self._waiting = self._waiting, deque()
        self._committing = True
        entries = [waiting.entry for waiting in group if waiting.entry is not None]
        write = partial(self._write, self._writer, entries, self.end, self.total, self.settings.clock.now_ns())
        job = asyncio.get_running_loop().run_in_executor(self._threads["write"], write)
        job.add_done_callback(partial(self._committed, group))

    def _write(self, writer: Writer, entries: Sequence[Entry], sequence: int, before: Tally, now: int) -> Written:
        """Write a group, in the thread; a cursor that is new must be on disk before the first record it is to get."""
        while self._unborn:
            file, text = self._unborn[-1]
            file.save(text)
            self._unborn.pop()
        return writer.write(entries, sequence, before, now)

    def _committed(self, group: Iterable[_Waiting], job: asyncio.Future[Written]) -> None:
        self._committing = False
        for waiting in group:
            self._pending -= waiting.tally
            if waiting.entry is not None:
                self._writing.pop(waiting.entry.digest, None)
        try:
            written = job.result()
        except OSError as error:
            self._failed(group, error)
        except Exception as error:  # noqa: BLE001 - whoever waits must hear of it, and the log must go on
            self.settings.log.error("a fault of the log", pipeline=self.settings.id, error=repr(error))
            for waiting in group:
                waiting.fail(error)
        else:
            self._keep(group, written)
        self._commit()

    def _failed(self, group: Iterable[_Waiting], error: OSError) -> None:
        message = f"the log of pipeline {self.settings.id} cannot be written: {error.strerror or error}"
        self._report(State.FAILED, message)
        items = sum(waiting.tally.items for waiting in group)
        self.settings.metrics.add(catalogue.OTTERY_LOG_REFUSED, items, pipeline=self.settings.id, reason="disk")
        for waiting in group:
            waiting.fail(Overloaded(message, _RETRY_AFTER))
        if self._probe_timer is None:
            self._probe_timer = asyncio.get_running_loop().call_later(_RETRY_AFTER, self._probe)

    def _probe(self) -> None:
        """Write nothing, to see whether the disk takes data again: clients may wait for us to say so."""
        self._probe_timer = None
        self._waiting.append(_Waiting(None, NOTHING, asyncio.get_running_loop().create_future()))
        self._commit()

    def _keep(self, group: Iterable[_Waiting], written: Written) -> None:
        segment = written.segment
        if segment not in self._segments:
            self._segments = [old for old in self._segments if old.path != segment.path] + [segment]
        entries = [(waiting, waiting.entry) for waiting in group if waiting.entry is not None]
        for (waiting, entry), place in zip(entries, written.places, strict=True):
            if isinstance(place, Exception):
                waiting.fail(place)
                continue
            offset, header = place
            segment.add(header, offset)
            if entry.digest != NO_DIGEST:
                self._digests.add(Taken(entry.digest, header.received_at, header.sequence))
            self.end, self.total = segment.end, segment.total
            self._remember(Record(header.sequence, entry.batch, header.tally, header.before))
            waiting.done.set_result(header.sequence)
        segment.size = written.size
        self._report(State.OK)
        self._measure()
        self._sync_later()
        self._cursors.added()

    def _sync_later(self) -> None:
        if self._config.sync == "interval" and self._sync_timer is None:
            loop = asyncio.get_running_loop()
            self._sync_timer = loop.call_later(self._config.sync_interval, self._sync)

    def _sync(self) -> None:
        self._sync_timer = None
        if self._writer is not None:
            job = asyncio.get_running_loop().run_in_executor(self._threads["write"], self._writer.sync)
            job.add_done_callback(self._synced)

    def _synced(self, job: asyncio.Future[None]) -> None:
        if not job.cancelled() and (error := job.exception()) is not None:
            self.settings.log.error("the log could not be synced", pipeline=self.settings.id, reason=str(error))

    def _remember(self, record: Record) -> None:
        self._recent.append(record)
        self._recent_size += record.tally.size
        while self._recent_size > _RECENT_BYTES:
            self._recent_size -= self._recent.popleft().tally.size

    def forget(self) -> None:
        """Let go of records in memory that every cursor is done with."""
        oldest = min(cursor.place.oldest() for cursor in self._cursors.all)
        while self._recent and self._recent[0].sequence < oldest:
            self._recent_size -= self._recent.popleft().tally.size

    async def read(self, first: int, last: int | None, limits: Limits) -> Reading:
        """Return what a `Shelf` promises, from memory where all of it is there."""
        if self._recent and self._recent[0].sequence <= first:
            return self._recall(first, last, limits)
        extent = Extent(tuple(self._segments), self.end, self.total)
        read = partial(self._reader.read, extent, first, last, limits)
        return await asyncio.get_running_loop().run_in_executor(self._threads["read"], read)

    def _recall(self, first: int, last: int | None, limits: Limits) -> Reading:
        start = self._recent[0].sequence
        stop = self.end if last is None else last + 1
        records = leading(islice(self._recent, first - start, stop - start), limits)
        final = records[-1]
        return Reading(tuple(records), final.sequence + 1, final.before + final.tally)

    def release(self) -> None:
        """Remove segments that no cursor needs, by what is written of their places; the newest stays."""
        if not self._shelves:
            return
        oldest = min(shelf.written for shelf, _ in self._shelves)
        gone = [segment for segment in self._segments[:-1] if segment.end <= oldest]
        self._discard(gone)

    def _expire(self) -> None:
        if not self._config.max_age:
            return
        limit = self.settings.clock.now_ns() - round(self._config.max_age * 1e9)
        while len(self._segments) > 1 and self._segments[0].newest < limit:
            self._drop_oldest("expired")

    def _drop_oldest(self, reason: str) -> bool:
        """Give up the oldest segment; tell whether there was one to give up."""
        if len(self._segments) < 2:
            return False
        oldest, following = self._segments[:2]
        for _, cursor in self._shelves:
            cursor.skip(following.base, following.before, reason)
        self._discard([oldest])
        return True

    def _discard(self, gone: list[Segment]) -> None:
        if not gone:
            return
        self._segments = [segment for segment in self._segments if segment not in gone]
        self._measure()
        if self._used < self._config.max_size and self._probe_timer is None:
            self._report(State.OK)
        since = self._since()
        for segment in gone:
            job = asyncio.get_running_loop().run_in_executor(self._threads["place"], recovery.discard, segment, since)
            job.add_done_callback(partial(self._discarded, segment))

    def _since(self) -> int:
        """Return the time from which on requests are remembered."""
        return self.settings.clock.now_ns() - self._digests.window

    def _discarded(self, segment: Segment, job: asyncio.Future[None]) -> None:
        if not job.cancelled() and (error := job.exception()) is not None:
            self.settings.log.error("a segment cannot be removed", segment=segment.path.name, reason=str(error))

    def _refuse(self, message: str, items: int, reason: str) -> None:
        self.settings.metrics.add(catalogue.OTTERY_LOG_REFUSED, items, pipeline=self.settings.id, reason=reason)
        self._report(State.FAILED, message)
        raise Overloaded(message, _RETRY_AFTER)

    def _report(self, state: State, message: str = "") -> None:
        if state is not self._state:
            self._state = state
            self.settings.report(state, message)
            if message:
                self.settings.log.error("the log refuses data", pipeline=self.settings.id, reason=message)

    def _measure(self) -> None:
        self._used = sum(segment.size for segment in self._segments)
        metrics, pipeline = self.settings.metrics, self.settings.id
        metrics.set(catalogue.OTTERY_LOG_BYTES, self._used, pipeline=pipeline)
        metrics.set(catalogue.OTTERY_LOG_CAPACITY, self._config.max_size, pipeline=pipeline)

    def oldest(self) -> int | None:
        needed = min((cursor.place.oldest() for cursor in self._cursors.all), default=self.end)
        if needed >= self.end:
            return None
        if self._recent and self._recent[0].sequence <= needed:
            return self._recent[needed - self._recent[0].sequence].batch.context.received_at
        return next((segment.created for segment in self._segments if segment.end > needed), None)

    def close(self) -> None:
        self.closed = True
        self._cursors.close()

    async def shut(self) -> None:
        self.closed = True
        await self._quiet.wait()
        for timer in (self._sync_timer, self._probe_timer):
            if timer is not None:
                timer.cancel()
        for shelf, cursor in self._shelves:
            await self._last(shelf.shut(cursor.place))
        if self._writer is not None:
            seal = partial(self._writer.seal, self.end, self.total)
            await self._last(asyncio.get_running_loop().run_in_executor(self._threads["write"], seal))
        for thread in self._threads.values():
            await asyncio.to_thread(thread.shutdown)
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    async def _last(self, work: Awaitable[None]) -> None:
        try:
            await work
        except OSError as error:
            self.settings.log.warning(
                "the log could not be closed in order", pipeline=self.settings.id, reason=str(error)
            )
