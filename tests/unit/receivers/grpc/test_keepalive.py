import asyncio

import pytest

from collector.receivers.config import Keepalive
from collector.receivers.grpc.keepalive import Clocks


class Recorded:
    """A connection that notes what is done to it, and when by a clock that a test moves."""

    def __init__(self, **config):
        self.done = []
        self.loop = Timers()
        blocks = {"server_parameters": {"time": 0, **config.pop("server", {})}, "enforcement_policy": config}
        self.clocks = Clocks(Keepalive.model_validate(blocks), self, self.loop)
        self.clocks.start()

    def drain(self, why):
        self.done.append((self.loop.now, "drain", why))

    def ping(self):
        self.done.append((self.loop.now, "ping"))

    def abort(self):
        self.done.append((self.loop.now, "abort"))

    def scold(self, why):
        self.done.append((self.loop.now, "scold", why))


class Timers:
    """The timers of an event loop, without waiting."""

    def __init__(self):
        self.now = 0.0
        self.timers = []

    def time(self):
        return self.now

    def call_later(self, delay, then):
        handle = asyncio.TimerHandle(self.now + delay, then, (), asyncio.new_event_loop())
        handle._loop.close()
        handle._loop = self
        self.timers.append(handle)
        return handle

    def get_debug(self):
        return False

    def _timer_handle_cancelled(self, handle):
        pass

    def pass_to(self, moment):
        while due := [timer for timer in self.timers if not timer.cancelled() and timer.when() <= moment]:
            first = min(due, key=lambda timer: timer.when())
            self.timers.remove(first)
            self.now = first.when()
            first._callback()
        self.now = moment


def test_no_clock_runs_that_is_not_configured():
    connection = Recorded()
    connection.loop.pass_to(1e6)
    assert connection.done == []


def test_an_old_connection_is_drained_and_cut_after_its_grace():
    connection = Recorded(server={"max_connection_age": "100s", "max_connection_age_grace": "10s"})
    connection.loop.pass_to(89)
    assert connection.done == []
    connection.loop.pass_to(1000)
    (drained, *drain), (cut, *abort) = connection.done
    assert (drain, abort, cut - drained) == (["drain", b"max_age"], ["abort"], pytest.approx(10))
    assert 90 <= drained <= 110


def test_only_a_connection_without_calls_is_idle():
    connection = Recorded(server={"max_connection_idle": "10s"})
    connection.clocks.busy()
    connection.loop.pass_to(100)
    connection.clocks.idle()
    connection.loop.pass_to(109)
    assert connection.done == []
    connection.loop.pass_to(111)
    assert connection.done == [(110, "drain", b"connection idle")]


def test_a_connection_that_was_idle_twice_is_not_idle_while_a_call_is_under_way():
    connection = Recorded(server={"max_connection_idle": "10s"})
    connection.clocks.idle()
    connection.clocks.busy()
    connection.loop.pass_to(100)
    assert connection.done == []


def test_a_silent_client_is_pinged_and_cut_when_it_does_not_answer():
    connection = Recorded(server={"time": "60s", "timeout": "20s"})
    connection.loop.pass_to(30)
    connection.clocks.heard(connection.loop.now)
    connection.loop.pass_to(200)
    assert connection.done == [(90, "ping"), (110, "abort")]


def test_a_client_that_answers_is_pinged_again_when_it_is_silent_again():
    connection = Recorded(server={"time": "60s", "timeout": "20s"})
    connection.loop.pass_to(65)
    connection.clocks.heard(connection.loop.now)
    connection.loop.pass_to(126)
    assert connection.done == [(60, "ping"), (125, "ping")]


@pytest.mark.parametrize(
    ("policy", "calls", "pause", "scolded"),
    [
        pytest.param({"min_time": "10s"}, True, 5, True, id="too often"),
        pytest.param({"min_time": "10s"}, True, 10, False, id="as often as allowed"),
        pytest.param({"min_time": "10s"}, False, 10, True, id="without calls"),
        pytest.param(
            {"min_time": "10s", "permit_without_stream": True}, False, 10, False, id="permitted without calls"
        ),
    ],
)
def test_how_often_a_client_may_ping(policy, calls, pause, scolded):
    connection = Recorded(**policy)
    for number in range(10):
        connection.loop.pass_to(number * pause)
        connection.clocks.heard(connection.loop.now)
        connection.clocks.pinged(1, calls=calls)
        if connection.done:
            break
    assert connection.done == ([(3 * pause, "scold", b"too_many_pings")] if scolded else [])


def test_pings_beside_answers_are_free():
    connection = Recorded(min_time="1h")
    for _ in range(10):
        connection.clocks.heard(connection.loop.now)
        connection.clocks.pinged(2, calls=True)
        connection.clocks.answered()
    assert connection.done == []


def test_pings_that_come_together_count_each():
    connection = Recorded(min_time="1s")
    connection.clocks.heard(connection.loop.now)
    connection.clocks.pinged(1000, calls=True)
    assert connection.done == [(0, "scold", b"too_many_pings")]
