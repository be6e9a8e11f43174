from math import inf

from collector.receivers.http.deadline import Deadline


class Timers:
    """The timers of an event loop, without waiting."""

    def __init__(self):
        self.now = 0.0
        self.timers = []
        self.made = 0

    def time(self):
        return self.now

    def call_at(self, when, call):
        self.made += 1
        timer = Timer(when, call, self.timers)
        self.timers.append(timer)
        return timer

    def move(self, until):
        while due := [timer for timer in self.timers if timer.when <= until]:
            first = min(due, key=lambda timer: timer.when)
            self.timers.remove(first)
            self.now = first.when
            first.call()
        self.now = until


class Timer:
    def __init__(self, when, call, timers):
        self.when, self.call, self._timers = when, call, timers

    def cancel(self):
        if self in self._timers:
            self._timers.remove(self)


def watched():
    loop, late = Timers(), []
    return loop, late, Deadline(loop, lambda: late.append(loop.now))


def test_a_moment_that_moves_on_costs_no_timer_and_is_kept():
    loop, late, deadline = watched()
    for now in range(100):
        loop.move(float(now))
        deadline.set(now + 60.0)
    loop.move(1000.0)
    assert late == [159.0]
    assert loop.made == 3


def test_an_earlier_moment_replaces_a_later_one():
    loop, late, deadline = watched()
    deadline.set(60.0)
    deadline.set(5.0)
    loop.move(1000.0)
    assert late == [5.0]


def test_never_is_never_until_it_is_set_again():
    loop, late, deadline = watched()
    deadline.set(60.0)
    deadline.set(inf)
    loop.move(100.0)
    deadline.set(130.0)
    loop.move(1000.0)
    assert late == [130.0]


def test_what_was_stopped_calls_nothing_and_can_be_set_again():
    loop, late, deadline = watched()
    deadline.set(5.0)
    deadline.stop()
    loop.move(10.0)
    deadline.set(20.0)
    loop.move(30.0)
    assert late == [20.0]
