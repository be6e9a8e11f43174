"""Forms of several parts, in which clients send parameters that are too long for a URL."""

from __future__ import annotations

import re
from typing import Final

from collector.query.failure import Failure, bad_request

_BOUNDARY: Final = re.compile(r'multipart/form-data\s*;.*?\bboundary=(?:"([^"]{1,70})"|([^\s;"]{1,70}))', re.IGNORECASE)
_NAME: Final = re.compile(rb'\bname="([^"\r\n]*)"', re.IGNORECASE)
_FILE: Final = re.compile(rb"\bfilename\*?=", re.IGNORECASE)
_MOST: Final = 1000


def is_form(content_type: str) -> bool:
    """Whether a body of this type is a form of several parts."""
    return content_type.lower().startswith("multipart/form-data")


def form_fields(content_type: str, body: bytes) -> dict[str, str]:
    """Return the fields by name. Raises `Failure` for what is no form, and for files: external tables."""
    found = _BOUNDARY.match(content_type)
    if found is None:
        raise bad_request("the form has no boundary")
    first, *parts = (b"\r\n" + body).split(b"\r\n--" + (found[1] or found[2]).encode(), _MOST + 1)
    if first or not parts or not parts[-1].startswith(b"--"):
        raise bad_request(f"the form is not complete, or has more than {_MOST} fields")
    return dict(_field(part) for part in parts[:-1])


def _field(part: bytes) -> tuple[str, str]:
    head, separator, value = part.partition(b"\r\n\r\n")
    name = _NAME.search(head)
    if not separator or name is None:
        raise bad_request("the form has a part without a name")
    if _FILE.search(head):
        raise Failure(48, "NOT_IMPLEMENTED", "external tables are not supported")
    try:
        return name[1].decode(), value.decode()
    except UnicodeDecodeError as error:
        raise bad_request("the form has a field that is not UTF-8") from error
