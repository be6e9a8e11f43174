"""Load with faults for as long as asked: seconds in CI, ten minutes by `make soak`."""

import os
import random
import signal
import sys
import time
from collections import Counter
from pathlib import Path

import kit
import psutil
import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))

from proxy import Proxy

SECONDS = float(os.environ.get("OTTERY_SOAK_SECONDS", "20"))


class _Soak:
    """A collector between a load and a sink behind a proxy, and what can go wrong with them."""

    def __init__(self, collector, sink, proxy, chance):
        self.collector, self.sink, self.proxy, self.chance = collector, sink, proxy, chance
        self.faults = [self.kill, self.restart, self.reload, self.cut, self.block, self.refuse, self.answers]

    def kill(self):
        self.collector.kill()
        self.collector.start()

    def restart(self):
        assert self.collector.stop() == 0
        self.collector.start()

    def reload(self):
        os.kill(self.collector.process, signal.SIGHUP)

    def cut(self):
        self.proxy.cut()

    def block(self):
        self.proxy.block()
        self.rest(0.5)
        self.proxy.unblock()

    def refuse(self):
        self.proxy.refuse()
        self.rest(1.0)
        self.proxy.accept()

    def answers(self):
        self.sink.faults.extend(self.chance.choices([429, 502, 503, "cut", "half"], k=5))

    def rest(self, seconds):
        time.sleep(self.chance.uniform(0, seconds))  # how long it lasts is left to chance


@pytest.mark.timeout(SECONDS + 120)
def test_under_load_and_faults_nothing_is_lost_and_the_ledger_balances(make_collector, sink):
    proxy = Proxy(("127.0.0.1", sink.port))
    collector = make_collector(f"http://127.0.0.1:{proxy.port}", timeout="500ms")
    soak = _Soak(collector, sink, proxy, random.Random(SECONDS))
    collector.start()
    load = kit.Load(collector.port, clients=4, spans=20)
    began, done, memory = time.monotonic(), Counter(), []
    while time.monotonic() < began + SECONDS:
        fault = soak.chance.choice(soak.faults)
        fault()
        done[fault.__name__] += 1
        soak.rest(1.0)
        memory.append(psutil.Process(collector.process).memory_info().rss >> 20)
    load.stop()
    sink.faults.clear()
    kit.eventually(lambda: load.answered <= sink.seen.keys(), lambda: f"{len(load.answered - sink.seen.keys())} lost")
    kit.eventually(lambda: kit.ledger(collector)["in_flight"] == 0, lambda: kit.ledger(collector))
    account, disk = kit.ledger(collector), sum(path.stat().st_size for path in collector.directory.rglob("*.seg"))
    sys.stdout.write(
        f"\nsoak: {time.monotonic() - began:.0f} s, faults {dict(done)}\n"
        f"  {len(load.answered)} items answered, 0 lost, {sink.repeated} came to the sink more than once\n"
        f"  not answered at first: {dict(load.refused)} (0: no answer)\n"
        f"  ledger: {account}\n"
        f"  resident memory: at most {max(memory)} MiB, at the end {memory[-1]} MiB; segments at the end {disk} bytes\n"
    )
    assert collector.stop() == 0
    proxy.close()
    assert (account["missing"], account["dropped"], account["dead_lettered"]) == (0, {}, 0)
    assert account["received"] == account["stored"] == len(sink.seen)
    assert disk < 4 << 20
