import asyncio
import contextlib
import errno
import os
import struct
import subprocess
import sys

import orjson
import pytest
import zstandard
from pydantic import ValidationError

from collector.api import Batch, Delivery, Fatal, Permanent, Retryable, Signal
from collector.testing import FakeClock, sample_batch, sample_request, settings
from collector.wire.codec import codec
from exporters.file import framing, output
from exporters.file.config import FileConfig
from exporters.file.factory import FACTORY

TRACES = sample_request(Signal.TRACES, 2)
LOGS = sample_request(Signal.LOGS, 1)


@contextlib.asynccontextmanager
async def running(path, around=None, **config):
    exporter = FACTORY.create(FileConfig(path=str(path), **config), around or settings("file"))
    await exporter.start()
    try:
        yield exporter
    finally:
        await exporter.stop()


async def push(exporter, *requests, signal=Signal.TRACES):
    await exporter.push(Delivery(Batch(signal, codec(), requests=requests, items=1), "token"))


def messages(content):
    found, position = [], 0
    while position < len(content):
        (length,) = struct.unpack_from(">I", content, position)
        found.append(content[position + 4 : position + 4 + length])
        position += 4 + length
    return found


def as_json(signal, request):
    return orjson.loads(codec().to_json(signal, request))


async def test_json_is_a_line_a_request(tmp_path):
    path = tmp_path / "new" / "out.json"
    async with running(path) as exporter:
        await push(exporter, TRACES, TRACES)
        await push(exporter, LOGS, signal=Signal.LOGS)
        read = [orjson.loads(line) for line in path.read_bytes().splitlines()]
    traces = as_json(Signal.TRACES, TRACES)
    assert read == [traces, traces, as_json(Signal.LOGS, LOGS)]
    assert path.read_bytes().endswith(b"\n")


async def test_protobuf_stands_after_its_length_byte_for_byte(tmp_path):
    async with running(tmp_path / "out", format="proto") as exporter:
        await push(exporter, TRACES, TRACES)
        await push(exporter, LOGS, signal=Signal.LOGS)
    assert messages((tmp_path / "out").read_bytes()) == [TRACES, TRACES, LOGS]


@pytest.mark.parametrize("form", ["json", "proto"])
async def test_compressed_requests_stand_after_their_length(tmp_path, form):
    async with running(tmp_path / "out", format=form, compression="zstd") as exporter:
        await push(exporter, TRACES, TRACES)
    expected = TRACES if form == "proto" else codec().to_json(Signal.TRACES, TRACES)
    found = [zstandard.ZstdDecompressor().decompress(message) for message in messages((tmp_path / "out").read_bytes())]
    assert found == [expected, expected]


async def test_rows_that_were_changed_are_encoded_again(tmp_path):
    batch = sample_batch(Signal.TRACES, 3).slice(1, 1)
    async with running(tmp_path / "out") as exporter:
        await exporter.push(Delivery(batch, "token"))
    (line,) = (tmp_path / "out").read_bytes().splitlines()
    (span,) = orjson.loads(line)["resourceSpans"][0]["scopeSpans"][0]["spans"]
    assert span["name"] == "GET /orders/1"


@pytest.mark.parametrize(("append", "kept"), [(True, 2), (False, 1)])
async def test_a_file_that_is_there_is_appended_to_unless_told_otherwise(tmp_path, append, kept):
    for _ in range(2):
        async with running(tmp_path / "out", append=append) as exporter:
            await push(exporter, TRACES)
    assert len((tmp_path / "out").read_bytes().splitlines()) == kept


@pytest.mark.parametrize("cut", [1, 3, 40, -1], ids=["a byte", "within a length", "in the middle", "all but a byte"])
@pytest.mark.parametrize("config", [{"format": "json"}, {"format": "proto"}], ids=["json", "proto"])
async def test_a_message_that_a_crash_cut_off_is_removed_at_the_start(tmp_path, config, cut):
    path, around = tmp_path / "out", settings("file")
    async with running(path, **config) as exporter:
        await push(exporter, TRACES)
    whole = path.read_bytes()
    torn = whole[:cut]
    path.write_bytes(whole + torn)
    async with running(path, around, **config) as exporter:
        assert path.read_bytes() == whole
        await push(exporter, TRACES)
    assert path.read_bytes() == whole * 2
    assert around.log.lines == [
        ("warning", "removed an incomplete message", {"path": str(path), "bytes": len(torn)}),
    ]


