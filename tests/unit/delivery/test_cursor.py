"""How many records go into one push."""

from hypothesis import given
from hypothesis import strategies as st

from collector.api import Batch, Signal
from collector.delivery.cursor import leading
from collector.delivery.log import Limits, Record, Tally
from collector.testing import sample_batch

BATCH: Batch = sample_batch(Signal.TRACES, 1)

tallies = st.lists(st.builds(Tally, st.just(1), st.integers(1, 5), st.integers(1, 50)), max_size=40).flatmap(
    lambda some: st.sampled_from([some, some * 100])
)
limits = st.builds(Limits, st.integers(0, 5000), st.integers(0, 50_000))


def recorded(tallies):
    records, before = [], Tally(3, 7, 100)
    for number, tally in enumerate(tallies):
        records.append(Record(number, BATCH, tally, before))
        before += tally
    return records


@given(tallies, limits)
def test_a_push_holds_as_many_records_as_its_limits_allow_and_at_least_one(tallies, limits):
    records = recorded(tallies)
    total, expected = Tally(), []
    for record in records:
        total += record.tally
        if expected and limits.exceeded(total):
            break
        expected.append(record)
    assert leading(iter(records), limits) == expected
