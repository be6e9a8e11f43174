"""The engine of a gRPC connection: the compiled one and the one in Python do the same."""

import h2.config
import h2.connection
import h2.events
import h2.settings
import pytest
from hpack import Encoder
from hyperframe.frame import DataFrame, GoAwayFrame, HeadersFrame, PingFrame, SettingsFrame
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.receivers.grpc.engine import engine

LIMIT = 100_000
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
HEAD = [
    (":method", "POST"),
    (":scheme", "http"),
    (":authority", "localhost"),
    (":path", "/a.B/C"),
    ("te", "trailers"),
    ("content-type", "application/grpc"),
    ("x-name", "caf\xe9"),
]
OPENED = ("opened", 1, "/a.B/C", [(":method", "POST"), *HEAD[4:]])
OK = {":status": "200", "content-type": "application/grpc", "grpc-status": "0"}


def framed(body, flags=0):
    return bytes([flags]) + len(body).to_bytes(4, "big") + body


def as_bytes(head):
    return [(name.encode(), value.encode("latin-1")) for name, value in head]


def joined(events):
    """Return events with the pieces of each message as one."""
    return [(*event[:2], b"".join(event[2]), event[3]) if event[0] == "message" else event for event in events]


class Pair:
    """An engine and a client of it, both without sockets."""

    def __init__(self, make, streams=10):
        self.engine = make(LIMIT, streams)
        self.client = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="latin-1"))
        self.client.initiate_connection()
        self.heard = []

    def pass_on(self, cut=1 << 20):
        """Give the engine what the client wrote, in pieces, and the client what it answers; return what it was told."""
        data, told = self.client.data_to_send(), []
        for start in range(0, len(data), cut):
            told += joined(self.engine.receive(data[start : start + cut]))
        self.listen()
        return told

    def listen(self):
        self.heard += self.client.receive_data(self.engine.flush())
        for event in self.heard:
            if isinstance(event, h2.events.DataReceived) and event.flow_controlled_length:
                self.client.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                event.flow_controlled_length = 0

    def call(self, body, stream=1, *, end=True, head=HEAD):
        self.client.send_headers(stream, as_bytes(head))
        told = []
        for start in range(0, len(body), 16_000):
            self.client.send_data(stream, body[start : start + 16_000])
            if start + 16_000 < len(body):
                told += self.pass_on()
        if end:
            self.client.end_stream(stream)
        return told + self.pass_on()

    def answer(self, stream=1):
        """Return headers and trailers of an answer, its bytes, and whether it is whole."""
        heads = (h2.events.ResponseReceived, h2.events.TrailersReceived)
        mine = [event for event in self.heard if getattr(event, "stream_id", None) == stream]
        found = {name: value for event in mine if isinstance(event, heads) for name, value in event.headers}
        data = b"".join(event.data for event in mine if isinstance(event, h2.events.DataReceived))
        return found, data, any(isinstance(event, h2.events.StreamEnded) for event in mine)


@pytest.fixture(params=["python", "native"])
def make(request, native):
    return engine(request.param)


def without_parts(events):
    return [event for event in events if event[0] != "part"]


def test_a_call_of_one_message_is_answered(make):
    pair = Pair(make)
    assert pair.call(framed(b"ask")) == [OPENED, ("message", 1, b"ask", 0), ("ended", 1, False, 0)]
    pair.engine.reply(1, b"answer", last=True)
    pair.listen()
    assert pair.answer() == (OK, framed(b"answer"), True)
    assert (pair.engine.closed, pair.engine.last_stream) == (False, 1)


@pytest.mark.parametrize("cut", [1, 2, 7, 100])
def test_what_is_told_does_not_depend_on_how_bytes_arrive(make, cut):
    pair = Pair(make)
    pair.client.send_headers(1, as_bytes(HEAD))
    pair.client.send_data(1, framed(b"first") + framed(b"", 1) + framed(bytes(300)), end_stream=True)
    assert without_parts(pair.pass_on(cut)) == [
        OPENED,
        ("message", 1, b"first", 0),
        ("message", 1, b"", 1),
        ("message", 1, bytes(300), 0),
        ("ended", 1, False, 0),
    ]