@pytest.mark.parametrize(
    ("content", "config"),
    [
        pytest.param(b"#!/bin/sh\n", {}, id="a script"),
        pytest.param(b'{"resourceSpans":[]}\n', {"format": "proto"}, id="JSON where protobuf is written"),
        pytest.param(struct.pack(">I", 9) + b"\n", {}, id="protobuf where JSON is written"),
    ],
)
async def test_a_file_that_holds_something_else_is_left_alone(tmp_path, content, config):
    path = tmp_path / "out"
    path.write_bytes(content)
    with pytest.raises(Fatal, match="holds something else"):
        async with running(path, **config):
            pytest.fail("it started")
    assert path.read_bytes() == content


def test_a_crash_between_two_writes_loses_nothing_that_was_acknowledged(tmp_path):
    code = """
import asyncio, os, sys
from collector.api import Delivery, Signal
from collector.testing import sample_batch, settings
from exporters.file.config import FileConfig
from exporters.file.factory import FACTORY

async def main():
    exporter = FACTORY.create(FileConfig(path=sys.argv[1], flush_interval="1h"), settings())
    await exporter.start()
    for _ in range(3):
        await exporter.push(Delivery(sample_batch(Signal.LOGS), "token"))
    os.kill(os.getpid(), 9)

asyncio.run(main())
"""
    path = tmp_path / "out"
    assert subprocess.run([sys.executable, "-c", code, str(path)], check=False).returncode == -9
    assert len([orjson.loads(line) for line in path.read_bytes().splitlines()]) == 3


async def test_a_full_file_is_renamed_with_the_time_and_old_ones_are_removed(tmp_path, monkeypatch):
    monkeypatch.setattr(output, "_MEGABYTE", 10)
    clock = FakeClock()
    (tmp_path / "out-latest.json").write_text("not ours")
    around, rotation = settings("file", clock=clock), {"max_megabytes": 100, "max_backups": 2}
    async with running(tmp_path / "out.json", around, rotation=rotation) as exporter:
        for _ in range(5):
            await push(exporter, TRACES)
            await clock.advance(1.5)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "out-2026-01-01T00-00-04.500.json",
        "out-2026-01-01T00-00-06.000.json",
        "out-latest.json",
        "out.json",
    ]
    assert all(len(path.read_bytes().splitlines()) == 1 for path in tmp_path.iterdir())


async def test_files_that_fill_in_one_millisecond_do_not_overwrite_each_other(tmp_path, monkeypatch):
    monkeypatch.setattr(output, "_MEGABYTE", 1)
    async with running(tmp_path / "out", rotation={"max_megabytes": 1}) as exporter:
        for _ in range(3):
            await push(exporter, TRACES)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "out",
        "out-2026-01-01T00-00-00.000",
        "out-2026-01-01T00-00-00.001",
    ]


async def test_older_files_are_removed_by_their_age(tmp_path, monkeypatch):
    monkeypatch.setattr(output, "_MEGABYTE", 1)
    (tmp_path / "out-2025-12-29T23-59-59.999").touch()
    (tmp_path / "out-2025-12-30T00-00-00.000").touch()
    async with running(tmp_path / "out", rotation={"max_megabytes": 1, "max_days": 2}) as exporter:
        for _ in range(2):
            await push(exporter, TRACES)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "out",
        "out-2025-12-30T00-00-00.000",
        "out-2026-01-01T00-00-00.000",
    ]


async def test_a_write_that_fails_halfway_leaves_no_trace(tmp_path, monkeypatch):
    path = tmp_path / "out"
    write, answers = os.write, iter([lambda file, data: write(file, data[:10]), _full_disk])

    def fail_halfway(file, data):
        return next(answers)(file, data)

    async with running(path) as exporter:
        await push(exporter, TRACES)
        whole = path.read_bytes()
        with monkeypatch.context() as patch:
            patch.setattr(os, "write", fail_halfway)
            delivery = Delivery(sample_batch(Signal.TRACES, 2), "token")
            with pytest.raises(Retryable, match=r"cannot write .*: No space left on device"):
                await exporter.push(delivery)
        assert path.read_bytes() == whole
        await exporter.push(delivery)
    assert path.read_bytes() == whole * 2


def _full_disk(file, data):
    raise OSError(errno.ENOSPC, "No space left on device")


