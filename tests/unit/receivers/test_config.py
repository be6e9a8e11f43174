import pytest
from pydantic import ValidationError

from collector.receivers.config import Cors, GrpcServerConfig, HttpServerConfig

GOOD = [
    "*",
    "http://*",
    "https://shop.example",
    "https://*.shop.example",
    "http://localhost:3000",
    "http://localhost:*",
]
BAD = [
    "",
    "shop.example",
    "https://",
    "https://shop.example/",
    "https://sh*op.example",
    "https://*.shop.example:*",
    "**",
]


@pytest.mark.parametrize("origin", GOOD)
def test_an_origin_may_have_one_wildcard(origin):
    assert Cors(allowed_origins=(origin,)).allowed_origins == (origin,)


@pytest.mark.parametrize("origin", BAD)
def test_another_text_is_no_origin_and_the_error_shows_one(origin):
    with pytest.raises(ValidationError, match=r"such as https://shop.example, .* was expected, not '"):
        Cors(allowed_origins=(origin,))


@pytest.mark.parametrize(
    ("model", "key", "largest", "unit"),
    [
        pytest.param(GrpcServerConfig, "max_recv_msg_size_mib", 256, "MiB", id="gRPC"),
        pytest.param(HttpServerConfig, "max_request_body_size", 268435456, "bytes", id="HTTP"),
    ],
)
def test_a_request_may_not_be_larger_than_what_can_be_decoded(model, key, largest, unit):
    assert getattr(model.model_validate({key: largest}), key) == largest
    words = rf"at most {largest} {unit} was expected, not {largest + 1}: larger requests cannot be decoded"
    with pytest.raises(ValidationError, match=words):
        model.model_validate({key: largest + 1})
