"""How messages stand in a file one after another, and where a file that was cut off stops being whole."""

from __future__ import annotations

import mmap
import struct
from collections.abc import Iterable
from typing import Protocol

from collector.api import Permanent

_LENGTH = struct.Struct(">I")
_LONGEST = 1 << 29
"""Bytes of one message. A longer length is text: no printable character is below 0x20."""


class Framing(Protocol):
    """One way to tell messages apart."""

    def join(self, messages: Iterable[bytes]) -> bytes:
        """Return the bytes that are appended for `messages`. Raises `Permanent` when one is too long."""

    def begins(self, content: mmap.mmap) -> bool:
        """Whether a file that is not empty may have been written in this framing."""

    def whole(self, content: mmap.mmap) -> int:
        """Return how many bytes from the start are whole messages."""


class Lines:
    """A message a line: JSON without line breaks."""

    def join(self, messages: Iterable[bytes]) -> bytes:
        return b"".join(part for message in messages for part in (message, b"\n"))

    def begins(self, content: mmap.mmap) -> bool:
        return content[0] == ord("{")

    def whole(self, content: mmap.mmap) -> int:
        return content.rfind(b"\n") + 1


class Lengths:
    """Each message after its length in four bytes, big-endian."""

    def join(self, messages: Iterable[bytes]) -> bytes:
        return b"".join(part for message in messages for part in (_length(message), message))

    def begins(self, content: mmap.mmap) -> bool:
        return content[0] < _LONGEST >> 24

    def whole(self, content: mmap.mmap) -> int:
        size, position = len(content), 0
        while position + _LENGTH.size <= size:
            after = position + _LENGTH.size + _LENGTH.unpack_from(content, position)[0]
            if after > size:
                break
            position = after
        return position


def _length(message: bytes) -> bytes:
    if len(message) >= _LONGEST:
        raise Permanent(f"a message of {len(message)} bytes is too long for a file of lengths and messages")
    return _LENGTH.pack(len(message))
