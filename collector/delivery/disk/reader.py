"""Reads records back from segments."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

from collector.api import Codec, Logger
from collector.delivery.cursor import Reading
from collector.delivery.disk.record import HEADER_SIZE, Header, intact, parse, unpack
from collector.delivery.disk.segment import Segment
from collector.delivery.log import NOTHING, Limits, Record, Tally


@dataclass(frozen=True, slots=True)
class Extent:
    """The segments of a log at one moment, and where the last one ends."""

    segments: Sequence[Segment]
    end: int
    total: Tally


class Reader:
    """Reads what is asked for, over whatever is damaged. Blocks, so it is called in a thread."""

    def __init__(self, codec: Codec, log: Logger) -> None:
        self._codec = codec
        self._log = log

    def read(self, extent: Extent, first: int, last: int | None, limits: Limits) -> Reading:
        """Return what a `Shelf` promises. Raises OSError when the disk does not answer, which may pass."""
        stop = extent.end if last is None else last + 1
        records: list[Record] = []
        tally = NOTHING
        for segment in extent.segments:
            if segment.end <= first or segment.base >= stop or not self._ready(segment):
                continue
            with segment.path.open("rb", buffering=0) as file:
                for number, offset in segment.places(first, stop):
                    header = parse(os.pread(file.fileno(), HEADER_SIZE, offset))
                    if header is None or header.sequence != number:
                        self._damage(segment, number)
                        continue
                    if records and limits.exceeded(tally + header.tally):
                        return Reading(tuple(records), number, header.before)
                    if (record := self._load(file.fileno(), offset, header)) is None:
                        self._damage(segment, number)
                        continue
                    records.append(record)
                    tally += header.tally
        total = extent.total if last is None else _after(records)
        return Reading(tuple(records), stop, total)

    def _load(self, file: int, offset: int, header: Header) -> Record | None:
        body = os.pread(file, header.length - HEADER_SIZE, offset + HEADER_SIZE)
        if not intact(header, body):
            return None
        return Record(header.sequence, unpack(header, body, self._codec), header.tally, header.before)

    def _ready(self, segment: Segment) -> bool:
        """Whether the segment can be read; the first time this takes a walk through it."""
        try:
            if not segment.indexed:
                segment.index()
        except FileNotFoundError:
            self._log.error("a segment of the log is gone", segment=segment.path.name)
            return False
        return True

    def _damage(self, segment: Segment, number: int) -> None:
        segment.damaged = True
        self._log.error("a record of the log is damaged and left out", segment=segment.path.name, number=number)


def _after(records: Sequence[Record]) -> Tally:
    return records[-1].before + records[-1].tally if records else NOTHING
