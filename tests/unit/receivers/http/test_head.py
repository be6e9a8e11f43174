import pytest

from collector.receivers.http.answer import HttpRefused
from collector.receivers.http.head import Head
from collector.receivers.http.parser import Parser


class Seen:
    """What a parser said."""

    def __init__(self):
        self.said = []

    def begun(self):
        self.said.append("begun")

    def headed(self, head):
        self.said.append(head)

    def body(self, data):
        self.said.append(data)

    def complete(self, trailers):
        self.said.append("complete" if not trailers else f"complete, {trailers} bytes of trailers")


def head_of(*headers, target=b"/", version="1.1"):
    return Head(b"POST", target, version, headers, keep_alive=True)


def parsed(*pieces):
    seen = Seen()
    parser = Parser(seen)
    for piece in pieces:
        parser.feed(piece)
    return seen.said


PLAIN = b"POST /v1/traces?a=b HTTP/1.1\r\nHost: x\r\nX-One: 1\r\nX-ONE: 2\r\nContent-Length: 3\r\n\r\nabc"
UPGRADING = PLAIN.replace(
    b"Host: x", b"Host: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AA"
)


@pytest.mark.parametrize("request_bytes", [pytest.param(PLAIN, id="plain"), pytest.param(UPGRADING, id="upgrade")])
@pytest.mark.parametrize("size", [1, 7, 1000])
def test_requests_are_read_however_they_are_cut(request_bytes, size):
    sent = request_bytes * 2
    said = parsed(*(sent[i : i + size] for i in range(0, len(sent), size)))
    heads = [word for word in said if isinstance(word, Head)]
    assert [word for word in said if isinstance(word, str)] == ["begun", "complete"] * 2
    assert b"".join(word for word in said if isinstance(word, bytes)) == b"abcabc"
    assert [(head.method, head.target, head.version, head.keep_alive) for head in heads] == [
        (b"POST", b"/v1/traces?a=b", "1.1", True)
    ] * 2
    assert {head.path for head in heads} == {"/v1/traces"}
    assert {head.fields[b"x-one"] for head in heads} == {b"1, 2"}


def test_trailers_are_no_headers():
    chunked = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-Late: 1\r\n\r\n"
    begun, head, body, complete = parsed(chunked)
    assert (begun, body, complete) == ("begun", b"abc", "complete, 11 bytes of trailers")
    assert head.headers == [(b"host", b"x"), (b"transfer-encoding", b"chunked")]


@pytest.mark.parametrize(
    ("lines", "keep_alive"),
    [
        pytest.param(b"HTTP/1.1\r\nHost: x", True, id="1.1"),
        pytest.param(b"HTTP/1.1\r\nHost: x\r\nConnection: close", False, id="1.1, asked to close"),
        pytest.param(b"HTTP/1.0", False, id="1.0"),
        pytest.param(b"HTTP/1.0\r\nConnection: keep-alive", False, id="1.0, asked to keep"),
    ],
)
def test_a_connection_goes_on_where_the_client_can(lines, keep_alive):
    _, head, *_ = parsed(b"POST / " + lines + b"\r\n\r\n")
    assert head.keep_alive is keep_alive


@pytest.mark.parametrize(
    ("target", "path"),
    [
        (b"/v1/traces", "/v1/traces"),
        (b"/v1/tr%61ces?x=%61", "/v1/traces"),
        (b"http://collector:4318/v1/traces", "/v1/traces"),
        (b"*", "*"),
        (b"collector:4318", None),
        (b"/tr\xe4ces", None),
    ],
)
def test_a_path_is_unquoted_and_what_has_none_is_refused(target, path):
    head = head_of(target=target)
    if path is None:
        with pytest.raises(HttpRefused) as caught:
            _ = head.path
        assert (caught.value.refusal.http, caught.value.close) == (400, True)
    else:
        assert head.path == path


@pytest.mark.parametrize(
    ("head", "status"),
    [
        pytest.param(head_of(), 400, id="no host"),
        pytest.param(head_of((b"host", b"x"), (b"host", b"x")), 400, id="two hosts"),
        pytest.param(head_of((b"host", b"x"), (b"transfer-encoding", b"gzip, chunked")), 501, id="coding"),
        pytest.param(head_of((b"host", b"x"), (b"transfer-encoding", b" Chunked ")), None, id="chunked"),
        pytest.param(head_of(version="1.0"), None, id="1.0 without a host"),
    ],
)
def test_a_head_that_could_be_read_in_two_ways_is_refused(head, status):
    if status is None:
        head.check()
    else:
        with pytest.raises(HttpRefused) as caught:
            head.check()
        assert (caught.value.refusal.http, caught.value.close) == (status, True)
