import base64

import pytest
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status

from collector.api import Rejected
from collector.receivers.grpc.status import is_grpc, message_coding, parsed, seconds, trailers
from collector.receivers.refusal import Code, Refusal, Refused


def test_a_refusal_is_told_in_trailers():
    refusal = Refusal(Code.UNAVAILABLE, 503, "100 % full\nof Größe", retry_after=1.5)
    assert trailers(refusal) == [
        ("grpc-status", "14"),
        ("grpc-message", "100 %25 full%0Aof Gr%C3%B6%C3%9Fe"),
        ("grpc-status-details-bin", trailers(refusal)[2][1]),
        ("google.rpc.retryinfo-bin", "CggIARCAyrXuAQ"),
    ]


def test_the_status_of_a_refusal_is_base64_without_padding():
    (_, _, (name, value)) = trailers(Refusal(Code.INTERNAL, 500, "broken"))
    assert (name, value.endswith("=")) == ("grpc-status-details-bin", False)
    assert Status(code=13, message="broken").SerializeToString().hex() == base64.b64decode(value + "==").hex()


def test_a_delay_is_a_retry_info():
    value = dict(trailers(Refusal(Code.UNAVAILABLE, 503, "", retry_after=2.0)))["google.rpc.retryinfo-bin"]
    expected = RetryInfo(retry_delay=Duration(seconds=2))
    assert RetryInfo.FromString(base64.b64decode(value + "==")) == expected


@pytest.mark.parametrize(
    ("media", "is_one"),
    [
        ("application/grpc", True),
        ("application/grpc+proto", True),
        ("Application/GRPC; charset=x", True),
        ("application/grpc-web", False),
        ("application/grpcx", False),
        ("application/json", False),
        ("", False),
    ],
)
def test_content_types_of_grpc(media, is_one):
    assert is_grpc(media) is is_one


@pytest.mark.parametrize(("name", "coding"), [("", ""), ("identity", ""), ("gzip", "gzip"), ("zstd", "zstd")])
def test_known_compressions(name, coding):
    assert message_coding(name) == coding


def test_an_unknown_compression_is_unimplemented():
    with pytest.raises(Refused, match="grpc-encoding must be none or one of gzip, deflate, zstd, snappy") as caught:
        message_coding("br")
    assert caught.value.refusal.code is Code.UNIMPLEMENTED


@pytest.mark.parametrize(
    ("text", "amount"),
    [("1H", 3600.0), ("2M", 120.0), ("10S", 10.0), ("250m", 0.25), ("5u", 5e-6), ("99999999n", 0.099999999)],
)
def test_timeouts(text, amount):
    assert seconds(text) == pytest.approx(amount)


@pytest.mark.parametrize("text", ["", "S", "1", "1s", "1.5S", "-1S", "123456789S", "\u0661S"])
def test_what_is_no_timeout(text):
    with pytest.raises(Rejected, match="grpc-timeout is up to eight digits"):
        seconds(text)


def test_what_is_no_message_of_its_kind():
    with pytest.raises(Rejected, match="the message is not what this method takes"):
        parsed(Status, b"\xff")
