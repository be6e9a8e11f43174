import asyncio
from contextlib import asynccontextmanager

import pyarrow.compute as pc
import pytest

from collector.api import (
    BatchConfig,
    ExporterConfig,
    Fatal,
    Permanent,
    QueueConfig,
    Retryable,
    RetryConfig,
    Signal,
    State,
)
from collector.delivery import runner
from collector.delivery.log import Bounds, Outcome
from collector.delivery.memory import MemoryLog
from collector.delivery.runner import Route, Runner
from collector.telemetry import catalogue
from collector.testing import RecordingExporter, sample_batch, settings


class _Letters:
    def __init__(self, errors=()):
        self.kept = []
        self.errors = list(errors)

    async def put(self, letter):
        if self.errors:
            raise self.errors.pop(0)
        self.kept.append((letter.batch.items, letter.reason, letter.kind))
        return Outcome.DEAD_LETTERED


class _Picky(RecordingExporter):
    """Refuses every push that holds a span with one of the names."""

    def __init__(self, *names: str):
        super().__init__()
        self.names = names

    async def push(self, delivery):
        found = pc.is_in(delivery.batch.columns.column("name"), value_set=pc.cast(list(self.names), "string"))
        if pc.any(found).as_py():
            raise Permanent("bad span", kind="poison")
        await super().push(delivery)


def _config(**queue) -> ExporterConfig:
    return ExporterConfig(
        timeout=0.0,
        sending_queue=QueueConfig(**queue),
        retry_on_failure=RetryConfig(randomization_factor=0, initial_interval=1.0, multiplier=2, max_interval=3.0),
    )


@asynccontextmanager
async def _running(exporter, config=None, around=None, letters=None):
    log, letters, around = MemoryLog(), letters or _Letters(), around or settings("traces -> test")
    cursor = log.cursor("test", Bounds(100))
    route = Route("traces", Signal.TRACES, log.id, "test", exporter)
    running = Runner(route, cursor, config or _config(), around, letters)
    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        tasks.create_task(running.run())
        yield log, letters, around
        log.close()


async def test_records_that_wait_leave_as_one_batch_under_a_token_of_their_range():
    exporter = RecordingExporter()
    async with _running(exporter, _config(num_consumers=1)) as (log, _, _):
        for items in (1, 2, 3):
            await log.append(sample_batch(Signal.TRACES, items))
        await exporter.delivered(6)
    assert [(d.token, d.batch.items) for d in exporter.deliveries] == [(f"{log.id}:0-2", 6)]


async def test_a_record_over_max_size_is_cut_and_every_piece_has_its_own_token():
    exporter = RecordingExporter()
    async with _running(exporter, _config(batch=BatchConfig(min_size=1, max_size=2))) as (log, _, _):
        await log.append(sample_batch(Signal.TRACES, 5))
        await exporter.delivered(5)
    assert [(d.token.partition("/")[2], d.batch.items) for d in exporter.deliveries] == [
        ("0+2", 2),
        ("2+2", 2),
        ("4+1", 1),
    ]


@pytest.mark.parametrize(
    "batch",
    [
        pytest.param(BatchConfig(min_size=0, flush_timeout=3600.0), id="nothing to gather"),
        pytest.param(BatchConfig(min_size=1, sizer="bytes", flush_timeout=3600.0), id="bytes that are there"),
    ],
)
async def test_what_is_enough_leaves_without_waiting_for_the_flush(batch):
    exporter = RecordingExporter()
    async with _running(exporter, _config(batch=batch)) as (log, _, _):
        for _ in range(3):
            await log.append(sample_batch(Signal.TRACES, 2))
        await exporter.delivered(6)


@pytest.mark.parametrize(
    ("error", "kind", "state"),
    [
        pytest.param(Retryable("busy", kind="busy"), "busy", State.DEGRADED, id="retryable"),
        pytest.param(OSError("reset"), "unknown", State.DEGRADED, id="unknown"),
        pytest.param(Fatal("no such table"), "fatal", State.FAILED, id="fatal"),
    ],
)
async def test_what_may_pass_is_sent_again_under_the_same_token(error, kind, state):
    exporter = RecordingExporter([error, error, None])
    async with _running(exporter) as (log, letters, around):
        await log.append(sample_batch(Signal.TRACES, 2))
        for wait in (1.0, 2.0):
            await around.clock.sleeping()
            await around.clock.advance(wait)
        await exporter.delivered(2)
    assert {d.token for d in exporter.attempts} == {f"{log.id}:0-0"}
    assert around.metrics.value(catalogue.OTTERY_RETRIES, exporter="test", kind=kind) == 2
    assert around.metrics.value(catalogue.EXPORTER_SENT[Signal.TRACES], exporter="test") == 2
    assert [s for s, _ in around.report.states] == [state, state, State.OK]
    assert letters.kept == []


