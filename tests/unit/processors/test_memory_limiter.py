from pathlib import Path

import pytest
from pydantic import ValidationError

from collector.api import Overloaded, State
from collector.processors.memory_limiter.config import MemoryLimiterConfig
from collector.processors.memory_limiter.limiter import MemoryLimiter
from collector.processors.memory_limiter.memory import give_back, total_bytes
from collector.telemetry.catalogue import OTTERY_MEMORY_LIMITED
from collector.telemetry.process import resident_bytes
from collector.testing import FakeClock, RecordingLog, RecordingMetrics, RecordingReport, settings

MIB = 1 << 20


class Process:
    """A process whose memory a test sets; giving back frees what nobody uses."""

    def __init__(self, **config):
        self.used, self.unused, self.releases = 0, 0, 0
        self.clock, self.metrics, self.report = FakeClock(), RecordingMetrics(), RecordingReport()
        around = settings(
            "memory_limiter", clock=self.clock, metrics=self.metrics, report=self.report, log=RecordingLog()
        )
        self.limiter = MemoryLimiter(
            MemoryLimiterConfig(**{"limit_mib": 100, "spike_limit_mib": 30, **config}),
            around,
            used=lambda: (self.used + self.unused) * MIB,
            release=self.release,
        )

    def release(self):
        self.releases += 1
        self.unused = 0

    async def refuses(self, used, unused=0, after=1.0):
        self.used, self.unused = used, unused
        await self.clock.advance(after)
        try:
            self.limiter.guard()
        except Overloaded:
            return True
        return False


@pytest.mark.parametrize(
    ("config", "limits"),
    [
        pytest.param({"limit_mib": 100, "spike_limit_mib": 30}, (70 * MIB, 100 * MIB), id="MiB"),
        pytest.param({"limit_mib": 100}, (80 * MIB, 100 * MIB), id="a fifth for spikes"),
        pytest.param({"limit_percentage": 80, "spike_limit_percentage": 25}, (550, 800), id="percentages"),
        pytest.param({"limit_percentage": 50}, (400, 500), id="a percentage and a fifth of it"),
        pytest.param({"limit_mib": 1, "limit_percentage": 50}, (MIB - MIB // 5, MIB), id="MiB win"),
    ],
)
def test_refusing_begins_at_the_limit_less_what_is_kept_for_spikes(config, limits):
    assert MemoryLimiterConfig(**config).limits(1000) == limits


@pytest.mark.parametrize(
    ("config", "problem"),
    [
        pytest.param({}, "limit_mib or limit_percentage must be set", id="no limit"),
        pytest.param({"limit_mib": 5, "spike_limit_mib": 5}, "spike_limit_mib must be less", id="spike"),
        pytest.param(
            {"limit_percentage": 5, "spike_limit_percentage": 9}, "spike_limit_percentage must be less", id="percent"
        ),
        pytest.param({"limit_mib": 5, "check_interval": 0}, "greater than 0", id="never checked"),
    ],
)
def test_limits_that_make_no_sense_are_refused(config, problem):
    with pytest.raises(ValidationError, match=problem):
        MemoryLimiterConfig(**config)


async def test_requests_are_refused_above_the_soft_limit_until_memory_is_there_again():
    process = Process()
    answers = [await process.refuses(used) for used in (69, 70, 71, 99, 120, 71, 70, 10)]
    assert answers == [False, False, True, True, True, True, False, False]
    assert process.metrics.value(OTTERY_MEMORY_LIMITED, processor="memory_limiter") == 0
    assert [state for state, _ in process.report.states] == [State.DEGRADED, State.OK]


async def test_memory_that_nobody_uses_is_given_back_before_anybody_is_refused():
    process = Process()
    assert not await process.refuses(60, unused=30)
    assert process.releases == 1


async def test_above_the_hard_limit_memory_is_given_back_at_every_look_and_above_the_soft_one_seldom():
    process = Process(min_gc_interval_when_soft_limited="10s")
    for _ in range(5):
        await process.refuses(80)
    assert process.releases == 1
    for _ in range(5):
        await process.refuses(101)
    assert process.releases == 6


async def test_memory_is_looked_at_once_an_interval():
    process = Process(check_interval="5s")
    assert not await process.refuses(10)
    assert not await process.refuses(90, after=4)
    assert await process.refuses(90, after=1)


async def test_a_refused_client_is_told_to_come_back_after_the_next_look():
    process = Process(check_interval="3s")
    await process.refuses(90)
    with pytest.raises(Overloaded, match="memory is short: 90 MiB of 70 in use") as refused:
        process.limiter.guard()
    assert refused.value.retry_after == 3


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("1048576\n", 1048576, id="a limit"),
        pytest.param("max\n", None, id="no limit"),
        pytest.param("9223372036854771712\n", None, id="more than there is"),
    ],
)
def test_the_memory_there_is_ends_at_the_limit_of_the_control_group(tmp_path, text, expected):
    limit = tmp_path / "memory.max"
    limit.write_text(text)
    assert total_bytes([limit]) == (expected or total_bytes([Path("/nowhere")]))


def test_giving_back_returns_freed_memory_to_the_operating_system():
    blocks = [bytes(4096) for _ in range(20_000)]
    full = resident_bytes()
    del blocks
    give_back()
    assert resident_bytes() < full - 40 * MIB
