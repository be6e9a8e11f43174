import pytest

from collector.api import Batch, Context, Fatal, Overloaded, Signal
from collector.delivery.log import Limits, Outcome
from collector.delivery.pieces import pieces
from collector.telemetry import catalogue
from collector.testing import sample_batch, sample_request
from collector.wire.codec import codec


def _batch(items=1):
    return sample_batch(Signal.TRACES, items)


async def _fill(log):
    while True:
        await log.append(_batch(10))


def _range(portion):
    return (portion.first, portion.last, portion.cut, portion.settled, portion.tally)


async def test_what_was_not_taken_is_there_after_an_orderly_end_under_the_same_numbers(place):
    async with place.log() as (log, _):
        for items in (1, 2, 3):
            await log.append(_batch(items))
        before = log.id
    async with place.log() as (log, cursor):
        portion = await cursor.take(Limits())
        assert (log.id, log.end, cursor.undelivered) == (before, 3, 6)
    assert [(r.sequence, r.batch.otlp) for r in portion.records] == [(n, _batch(n + 1).otlp) for n in range(3)]


async def test_context_signal_and_bytes_come_back_as_they_were(place):
    metadata = {"authorization": ("a", "b"), "x-tenant": ("eu",)}
    request = sample_request(Signal.LOGS, 4)
    batch = Batch(Signal.LOGS, codec(), requests=(request,), items=4, context=Context(17, metadata))
    for compression in ("none", "lz4", "zstd"):
        async with place.log(compression=compression) as (log, _):
            await log.append(batch)
    async with place.log() as (_, cursor):
        records = (await cursor.take(Limits())).records
    assert [(r.batch.signal, r.batch.otlp, r.batch.items, r.batch.context) for r in records] == [
        (Signal.LOGS, request, 4, Context(17, metadata))
    ] * 3


async def test_a_batch_of_changed_columns_comes_back_with_the_same_rows_in_the_same_order(place):
    kept = _batch(9).slice(2, 5)
    async with place.log() as (log, _):
        await log.append(kept)
    async with place.log() as (_, cursor):
        again = (await cursor.take(Limits())).records[0].batch
    names = ["trace_id", "span_id", "name"]
    assert again.columns.select(names).to_pylist() == kept.columns.select(names).to_pylist()


async def test_portions_in_flight_when_the_process_is_killed_come_first_with_the_same_rows_and_tokens(place):
    async with place.log() as (log, cursor):
        for items in (2, 5, 1):
            await log.append(_batch(items))
        first = await cursor.take(Limits(items=2))
        second = await cursor.take(Limits(items=3))
        cursor.settle(second, 3, Outcome.STORED)
        cursor.done(first)
        await log._shelves[0][0].write_down(cursor.place)
        place.kill()
    async with place.log() as (log, cursor):
        again, rest = await cursor.take(Limits()), await cursor.take(Limits())
        assert (_range(again), rest.first) == (_range(second), 2)
        assert [p.token for p in pieces(again, log.id)] == [p.token for p in pieces(second, log.id)]
        assert (cursor.undelivered, cursor.place.outcomes) == (3, {"stored": 5})


async def test_after_a_crash_numbers_leap_so_that_none_is_given_twice(place):
    async with place.log() as (log, _):
        await log.append(_batch())
        place.kill()
    async with place.log() as (log, cursor):
        assert await log.append(_batch()) == 1 << 20
        portion = await cursor.take(Limits())
    assert [record.sequence for record in portion.records] == [0, 1 << 20]


async def test_a_second_process_is_kept_out_in_words(place):
    async with place.log():
        with pytest.raises(Fatal, match="in use by another process; stop that one, or give each its own"):
            async with place.log():
                pass
    async with place.log():
        pass


async def test_a_directory_that_cannot_be_made_is_named_with_what_to_do(place):
    place.root.joinpath("traces").write_text("a file")
    with pytest.raises(Fatal, match=r"traces cannot be used: File exists; .* set service\.delivery\.directory"):
        async with place.log():
            pass


async def test_a_new_exporter_gets_what_comes_after_it_and_one_that_left_is_counted_out(place):
    async with place.log() as (log, _):
        await log.append(_batch(3))
    async with place.log(("other",)) as (log, cursor):
        labels = {"signal": "traces", "component": "sink", "reason": "exporter_removed", "intentional": "false"}
        assert log.settings.metrics.value(catalogue.OTTERY_DROPPED, **labels) == 3
        assert (cursor.undelivered, await cursor.take(Limits())) == (0, None)
        await log.append(_batch(2))
        assert cursor.undelivered == 2


async def test_segments_go_when_every_cursor_has_passed_them_and_the_newest_stays(place):
    async with place.log(("slow", "fast"), segment_size=4096) as (log, slow, fast):
        for _ in range(12):
            await log.append(_batch(10))
        made = len(place.segments)
        fast.done(await fast.take(Limits()))
        await fast.take(Limits())
        assert (made > 3, len(place.segments)) == (True, made)
        slow.done(await slow.take(Limits()))
    async with place.log(("slow", "fast")) as (log, slow, fast):
        assert (slow.undelivered, fast.undelivered, log.end) == (0, 0, 12)
        log._threads["place"].submit(int).result()
        assert len(place.segments) == 1


async def test_a_full_log_refuses_with_a_delay_and_takes_again_when_a_segment_has_gone(place):
    async with place.log(segment_size=4096, max_size=40_000) as (log, cursor):
        with pytest.raises(Overloaded, match="the log of pipeline traces is full: max_size is 40000 bytes") as refused:
            await _fill(log)
        assert refused.value.retry_after == 5
        kept = cursor.undelivered
        cursor.done(await cursor.take(Limits()))
        await log._shelves[0][0].write_down(cursor.place)
        await log.append(_batch(10))
        assert cursor.place.outcomes == {"stored": kept}


async def test_a_full_log_told_to_drop_gives_up_the_oldest_and_counts_it(place):
    async with place.log(segment_size=4096, max_size=40_000, on_full="drop_oldest") as (log, cursor):
        for _ in range(40):
            await log.append(_batch(10))
        dropped = cursor.place.outcomes["dropped:log_full"]
        portion = await cursor.take(Limits())
        assert (dropped > 0, portion.tally.items, portion.first) == (True, 400 - dropped, dropped // 10)
        labels = {"signal": "traces", "component": "sink", "reason": "log_full", "intentional": "false"}
        assert log.settings.metrics.value(catalogue.OTTERY_DROPPED, **labels) == dropped


async def test_what_is_older_than_max_age_is_given_up_and_a_clock_set_back_gives_up_nothing(place):
    async with place.log(segment_size=4096, max_age="1h") as (log, cursor):
        clock = log.settings.clock
        for _ in range(3):
            batch = Batch(Signal.TRACES, codec(), requests=_batch(10).requests, context=Context(clock.now_ns()))
            await log.append(batch)
            await clock.advance(1600)
        clock._passed -= 86_400
        await log.append(_batch(1))
        assert cursor.place.outcomes == {}
        clock._passed += 86_400
        log.admit(_batch(1))
        assert cursor.place.outcomes == {"dropped:expired": 10}
