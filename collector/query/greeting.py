"""What clickhouse-go asks before anything else.

It reads every later result in the layout of the protocol revision that the answer names. The engine writes the
layout that all revisions began with, so that is the revision named here; the answer itself is in the client's.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

from collector.query.statement import Answer, Query

if TYPE_CHECKING:
    from collector.query.engine import About
    from collector.query.request import Request

_QUESTION: Final = "select displayname(), version(), revision(), timezone()"
_BLOCK_INFO: Final = b"\x01\x00\x02" + struct.pack("<i", -1) + b"\x00"
_CUSTOM_SERIALIZATION: Final = 54454
_REVISION: Final = 0


def greeting(about: About, request: Request, query: Query) -> Answer | None:
    """Return the answer, or None to any other question."""
    asked = query.text[:200].decode(errors="replace").strip().rstrip(";").lower()
    revision = request.arguments.get("client_protocol_version", "0")
    if asked != _QUESTION or query.format != "Native" or not revision.isdecimal() or revision == "0":
        return None
    columns = (
        ("displayName()", "String", _text(about.host)),
        ("version()", "String", _text(about.version)),
        ("revision()", "UInt32", struct.pack("<I", _REVISION)),
        ("timezone()", "String", _text(about.timezone)),
    )
    custom = b"\x00" if int(revision[:9]) >= _CUSTOM_SERIALIZATION else b""
    block = b"".join(_text(name) + _text(kind) + custom + value for name, kind, value in columns)
    head = _BLOCK_INFO + bytes([len(columns), 1])
    return Answer((head + block,), "Native", {"read_rows": "1", "result_rows": "1"})


def _text(text: str) -> bytes:
    data = text.encode()[:127]
    return bytes([len(data)]) + data