async def test_a_sinks_own_delay_is_honoured():
    exporter = RecordingExporter([Retryable("throttled", retry_after=9.0)])
    async with _running(exporter) as (log, _, around):
        await log.append(sample_batch(Signal.TRACES, 1))
        await around.clock.sleeping()
        await around.clock.advance(8.9)
        assert len(exporter.attempts) == 1
        await around.clock.advance(0.2)
        await exporter.delivered(1)


async def test_refused_rows_are_isolated_and_the_rest_is_delivered():
    exporter = _Picky("GET /orders/3", "GET /orders/6")
    async with _running(exporter) as (log, letters, around):
        await log.append(sample_batch(Signal.TRACES, 7))
        await exporter.delivered(5)
    assert letters.kept == [(1, "bad span", "poison")] * 2
    assert len({d.token for d in exporter.deliveries}) == len(exporter.deliveries)
    assert around.metrics.value(catalogue.EXPORTER_SEND_FAILED[Signal.TRACES], exporter="test") == 2


async def test_rows_that_the_sink_names_are_given_up_and_the_others_sent_without_searching():
    exporter = RecordingExporter([Permanent("bad id", rows=[1, 2, 5], kind="poison")])
    async with _running(exporter) as (log, letters, _):
        await log.append(sample_batch(Signal.TRACES, 7))
        await exporter.delivered(4)
    assert letters.kept == [(2, "bad id", "poison"), (1, "bad id", "poison")]
    assert [d.token.partition("/")[2] for d in exporter.attempts] == ["", "0+1", "3+2", "6+1"]


async def test_rows_that_the_sink_has_stored_around_refused_ones_are_not_sent_again():
    exporter = RecordingExporter([Permanent("bad id", rows=[1, 2, 5], kind="poison", rest_stored=True)])
    async with _running(exporter) as (log, letters, around):
        await log.append(sample_batch(Signal.TRACES, 7))
    assert letters.kept == [(2, "bad id", "poison"), (1, "bad id", "poison")]
    assert [d.token.partition("/")[2] for d in exporter.attempts] == [""]
    assert around.metrics.value(catalogue.EXPORTER_SENT[Signal.TRACES], exporter="test") == 4


async def test_a_sink_that_refuses_everything_is_waited_for_before_all_rows_are_given_up(monkeypatch):
    monkeypatch.setattr(runner, "_MOST_REFUSED_IN_A_ROW", 2)
    exporter = RecordingExporter([Permanent("no such column")] * 7)
    async with _running(exporter) as (log, letters, around):
        await log.append(sample_batch(Signal.TRACES, 4))
        for wait in (1.0, 2.0):
            await around.clock.sleeping()
            await around.clock.advance(wait)
        await exporter.delivered(2)
    assert letters.kept == [(1, "no such column", "refused")] * 2
    held = "nothing but refusals since 2 items, held back: no such column"
    assert around.report.states == [(State.FAILED, held), (State.FAILED, held), (State.OK, "")]


async def test_a_restarted_runner_sends_the_unsettled_rows_under_the_tokens_they_had():
    log, letters, around = MemoryLog(), _Letters(), settings("traces -> test")
    cursor = log.cursor("test", Bounds(100))
    await log.append(sample_batch(Signal.TRACES, 5))
    config = _config(batch=BatchConfig(min_size=1, max_size=2))
    dead, alive = RecordingExporter([None, ValueError("bug")]), RecordingExporter()
    first = Runner(Route("traces", Signal.TRACES, log.id, "test", dead), cursor, config, around, letters)
    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        running = tasks.create_task(first.run())
        await around.clock.sleeping()
        running.cancel()
    log.close()
    cursor.rewind()
    await Runner(Route("traces", Signal.TRACES, log.id, "test", alive), cursor, _config(), around, letters).run()
    assert [d.token.partition("/")[2] for d in dead.attempts] == ["0+2", "2+2"]
    assert [d.token.partition("/")[2] for d in alive.deliveries] == ["2+2", "4+1"]


