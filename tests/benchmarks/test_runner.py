import pytest

from benchmarks.runner import Result, _check
from benchmarks.sinks import InvalidError
from benchmarks.summary import ratios, summarize, verdict


@pytest.mark.parametrize(
    ("state", "told"),
    [
        ({"rows": 9, "arrived": 9, "doubled": 0, "foreign": 0}, "1 lost, -1 rows too many"),
        ({"rows": 11, "arrived": 10, "doubled": 1, "foreign": 0}, "1 doubled, 1 rows too many"),
        ({"rows": 10, "arrived": 10, "doubled": 0, "foreign": 2}, "2 invented"),
    ],
    ids=["lost", "doubled", "invented"],
)
def test_a_run_that_is_not_exact_has_no_result(state, told):
    with pytest.raises(InvalidError, match=f"^of 10 items: {told}$"):
        _check(state, 10)


def _result(system, cpu, work="grpc-traces-512"):
    return Result(
        system=system, work=work, sink="sink", items=1_000_000, bytes=1, seconds=2.0, cpu=cpu, generator_cpu=0.1,
        sink_cpu=0.1, idle_memory=10, peak_memory=20 + cpu, retries=0, inserts=1, format="ArrowStream plain",
    )  # fmt: skip


def test_runs_of_one_system_become_a_line_with_median_and_spread():
    (line,) = summarize([_result("ottery-native", cpu) for cpu in (2.0, 2.4, 2.2)])
    assert (line.cpu, round(line.spread, 4), line.rate, line.peak_memory) == (2.2, 0.0909, 500_000, 22.4)


def test_ratios_say_how_many_times_the_cpu_the_peer_needed():
    ottery, rotel = summarize([_result("ottery-native", 2.0), _result("rotel", 5.0)])
    assert ratios(ottery, [ottery, rotel]) == {"rotel": 2.5}


@pytest.mark.parametrize(("cpu", "expected"), [(1.4, "stretch (≤ 1.5)"), (2.0, "met (≤ 2.5)"), (2.6, "missed (≤ 2.5)")])
def test_a_line_is_held_against_the_target_of_the_design(cpu, expected):
    (line,) = summarize([_result("ottery-native", cpu)])
    assert verdict(line) == expected
