"""Codecs: what clients send is decompressed, and never to more than is allowed."""

from __future__ import annotations

import gzip
import struct
import tracemalloc
from contextlib import suppress

import cramjam
import pytest
from hypothesis import given
from hypothesis import strategies as st

from logmq.records.batches import Compression
from logmq.records.compression import CannotDecompress, compress, decompress

CODECS = list(Compression)[1:]


def xerial(data: bytes, block_size: int = 100) -> bytes:
    """As the Java client frames snappy."""
    blocks = [
        bytes(cramjam.snappy.compress_raw(data[start : start + block_size]))
        for start in range(0, len(data), block_size)
    ]
    framed = b"".join([struct.pack(">I", len(block)) + block for block in blocks])
    return b"\x82SNAPPY\x00" + struct.pack(">ii", 1, 1) + framed


@given(data=st.binary(max_size=5000), compression=st.sampled_from(Compression))
def test_what_is_compressed_comes_back(data: bytes, compression: Compression) -> None:
    """Every codec gives back what went in, also where the limit is just as large."""
    assert decompress(compression, compress(compression, data), max(1, len(data))) == data


@given(data=st.binary(max_size=2000), block_size=st.integers(1, 300))
def test_xerial_framing(data: bytes, block_size: int) -> None:
    """Snappy in xerial's framing, with blocks of any size."""
    assert decompress(Compression.SNAPPY, xerial(data, block_size), 2000) == data


@pytest.mark.parametrize("compression", CODECS)
def test_limits_hold_to_the_byte(compression: Compression) -> None:
    """One byte more than allowed is refused, none more is not."""
    data = bytes(range(256)) * 40
    packed = compress(compression, data)
    assert decompress(compression, packed, len(data)) == data
    with pytest.raises(CannotDecompress, match=f"larger than {len(data) - 1} bytes"):
        decompress(compression, packed, len(data) - 1)


@pytest.mark.parametrize("bomb", [*CODECS, "xerial"], ids=str)
def test_bombs_are_refused_without_memory(bomb: Compression | str) -> None:
    """64 MiB out of some kilobytes are refused at 1 MiB, having used little more than that."""
    zeros = bytes(64 << 20)
    compression = Compression.SNAPPY if isinstance(bomb, str) else bomb
    packed = xerial(zeros, 1 << 16) if isinstance(bomb, str) else compress(compression, zeros)
    del zeros
    tracemalloc.start()
    with pytest.raises(CannotDecompress, match="larger than"):
        decompress(compression, packed, 1 << 20)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5 << 20


@pytest.mark.parametrize("compression", CODECS)
def test_cut_off_data_is_refused(compression: Compression) -> None:
    """Data that ends too early is an error or nothing at all, never a part of what it was."""
    data = b"some text that is long enough to be compressed, to be compressed, to be compressed" * 5
    packed = compress(compression, data)
    for length in range(len(packed)):
        with suppress(CannotDecompress):
            assert decompress(compression, packed[:length], 10_000) in {data, b""}, length


@pytest.mark.parametrize("compression", CODECS)
@given(data=st.binary(max_size=300))
def test_noise(compression: Compression, data: bytes) -> None:
    """Random bytes are decompressed or refused, within the limit."""
    with suppress(CannotDecompress):
        assert len(decompress(compression, data, 1000)) <= 1000


@pytest.mark.parametrize("length", [0xFFFFFFFF, 0x7FFFFFFF, 1000])
def test_xerial_lengths_are_bounded(length: int) -> None:
    """A block that reaches beyond the data is refused."""
    data = b"\x82SNAPPY\x00" + struct.pack(">iiI", 1, 1, length) + b"abc"
    with pytest.raises(CannotDecompress):
        decompress(Compression.SNAPPY, data, 1000)


@pytest.mark.parametrize("compression", [5, 6, 7])
def test_unknown_codecs(compression: int) -> None:
    """A codec that Kafka has not defined is refused."""
    with pytest.raises(CannotDecompress, match="not known"):
        decompress(compression, b"x", 10)


def test_gzip_of_other_makers() -> None:
    """Streams of any level and with a header's optional fields are read."""
    for level in (0, 1, 9):
        assert decompress(Compression.GZIP, gzip.compress(b"hello" * 100, level), 1000) == b"hello" * 100
