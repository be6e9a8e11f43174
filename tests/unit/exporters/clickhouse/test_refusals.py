import pytest

from collector.api import Fatal, Permanent
from exporters.clickhouse.refusals import MOST_IN_A_ROW, Refusals

ERROR = Permanent("bad date", kind="clickhouse_41")


def test_nothing_refused_is_no_error():
    refusals = Refusals()
    refusals.inserted()
    refusals.check()


def test_refused_rows_are_named_in_order_with_the_first_reason():
    refusals = Refusals()
    for row, error in ((7, ERROR), (2, Permanent("bad number", kind="clickhouse_72"))):
        refusals.refused(error)
        refusals.give_up(row, error)
    with pytest.raises(Permanent) as refused:
        refusals.check()
    error = refused.value
    assert (error.reason, error.rows, error.kind, error.rest_stored) == ("bad date", [2, 7], "clickhouse_41", True)


def test_nothing_but_refusals_is_the_tables_fault():
    refusals = Refusals()
    for _ in range(MOST_IN_A_ROW):
        refusals.refused(ERROR)
    with pytest.raises(Fatal, match="the table refuses every row, the last one with: bad date"):
        refusals.refused(ERROR)


def test_an_insert_that_works_begins_the_count_anew():
    refusals = Refusals()
    for _ in range(3):
        for _ in range(MOST_IN_A_ROW):
            refusals.refused(ERROR)
        refusals.inserted()
    refusals.check()
