"""Compressed records: Kafka's codecs, with a bound on what comes out.

gzip, zstd and lz4 are their usual frames. snappy comes in two forms: a raw block (librdkafka), or xerial's framing (the
Java client): the magic `82 SNAPPY 00`, two version numbers of 4 bytes, then blocks of a 4-byte big-endian length and a
raw block each.

A few kilobytes can expand to gigabytes, so nothing is decompressed without `size_max`.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable

from logmq.errors import LogMQError
from logmq.records.batches import Compression

_XERIAL_MAGIC = b"\x82SNAPPY\x00"
_XERIAL_HEADER_SIZE = 16
_U32 = struct.Struct(">I")
_FIRST_OUTPUT_SIZE = 64 * 1024


class CannotDecompress(LogMQError):
    """The bytes are not what their codec makes, or would become larger than allowed."""


def decompress(compression: int, data: bytes, size_max: int) -> bytes:
    """What was compressed. Raises: CannotDecompress."""
    if compression == Compression.NONE:
        return data
    try:
        return _DECOMPRESS[compression](data, size_max)
    except CannotDecompress:
        raise
    except KeyError:
        raise CannotDecompress(f"compression {compression} is not known") from None
    except Exception as error:  # each codec has errors of its own
        raise CannotDecompress(f"{Compression(compression).name.lower()}: {error}") from error


def compress(compression: Compression, data: bytes) -> bytes:
    """`data` as its codec writes it (snappy: one raw block)."""
    if compression is Compression.NONE:
        return data
    import cramjam  # noqa: PLC0415 - most brokers never compress

    match compression:
        case Compression.GZIP:
            return bytes(cramjam.gzip.compress(data))
        case Compression.SNAPPY:
            return bytes(cramjam.snappy.compress_raw(data))
        case Compression.LZ4:
            return bytes(cramjam.lz4.compress(data))
        case Compression.ZSTD:
            return bytes(cramjam.zstd.compress(data))


def _gunzip(data: bytes, size_max: int) -> bytes:
    decompressor = zlib.decompressobj(wbits=31)
    output = decompressor.decompress(data, size_max + 1)
    if len(output) > size_max:
        raise _too_large(size_max)
    if not decompressor.eof:
        raise CannotDecompress("gzip: the stream is cut off")
    return output


def _unsnap(data: bytes, size_max: int) -> bytes:
    if not data.startswith(_XERIAL_MAGIC):
        return _unsnap_block(data, size_max)
    position, blocks, size = _XERIAL_HEADER_SIZE, [], 0
    while position < len(data):
        length = _U32.unpack_from(data, position)[0]
        position += _U32.size
        if position + length > len(data):
            raise CannotDecompress("snappy: a block is cut off")
        block = _unsnap_block(data[position : position + length], size_max - size)
        blocks.append(block)
        size += len(block)
        position += length
    return b"".join(blocks)


def _unsnap_block(data: bytes, size_max: int) -> bytes:
    import cramjam  # noqa: PLC0415

    if cramjam.snappy.decompress_raw_len(data) > size_max:
        raise _too_large(size_max)
    return bytes(cramjam.snappy.decompress_raw(data))


def _unlz4(data: bytes, size_max: int) -> bytes:
    import cramjam  # noqa: PLC0415

    return _decompress_into(cramjam.lz4.decompress_into, data, size_max)


def _unzstd(data: bytes, size_max: int) -> bytes:
    import cramjam  # noqa: PLC0415

    return _decompress_into(cramjam.zstd.decompress_into, data, size_max)


def _decompress_into(into: Callable[[bytes, bytearray], int], data: bytes, size_max: int) -> bytes:
    """Decompress into buffers of growing size: the codec writes to no more than it is given."""
    size = min(size_max, max(_FIRST_OUTPUT_SIZE, 4 * len(data)))
    while True:
        output = bytearray(size)
        try:
            count = into(data, output)
        except Exception as error:
            if "write" not in str(error).lower() and "space" not in str(error).lower():
                raise
            if size == size_max:
                raise _too_large(size_max) from None
            size = min(size_max, 4 * size)
        else:
            return bytes(memoryview(output)[:count])


def _too_large(size_max: int) -> CannotDecompress:
    return CannotDecompress(f"the records would become larger than {size_max} bytes")


_DECOMPRESS: dict[int, Callable[[bytes, int], bytes]] = {
    Compression.GZIP: _gunzip,
    Compression.SNAPPY: _unsnap,
    Compression.LZ4: _unlz4,
    Compression.ZSTD: _unzstd,
}
