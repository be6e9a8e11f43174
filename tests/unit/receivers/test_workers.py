import asyncio
import threading

import pytest

from collector.receivers.workers import Workers


async def test_work_is_done_in_a_thread_and_its_result_comes_back():
    workers = Workers("otlp")

    def work(number, *, factor):
        return number * factor, threading.current_thread().name

    result, name = await workers.run(work, 6, factor=7)
    workers.stop()
    assert (result, name.startswith("otlp")) == (42, True)


async def test_an_error_comes_back():
    workers = Workers("otlp")
    with pytest.raises(ZeroDivisionError):
        await workers.run(lambda: 1 // 0)
    workers.stop()


async def test_the_event_loop_goes_on_meanwhile():
    workers, release = Workers("otlp"), threading.Event()
    async with asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(workers.run(release.wait, 10))
        await asyncio.sleep(0)
        release.set()
        assert await waiting
    workers.stop()


async def test_workers_stop_twice_and_without_work():
    workers = Workers("otlp")
    workers.stop()
    await workers.run(int)
    workers.stop()
    workers.stop()
