"""What the process itself uses, read when Prometheus asks, and how late its event loop is."""

from __future__ import annotations

import os
import resource
import sys
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from collector.api import Clock, Metrics
from collector.telemetry.catalogue import OTTERY_LOOP_LAG, PROCESS_CPU_SECONDS, PROCESS_MEMORY_RSS, PROCESS_UPTIME

MEASURED = (PROCESS_CPU_SECONDS, PROCESS_MEMORY_RSS, PROCESS_UPTIME)
"""The metrics that are read at a scrape instead of counted."""

_STATM = Path("/proc/self/statm")
_LAG_INTERVAL = 0.05


class ProcessCollector(Collector):
    """CPU time, resident memory and uptime, under the OpenTelemetry Collector's names."""

    def __init__(self, constant: Mapping[str, str], clock: Clock) -> None:
        self._labels = tuple(constant)
        self._values = tuple(constant.values())
        self._clock = clock
        self._started = clock.monotonic()

    def collect(self) -> Iterable[Metric]:
        cpu = CounterMetricFamily(PROCESS_CPU_SECONDS.name, PROCESS_CPU_SECONDS.help, labels=self._labels)
        cpu.add_metric(self._values, time.process_time())
        memory = GaugeMetricFamily(PROCESS_MEMORY_RSS.name, PROCESS_MEMORY_RSS.help, labels=self._labels)
        memory.add_metric(self._values, resident_bytes())
        uptime = CounterMetricFamily(PROCESS_UPTIME.name, PROCESS_UPTIME.help, labels=self._labels)
        uptime.add_metric(self._values, self._clock.monotonic() - self._started)
        return cpu, memory, uptime


def resident_bytes() -> int:
    """Return the resident memory of this process; where the system does not tell it, the most it ever was."""
    try:
        return int(_STATM.read_bytes().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024


async def watch_event_loop(metrics: Metrics, clock: Clock) -> None:
    """Measure, until cancelled, how much later than asked the event loop wakes a task."""
    while True:
        before = clock.monotonic()
        await clock.sleep(_LAG_INTERVAL)
        late = clock.monotonic() - before - _LAG_INTERVAL
        metrics.observe(OTTERY_LOOP_LAG, max(late, 0.0))
