import json

import pytest
from google.protobuf import json_format
from google.rpc.error_details_pb2 import BadRequest, RetryInfo
from google.rpc.status_pb2 import Status

from collector.api import Fatal, Overloaded, Permanent, Rejected, Retryable, TooLarge
from collector.receivers.refusal import MESSAGE_LIMIT, Code, Refusal, refusal_of, shorten

ERRORS = [
    pytest.param(Overloaded("full", 2.5), Refusal(Code.UNAVAILABLE, 503, "full", retry_after=2.5), id="overloaded"),
    pytest.param(Overloaded("full", 0.1), Refusal(Code.UNAVAILABLE, 503, "full", retry_after=1), id="a short delay"),
    pytest.param(
        Overloaded("full", float("inf")), Refusal(Code.UNAVAILABLE, 503, "full", retry_after=3600), id="for ever"
    ),
    pytest.param(Retryable("down"), Refusal(Code.UNAVAILABLE, 503, "down", retry_after=1), id="retryable"),
    pytest.param(Rejected("bad", "spans[0]"), Refusal(Code.INVALID_ARGUMENT, 400, "bad", "spans[0]"), id="rejected"),
    pytest.param(TooLarge("big"), Refusal(Code.RESOURCE_EXHAUSTED, 413, "big"), id="too large"),
]
OURS = "internal error; the server's log says more"


@pytest.mark.parametrize(("error", "refusal"), ERRORS)
def test_an_error_has_the_answer_of_otlps_table(error, refusal):
    assert refusal_of(error) == refusal


@pytest.mark.parametrize("error", [ValueError("SECRET"), KeyError("SECRET"), Fatal("SECRET"), Permanent("SECRET")])
def test_an_error_that_nobody_foresaw_says_nothing_of_itself(error):
    assert refusal_of(error) == Refusal(Code.INTERNAL, 500, OURS)


@pytest.mark.parametrize(
    "refusal",
    [
        pytest.param(Refusal(Code.UNAVAILABLE, 503, "full", retry_after=2.5), id="with a delay"),
        pytest.param(Refusal(Code.UNAVAILABLE, 503, "full", retry_after=0.000001), id="with a very short one"),
        pytest.param(Refusal(Code.INVALID_ARGUMENT, 400, "größer\n\"'", "spans[0]"), id="with a field"),
        pytest.param(Refusal(Code.UNIMPLEMENTED, 404, "nothing here"), id="bare"),
    ],
)
def test_the_two_encodings_say_the_same(refusal):
    assert json_format.Parse(refusal.json(), Status()) == Status.FromString(refusal.proto())


def test_the_status_has_the_delay_and_the_field():
    delay, bad = RetryInfo(), BadRequest()
    assert Status.FromString(Refusal(Code.UNAVAILABLE, 503, "x", retry_after=2.5).proto()).details[0].Unpack(delay)
    assert (delay.retry_delay.seconds, delay.retry_delay.nanos) == (2, 500_000_000)
    assert Status.FromString(Refusal(Code.INVALID_ARGUMENT, 400, "why", "where").proto()).details[0].Unpack(bad)
    assert [(each.field, each.description) for each in bad.field_violations] == [("where", "why")]


@pytest.mark.parametrize(("seconds", "header"), [(0.0, 1), (0.4, 1), (1.0, 1), (1.2, 2), (59.9, 60)])
def test_retry_after_is_in_whole_seconds_and_never_0(seconds, header):
    assert Refusal(Code.UNAVAILABLE, 503, "", retry_after=seconds).retry_seconds() == header


def test_a_long_message_is_cut_and_one_that_is_no_text_is_repaired():
    assert shorten("a" * 5000) == "a" * MESSAGE_LIMIT
    assert shorten("a\ud800b") == "a?b"
    assert json.loads(Refusal(Code.INVALID_ARGUMENT, 400, "\ud800", "\ud800").json())["message"] == "?"
