"""Single records inside a batch: for people and protocols that want to see them; never on a hot path.

    length varint | attributes i8 | timestamp delta varint | offset delta varint
    | key length varint, key | value length varint, value | header count varint, then for each
      key length varint, key, value length varint, value

Varints are zigzag; a length of -1 is null. Source: Kafka's DefaultRecord.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, repeat

from crc32c import crc32c

from logmq.errors import LogMQError
from logmq.records.batches import (
    HEADER_SIZE,
    LENGTH_SIZE,
    LOG_APPEND_TIME,
    MAGIC,
    NO_PRODUCER,
    RECORD_SIZE_MIN,
    BatchHeader,
    Compression,
    header_at,
)
from logmq.records.compression import compress, decompress

_HEADER_COUNT_MAX = 100_000


class MalformedRecord(LogMQError):
    """The bytes of a batch are no records."""


@dataclass(frozen=True, slots=True)
class Record:
    """One record."""

    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...] = ()


def decode(data: bytes, size_max: int) -> Iterator[Record]:
    """The records of the batch that `data` begins with; decompressed they may have `size_max` bytes.

    Raises: MalformedRecord, CannotDecompress.
    """
    header = header_at(data, 0)
    body = decompress(header.compression, data[HEADER_SIZE : header.size], size_max)
    position = 0
    for _ in range(header.record_count):
        record, position = _decode_record(body, position, header)
        yield record


def _decode_record(body: bytes, position: int, batch: BatchHeader) -> tuple[Record, int]:
    try:
        size, position = _varint(body, position)
        end = position + size
        if size < 0 or end > len(body):
            raise MalformedRecord("a record is cut off")
        timestamp_delta, position = _varint(body, position + 1)
        offset_delta, position = _varint(body, position)
        key, position = _bytes(body, position, end)
        value, position = _bytes(body, position, end)
        headers, position = _headers(body, position, end)
    except IndexError:
        raise MalformedRecord("a record is cut off") from None
    if position != end:
        raise MalformedRecord("a record is longer or shorter than it says")
    timestamp_ms = batch.base_timestamp_ms + timestamp_delta
    if batch.attributes & LOG_APPEND_TIME:
        timestamp_ms = batch.max_timestamp_ms
    return Record(batch.base_offset + offset_delta, timestamp_ms, key, value, headers), end


def _headers(body: bytes, position: int, end: int) -> tuple[tuple[tuple[str, bytes | None], ...], int]:
    count, position = _varint(body, position)
    if not 0 <= count <= _HEADER_COUNT_MAX:
        raise MalformedRecord(f"a record cannot have {count} headers")
    headers = []
    for _ in range(count):
        key, position = _bytes(body, position, end)
        value, position = _bytes(body, position, end)
        if key is None:
            raise MalformedRecord("a header has no key")
        headers.append((key.decode("utf-8", "replace"), value))
    return tuple(headers), position


def _bytes(body: bytes, position: int, end: int) -> tuple[bytes | None, int]:
    size, position = _varint(body, position)
    if size < 0:
        return None, position
    if position + size > end:
        raise MalformedRecord("a field reaches beyond its record")
    return body[position : position + size], position + size


def _varint(body: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = body[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return (value >> 1) ^ -(value & 1), position
        shift += 7
        if shift > 63:
            raise MalformedRecord("a number has too many bytes")


def values(data: bytes, size_max: int) -> list[bytes | None]:
    """Only the values of the batch that `data` begins with: several times faster than `decode`. Raises: as `decode`.

    Offsets are left out: in a batch that no compaction has passed through, records are numbered one by one.
    """
    header = header_at(data, 0)
    body = decompress(header.compression, data[HEADER_SIZE : header.size], size_max)
    found: list[bytes | None] = []
    position = 0
    try:
        for _ in range(header.record_count):
            value, position = _value_at(body, position)
            found.append(value)
    except IndexError:
        raise MalformedRecord("a record is cut off") from None
    return found


def _value_at(body: bytes, position: int) -> tuple[bytes | None, int]:
    """The value of the record at `position`, and where the record ends."""
    size, position = _varint(body, position)
    end = position + size
    if size < RECORD_SIZE_MIN - 1 or end > len(body):
        raise MalformedRecord("a record is cut off")
    position += 1
    while body[position] >= 0x80:  # the timestamp's delta
        position += 1
    position += 1
    while body[position] >= 0x80:  # the offset's delta
        position += 1
    size, position = _varint(body, position + 1)
    size, position = _varint(body, position + max(size, 0))
    if position + size > end:
        raise MalformedRecord("a field reaches beyond its record")
    return (None if size < 0 else body[position : position + size]), end


def encode(records: Sequence[Record], compression: Compression = Compression.NONE) -> bytes:
    """One batch of these records, in the order of their offsets, without a producer id."""
    first = records[0]
    body = encode_fields(
        [record.key for record in records],
        [record.value for record in records],
        [record.headers for record in records],
        [record.timestamp_ms - first.timestamp_ms for record in records],
        [record.offset - first.offset for record in records],
    )
    return batch_of(
        body=compress(compression, body),
        base_offset=first.offset,
        last_offset_delta=records[-1].offset - first.offset,
        record_count=len(records),
        base_timestamp_ms=first.timestamp_ms,
        max_timestamp_ms=max(record.timestamp_ms for record in records),
        attributes=int(compression),
    )


def encode_values(payloads: Sequence[bytes], offset_deltas: Sequence[int]) -> bytes:
    """The body of a batch without compression, of records that have a value and nothing else, all of the same time.

    In bulk: what is equal in equally long records is made once.
    """
    tails = {size: b"\x01" + varint(size) for size in set(map(len, payloads))}
    heads = []
    for payload, delta in zip(payloads, offset_deltas, strict=True):
        size = len(payload)
        middle = b"\x00\x00" + varint(delta) + tails[size]
        heads.append(varint(len(middle) + size + 1) + middle)
    return b"".join(chain.from_iterable(zip(heads, payloads, repeat(b"\x00"))))


def encode_fields(
    keys: Sequence[bytes | None],
    values: Sequence[bytes | None],
    headers: Sequence[Sequence[tuple[str, bytes | None]]],
    timestamp_deltas: Sequence[int],
    offset_deltas: Sequence[int],
) -> bytes:
    """The body of a batch without compression, from its records' fields."""
    pieces: list[bytes] = []
    for key, value, pairs, timestamp_delta, offset_delta in zip(
        keys, values, headers, timestamp_deltas, offset_deltas, strict=True
    ):
        record = b"".join(
            (
                b"\x00",
                varint(timestamp_delta) if timestamp_delta else b"\x00",
                _size(offset_delta),
                b"\x01" if key is None else _size(len(key)) + key,
                b"\x01" if value is None else _size(len(value)) + value,
                _headers_body(pairs) if pairs else b"\x00",
            )
        )
        pieces += (_size(len(record)), record)
    return b"".join(pieces)


