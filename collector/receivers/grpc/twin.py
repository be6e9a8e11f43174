"""The engine in Python, on the `h2` library: for platforms without the compiled one, many times slower."""

from __future__ import annotations

from dataclasses import dataclass, field

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.exceptions
import h2.settings

from collector.receivers.grpc.engine import Event

_PREFIX = 5
_PREFACE, _FRAME_HEAD, _FRAME_LIMIT = 24, 9, 1 << 14
_STREAM_WINDOW = 1 << 20
_CONNECTION_WINDOW = 4 << 20
_FIRST_WINDOW = 65535
_GOAWAY = 7
_HEADERS_LIMIT = 16 << 10
_HEADER_COST = 32  # beside its text, by the specification of HTTP/2
_GRPC = ("content-type", "application/grpc")
_OK = [("grpc-status", "0")]
_LOST = (h2.exceptions.ProtocolError, h2.exceptions.StreamClosedError)


@dataclass(slots=True)
class _Call:
    """`data` are bytes of messages that came, `out` those that wait for room in the client's window."""

    data: bytearray = field(default_factory=bytearray)
    told: int = 0
    over: bool = False
    started: bool = False
    ended: bool = False
    out: bytearray = field(default_factory=bytearray)
    trailers: list[tuple[str, str]] | None = None


class _Frames:
    """Looks at frames before the library does.

    It waits for the whole of a frame, however long that is. And it takes a GOAWAY for the end of everything, though a
    client that says so still waits for its answers: it is kept from the library, and noted in `leaving`.
    """

    def __init__(self) -> None:
        self._skip = _PREFACE
        self._head = b""
        self.leaving = False
        self._kept_back = False

    def passed(self, data: bytes) -> bytes:
        """Return what is for the library. Raises `FrameTooLargeError` for a frame of more bytes than were allowed."""
        view, found = memoryview(data), bytearray()
        while view:
            skipped = min(self._skip, len(view))
            self._skip -= skipped
            if not self._kept_back:
                found += view[:skipped]
            view = view[skipped:]
            missing = _FRAME_HEAD - len(self._head)
            self._head += bytes(view[:missing])
            view = view[missing:]
            if len(self._head) == _FRAME_HEAD:
                found += self._begun(self._head)
                self._head = b""
        return bytes(found)

    def _begun(self, head: bytes) -> bytes:
        self._skip = int.from_bytes(head[:3], "big")
        if self._skip > _FRAME_LIMIT:
            raise h2.exceptions.FrameTooLargeError(f"a frame of {self._skip} bytes")
        self._kept_back = head[3] == _GOAWAY
        self.leaving = self.leaving or self._kept_back
        return b"" if self._kept_back else head


