import gzip
import sys
import zlib

import cramjam
import lz4.frame
import pytest

from collector.api import Overloaded, Rejected, TooLarge
from collector.receivers.inflate import ENCODINGS, inflate

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

BODY = bytes(range(256)) * 1000
LIMIT = len(BODY)


def bare_deflate(body):
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(body) + packer.flush()


def snappy_block(body):
    return bytes(cramjam.snappy.compress_raw(body))


def snappy_framed(body):
    return bytes(cramjam.snappy.compress(body))


PACKED = [
    pytest.param("gzip", gzip.compress, id="gzip"),
    pytest.param("gzip", lambda body: gzip.compress(body[:1000]) + gzip.compress(body[1000:]), id="gzip, two members"),
    pytest.param("zlib", zlib.compress, id="zlib"),
    pytest.param("deflate", zlib.compress, id="deflate, which is zlib"),
    pytest.param("deflate", bare_deflate, id="deflate, which is not zlib"),
    pytest.param("zstd", zstd.compress, id="zstd"),
    pytest.param("zstd", lambda body: zstd.compress(body[:9]) + zstd.compress(body[9:]), id="zstd, two frames"),
    pytest.param("lz4", lz4.frame.compress, id="lz4"),
    pytest.param("snappy", snappy_block, id="snappy"),
    pytest.param("snappy", snappy_framed, id="snappy, which is framed"),
    pytest.param("x-snappy-framed", snappy_framed, id="x-snappy-framed"),
]
BOMBS = [
    pytest.param("gzip", gzip.compress(bytes(1 << 25)), id="gzip"),
    pytest.param("zlib", zlib.compress(bytes(1 << 25)), id="zlib"),
    pytest.param("deflate", bare_deflate(bytes(1 << 25)), id="deflate"),
    pytest.param("zstd", zstd.compress(bytes(1 << 25)), id="zstd"),
    pytest.param("zstd", zstd.compress(bytes(1 << 20)) * 32, id="zstd, many frames"),
    pytest.param("lz4", lz4.frame.compress(bytes(1 << 25)), id="lz4"),
    pytest.param("snappy", snappy_block(bytes(1 << 25)), id="snappy"),
    pytest.param("x-snappy-framed", snappy_framed(bytes(1 << 25)), id="x-snappy-framed"),
]


class Account:
    def __init__(self, room=1 << 30):
        self.room = room
        self.taken = 0

    def take(self, size):
        self.taken += size
        if self.taken > self.room:
            raise Overloaded("full")


@pytest.mark.parametrize(("encoding", "pack"), PACKED)
def test_a_body_comes_back_as_it_was_and_is_accounted_for(encoding, pack):
    account = Account()
    assert inflate(encoding, pack(BODY), LIMIT, account.take) == BODY
    assert account.taken == LIMIT


@pytest.mark.parametrize(("encoding", "pack"), PACKED)
def test_a_body_of_one_byte_more_than_the_limit_is_too_large(encoding, pack):
    with pytest.raises(TooLarge, match="larger than the 255999 bytes accepted once it is decompressed"):
        inflate(encoding, pack(BODY), LIMIT - 1, Account().take)


@pytest.mark.parametrize(("encoding", "bomb"), BOMBS)
def test_a_bomb_is_given_up_before_it_takes_more_than_the_limit(encoding, bomb):
    account = Account()
    with pytest.raises(TooLarge):
        inflate(encoding, bomb, LIMIT, account.take)
    assert account.taken <= LIMIT


@pytest.mark.parametrize(("encoding", "pack"), PACKED)
@pytest.mark.parametrize("cut", [1, 5, 100])
def test_a_body_that_ends_too_early_is_rejected(encoding, pack, cut):
    with pytest.raises(Rejected, match=r"the body is not valid|ends too early"):
        inflate(encoding, pack(BODY)[:-cut], LIMIT, Account().take)


@pytest.mark.parametrize(("encoding", "pack"), PACKED)
def test_bytes_behind_the_end_are_rejected(encoding, pack):
    with pytest.raises(Rejected):
        inflate(encoding, pack(BODY) + b"\x00garbage", LIMIT + 100, Account().take)


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("body", [b"x", b"\x00" * 64, b"\xff" * 64, b"not compressed at all"])
def test_what_is_not_compressed_is_rejected_under_its_encodings_name(encoding, body):
    with pytest.raises(Rejected):
        inflate(encoding, body, LIMIT, Account().take)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_no_bytes_are_no_bytes(encoding):
    assert inflate(encoding, b"", LIMIT, Account().take) == b""


@pytest.mark.parametrize(("encoding", "pack"), PACKED)
def test_a_refusal_to_hold_the_output_ends_the_work(encoding, pack):
    with pytest.raises(Overloaded):
        inflate(encoding, pack(BODY), LIMIT, Account(room=1000).take)


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        pytest.param("gzip", gzip.compress(b"") * 2000, id="gzip members"),
        pytest.param("zstd", zstd.compress(b"") * 2000, id="zstd frames"),
        pytest.param("lz4", lz4.frame.compress(b"") * 2000, id="lz4 frames"),
        pytest.param("x-snappy-framed", snappy_framed(b"")[:10] + b"\xfe\x00\x00\x00" * 70000, id="snappy chunks"),
    ],
)
def test_thousands_of_empty_streams_are_rejected(encoding, body):
    with pytest.raises(Rejected, match="than are accepted"):
        inflate(encoding, body, LIMIT, Account().take)


def test_a_snappy_block_that_declares_more_than_it_can_hold_is_rejected_before_memory_is_taken():
    account = Account()
    with pytest.raises(Rejected, match="declares more bytes than it can hold"):
        inflate("snappy", b"\xff\xff\xff\x0f" + b"\x00" * 16, 1 << 30, account.take)
    assert account.taken == 0
