"""ClickHouse's own compression."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.api import Rejected, TooLarge
from collector.query.native_blocks import pack, unpack

_SAMPLE = b"ClickHouse" * 100


def _ignore(_size):
    pass


@pytest.mark.parametrize("method", ["LZ4", "ZSTD"])
@given(data=st.binary(max_size=4096), copies=st.integers(1, 400))
def test_what_was_packed_is_unpacked(method, data, copies):
    whole = data * copies

    assert unpack(b"".join(pack(whole, method)), len(whole), _ignore) == whole


def test_nothing_is_no_block():
    assert list(pack(b"")) == []
    assert unpack(b"", 0, _ignore) == b""


def test_large_data_is_several_blocks():
    data = os.urandom(3 << 20)

    assert len(list(pack(data))) == 3


def test_the_limit_holds_before_anything_is_decoded():
    body = b"".join(pack(bytes(10 << 20)))
    taken = []

    with pytest.raises(TooLarge):
        unpack(body, (2 << 20) - 1, taken.append)

    assert taken == [1 << 20]


@given(st.data())
def test_a_damaged_block_is_refused(data):
    body = bytearray(b"".join(pack(_SAMPLE)))
    position = data.draw(st.integers(0, len(body) - 1))
    body[position] ^= data.draw(st.integers(1, 255))

    with pytest.raises(Rejected):
        unpack(bytes(body), 1 << 20, _ignore)


@given(st.data())
def test_a_cut_block_is_refused(data):
    body = b"".join(pack(_SAMPLE))

    with pytest.raises(Rejected):
        unpack(body[: data.draw(st.integers(1, len(body) - 1))], 1 << 20, _ignore)


@given(st.binary(min_size=1, max_size=200))
def test_noise_is_refused(noise):
    with pytest.raises(Rejected):
        unpack(noise, 1 << 20, _ignore)


@pytest.mark.parametrize(
    ("method", "content", "size"),
    [
        pytest.param(0x82, b"\xff" * 20, 100, id="LZ4"),
        pytest.param(0x90, b"\xff" * 20, 100, id="ZSTD"),
        pytest.param(0x02, b"abc", 4, id="none, longer than it is"),
        pytest.param(0x7F, b"abc", 3, id="unknown"),
    ],
)
def test_a_block_with_a_right_hash_and_a_wrong_content_is_refused(method, content, size):
    with pytest.raises(Rejected):
        unpack(_block(method, content, size), 1 << 20, _ignore)


def test_a_zstd_block_cannot_grow_beyond_what_it_says():
    import zstandard

    bomb = zstandard.compress(bytes(50 << 20))

    with pytest.raises((Rejected, TooLarge)):
        unpack(_block(0x90, bomb, 100), 1 << 20, _ignore)


def test_an_uncompressed_block_is_taken():
    assert unpack(_block(0x02, b"abc", 3), 3, _ignore) == b"abc"


def _block(method, content, size):
    import struct

    from clickhouse_cityhash.cityhash import CityHash128

    block = struct.pack("<BII", method, 9 + len(content), size) + content
    number = CityHash128(block)
    return struct.pack("<QQ", number >> 64, number & (1 << 64) - 1) + block
