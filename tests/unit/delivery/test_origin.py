"""Rows whose source can give them again: their tokens, who waits for them, and who takes them back."""

import asyncio

import pytest

from collector.api import Batch, BatchConfig, Context, ExporterConfig, Origin, Permanent, QueueConfig, Signal
from collector.delivery.config import LogConfig
from collector.delivery.dead_letters import CountedDrops
from collector.delivery.disk.log import DiskLog
from collector.delivery.log import Bounds, Limits, Portion
from collector.delivery.memory import MemoryLog
from collector.delivery.pieces import pieces
from collector.delivery.runner import Route, Runner
from collector.pipeline.pipeline import Pipeline, Sink
from collector.testing import FakeClock, RecordingExporter, RecordingLog, RecordingMetrics, sample_batch, settings
from collector.wire.codec import codec


def _batch(items, origin=""):
    sample = sample_batch(Signal.TRACES, items)
    return Batch(sample.signal, sample.codec, requests=sample.requests, items=items, context=Context(origin=origin))


async def _portion(*batches, cut=0, settled=0) -> Portion:
    log = MemoryLog()
    cursor = log.cursor("a", Bounds(100))
    for batch in batches:
        await log.append(batch)
    portion = await cursor.take(Limits())
    portion.cut, portion.settled = cut, settled
    return portion


@pytest.mark.parametrize(
    ("batches", "cut", "settled", "expected"),
    [
        pytest.param([(2, ""), (3, "")], 0, 0, [("log:0-1", 0, 5)], id="others travel together"),
        pytest.param([(2, "k:0-9"), (3, "k:9-12")], 0, 0, [("p:k:0-9", 0, 2), ("p:k:9-12", 0, 3)], id="each by itself"),
        pytest.param(
            [(1, ""), (1, ""), (2, "k:0-9"), (3, "")],
            0,
            0,
            [("log:0-1", 0, 2), ("p:k:0-9", 0, 2), ("log:3-3", 0, 3)],
            id="between others",
        ),
        pytest.param([(2, "k:0-9"), (3, "k:9-12")], 0, 4, [("p:k:9-12", 2, 1)], id="after some were settled"),
        pytest.param([(5, "k:0-9")], 2, 2, [("p:k:0-9", 2, 2), ("p:k:0-9", 4, 1)], id="in pieces"),
    ],
)
async def test_pieces_of_rows_with_an_origin_are_named_by_it_and_never_joined(batches, cut, settled, expected):
    portion = await _portion(*(_batch(*each) for each in batches), cut=cut, settled=settled)
    assert [(piece.token, piece.offset, piece.length) for piece in pieces(portion, "log", "p")] == expected


async def test_clients_that_differ_in_a_key_are_kept_apart():
    def of(tenant):
        sample = sample_batch(Signal.TRACES, 1)
        context = Context(metadata={"tenant": (tenant,), "user-agent": (f"agent of {tenant}",)})
        return Batch(sample.signal, sample.codec, requests=sample.requests, items=1, context=context)

    portion = await _portion(*map(of, "aabba"))
    apart = pieces(portion, "log", "p", frozenset({"tenant"}))
    assert [(piece.token, piece.batch.context.metadata["tenant"], piece.length) for piece in apart] == [
        ("log:0-1", ("a",), 2),
        ("log:2-3", ("b",), 2),
        ("log:4-4", ("a",), 1),
    ]
    assert [piece.length for piece in pieces(portion, "log", "p")] == [5]


async def test_a_log_that_forgets_has_taken_such_rows_only_when_every_exporter_has_them():
    exporters = [RecordingExporter(), RecordingExporter()]
    exporters[1].open.clear()
    pipeline = Pipeline(
        "traces",
        Signal.TRACES,
        MemoryLog(),
        steps=[],
        sinks=[Sink(f"e{n}", exporter, ExporterConfig(), settings()) for n, exporter in enumerate(exporters)],
        settings=settings(),
        dead_letters=CountedDrops(RecordingMetrics(), RecordingLog()),
    )
    await pipeline.open()
    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        running = tasks.create_task(pipeline.run())
        consuming = tasks.create_task(pipeline.consume(_batch(2, Origin("k:0-2"))))
        await exporters[0].delivered(2)
        await exporters[1].attempted(1)
        assert not consuming.done()
        exporters[1].open.set()
        await consuming
        pipeline.log.close()
        await running


async def test_a_log_on_disk_keeps_a_cut_once_that_comes_again_after_a_crash(tmp_path):
    exporter = RecordingExporter()
    for life in (1, 2):
        log = DiskLog(tmp_path / "traces", LogConfig(), Signal.TRACES, codec(), settings("traces"), window=60.0)
        pipeline = Pipeline(
            "traces",
            Signal.TRACES,
            log,
            steps=[],
            sinks=[Sink("e", exporter, ExporterConfig(), settings())],
            settings=settings(),
            dead_letters=CountedDrops(RecordingMetrics(), RecordingLog()),
        )
        await pipeline.open()
        async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
            running = tasks.create_task(pipeline.run())
            await pipeline.consume(_batch(2, "k:0-2"))
            if life == 2:
                await pipeline.consume(_batch(2, "k:2-4"))
            log.close()
            await running
        await log.shut()
    assert [delivery.token for delivery in exporter.deliveries] == ["traces:k:0-2", "traces:k:2-4"]


async def test_rows_that_somebody_waits_for_are_not_kept_back_to_gather_more():
    exporter, clock = RecordingExporter(), FakeClock()
    gathers = ExporterConfig(sending_queue=QueueConfig(batch=BatchConfig(flush_timeout=3600.0, min_size=1000)))
    pipeline = Pipeline(
        "traces",
        Signal.TRACES,
        MemoryLog(),
        steps=[],
        sinks=[Sink("e", exporter, gathers, settings(clock=clock))],
        settings=settings(),
        dead_letters=CountedDrops(RecordingMetrics(), RecordingLog()),
    )
    await pipeline.open()
    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        running = tasks.create_task(pipeline.run())
        for number in range(3):
            await pipeline.consume(_batch(2, Origin(f"k:{number}")))
        pipeline.log.close()
        await running
    assert [delivery.token for delivery in exporter.deliveries] == [f"traces:k:{number}" for number in range(3)]


@pytest.mark.parametrize(("wanted", "dropped"), [pytest.param(True, 0, id="taken"), pytest.param(False, 1, id="not")])
async def test_the_source_takes_back_what_a_sink_refuses(wanted, dropped):
    returned = []

    def take_back(batch, exporter, reason):
        returned.append((batch.columns["span_id"][0].as_py()[-1], batch.items, exporter, reason))
        return wanted

    exporter, log = RecordingExporter([Permanent("no", rows=[1])]), MemoryLog()
    drops = RecordingMetrics()
    cursor = log.cursor("e", Bounds(100))
    route = Route("p", Signal.TRACES, log.id, "e", exporter)
    runner = Runner(route, cursor, ExporterConfig(), settings(), CountedDrops(drops, RecordingLog()))
    await log.append(_batch(3, Origin("k:0-3", take_back)))
    log.close()
    async with asyncio.timeout(10):
        await runner.run()
    assert returned == [(2, 1, "e", "no")]
    assert exporter.items == 2
    assert sum(drops._values.values()) == dropped
