import pytest

from collector.receivers.http.answer import Answer, answer_to
from collector.receivers.refusal import Code, Refusal

DATE = b"date: Sun, 29 Nov 2026 00:00:00 GMT\r\n"


@pytest.mark.parametrize(
    ("answer", "options", "written"),
    [
        pytest.param(
            Answer(200, [(b"x", b"y")], b"{}"),
            {},
            b"HTTP/1.1 200 OK\r\n%bx: y\r\ncontent-length: 2\r\n\r\n{}",
            id="plain",
        ),
        pytest.param(
            Answer(200, [], b"{}"),
            {"close": True},
            b"HTTP/1.1 200 OK\r\n%bconnection: close\r\ncontent-length: 2\r\n\r\n{}",
            id="the last",
        ),
        pytest.param(
            Answer(405, [], b"{}"),
            {"bodiless": True},
            b"HTTP/1.1 405 Method Not Allowed\r\n%bcontent-length: 2\r\n\r\n",
            id="to HEAD",
        ),
        pytest.param(Answer(204, []), {}, b"HTTP/1.1 204 No Content\r\n%b\r\n", id="without content"),
    ],
)
def test_an_answer_is_written_as_http_has_it(answer, options, written):
    assert answer.encode(DATE, **{"close": False, "bodiless": False, **options}) == written % DATE


def test_a_refusal_says_when_to_come_back():
    answer = answer_to(Refusal(Code.UNAVAILABLE, 503, "too many", retry_after=1.5))
    assert answer.close
    assert b"\r\nretry-after: 2\r\n" in answer.encode(DATE, close=True, bodiless=False)
