import asyncio
import threading

import pytest

from collector.api import Delivery, Retryable, Signal
from collector.testing import sample_batch, settings
from exporters.clickhouse.config import ClickHouseConfig
from exporters.clickhouse.exporter import ClickHouseExporter


class _Slow(ClickHouseExporter):
    """Inserts nothing: an attempt lasts until `ended` is set, and then ends as `error` says."""

    def __init__(self):
        super().__init__(ClickHouseConfig(endpoint="http://localhost:1"), settings("clickhouse"))
        self.ended = threading.Event()
        self.error = None
        self.attempts = []

    def _send(self, delivery):
        self.attempts.append(delivery.token)
        self.ended.wait(60)
        if self.error:
            raise self.error


@pytest.fixture
async def exporter():
    slow = _Slow()
    yield slow
    slow.ended.set()
    await slow.stop()


def _delivery(token):
    return Delivery(sample_batch(Signal.LOGS, 1), token)


async def _give_up(push):
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await push


async def test_an_attempt_that_was_given_up_is_joined_and_not_repeated(exporter):
    await _give_up(exporter.push(_delivery("log:0-0")))
    await _give_up(exporter.push(_delivery("log:0-0")))
    joined = asyncio.create_task(exporter.push(_delivery("log:0-0")))
    await asyncio.sleep(0)
    exporter.ended.set()
    await joined
    assert exporter.attempts == ["log:0-0"]


async def test_who_joins_an_attempt_learns_how_it_ends(exporter):
    await _give_up(exporter.push(_delivery("log:0-0")))
    exporter.error = Retryable("busy")
    joined = asyncio.create_task(exporter.push(_delivery("log:0-0")))
    await asyncio.sleep(0)
    exporter.ended.set()
    with pytest.raises(Retryable, match="busy"):
        await joined
    assert exporter.attempts == ["log:0-0"]


async def test_the_end_of_an_attempt_that_nobody_waits_for_makes_no_noise(exporter):
    await _give_up(exporter.push(_delivery("log:0-0")))
    exporter.error = Retryable("busy")
    exporter.ended.set()
    (attempt,) = exporter._attempts.values()
    await asyncio.wait([attempt], timeout=10)
    await asyncio.sleep(0)
    assert (attempt.done(), exporter._attempts) == (True, {})


async def test_other_rows_wait_for_nobody(exporter):
    await _give_up(exporter.push(_delivery("log:0-0")))
    await _give_up(exporter.push(_delivery("log:1-1")))
    assert sorted(exporter.attempts) == ["log:0-0", "log:1-1"]


async def test_an_exporter_may_stop_twice_and_without_a_start():
    exporter = ClickHouseExporter(ClickHouseConfig(endpoint="http://localhost:1"), settings("clickhouse"))
    await exporter.stop()
    await exporter.stop()
