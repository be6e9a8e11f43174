import threading

import pytest

from collector.api import Overloaded
from collector.receivers.admission import REQUEST_OVERHEAD, Admission

LIMIT = 10 * REQUEST_OVERHEAD


def test_what_a_request_holds_is_given_back_when_it_ends():
    admission = Admission(LIMIT)
    with admission.lease() as lease:
        lease.take(1000)
        assert (admission.held, lease.held) == (REQUEST_OVERHEAD + 1000, REQUEST_OVERHEAD + 1000)
    assert (admission.held, lease.held) == (0, 0)


def fail(admission):
    with admission.lease() as lease:
        lease.take(1000)
        raise ValueError("broken")


def test_what_a_request_holds_is_given_back_when_it_fails():
    admission = Admission(LIMIT)
    with pytest.raises(ValueError, match="broken"):
        fail(admission)
    assert admission.held == 0


def test_a_request_that_would_go_past_the_limit_is_told_to_come_back():
    admission = Admission(LIMIT)
    with admission.lease() as first, admission.lease() as second:
        first.take(LIMIT - 3 * REQUEST_OVERHEAD)
        second.take(REQUEST_OVERHEAD)
        with pytest.raises(Overloaded, match=f"already hold {LIMIT} bytes of the {LIMIT} allowed"):
            second.take(1)
        assert (admission.held, second.held) == (LIMIT, 2 * REQUEST_OVERHEAD)


def test_many_small_requests_are_bounded_by_what_each_costs():
    admission = Admission(LIMIT)
    leases = [admission.lease() for _ in range(10)]
    for lease in leases:
        lease.__enter__()
    with pytest.raises(Overloaded), admission.lease():
        pytest.fail("an eleventh was let in")
    for lease in leases:
        lease.__exit__(None, None, None)
    assert admission.held == 0


def test_a_request_that_is_alone_is_never_refused():
    admission = Admission(LIMIT)
    with admission.lease() as lease:
        lease.take(100 * LIMIT)
        assert admission.held == 100 * LIMIT + REQUEST_OVERHEAD


def test_threads_lose_nothing():
    admission = Admission(1 << 40)

    def work():
        for _ in range(1000):
            with admission.lease() as lease:
                lease.take(7)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert admission.held == 0


def test_a_thread_that_still_works_on_a_request_that_is_over_holds_nothing():
    admission = Admission(LIMIT)
    with admission.lease() as lease:
        lease.take(1000)
    with pytest.raises(Overloaded, match="the request is over"):
        lease.take(1000)
    lease.end()
    assert admission.held == 0
