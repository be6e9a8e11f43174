"""A server of small answers on real sockets, with an application whose answers wait until a test lets them go."""

import asyncio
import contextlib
import itertools
import random

import pytest

from collector.http import bind
from collector.receivers.admission import Admission
from collector.receivers.config import HttpServerConfig
from collector.receivers.http.answer import Answer
from collector.receivers.http.server import HttpServer
from collector.testing import Recorder, RecordingLog
from tests.live.otlp.raw import raw


class Held(Recorder):
    """Answers with the body that came, once `release` is set; refuses every path but `/`."""

    def __init__(self):
        super().__init__()
        self.serving = self.served = self.gone = 0
        self.refused = []
        self.pieces = []
        self.raises = None
        self.release = asyncio.Event()
        self.release.set()

    def open(self, head):
        if head.path != "/":
            raise LookupError(head.path)
        return Answer(204, []) if head.method == b"OPTIONS" else self._serve

    async def _serve(self, pieces, lease):
        self.serving += 1
        self.pieces.append(len(pieces))
        self.notify()
        if self.raises is not None:
            error, self.raises = self.raises, None
            raise error
        await self.release.wait()
        body = b"".join(pieces)
        if body == b"bad":
            raise ValueError
        self.served += 1
        return Answer(200, [], body)

    def refuse(self, head, error):
        self.refused.append((head.target, type(error).__name__))
        self.notify()
        return Answer(400, [], b"no", close=getattr(error, "close", False))

    def left(self):
        self.gone += 1
        self.notify()


class Served:
    def __init__(self, server, application, admission, bound):
        self.server, self.application, self.admission = server, application, admission
        self.http_address = bound.getsockname()


@contextlib.asynccontextmanager
async def served(**config):
    application, admission, bound = Held(), Admission(1 << 24), bind("127.0.0.1:0")
    server = HttpServer(HttpServerConfig(endpoint="127.0.0.1:0", **config), application, admission, RecordingLog())
    await server.start(bound, None)
    try:
        yield Served(server, application, admission, bound)
    finally:
        application.release.set()
        await server.stop(5)
    assert admission.held == 0


def post(body=b"", *lines, target=b"/", method=b"POST"):
    head = [method + b" " + target + b" HTTP/1.1", b"Host: x", b"Content-Length: %d" % len(body), *lines, b"", b""]
    return b"\r\n".join(head) + body


async def test_requests_are_answered_in_order_each_when_the_one_before_is():
    async with served() as here, raw(here) as client:
        here.application.release.clear()
        await client.send(post(b"one") + post(b"no", target=b"/no") + post(b"two") + post(method=b"OPTIONS"))
        await here.application.until(lambda: here.application.serving)
        assert (here.application.serving, here.application.refused) == (1, [])
        here.application.release.set()
        answers = [await client.answer() for _ in range(4)]
    assert [(answer.status, answer.body) for answer in answers] == [
        (200, b"one"),
        (400, b"no"),
        (200, b"two"),
        (204, b""),
    ]
    assert [answer.headers.get("connection") for answer in answers] == [None] * 4
    assert here.application.refused == [(b"/no", "LookupError")]


async def test_what_fails_is_refused_and_the_connection_goes_on():
    async with served() as here, raw(here) as client:
        await client.send(post(b"bad") + post(b"good"))
        assert [(await client.answer()).body for _ in range(2)] == [b"no", b"good"]
    assert here.application.refused == [(b"/", "ValueError")]


async def test_what_came_before_something_malformed_is_answered_first():
    async with served() as here, raw(here) as client:
        await client.send(post(b"one") + b"nonsense\r\n\r\n" + post(b"two"))
        assert await client.answers() == [200, 400]


LONG = b"a" * (1 << 16)
CHUNKED = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n"


