"""The few wire types that hand-packed responses need."""

from __future__ import annotations

import struct

_I16 = struct.Struct(">h")


def string(text: str) -> bytes:
    """A string with a 16-bit length."""
    data = text.encode()
    return _I16.pack(len(data)) + data


def compact_string(text: str) -> bytes:
    """A string with its length plus one as a varint (KIP-482)."""
    data = text.encode()
    return uvarint(len(data) + 1) + data


def uvarint(number: int) -> bytes:
    """An unsigned varint."""
    if number < 0x80:
        return bytes((number,))
    encoded = bytearray()
    while number >= 0x80:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)
