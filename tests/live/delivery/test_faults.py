"""The sink, the network and the disk fail under load; nothing that was answered is lost."""

import random
import subprocess
import sys
import urllib.request
from pathlib import Path

import kit
import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))

from proxy import Proxy


def _metric(collector, name):
    with urllib.request.urlopen(f"http://127.0.0.1:{collector.metrics}/metrics", timeout=10) as answer:
        lines = answer.read().decode().splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(name))


def _settled(load, sink):
    load.stop()
    kit.eventually(lambda: load.answered <= sink.seen.keys(), lambda: f"{len(load.answered - sink.seen.keys())} lost")


@pytest.mark.parametrize("fault", [429, 502, 503, "cut", "half", "silent"], ids=str)
def test_a_sink_that_fails_now_and_then_gets_everything(make_collector, sink, fault):
    chance = random.Random(1)
    collector = make_collector(sink.endpoint, timeout="200ms")
    collector.start()
    sink.faults.extend(chance.choice([None, fault]) for _ in range(20))
    load = kit.Load(collector.port)
    kit.eventually(lambda: not sink.faults and len(load.answered) > 200, lambda: f"{len(sink.faults)} faults left")
    _settled(load, sink)
    assert load.refused == {}
    if isinstance(fault, int):
        assert sink.repeated == 0
    assert collector.stop() == 0


def test_a_sink_that_is_down_holds_nothing_up_and_gets_everything_in_order_once_it_is_back(make_collector, sink):
    proxy = Proxy(("127.0.0.1", sink.port))
    proxy.refuse()
    collector = make_collector(f"http://127.0.0.1:{proxy.port}")
    collector.start()
    load = kit.Load(collector.port)
    kit.eventually(lambda: len(load.answered) > 1500, "clients are answered while the sink is down")
    collector.kill()
    collector.start()
    proxy.accept()
    _settled(load, sink)
    assert collector.stop() == 0
    proxy.close()


def test_connections_that_are_cut_and_silent_lose_nothing(make_collector, sink):
    proxy = Proxy(("127.0.0.1", sink.port))
    collector = make_collector(f"http://127.0.0.1:{proxy.port}", timeout="300ms")
    collector.start()
    load = kit.Load(collector.port)
    for _ in range(5):
        seen = len(sink.seen)
        kit.eventually(lambda seen=seen: len(sink.seen) > seen, "the sink gets data again")
        proxy.cut()
        proxy.block()
        retries = _metric(collector, "ottery_exporter_retries_total")
        kit.eventually(
            lambda r=retries: _metric(collector, "ottery_exporter_retries_total") > r, "an attempt times out"
        )
        proxy.unblock()
    _settled(load, sink)
    assert load.refused == {}
    assert collector.stop() == 0
    proxy.close()


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 1 MiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)], capture_output=True, text=True, check=False
    )
    if mount.returncode:
        pytest.skip(f"a small file system cannot be mounted here: {mount.stderr.strip()}")
    yield disk
    subprocess.run(["umount", "--lazy", str(disk)], check=True)


def test_a_full_disk_refuses_with_a_delay_keeps_what_was_answered_and_recovers_by_itself(
    small_disk, make_collector, sink
):
    proxy = Proxy(("127.0.0.1", sink.port))
    proxy.refuse()
    collector = make_collector(f"http://127.0.0.1:{proxy.port}", small_disk, delivery="segment_size: 64KiB")
    collector.start()
    load = kit.Load(collector.port, spans=50)
    kit.eventually(lambda: load.refused[503] > 3, "clients are refused")
    assert _metric(collector, 'ottery_log_refused_items_total{pipeline="traces",reason="disk"') > 0
    answered = len(load.answered)
    proxy.accept()
    kit.eventually(lambda: len(load.answered) > answered + 500, "clients are answered again")
    _settled(load, sink)
    assert collector.stop() == 0
    proxy.close()


def test_a_process_killed_while_the_disk_is_full_starts_and_loses_nothing(small_disk, make_collector, sink):
    proxy = Proxy(("127.0.0.1", sink.port))
    proxy.refuse()
    collector = make_collector(f"http://127.0.0.1:{proxy.port}", small_disk, delivery="segment_size: 64KiB")
    collector.start()
    load = kit.Load(collector.port, spans=50)
    kit.eventually(lambda: load.refused[503] > 3, "clients are refused")
    collector.kill()
    collector.start()
    proxy.accept()
    _settled(load, sink)
    assert collector.stop() == 0
    proxy.close()