@pytest.mark.parametrize(
    "request_bytes",
    [
        pytest.param(post(b"body", b"X: " + LONG), id="a header"),
        pytest.param(post(b"body", target=b"/?" + LONG), id="a target"),
        pytest.param(CHUNKED + b"X: " + LONG + b"\r\n\r\n", id="trailers"),
    ],
)
async def test_a_head_that_is_too_large_is_refused_though_it_came_at_once(request_bytes):
    async with served() as here, raw(here) as client:
        await client.send(request_bytes + post(b"next"))
        assert await client.answers() == [431]
    assert here.application.serving == 0


async def test_a_client_that_asks_gets_leave_to_send_its_body_once():
    async with served() as here, raw(here) as client:
        whole = post(b"body", b"Expect: 100-continue")
        await client.send(whole[:-4])
        assert (await client.answer()).status == 100
        await client.send(whole[-4:])
        assert (await client.answer()).body == b"body"
        await client.send(whole)
        assert (await client.answer()).status == 200


async def test_the_answer_to_head_has_no_body():
    async with served() as here, raw(here) as client:
        await client.send(post(target=b"/no", method=b"HEAD"), post(b"next"))
        head = await client.reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 400")
        assert (await client.answer()).body == b"next"


async def test_a_refused_request_that_is_still_coming_ends_its_connection_once_its_client_has_read_the_answer():
    async with served() as here, raw(here) as client:
        large = post(bytes(1 << 22), target=b"/no")
        await client.send(large[: 1 << 20])
        answer = await client.answer()
        assert (answer.status, answer.headers["connection"]) == (400, "close")
        await client.send(large[1 << 20 :])
        assert await client.answer() is None


@pytest.mark.parametrize("sent", [b"", post(b"body")[:-1], post(b"body")[:20]], ids=["nothing", "a body", "a head"])
async def test_a_client_that_leaves_is_forgotten(sent):
    async with served() as here:
        async with raw(here) as client:
            await client.send(post(b"one"), sent)
            assert (await client.answer()).body == b"one"
        await here.server.stop(5)
        assert here.application.gone == (1 if sent.endswith(b"bod") else 0)


async def test_a_request_that_was_whole_is_served_to_the_end_though_its_client_left():
    async with served() as here:
        here.application.release.clear()
        async with raw(here) as client:
            await client.send(post(b"one"))
            await here.application.until(lambda: here.application.serving)
        stopping = asyncio.create_task(here.server.stop(5))
        await asyncio.sleep(0)
        assert not stopping.done()
        here.application.release.set()
        await stopping
    assert (here.application.served, here.application.gone, here.application.refused) == (1, 0, [])


async def test_a_server_that_stops_finishes_what_is_under_way_and_begins_nothing_new():
    async with served() as here, raw(here) as busy, raw(here) as idle:
        await idle.send(post(b"idle"))
        assert (await idle.answer()).headers.get("connection") is None
        here.application.release.clear()
        await busy.send(post(b"one") + post(b"two"))
        await here.application.until(lambda: here.application.serving == 2)
        stopping = asyncio.create_task(here.server.stop(5))
        assert await idle.answer() is None
        here.application.release.set()
        answer = await busy.answer()
        assert (answer.body, answer.headers["connection"]) == (b"one", "close")
        assert await busy.answer() is None
        await stopping
    assert here.application.serving == 2


@pytest.mark.parametrize("whole", [True, False], ids=["served", "still coming"])
async def test_what_does_not_end_in_time_is_told_so_and_cut(whole):
    async with served() as here, raw(here) as client:
        here.application.release.clear()
        request = post(b"body", b"Expect: 100-continue")
        await client.send(request[:-4])
        assert (await client.answer()).status == 100
        if whole:
            await client.send(request[-4:])
            await here.application.until(lambda: here.application.serving)
        await here.server.stop(0)
        answer = await client.answer()
        assert (answer.status, answer.headers["connection"]) == (400, "close")
        assert await client.answer() is None
    assert here.application.refused == [(b"/", "Refused")]