async def test_an_attempt_that_ran_out_of_time_is_not_written_twice(tmp_path, monkeypatch):
    path = tmp_path / "out"
    go, write, writing = asyncio.Event(), os.write, asyncio.Event()
    loop = asyncio.get_running_loop()

    def slow(file, data):
        loop.call_soon_threadsafe(writing.set)
        asyncio.run_coroutine_threadsafe(go.wait(), loop).result(10)
        return write(file, data)

    async with running(path) as exporter:
        delivery = Delivery(sample_batch(Signal.TRACES, 2), "token")
        monkeypatch.setattr(output.os, "write", slow)
        first = asyncio.ensure_future(exporter.push(delivery))
        await writing.wait()
        first.cancel()
        again = asyncio.ensure_future(exporter.push(delivery))
        monkeypatch.setattr(output.os, "write", write)
        go.set()
        await again
    assert len(path.read_bytes().splitlines()) == 1


async def test_a_file_that_somebody_moved_is_made_again(tmp_path):
    path, moved = tmp_path / "out", tmp_path / "moved"
    async with running(path) as exporter:
        await push(exporter, TRACES)
        path.rename(moved)
        await push(exporter, TRACES)
        path.unlink()
        await push(exporter, TRACES)
    assert (len(moved.read_bytes().splitlines()), len(path.read_bytes().splitlines())) == (1, 1)


async def test_two_writers_take_turns_by_whole_lifetimes(tmp_path):
    async with running(tmp_path / "out") as first:
        await push(first, TRACES)
        async with running(tmp_path / "out") as second:
            with pytest.raises(Retryable, match="is being written by another process or exporter"):
                await push(second, TRACES)
            await first.stop()
            await push(second, TRACES)
    assert len((tmp_path / "out").read_bytes().splitlines()) == 2


@pytest.mark.parametrize(("interval", "at_once"), [("0", 2), ("1h", 0)])
async def test_what_was_written_is_synced_before_the_answer_only_where_wanted(tmp_path, monkeypatch, interval, at_once):
    synced = []
    async with running(tmp_path / "out", flush_interval=interval) as exporter:
        monkeypatch.setattr(output.os, "fsync", synced.append)
        for _ in range(2):
            await push(exporter, TRACES)
        assert len(synced) == at_once
    assert len(synced) == at_once + 1


async def test_what_was_written_is_synced_after_a_while(tmp_path, monkeypatch):
    synced, loop = asyncio.Event(), asyncio.get_running_loop()
    async with running(tmp_path / "out", flush_interval="1ms") as exporter:
        monkeypatch.setattr(output.os, "fsync", lambda _file: loop.call_soon_threadsafe(synced.set))
        await push(exporter, TRACES)
        async with asyncio.timeout(10):
            await synced.wait()


async def test_a_sync_that_fails_is_told(tmp_path, monkeypatch):
    told, loop, around = asyncio.Event(), asyncio.get_running_loop(), settings("file")
    monkeypatch.setattr(around.log, "error", lambda *_, **__: loop.call_soon_threadsafe(told.set))
    async with running(tmp_path / "out", around, flush_interval="1ms") as exporter:
        monkeypatch.setattr(output.os, "fsync", lambda _file: _full_disk(0, b""))
        await push(exporter, TRACES)
        async with asyncio.timeout(10):
            await told.wait()


async def test_a_pipe_is_written_as_it_is(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        async with running(pipe, rotation={"max_megabytes": 1}, flush_interval="0") as exporter:
            await push(exporter, LOGS, signal=Signal.LOGS)
            line = os.read(reader, 1 << 20)
    finally:
        os.close(reader)
    assert orjson.loads(line) == as_json(Signal.LOGS, LOGS)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        pytest.param(lambda path: path.mkdir(), "Is a directory; a file was expected", id="a directory"),
        pytest.param(lambda path: path.parent.write_text(""), "Not a directory", id="a file for a directory"),
    ],
)
async def test_a_path_that_cannot_be_written_stops_the_start(tmp_path, make, said):
    path = tmp_path / "a" / "b"
    if "directory;" in said:
        path.parent.mkdir()
    make(path)
    with pytest.raises(Fatal, match=f"path: cannot write .*: {said}"):
        async with running(path):
            pytest.fail("it started")


async def test_a_message_that_no_length_can_tell_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(framing, "_LONGEST", 10)
    async with running(tmp_path / "out", format="proto") as exporter:
        with pytest.raises(Permanent, match="too long"):
            await push(exporter, TRACES)


@pytest.mark.parametrize(
    "config",
    [{"path": ""}, {"format": "xml"}, {"compression": "gzip"}, {"rotation": {"max_megabytes": 0}}],
    ids=str,
)
def test_a_configuration_that_makes_no_sense_is_refused(config):
    with pytest.raises(ValidationError):
        FileConfig(**{"path": "out", **config})
