"""Forms of several parts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.query.failure import Failure
from collector.query.forms import form_fields

_KIND = "multipart/form-data; boundary=xyz"
_BODY = (
    b'--xyz\r\nContent-Disposition: form-data; name="query"\r\n\r\nSELECT 1\r\n--2\r\n'
    b'--xyz\r\nContent-Disposition: form-data; name="param_a"\r\nContent-Type: text/plain\r\n\r\n\r\n--xyz--\r\n'
)


@pytest.mark.parametrize("kind", [_KIND, 'Multipart/Form-Data; charset=utf-8; boundary="xyz"'])
def test_fields_are_found_by_name(kind):
    assert form_fields(kind, _BODY) == {"query": "SELECT 1\r\n--2", "param_a": ""}


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("multipart/form-data", _BODY),
        (_KIND, b""),
        (_KIND, b"x" + _BODY),
        (_KIND, _BODY.replace(b"--xyz--", b"")),
        (_KIND, _BODY.replace(b"name=", b"nome=")),
        (_KIND, _BODY.replace(b"SELECT", b"\xff")),
        (_KIND, b'--xyz\r\nname="a"\r\n\r\n\r\n' * 1001 + b"--xyz--"),
        (_KIND, _BODY.replace(b'"query"', b'"query"; filename="x"')),
    ],
    ids=["no boundary", "empty", "preamble", "no end", "no name", "not UTF-8", "too many", "a file"],
)
def test_what_is_no_form_of_fields_is_refused(kind, body):
    with pytest.raises(Failure):
        form_fields(kind, body)


@given(st.binary(max_size=300))
def test_noise_is_refused_or_read(noise):
    try:
        form_fields(_KIND, b"--xyz" + noise)
    except Failure:
        return