async def test_a_client_that_sends_on_while_it_is_served_is_not_read_until_it_is_answered():
    async with served() as here, raw(here) as client:
        here.application.release.clear()
        await client.send(post(b"one"))
        await here.application.until(lambda: here.application.serving)
        sending = asyncio.create_task(client.send(*[post(bytes(1 << 20))] * 12))
        done, _ = await asyncio.wait([sending], timeout=0.2)
        assert not done
        assert here.admission.held < 1 << 21
        here.application.release.set()
        assert [(await client.answer()).status for _ in range(13)] == [200] * 13
        await sending


def chunked(size, *, each=2, more=b""):
    """Return a request whose body of `size` bytes comes in chunks of `each` bytes."""
    head = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    return head + (b"%x\r\n%b\r\n" % (each, b"x" * each)) * (size // each) + b"0\r\n\r\n" + more


async def test_a_body_in_tiny_chunks_is_kept_in_large_pieces_and_lets_others_in():
    async with served() as here, raw(here) as client:
        sending = asyncio.create_task(client.send(chunked(1 << 20, more=post(b"next"))))
        async with raw(here) as other:
            await other.send(post(b"other"))
            assert (await other.answer()).body == b"other"
        first, second = await client.answer(), await client.answer()
        await sending
    assert (len(first.body), second.body) == (1 << 20, b"next")
    assert max(here.application.pieces) < 400


@pytest.mark.parametrize("cut", [1, 2, 3, 4, 5])
async def test_a_head_may_be_cut_anywhere_and_what_is_behind_it_waits(cut):
    async with served() as here, raw(here) as client:
        here.application.release.clear()
        request = post(b"one")
        end = request.index(b"\r\n\r\n") + cut
        await client.send(request[:end])
        await asyncio.sleep(0)
        await client.send(request[end:] + post(b"no", target=b"/no") + post(b"two"))
        await here.application.until(lambda: here.application.serving)
        assert here.application.refused == []
        here.application.release.set()
        assert [(await client.answer()).body for _ in range(3)] == [b"one", b"no", b"two"]


class Escaping(BaseException):
    """Something that no handler of exceptions takes."""


@pytest.mark.parametrize(
    ("error", "status"),
    [
        pytest.param(asyncio.CancelledError(), 400, id="a cancellation from elsewhere"),
        pytest.param(BaseExceptionGroup("several", [asyncio.CancelledError()]), None, id="a group"),
        pytest.param(Escaping(), None, id="a base exception"),
    ],
)
async def test_whatever_a_request_raises_is_about_itself_alone(error, status):
    async with served(idle_timeout=0) as here, raw(here) as good:
        async with raw(here) as client:
            here.application.raises = error
            await client.send(post(b"raise"))
            answer = await client.answer()
            assert answer is None if status is None else answer.status == status
        await good.send(post(b"good"))
        assert (await good.answer()).body == b"good"
        await here.server.stop(5)
    assert here.application.refused == ([] if status is None else [(b"/", "Refused")])


async def test_what_follows_a_refusal_that_ends_the_connection_is_not_looked_at():
    async with served() as here, raw(here) as client:
        await client.send(b"GET / HTTP/1.1\r\n\r\n" + post(b"next") * 1000)
        assert await client.answers() == [400]
    assert (here.application.refused, here.application.gone) == ([(b"/", "HttpRefused")], 0)


@pytest.mark.parametrize("spoiled", [b"zz\r\n", b"0\r\nX: " + LONG + b"\r\n\r\n"], ids=["a chunk", "trailers"])
async def test_a_request_that_cannot_be_read_to_its_end_is_counted(spoiled):
    async with served() as here, raw(here) as client:
        await client.send(chunked(4)[:-5] + spoiled)
        assert (await client.answers())[0] in (400, 431)
    assert (here.application.gone, here.application.refused) == (1, [])


async def test_the_time_of_a_request_begins_when_it_may():
    async with served(read_header_timeout=0.2, read_timeout=0.2) as here, raw(here) as client:
        here.application.release.clear()
        late = post(b"late")
        await client.send(post(b"one") + late[:20])
        await here.application.until(lambda: here.application.serving)
        await client.send(late[20:] + post(b"body", b"Expect: 100-continue")[:-4])
        for _ in range(2):
            async with raw(here) as silent:
                assert await silent.answer() is None
        here.application.release.set()
        assert [(await client.answer()).status for _ in range(3)] == [200, 200, 100]
        await client.send(b"body")
        assert (await client.answer()).body == b"body"


@pytest.mark.parametrize("end", ["half close", "nonsense", "close"])
async def test_a_client_that_never_reads_is_cut_in_whatever_state_it_leaves_the_connection(end):
    async with served(write_timeout=0.2, max_request_body_size=1 << 24) as here, raw(here) as client:
        client.writer.transport.pause_reading()
        last = {"half close": b"", "nonsense": b"nonsense\r\n\r\n", "close": post(b"x", b"Connection: close")}[end]
        await client.send(post(bytes(1 << 23)) + last)
        if end == "half close":
            client.writer.write_eof()
        async with asyncio.timeout(10):
            while here.server._connections:
                here.server._gone.clear()
                await here.server._gone.wait()


@pytest.mark.parametrize(
    ("head", "status"),
    [
        pytest.param(post(b"", *[b"X-%d: y" % n for n in range(300)]), 431, id="300 headers"),
        pytest.param(
            post().replace(b"Content-Length: 0", b"Content-Length: " + b"0" * 5000 + b"4") + b"body", 200, id="zeros"
        ),
        pytest.param(post().replace(b"Content-Length: 0", b"Content-Length: 18446744073709551615"), 400, id="a length"),
        pytest.param(post().replace(b"HTTP/1.1", b"HTTP/2.0"), 400, id="2.0"),
        pytest.param(post().replace(b"HTTP/1.1", b"HTTP/0.9"), 400, id="0.9"),
        pytest.param(post(b"", b"X: " + LONG[:40000])[:30000], 431, id="two pieces of a long head"),
    ],
)
async def test_a_strange_head_is_answered(head, status):
    async with served() as here, raw(here) as client:
        await client.send(head)
        if not head.endswith((b"\r\n\r\n", b"body")):
            await client.send(LONG[:40000] + b"\r\n\r\n")
        assert (await client.answer()).status == status


def any_request(chance):
    """Return some request, and the status and body of its answer."""
    body = bytes(chance.choices(b"abc\r\n", k=chance.choice([0, 1, 100, 5000, 300_000])))
    upgrade = (b"Connection: Upgrade", b"Upgrade: h2c") if chance.random() < 0.3 else ()
    match chance.randrange(4):
        case 0:
            return post(body, *upgrade, target=b"/no"), (400, b"no")
        case 1:
            return post(method=b"OPTIONS"), (204, b"")
        case 2:
            return post(body, *upgrade), (200, body)
    size = chance.choice([1, 7, 4096, 70_000]) if len(body) < 10_000 else 70_000
    chunks = [body[start : start + size] for start in range(0, len(body), size)]
    head = b"\r\n".join([b"POST / HTTP/1.1", b"Host: x", b"Transfer-Encoding: chunked", *upgrade, b"", b""])
    sent = b"".join(b"%x;a=b\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks)
    return head + sent + b"0\r\nX: y\r\n\r\n", (200, body)


@pytest.mark.parametrize("seed", range(8))
async def test_whatever_comes_cut_anywhere_is_answered_in_order(seed):
    chance = random.Random(seed)
    requests, answers = zip(*(any_request(chance) for _ in range(30)), strict=True)
    sent = b"".join(requests)
    cuts = sorted(chance.sample(range(len(sent)), 60))
    async with served() as here, raw(here) as client:
        parts = [sent[start:end] for start, end in itertools.pairwise([0, *cuts, len(sent)])]
        sending = asyncio.create_task(client.send(*parts))
        found = []
        while len(found) < len(answers):
            answer = await client.answer()
            found.append((answer.status, answer.body))
            if answer.headers.get("connection") == "close":
                break
        await sending
    assert found == list(answers[: len(found)])
    assert len(found) == len(answers) or answers[len(found) - 1] == (400, b"no")
