"""Record batches of equally long values, format version 2 (`magic` 2), without keys and headers.

    base offset i64 | length i32 | leader epoch i32 | magic i8 | crc u32 |
    attributes i16 | last offset delta i32 | first and highest timestamp i64 | producer id i64, epoch i16 |
    sequence i32 | count i32 | records

The CRC-32C covers everything from the attributes on, so the base offset may be changed afterwards.
Source: https://kafka.apache.org/documentation/#recordbatch
"""

from __future__ import annotations

import struct
import time

from crc32c import crc32c

from logmq.client.load.text import payload

BASE_OFFSET_SIZE = 8
_NO_KEY = b"\x01"
_NO_HEADERS = b"\x00"


def batch(size: int, count: int) -> bytes:
    """A batch of `count` records with values of `size` bytes each; base offset 0, stamped now."""
    now_ms = time.time_ns() // 1_000_000
    value = payload(size)
    records = b"".join(_record(delta, value) for delta in range(count))
    checked = struct.pack(">hiqqqhii", 0, count - 1, now_ms, now_ms, -1, -1, -1, count) + records
    tail = struct.pack(">ibI", -1, 2, crc32c(checked)) + checked
    return struct.pack(">qi", 0, len(tail)) + tail


def _record(offset_delta: int, value: bytes) -> bytes:
    inner = b"\x00" + varint(0) + varint(offset_delta) + _NO_KEY + varint(len(value)) + value + _NO_HEADERS
    return varint(len(inner)) + inner


def varint(value: int) -> bytes:
    """A signed number, zigzag, seven bits a byte, lowest first."""
    rest = (value << 1) ^ (value >> 63)
    encoded = bytearray()
    while rest > 0x7F:
        encoded.append(rest & 0x7F | 0x80)
        rest >>= 7
    encoded.append(rest)
    return bytes(encoded)
