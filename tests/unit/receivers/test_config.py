import pytest
from pydantic import ValidationError

from collector.receivers.config import Cors

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
