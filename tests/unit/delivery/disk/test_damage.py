"""What is left of a log after its files were cut, flipped, or only partly reached the disk."""

import asyncio
import errno
import os
import shutil
from pathlib import Path

import pytest

from collector.api import Batch, Context, Overloaded, Signal, State
from collector.delivery.disk import recovery, writer
from collector.delivery.disk.record import HEADER_SIZE
from collector.delivery.disk.segment import HEAD_SIZE
from collector.delivery.log import Limits
from collector.telemetry import catalogue
from collector.testing import RecordingLog, sample_batch, sample_request
from collector.wire.codec import codec

CONTEXT = Context(5, {"tenant": ("eu",)})


def _batch(items):
    return Batch(Signal.TRACES, codec(), requests=(sample_request(Signal.TRACES, items),), items=items, context=CONTEXT)


async def _write(place, *sizes, **config):
    """Append a record of each size and kill the process; return where each record lies in the segment."""
    async with place.log(**config) as (log, _):
        for items in sizes:
            await log.append(_batch(items))
        place.kill()
        (segment,) = log._segments
        return [*segment.offsets, segment.size]


def _flip(path, offset):
    data = bytearray(path.read_bytes())
    data[offset] ^= 0x10
    path.write_bytes(data)


async def test_cut_at_every_byte_of_an_append_the_log_ends_with_the_record_before(place):
    *_, last, size = await _write(place, 1, 2, 1)
    (segment,) = place.segments
    whole = segment.read_bytes()
    for cut in range(last, size):
        directory = place.root / "cut"
        directory.mkdir()
        (directory / segment.name).write_bytes(whole[:cut])
        found = recovery.recover(directory, RecordingLog())
        assert (found.end, found.total.items, found.torn, found.damaged) == (2, 3, cut - last, 0)
        kept = [path.read_bytes() for path in directory.glob("*.damaged")]
        assert kept == ([whole[last:cut]] if cut > last else [])
        assert (directory / segment.name).stat().st_size == last
        shutil.rmtree(directory)


@pytest.mark.parametrize("cut", range(0, HEAD_SIZE, 9))
async def test_cut_inside_the_head_of_a_segment_the_log_opens_and_takes_data(place, cut):
    await _write(place, 1)
    (segment,) = place.segments
    os.truncate(segment, cut)
    async with place.log() as (log, cursor):
        await log.append(_batch(2))
        assert [record.tally.items for record in (await cursor.take(Limits())).records] == [2]


@pytest.mark.parametrize("cut", range(0, HEAD_SIZE, 9))
async def test_killed_while_a_segment_is_begun_nothing_of_the_older_ones_is_lost(place, cut):
    async with place.log(segment_size=4096) as (log, cursor):
        for _ in range(4):
            await log.append(_batch(10))
        cursor.done(await cursor.take(Limits(items=10)))
        await log._shelves[0][0].write_down(cursor.place)
        place.kill()
    os.truncate(place.segments[-1], cut)
    async with place.log() as (log, cursor):
        assert (log.total.items, cursor.undelivered) == (20, 10)
        portion = await cursor.take(Limits())
        assert (portion.tally.items, dict(cursor.place.outcomes)) == (10, {"stored": 10})
        await log.append(_batch(2))
        assert (await cursor.take(Limits())).tally.items == 2


REGIONS = {
    "magic": 0,
    "kind": 4,
    "sequence": 16,
    "counts": 50,
    "digest": 70,
    "checksum of the header": HEADER_SIZE - 1,
    "context": HEADER_SIZE + 3,
    "payload": HEADER_SIZE + 100,
}


@pytest.mark.parametrize("followed", [True, False], ids=["older segment", "newest segment"])
@pytest.mark.parametrize("offset", REGIONS.values(), ids=REGIONS)
async def test_a_flipped_bit_costs_the_record_it_is_in_and_the_loss_is_counted_exactly(place, offset, followed):
    _, second, *_ = await _write(place, 1, 2, 4, 8)
    if followed:
        async with place.log() as (log, _):
            await log.append(_batch(16))
    _flip(place.segments[0], second + offset)
    async with place.log() as (log, cursor):
        portion = await cursor.take(Limits())
        assert [r.tally.items for r in portion.records] == [1, 4, 8] + [16] * followed
        assert dict(cursor.place.outcomes) == {"dropped:damaged": 2}
        labels = {"signal": "traces", "component": "sink", "reason": "damaged", "intentional": "false"}
        assert log.settings.metrics.value(catalogue.OTTERY_DROPPED, **labels) == 2
        cursor.done(portion)
        assert cursor.undelivered == 0


async def test_a_flipped_bit_in_the_head_of_a_segment_costs_no_record(place):
    await _write(place, 1, 2)
    _flip(place.segments[0], 20)
    async with place.log() as (log, cursor):
        assert [r.tally.items for r in (await cursor.take(Limits())).records] == [1, 2]
        assert log.settings.metrics.value(catalogue.OTTERY_LOG_DAMAGE, pipeline="traces", kind="segment") == 1


async def test_a_damaged_segment_is_kept_under_another_name_when_it_is_not_needed_any_more(place):
    _, second, *_ = await _write(place, 1, 2, 4)
    _flip(place.segments[0], second)
    name = place.segments[0].name
    async with place.log() as (log, cursor):
        await log.append(_batch(8))
        cursor.done(await cursor.take(Limits()))
    async with place.log():
        pass
    assert ([path.name for path in place.aside], len(place.segments)) == ([f"{name}.damaged"], 1)


