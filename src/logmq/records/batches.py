"""The record batches of the `batch` format: Kafka's magic 2, as they travel and as they are stored.

    base offset i64 | batch length i32 | leader epoch i32 | magic i8 = 2 | crc32c u32 of all that follows
    | attributes i16 | last offset delta i32 | base timestamp i64 | max timestamp i64
    | producer id i64 | producer epoch i16 | base sequence i32 | record count i32       61 bytes, big-endian
    then the records, compressed together or not

    attributes   bits 0-2 compression (0 none, 1 gzip, 2 snappy, 3 lz4, 4 zstd) | 3 log append time | 4 transactional
                 | 5 control

`batch length` counts what follows it. What a broker must change in a batch, base offset and leader epoch, lies before
the checksum, so a batch is stored and sent as its producer made it. All functions take whole batches, never records;
those that do look inside are in `records.py` beside this.

Source: Kafka's DefaultRecordBatch, KIP-98.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from enum import IntEnum
from typing import NamedTuple

from crc32c import crc32c

from logmq.errors import LogMQError
from logmq.model import Octets

_HEADER = struct.Struct(">qiibIhiqqqhii")
HEADER_SIZE = _HEADER.size
LENGTH_SIZE = 12
"""Base offset and batch length: what must be there to know where a batch ends."""
_CRC_POSITION = 17
_ATTRIBUTES_POSITION = 21
_MAGIC_POSITION = 16
_PLACE = struct.Struct(">q")
_LENGTH = _EPOCH = _DELTA = struct.Struct(">i")
_HEAD = struct.Struct(">qii")
_COPIED_SIZE_MAX = 4096
"""Up to here a copy costs less than a view."""
assert HEADER_SIZE == 61

MAGIC = 2
COMPRESSION_MASK = 0x07
LOG_APPEND_TIME = 0x08
TRANSACTIONAL = 0x10
CONTROL = 0x20
NO_PRODUCER = -1
RECORD_SIZE_MIN = 7
"""An empty record without compression: size, attributes, two deltas, two lengths and a count, a byte each."""


class Compression(IntEnum):
    """How the records of a batch are compressed."""

    NONE = 0
    GZIP = 1
    SNAPPY = 2
    LZ4 = 3
    ZSTD = 4


class CorruptBatch(LogMQError):
    """The bytes are no whole batches, or do not match their checksum."""


class InvalidBatch(LogMQError):
    """The batch is whole, but says something that cannot be."""


class UnsupportedMagic(LogMQError):
    """A message format older than Kafka 0.11."""


class BatchHeader(NamedTuple):
    """The fixed part of a batch."""

    base_offset: int
    length: int
    leader_epoch: int
    magic: int
    crc: int
    attributes: int
    last_offset_delta: int
    base_timestamp_ms: int
    max_timestamp_ms: int
    producer_id: int
    producer_epoch: int
    base_sequence: int
    record_count: int

    @property
    def size(self) -> int:
        """All bytes of the batch."""
        return LENGTH_SIZE + self.length

    @property
    def next_offset(self) -> int:
        """The offset behind the last record."""
        return self.base_offset + self.last_offset_delta + 1

    @property
    def compression(self) -> int:
        """How the records are compressed; values beyond `Compression` are not known."""
        return self.attributes & COMPRESSION_MASK


def header_at(data: Octets, position: int) -> BatchHeader:
    """The header at `position`; there must be HEADER_SIZE bytes."""
    return BatchHeader._make(_HEADER.unpack_from(data, position))


def headers(data: Octets) -> Iterator[tuple[int, BatchHeader]]:
    """Position and header of each whole batch; what is cut off at the end is left out."""
    position, end = 0, len(data)
    while position + HEADER_SIZE <= end:
        header = header_at(data, position)
        if header.length < HEADER_SIZE - LENGTH_SIZE or position + header.size > end:
            return
        yield position, header
        position += header.size


def matches_checksum(data: Octets, position: int) -> bool:
    """Whether the whole batch at `position` is as its producer made it."""
    header = header_at(data, position)
    return crc32c(memoryview(data)[position + _ATTRIBUTES_POSITION : position + header.size]) == header.crc


def check(data: Octets) -> list[tuple[int, BatchHeader]]:
    """Position and header of each batch of a produce request, after checking all that the header says.

    Raises: CorruptBatch, InvalidBatch, UnsupportedMagic.
    """
    found: list[tuple[int, BatchHeader]] = []
    position, end = 0, len(data)
    if end > _MAGIC_POSITION and data[_MAGIC_POSITION] < MAGIC:
        raise UnsupportedMagic(
            f"message format {data[_MAGIC_POSITION]} is not supported; clients since Kafka 0.11 send format 2"
        )
    while position < end:
        if position + HEADER_SIZE > end:
            raise CorruptBatch(f"a batch is cut off after {end - position} bytes")
        header = header_at(data, position)
        _check_header(header, end - position)
        if not matches_checksum(data, position):
            raise CorruptBatch("a batch does not match its checksum")
        found.append((position, header))
        position += header.size
    if not found:
        raise InvalidBatch("the request holds no records")
    return found


def _check_header(header: BatchHeader, available: int) -> None:
    if header.length < HEADER_SIZE - LENGTH_SIZE or header.size > available:
        raise CorruptBatch(f"a batch says that it has {header.length} bytes, of which {available - LENGTH_SIZE} came")
    if header.magic != MAGIC:
        raise UnsupportedMagic(f"message format {header.magic} is not supported, only 2")
    if header.record_count < 1 or header.last_offset_delta != header.record_count - 1:
        raise InvalidBatch(
            f"a batch with {header.record_count} records cannot span {header.last_offset_delta + 1} offsets"
        )
    if header.compression == Compression.NONE and header.record_count > (header.size - HEADER_SIZE) // RECORD_SIZE_MIN:
        raise InvalidBatch(f"a batch of {header.size} bytes cannot hold {header.record_count} records")
    if header.compression > Compression.ZSTD:
        raise InvalidBatch(f"compression {header.compression} is not known")
    if header.attributes & CONTROL:
        raise InvalidBatch("clients may not write control batches")
    if header.producer_id >= 0 and (header.producer_epoch < 0 or header.base_sequence < 0):
        raise InvalidBatch("a batch with a producer id needs an epoch and a sequence")


def place(data: Octets, starts: Sequence[int], first_offset: int, leader_epoch: int = 0) -> Octets:
    """Give batches their offsets, one behind the other from `first_offset` on, and the leader epoch.

    In a view that can be written to they get them there. Others are copied once, piece by piece: the first 16 bytes of
    each are made anew, but for its length.
    """
    if isinstance(data, memoryview) and not data.readonly:
        _place_here(data, starts, first_offset, leader_epoch)
        return data
    if len(starts) == 1:
        head = _HEAD.pack(first_offset, _LENGTH.unpack_from(data, 8)[0], leader_epoch)
        return head + (data[16:] if len(data) < _COPIED_SIZE_MAX else memoryview(data)[16:])
    view = memoryview(data)
    offset, epoch = first_offset, _EPOCH.pack(leader_epoch)
    pieces: list[bytes | memoryview] = []
    for start, stop in zip(starts, [*starts[1:], len(data)], strict=True):
        pieces += (_PLACE.pack(offset), view[start + 8 : start + LENGTH_SIZE], epoch, view[start + 16 : stop])
        offset += _DELTA.unpack_from(data, start + 23)[0] + 1
    return b"".join(pieces)


def _place_here(view: memoryview, starts: Sequence[int], first_offset: int, leader_epoch: int) -> None:
    offset = first_offset
    for start in starts:
        _PLACE.pack_into(view, start, offset)
        _EPOCH.pack_into(view, start + LENGTH_SIZE, leader_epoch)
        offset += _DELTA.unpack_from(view, start + 23)[0] + 1


def with_append_time(data: Octets, starts: Sequence[int], timestamp_ms: int) -> bytes:
    """Copy batches, with the broker's time as their records' time (message.timestamp.type=LogAppendTime)."""
    stamped = bytearray(data)
    for start in starts:
        header = header_at(stamped, start)
        struct.pack_into(">h", stamped, start + _ATTRIBUTES_POSITION, header.attributes | LOG_APPEND_TIME)
        struct.pack_into(">q", stamped, start + 35, timestamp_ms)
        crc = crc32c(memoryview(stamped)[start + _ATTRIBUTES_POSITION : start + header.size])
        struct.pack_into(">I", stamped, start + _CRC_POSITION, crc)
    return bytes(stamped)


def with_producer(data: bytes, producer_id: int, epoch: int, base_sequence: int) -> bytes:
    """Copy one batch, as sent by an idempotent producer."""
    stamped = bytearray(data)
    struct.pack_into(">qhi", stamped, 43, producer_id, epoch, base_sequence)
    struct.pack_into(">I", stamped, _CRC_POSITION, crc32c(memoryview(stamped)[_ATTRIBUTES_POSITION:]))
    return bytes(stamped)