def test_a_large_message_is_told_in_parts_while_it_comes(make):
    pair, body = Pair(make), bytes(range(250)) * 400
    told = pair.call(framed(body))
    assert without_parts(told) == [OPENED, ("message", 1, body, 0), ("ended", 1, False, 0)]
    sizes = [event[2] for event in told if event[0] == "part"]
    assert len(sizes) > 3
    assert sum(sizes) == 6 * 16_000 - 5


@pytest.mark.parametrize("size", [LIMIT + 1, (1 << 32) - 1])
def test_a_message_over_the_limit_is_known_by_its_length_and_can_be_refused(make, size):
    pair = Pair(make)
    told = pair.call(b"\0" + size.to_bytes(4, "big") + bytes(1000), end=False)
    assert told == [OPENED, ("too_large", 1, size, 0)]
    pair.engine.finish(1, [("grpc-status", "8"), ("grpc-message", "too large")])
    pair.listen()
    assert pair.answer() == ({**OK, "grpc-status": "8", "grpc-message": "too large"}, b"", True)
    assert any(isinstance(event, h2.events.StreamReset) for event in pair.heard)
    again = pair.call(framed(b"more"), 3)
    assert [event[:3] for event in again] == [("opened", 3, "/a.B/C"), ("message", 3, b"more"), ("ended", 3, False)]


@pytest.mark.parametrize(
    ("body", "torn"),
    [(b"", False), (b"\0\0", True), (framed(b"whole") + b"\0", True), (framed(b"whole")[:-1], True)],
    ids=["nothing", "half a prefix", "a prefix behind a message", "half a message"],
)
def test_where_a_call_ended_is_told(make, body, torn):
    assert Pair(make).call(body)[-1] == ("ended", 1, torn, 0)


def test_a_call_that_its_client_gives_up_is_gone_and_answers_to_it_are_ignored(make):
    pair = Pair(make)
    pair.call(framed(b"ask"))
    pair.client.reset_stream(1, 8)
    assert pair.pass_on() == [("gone", 1, 0, 0)]
    pair.engine.reply(1, b"late", last=True)
    pair.engine.finish(1, [("grpc-status", "0")])
    pair.engine.reset(1, 0)
    pair.listen()
    assert pair.answer() == ({}, b"", False)
    assert len(pair.call(framed(b"ask"), 3)) == 3


@pytest.mark.parametrize("size", [4000, 5])
def test_what_was_on_its_way_to_calls_that_were_refused_does_not_end_the_connection(make, size):
    pair = Pair(make)
    pair.pass_on()
    encoder = Encoder()
    for stream in range(1, 4001, 2):
        block = encoder.encode(as_bytes(HEAD))
        pair.engine.receive(HeadersFrame(stream, block, flags=["END_HEADERS"]).serialize())
        pair.engine.finish(stream, [("grpc-status", "14")])
        pair.engine.flush()
        on_its_way = (
            DataFrame(stream, bytes(size)).serialize() * 8 + DataFrame(stream, flags=["END_STREAM"]).serialize()
        )
        assert list(pair.engine.receive(on_its_way)) == []
        pair.engine.flush()
        assert not pair.engine.closed


@pytest.mark.parametrize("cut", [1, 1 << 20])
def test_a_client_that_goes_still_sends_and_gets_what_was_under_way(make, cut):
    pair = Pair(make)
    pair.call(framed(b"ask"), 1)
    pair.call(framed(b"ask")[:-1], 3, end=False)
    goaway = GoAwayFrame(0, last_stream_id=0, error_code=0, additional_data=b"bye").serialize()
    rest = goaway + DataFrame(3, b"k", flags=["END_STREAM"]).serialize()
    told = [event for start in range(0, len(rest), cut) for event in pair.engine.receive(rest[start : start + cut])]
    assert without_parts(joined(told)) == [("message", 3, b"ask", 0), ("ended", 3, False, 0)]
    for stream in (1, 3):
        assert not pair.engine.closed
        pair.engine.reply(stream, b"answer", last=True)
        pair.listen()
        assert pair.answer(stream) == (OK, framed(b"answer"), True)
    assert pair.engine.closed