def _headers_body(pairs: Sequence[tuple[str, bytes | None]]) -> bytes:
    pieces = [varint(len(pairs))]
    for name, value in pairs:
        pieces += (_nullable(name.encode()), _nullable(value))
    return b"".join(pieces)


_AFTER_CRC = struct.Struct(">hiqqqhii")
_BEFORE_CRC = struct.Struct(">qiib")
_CRC = struct.Struct(">I")


def batch_of(
    *,
    body: bytes,
    base_offset: int,
    last_offset_delta: int,
    record_count: int,
    base_timestamp_ms: int,
    max_timestamp_ms: int,
    attributes: int = 0,
) -> bytes:
    """A batch around encoded records."""
    rest = _AFTER_CRC.pack(
        *(attributes, last_offset_delta, base_timestamp_ms, max_timestamp_ms, NO_PRODUCER, -1, -1, record_count)
    )
    length = HEADER_SIZE - LENGTH_SIZE + len(body)
    crc = crc32c(body, crc32c(rest))
    return b"".join((_BEFORE_CRC.pack(base_offset, length, 0, MAGIC), _CRC.pack(crc), rest, body))


def _nullable(field: bytes | None) -> bytes:
    return b"\x01" if field is None else varint(len(field)) + field


def varint(number: int) -> bytes:
    """A zigzag varint."""
    value = (number << 1) ^ (number >> 63)
    if value < 0x80:
        return bytes((value,))
    encoded = bytearray()
    while value >= 0x80:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


_SIZES = tuple(map(varint, range(1024)))


def _size(number: int) -> bytes:
    """`varint`, faster for what sizes and numbers of records mostly are."""
    return _SIZES[number] if number < 1024 else varint(number)
