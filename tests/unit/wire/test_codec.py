import pytest

from collector.api import Signal, TooLarge
from collector.wire.codec import LARGEST_REQUEST, WireCodec, codec

WORDS = "the request has 268435457 bytes as protobuf; at most 268435456 can be decoded"


class Growing:
    """Stands for a twin that is given JSON: `1,` of a histogram has two bytes there and eight in protobuf."""

    name = "growing"

    def json_to_proto(self, signal, body, limits):
        return bytes(LARGEST_REQUEST + 1)


@pytest.mark.parametrize(
    ("reader", "body", "json"),
    [
        pytest.param(codec(), bytes(LARGEST_REQUEST + 1), False, id="protobuf"),
        pytest.param(WireCodec(Growing()), b"{}", True, id="JSON that grows"),
    ],
)
def test_a_request_that_could_never_be_decoded_is_not_taken(reader, body, json):
    with pytest.raises(TooLarge, match=WORDS):
        reader.read(Signal.LOGS, body, json=json)
