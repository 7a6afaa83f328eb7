"""Cutting a byte stream into requests, without I/O.

    size i32 | API key i16 | API version i16 | correlation id i32 | client id i16-length string, nullable
    | from the API's flexible version on: tagged fields | body

Responses begin with size i32 and correlation id i32, and tagged fields where the request was flexible (but for
ApiVersions, whose client does not yet know what the broker understands).
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from logmq.errors import LogMQError
from logmq.protocols.kafka.api import APIS

_SIZE = struct.Struct(">i")
_HEADER = struct.Struct(">hhih")
_API_VERSIONS = 18


class BadFrame(LogMQError):
    """The stream cannot be followed any more: the connection must be closed."""


class Frame(NamedTuple):
    """One request; its body is `data[position:]`."""

    key: int
    version: int
    correlation_id: int
    client_id: str
    data: bytes
    position: int

    @property
    def supported(self) -> bool:
        """Whether the broker speaks this API in this version."""
        api = APIS.get(self.key)
        return api is not None and api.min_version <= self.version <= api.max_version


class Frames:
    """Collects received bytes and gives out whole requests of at most `size_max` bytes."""

    __slots__ = ("_chunks", "_have", "_size_max", "_wanted")

    def __init__(self, size_max: int) -> None:
        self._size_max = size_max
        self._chunks: list[bytes] = []
        self._have = 0
        self._wanted = _SIZE.size

    @property
    def is_empty(self) -> bool:
        """Whether no request has begun."""
        return self._have == 0

    def feed(self, chunk: bytes) -> list[Frame]:
        """All requests that are whole now. Raises: BadFrame."""
        self._chunks.append(chunk)
        self._have += len(chunk)
        if self._have < self._wanted:
            return []  # a large request in many chunks is joined once
        data = self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)
        frames: list[Frame] = []
        position, end = 0, len(data)
        self._wanted = _SIZE.size
        while position + _SIZE.size <= end:
            size = _SIZE.unpack_from(data, position)[0]
            if not _HEADER.size <= size <= self._size_max:
                raise BadFrame(f"a request of {size} bytes cannot be ({_HEADER.size} to {self._size_max})")
            start = position + _SIZE.size
            if start + size > end:
                self._wanted = _SIZE.size + size
                break
            frames.append(parse(data[start : start + size]))
            position = start + size
        self._chunks = [data[position:]] if position < end else []
        self._have = end - position
        return frames


def parse(data: bytes) -> Frame:
    """The header of a request. Raises: BadFrame."""
    key, version, correlation_id, length = _HEADER.unpack_from(data)
    position = _HEADER.size + max(0, length)
    if position > len(data):
        raise BadFrame("a client id reaches beyond its request")
    client_id = data[_HEADER.size : position].decode("utf-8", "replace")
    api = APIS.get(key)
    if api is not None and version >= api.flexible_since and version <= api.max_version:
        position = _skip_tags(data, position)
    return Frame(key, version, correlation_id, client_id, data, position)


def _skip_tags(data: bytes, position: int) -> int:
    try:
        count, position = _uvarint(data, position)
        for _ in range(count):
            _, position = _uvarint(data, position)
            size, position = _uvarint(data, position)
            position += size
            if position > len(data):
                raise BadFrame("a tagged field reaches beyond its request")
    except IndexError:
        raise BadFrame("a request ends within its header") from None
    return position


def _uvarint(data: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7
        if shift > 28:
            raise BadFrame("a number in a request's header has too many bytes")


def respond(frame: Frame, body: bytes) -> bytes:
    """A whole response."""
    api = APIS.get(frame.key)
    tags = b""
    if api is not None and frame.key != _API_VERSIONS and frame.version >= api.flexible_since:
        tags = b"\x00"
    size = 4 + len(tags) + len(body)
    return b"".join((_SIZE.pack(size), _SIZE.pack(frame.correlation_id), tags, body))