class Http2:
    """One connection, as `collector.receivers.grpc.engine.Engine` says."""

    def __init__(self, message_limit: int, streams: int) -> None:
        self._limit = message_limit
        self._h2 = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False, header_encoding="latin-1"))
        self._h2.local_settings = h2.settings.Settings(
            client=False,
            initial_values={
                h2.settings.SettingCodes.MAX_CONCURRENT_STREAMS: streams,
                h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: _STREAM_WINDOW,
                h2.settings.SettingCodes.MAX_HEADER_LIST_SIZE: _HEADERS_LIMIT,
                h2.settings.SettingCodes.ENABLE_CONNECT_PROTOCOL: 0,
            },
        )
        self._h2.initiate_connection()
        self._h2.increment_flow_control_window(_CONNECTION_WINDOW - _FIRST_WINDOW)
        self._frames = _Frames()
        self._calls: dict[int, _Call] = {}
        self._broken = False
        self.last_stream = 0

    @property
    def closed(self) -> bool:
        return self._broken or (self._frames.leaving and not self._calls)

    def receive(self, data: bytes) -> list[Event]:
        found: list[Event] = []
        asked = answered = 0
        for event in self._read(data):
            match event:
                case h2.events.RequestReceived():
                    self._opened(event, found)
                case h2.events.DataReceived():
                    self._data(event, found)
                case h2.events.StreamEnded() | h2.events.StreamReset():
                    self._over(event, found)
                case h2.events.PingReceived():
                    asked += 1
                case h2.events.PingAckReceived():
                    answered += 1
                case h2.events.WindowUpdated() | h2.events.RemoteSettingsChanged():
                    self._go_on()
                case _:
                    pass
        self._parts(found)
        if asked or answered:
            found.append(("pings", 0, asked, answered))
        return found

    def flush(self) -> bytes:
        return self._h2.data_to_send()

    def reply(self, stream: int, message: bytes, *, last: bool) -> None:
        call = self._calls.get(stream)
        if call is None:
            return
        if not call.started:
            call.started = True
            self._send(stream, [(":status", "200"), _GRPC], end=False)
        call.out += b"\0" + len(message).to_bytes(4, "big") + message
        if last:
            call.trailers = _OK
        self._write(stream)

    def finish(self, stream: int, trailers: list[tuple[str, str]]) -> None:
        call = self._calls.get(stream)
        if call is None:
            return
        if call.started:
            call.trailers = trailers
            self._write(stream)
        else:
            self._send(stream, [(":status", "200"), _GRPC, *trailers], end=True)
            self._forget(stream)

    def reject(self, stream: int, status: int) -> None:
        if stream in self._calls:
            self._send(stream, [(":status", str(status))], end=True)
            self._forget(stream)

    def reset(self, stream: int, reason: int) -> None:
        if self._calls.pop(stream, None):
            self._reset(stream, reason)

    def _read(self, data: bytes) -> list[h2.events.Event]:
        if self.closed:
            return []
        try:
            return self._h2.receive_data(self._frames.passed(data))
        except (h2.exceptions.ProtocolError, ValueError, IndexError):
            self._broken = True
            return []

    def _opened(self, event: h2.events.RequestReceived, found: list[Event]) -> None:
        stream = int(event.stream_id or 0)
        self.last_stream = max(self.last_stream, stream)
        self._calls[stream] = _Call()
        pairs = [(str(name), str(value)) for name, value in event.headers or ()]
        if sum(len(name) + len(value) + _HEADER_COST for name, value in pairs) > _HEADERS_LIMIT:
            self.reject(stream, 431)
            return
        pseudo = dict(pair for pair in pairs if pair[0].startswith(":"))
        rest = [pair for pair in pairs if not pair[0].startswith(":")]
        path = pseudo.get(":path", "").partition("?")[0]
        found.append(("opened", stream, path, [(":method", pseudo.get(":method", "")), *rest]))

    def _data(self, event: h2.events.DataReceived, found: list[Event]) -> None:
        stream = int(event.stream_id or 0)
        self._acknowledge(stream, event.flow_controlled_length or 0)
        call = self._calls.get(stream)
        if call is None or call.over:
            return
        call.data += event.data or b""
        while len(call.data) >= _PREFIX:
            size = int.from_bytes(call.data[1:_PREFIX], "big")
            if size > self._limit:
                call.over = True
                call.data.clear()
                found.append(("too_large", stream, size, 0))
                return
            if len(call.data) < _PREFIX + size:
                return
            found.append(("message", stream, [bytes(call.data[_PREFIX : _PREFIX + size])], call.data[0]))
            del call.data[: _PREFIX + size]
            call.told = 0

    def _over(self, event: h2.events.StreamEnded | h2.events.StreamReset, found: list[Event]) -> None:
        stream = int(event.stream_id or 0)
        call = self._calls.get(stream)
        if call is None:
            return
        if isinstance(event, h2.events.StreamReset):
            del self._calls[stream]
            found.append(("gone", stream, 0, 0))
        else:
            call.ended = True
            found.append(("ended", stream, bool(call.data), 0))

    def _parts(self, found: list[Event]) -> None:
        """Tell what is kept of messages that are not whole."""
        for stream, call in self._calls.items():
            held = len(call.data) - _PREFIX
            if held > call.told and not call.ended:
                found.append(("part", stream, held - call.told, 0))
                call.told = held

    def _acknowledge(self, stream: int, size: int) -> None:
        try:
            self._h2.acknowledge_received_data(size, stream)
        except _LOST:
            self._broken = self._broken or stream not in self._calls

    def _go_on(self) -> None:
        for stream in list(self._calls):
            self._write(stream)

    def _write(self, stream: int) -> None:
        """Send what waits, as far as the client's window reaches."""
        call = self._calls[stream]
        try:
            while call.out:
                size = min(len(call.out), self._h2.local_flow_control_window(stream), self._h2.max_outbound_frame_size)
                if size <= 0:
                    return
                self._h2.send_data(stream, bytes(call.out[:size]))
                del call.out[:size]
        except _LOST:
            return
        if call.trailers is not None:
            self._send(stream, call.trailers, end=True)
            self._forget(stream)

    def _send(self, stream: int, headers: list[tuple[str, str]], *, end: bool) -> None:
        try:
            self._h2.send_headers(stream, headers, end_stream=end)
        except _LOST:  # the client broke the call; that is told where it is noticed
            return

    def _forget(self, stream: int) -> None:
        call = self._calls.pop(stream)
        if not call.ended:
            self._reset(stream, h2.errors.ErrorCodes.NO_ERROR)

    def _reset(self, stream: int, reason: int) -> None:
        try:
            self._h2.reset_stream(stream, reason)
        except _LOST:
            return