async def test_a_dead_sink_is_asked_by_one_delivery_at_a_time_and_by_all_once_it_answers():
    exporter = RecordingExporter([Retryable("down")] * 7)
    async with _running(exporter) as (log, _, around):
        for pushes in range(1, 6):
            await log.append(sample_batch(Signal.TRACES, 1))
            await exporter.attempted(pushes)
        await around.clock.sleeping(5)
        assert around.metrics.value(catalogue.OTTERY_CIRCUIT_OPEN, exporter="test") == 1
        await around.clock.advance(1.0)
        assert len(exporter.attempts) == 6
        await around.clock.advance(1.9)
        assert len(exporter.attempts) == 6
        await around.clock.advance(0.1)
        assert len(exporter.attempts) == 7
        await around.clock.advance(3.0)
        await exporter.delivered(5)
    assert around.metrics.value(catalogue.OTTERY_CIRCUIT_OPEN, exporter="test") == 0


async def test_dead_letters_that_cannot_be_kept_hold_the_cursor():
    exporter, letters = RecordingExporter([Permanent("bad")]), _Letters([OSError("disk full")])
    async with _running(exporter, letters=letters) as (log, _, around):
        await log.append(sample_batch(Signal.TRACES, 1))
        await around.clock.sleeping()
        assert letters.kept == []
        await around.clock.advance(1.0)
    assert letters.kept == [(1, "bad", "refused")]
    assert around.report.states == [(State.FAILED, "dead letters cannot be kept: disk full")]


async def test_retrying_ends_when_asked_and_the_rows_are_dead_lettered():
    exporter = RecordingExporter([Retryable("down")] * 9)
    config = ExporterConfig(
        retry_on_failure=RetryConfig(initial_interval=1.0, randomization_factor=0, max_elapsed_time=1.5)
    )
    async with _running(exporter, config) as (log, letters, around):
        await log.append(sample_batch(Signal.TRACES, 2))
        for wait in (1.0, 1.5):
            await around.clock.sleeping()
            await around.clock.advance(wait)
    assert letters.kept == [(2, "down", "retries_ended")]


async def test_a_push_without_an_answer_is_cut_and_made_again():
    exporter = RecordingExporter()
    exporter.open.clear()
    async with _running(exporter, ExporterConfig(timeout=0.01)) as (log, _, around):
        await log.append(sample_batch(Signal.TRACES, 1))
        await around.clock.sleeping()
        exporter.open.set()
        await around.clock.advance(60)
        await exporter.delivered(1)
    assert around.metrics.value(catalogue.OTTERY_RETRIES, exporter="test", kind="timeout") == 1


async def test_no_more_batches_are_in_flight_than_consumers():
    exporter = RecordingExporter()
    exporter.open.clear()
    async with _running(exporter, _config(num_consumers=2)) as (log, _, _):
        for pushes in (1, 2):
            await log.append(sample_batch(Signal.TRACES, 1))
            await exporter.attempted(pushes)
        for _ in range(3):
            await log.append(sample_batch(Signal.TRACES, 1))
        await asyncio.sleep(0)
        assert exporter.in_flight == 2
        exporter.open.set()
        await exporter.delivered(5)
    assert [d.batch.items for d in exporter.deliveries] == [1, 1, 3]


async def test_portions_in_flight_are_bounded_by_their_bytes_as_well(monkeypatch):
    size = sample_batch(Signal.TRACES, 1).size
    monkeypatch.setattr(runner, "_MOST_LOADED", 2 * size)
    exporter = RecordingExporter()
    exporter.open.clear()
    async with _running(exporter) as (log, _, _):
        for pushes in (1, 2):
            await log.append(sample_batch(Signal.TRACES, 1))
            await exporter.attempted(pushes)
        await log.append(sample_batch(Signal.TRACES, 1))
        for _ in range(10):
            await asyncio.sleep(0)
        assert exporter.in_flight == 2
        exporter.open.set()
        await exporter.delivered(3)


async def test_rows_refused_as_a_whole_are_given_up_without_searching():
    exporter = RecordingExporter([Permanent("no such tenant", whole=True)])
    async with _running(exporter) as (log, letters, _):
        await log.append(sample_batch(Signal.TRACES, 5))
        await exporter.attempted(1)
    assert (letters.kept, len(exporter.attempts)) == ([(5, "no such tenant", "refused")], 1)
