import pytest

from collector.api import Rejected, Signal
from collector.receivers.kafka.encodings import DECODERS, with_resource_attributes
from collector.testing import sample_request
from collector.wire.codec import codec


@pytest.mark.parametrize("signal", list(Signal))
def test_attributes_are_added_to_every_resource_and_nothing_else_changes(signal):
    request = sample_request(signal, 3) * 2
    changed = with_resource_attributes(request, [("kafka.header.a", "1"), ("kafka.header.b", "\u00e6" * 100)])
    before, after = (codec().decode(signal, [each]).to_pylist() for each in (request, changed))
    for row in after:
        attributes = row["resource"]["attributes"]
        assert [(a["key"], a["value"]) for a in attributes[1:]] == [
            ("kafka.header.a", "1"),
            ("kafka.header.b", "\u00e6" * 100),
        ]
        del attributes[1:]
    assert after == before


@pytest.mark.parametrize(
    "request_bytes",
    [
        pytest.param(b"\x0a", id="ends in a length"),
        pytest.param(b"\x0a\x05ab", id="too short"),
        pytest.param(b"\x08\x01", id="a number at the top"),
        pytest.param(b"\x0a" + b"\xff" * 11, id="endless length"),
        pytest.param(b"\xff", id="ends in a tag"),
    ],
)
def test_bytes_that_are_no_request_are_rejected(request_bytes):
    with pytest.raises(Rejected):
        with_resource_attributes(request_bytes, [("a", "b")])


@pytest.mark.parametrize(
    ("encoding", "value", "reason"),
    [
        pytest.param("text", b"ab\xff", "the value is not UTF-8: invalid start byte at byte 2", id="text"),
        pytest.param("json", b"{", "the value is not JSON: ", id="json"),
        pytest.param("json", b"[" * 40 + b"]" * 40, "the value nests deeper than 30", id="deep json"),
    ],
)
def test_poison_is_named(encoding, value, reason):
    with pytest.raises(Rejected) as rejected:
        DECODERS[encoding](codec(), Signal.LOGS, value, 0)
    assert rejected.value.reason.startswith(reason)
