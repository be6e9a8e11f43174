import pytest
from confluent_kafka import TopicPartition

from collector.receivers.kafka.cuts import Cut, Place, written_down

CUT = Cut(Place("t", 2), 10, 25, 1_767_225_600_000)


def test_the_end_of_a_cut_stands_in_the_commit_of_its_beginning():
    intention = CUT.intention()
    assert (intention.topic, intention.partition, intention.offset) == ("t", 2, 10)
    assert written_down(intention) == 25


def test_a_delivered_cut_leaves_nothing_written_down():
    conclusion = CUT.conclusion()
    assert (conclusion.offset, written_down(conclusion)) == (25, None)


def test_its_name_says_group_place_range_and_time():
    assert CUT.origin("g") == "g/t/2:10-25@1767225600000"


@pytest.mark.parametrize(
    ("offset", "metadata"),
    [
        pytest.param(10, "", id="nothing"),
        pytest.param(10, "somebody else's", id="foreign"),
        pytest.param(10, "ottery/1 x", id="no number"),
        pytest.param(10, "ottery/1 10", id="empty range"),
        pytest.param(10, "ottery/2 20", id="another version"),
        pytest.param(-1001, "ottery/1 20", id="no offset"),
    ],
)
def test_other_metadata_says_nothing(offset, metadata):
    assert written_down(TopicPartition("t", 0, offset, metadata)) is None