async def test_a_segment_that_is_gone_is_counted_and_holds_nothing_up(place):
    async with place.log(segment_size=4096) as (log, _):
        for _ in range(4):
            await log.append(_batch(10))
    place.segments[0].unlink()
    async with place.log() as (log, cursor):
        portion = await cursor.take(Limits())
        assert portion.tally.items + cursor.place.outcomes["dropped:damaged"] == 40
        assert cursor.place.outcomes["dropped:damaged"] > 0


async def test_a_damaged_slot_of_a_cursor_costs_one_step_and_two_start_it_over(place):
    async with place.log() as (log, cursor):
        for items in (1, 2, 4):
            await log.append(_batch(items))
        for _ in range(2):
            portion = await cursor.take(Limits(items=1))
        slot = log._shelves[0][0]._file._generation % 2
        place.kill()
    _flip(place.directory / "sink.cursor", (32 << 10) * slot + 40)
    async with place.log() as (_, cursor):
        assert (cursor.place.next, list(cursor.place.flight)) == (1, [0])
        place.kill()
    _flip(place.directory / "sink.cursor", (32 << 10) * (1 - slot) + 40)
    async with place.log() as (log, cursor):
        assert (cursor.place.next, cursor.undelivered) == (0, 7)
        assert ("error", "a cursor's place is damaged; it starts over") in [line[:2] for line in log.settings.log.lines]
    assert portion.first == 1


async def test_after_a_loss_of_power_everything_answered_is_there(place, monkeypatch):
    synced = {}

    def fdatasync(file):
        synced[str(Path(f"/proc/self/fd/{file}").readlink())] = os.fstat(file).st_size

    monkeypatch.setattr(writer.os, "fdatasync", fdatasync)
    answered = []
    async with place.log(segment_size=8192) as (log, _), asyncio.timeout(20):
        async with asyncio.TaskGroup() as tasks:
            sends = [tasks.create_task(log.append(_batch(items))) for items in range(1, 30)]
        answered = [send.result() for send in sends]
        place.kill()
    for path in place.segments:
        kept = synced.get(str(place.root / "traces" / path.name), HEAD_SIZE)
        os.truncate(path, kept)
    async with place.log() as (_, cursor):
        assert [r.sequence for r in (await cursor.take(Limits())).records] == sorted(answered)


FAULTS = {
    "disk full": ("pwritev", errno.ENOSPC, "No space left on device"),
    "read-only": ("pwritev", errno.EROFS, "Read-only file system"),
    "permission": ("open", errno.EACCES, "Permission denied"),
    "failed sync": ("fdatasync", errno.EIO, "Input/output error"),
}


@pytest.mark.parametrize(("call", "code", "words"), FAULTS.values(), ids=FAULTS)
async def test_a_disk_that_takes_nothing_is_told_in_words_and_used_again_when_it_does(
    place, monkeypatch, call, code, words
):
    def broken(*_args, **_more):
        raise OSError(code, os.strerror(code))

    async with place.log(segment_size=4096) as (log, cursor):
        await log.append(_batch(20))
        monkeypatch.setattr(writer.os, call, broken)
        with pytest.raises(Overloaded) as refused:
            await log.append(_batch(2))
        monkeypatch.undo()
        assert (str(refused.value), refused.value.retry_after) == (
            f"the log of pipeline traces cannot be written: {words}",
            5,
        )
        await log.append(_batch(4))
        failed = (State.FAILED, str(refused.value))
        assert log.settings.report.states == [(State.OK, ""), failed, (State.OK, "")]
        assert log.settings.metrics.value(catalogue.OTTERY_LOG_REFUSED, pipeline="traces", reason="disk") == 2
    async with place.log() as (_, cursor):
        assert [r.tally.items for r in (await cursor.take(Limits())).records] == [20, 4]


async def test_the_log_finds_out_by_itself_that_the_disk_takes_data_again(place, monkeypatch):
    monkeypatch.setattr("collector.delivery.disk.log._RETRY_AFTER", 0.01)

    def broken(*_args):
        raise OSError(errno.ENOSPC, "No space left on device")

    async with place.log() as (log, _):
        with monkeypatch.context() as patch:
            patch.setattr(writer.os, "pwritev", broken)
            with pytest.raises(Overloaded):
                await log.append(_batch(1))
        report = log.settings.report
        await report.until(lambda: report.states[-1] == (State.OK, ""))


async def test_a_fault_of_the_writer_is_told_to_those_who_wait_and_ends_nothing(place, monkeypatch):
    def faulty(*_args):
        raise ValueError("a bug")

    async with place.log() as (log, cursor):
        with monkeypatch.context() as patch:
            patch.setattr(writer, "_write", faulty)
            with pytest.raises(ValueError, match="a bug"):
                await log.append(_batch(1))
        await log.append(_batch(2))
        assert (cursor.undelivered, len((await cursor.take(Limits())).records)) == (2, 1)


async def test_a_batch_that_cannot_be_encoded_costs_no_other(place):
    class _Broken:
        def encode(self, signal, columns):
            raise ValueError("no such column")

    good = _batch(3)
    bad = Batch(Signal.TRACES, _Broken(), columns=sample_batch(Signal.TRACES, 2).columns)
    async with place.log() as (log, cursor):
        kept = await asyncio.gather(log.append(good), log.append(bad), log.append(good), return_exceptions=True)
        assert (kept[0], str(kept[1]), kept[2]) == (0, "no such column", 1)
        assert cursor.undelivered == 6
