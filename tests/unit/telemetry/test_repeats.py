import logging

import pytest

from collector.telemetry.repeats import RepeatHandler
from collector.testing import FakeClock


class Lines(logging.Handler):
    def __init__(self):
        super().__init__()
        self.lines = []

    def emit(self, record):
        self.lines.append(record.msg if isinstance(record.msg, dict) else record.getMessage())


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def lines():
    return Lines()


@pytest.fixture
def log(lines, clock):
    handler = RepeatHandler(lines, clock.monotonic)
    logger = logging.getLogger("tests.repeats")
    logger.setLevel(logging.DEBUG)
    logger.addHandler(handler)
    yield logger
    logger.removeHandler(handler)
    handler.close()


async def test_the_first_five_equal_lines_pass_and_the_rest_are_counted(log, lines, clock):
    for number in range(8):
        log.warning("sink %s is down", number)
    await clock.advance(10)
    log.warning("all is well")
    said = [f"sink {number} is down" for number in range(5)]
    assert lines.lines == [*said, "sink 7 is down (again 3 times)", "all is well"]


async def test_what_repeats_in_the_next_window_is_shown_again(log, lines, clock):
    for _ in range(6):
        log.error("down")
    await clock.advance(10)
    log.error("down")
    assert lines.lines == [*["down"] * 5, "down (again 1 time)", "down"]


def test_lines_of_different_components_are_different(log, lines):
    for component in ("a", "b"):
        for _ in range(5):
            log.warning({"event": "down", "component": component})
    assert len(lines.lines) == 10


def test_what_was_held_back_is_said_when_the_log_is_flushed(log, lines):
    for number in range(7):
        log.warning({"event": "down", "component": "a", "attempt": number})
    log.handlers[0].flush()
    assert lines.lines[5:] == [{"event": "down (again 2 times)", "component": "a", "attempt": 6, "again": 2}]
    log.handlers[0].flush()
    assert len(lines.lines) == 6


def test_a_storm_is_summed_up_although_no_line_follows(log, lines, monkeypatch):
    timers = []

    class Timer:
        def __init__(self, seconds, call):
            timers.append((seconds, call))

        def start(self):
            pass

        def cancel(self):
            pass

    monkeypatch.setattr("collector.telemetry.repeats.threading.Timer", Timer)
    for _ in range(9):
        log.warning("down")
    [(seconds, call)] = timers
    call()
    assert (seconds, lines.lines[5:]) == (10.0, ["down (again 4 times)"])


def test_debug_lines_are_never_held_back(log, lines):
    for _ in range(20):
        log.debug("detail")
    assert len(lines.lines) == 20


def test_ever_new_lines_do_not_grow_without_bound(log, lines):
    for number in range(2500):
        log.warning({"event": number})
    assert (len(lines.lines), len(log.handlers[0]._kinds) <= 1000) == (2500, True)