def test_messages_go_both_ways_while_a_call_is_open(make):
    pair = Pair(make)
    told = pair.call(framed(b"one"), end=False)
    pair.engine.reply(1, b"1", last=False)
    pair.listen()
    pair.client.send_data(1, framed(b"two"), end_stream=True)
    told += pair.pass_on()
    pair.engine.reply(1, b"2", last=False)
    pair.engine.finish(1, [("grpc-status", "0")])
    pair.listen()
    assert told == [OPENED, ("message", 1, b"one", 0), ("message", 1, b"two", 0), ("ended", 1, False, 0)]
    assert pair.answer() == (OK, framed(b"1") + framed(b"2"), True)


def test_an_answer_waits_for_room_in_the_clients_window(make):
    pair, answer = Pair(make), bytes(200_000)
    pair.call(framed(b"ask"))
    pair.engine.reply(1, answer, last=True)
    pair.heard += pair.client.receive_data(pair.engine.flush())
    assert not pair.answer()[2]
    for _ in range(10):
        pair.listen()
        pair.pass_on()
    assert pair.answer() == (OK, framed(answer), True)


def test_what_is_none_of_grpc_has_a_status_of_http(make):
    pair = Pair(make)
    told = pair.call(b"", head=[(":method", "GET"), *HEAD[1:5]])
    assert told == [("opened", 1, "/a.B/C", [(":method", "GET"), ("te", "trailers")]), ("ended", 1, False, 0)]
    pair.engine.reject(1, 405)
    pair.listen()
    assert pair.answer() == ({":status": "405"}, b"", True)


def test_a_head_that_is_too_large_is_refused_and_the_connection_goes_on(make):
    pair = Pair(make)
    told = pair.call(framed(b"ask"), head=[*HEAD, *((f"x-{number}", "a" * 4000) for number in range(4))])
    assert told == []
    found, body, whole = pair.answer()
    assert (found, body, whole) == ({":status": "431"}, b"", True)
    assert len(pair.call(framed(b"more"), 3)) == 3


def test_pings_are_answered_and_counted_and_so_are_answers(make):
    pair = Pair(make)
    pair.pass_on()
    data = PingFrame(0, b"12345678").serialize() * 3 + PingFrame(0, b"ottery\0\0", flags=["ACK"]).serialize()
    assert pair.engine.receive(data) == [("pings", 0, 3, 1)]
    assert pair.engine.flush().endswith(PingFrame(0, b"12345678", flags=["ACK"]).serialize())


def test_the_limits_are_told_to_the_client(make):
    pair = Pair(make, streams=7)
    pair.pass_on()
    remote = pair.client.remote_settings
    assert (remote.max_concurrent_streams, remote.initial_window_size) == (7, 1 << 20)
    assert pair.client.outbound_flow_control_window == 4 << 20


NOT_HTTP2 = {
    "another protocol": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    "noise": b"\xff" * 100,
    "a frame of 16 MiB": PREFACE + SettingsFrame(0).serialize() + b"\xff\xff\xff\x00\x00\x00\x00\x00\x01",
    "data of no call": PREFACE + SettingsFrame(0).serialize() + DataFrame(1, b"x").serialize(),
    "headers that are noise": PREFACE
    + SettingsFrame(0).serialize()
    + HeadersFrame(1, b"\xff" * 50, flags=["END_HEADERS"]).serialize(),
}


@pytest.mark.parametrize("data", NOT_HTTP2.values(), ids=NOT_HTTP2)
def test_what_is_no_http2_ends_the_connection(make, data):
    connection = make(LIMIT, 10)
    assert [event for event in connection.receive(data) if event[0] != "opened"] == []
    connection.flush()
    assert connection.closed
    assert list(connection.receive(b"more")) == []


@given(st.binary(max_size=300), st.integers(1, 50))
@settings(max_examples=300, deadline=None)
def test_noise_behind_a_greeting_raises_nothing(make_all, noise, cut):
    for connection in [make(LIMIT, 10) for make in make_all]:
        data = PREFACE + SettingsFrame(0).serialize() + noise
        for start in range(0, len(data), cut):
            connection.receive(data[start : start + cut])
            connection.flush()


@pytest.fixture(scope="module")
def make_all(native):
    return [engine("python"), engine("native")]
