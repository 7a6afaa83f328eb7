"""Cutting a byte stream into requests, without I/O.

    size i32 | API key i16 | API version i16 | correlation id i32 | client id i16-length string, nullable
    | from the API's flexible version on: tagged fields | body

Responses begin with size i32 and correlation id i32, and tagged fields where the request was flexible (but for
ApiVersions, whose client does not yet know what the broker understands).

Nothing is copied but what has to be: a request that came in one piece is given out as it is, one in many pieces is
joined once, into a buffer that its handler may write to.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from logmq.errors import LogMQError
from logmq.limits import KIB, MIB
from logmq.protocols.kafka.api import APIS

_SIZE = struct.Struct(">i")
_PREFIX = struct.Struct(">ih")
_HEADER = struct.Struct(">hhih")
_HEADER_SIZE = _SIZE.size + _HEADER.size
_RESPONSE = struct.Struct(">ii")
_API_VERSIONS = 18
_PRODUCE = 0

PLAIN_REQUEST_SIZE_MAX = 4 * MIB
"""Requests other than Produce carry names and numbers: 100,000 topics of one Metadata request fit, and none can keep
the broker busy for long."""

_SMALL_CHUNK_SIZE = 4 * KIB
"""Chunks smaller than this are gathered, so that a request which comes byte by byte is not kept as bytes objects of
one byte each."""
_GATHERED_SIZE_MAX = 256 * KIB


class BadFrame(LogMQError):
    """The stream cannot be followed any more: the connection must be closed."""


class Frame(NamedTuple):
    """One request: `data` is all of it, size included, its body is `data[position:]`. Nobody else has the data."""

    key: int
    version: int
    correlation_id: int
    client_id: str
    data: bytes | bytearray
    position: int

    @property
    def supported(self) -> bool:
        """Whether the broker speaks this API in this version."""
        api = APIS.get(self.key)
        return api is not None and api.min_version <= self.version <= api.max_version


class Frames:
    """Collects received bytes and gives out whole requests.

    A Produce may have `size_max` bytes, any other request PLAIN_REQUEST_SIZE_MAX at most.
    """

    __slots__ = ("_chunks", "_have", "_size_max", "wanted")

    def __init__(self, size_max: int) -> None:
        self._size_max = size_max
        self._chunks: list[bytes | bytearray] = []
        self._have = 0
        self.wanted = 0
        """Bytes of the request that has begun, size included; 0 if none has, or its first bytes are missing."""

    @property
    def is_empty(self) -> bool:
        """Whether no request has begun."""
        return self._have == 0

    def feed(self, chunk: bytes) -> list[Frame]:
        """All requests that are whole now. Raises: BadFrame."""
        frames: list[Frame] = []
        if self._have:
            chunk = self._complete(chunk, frames)
        position, end = 0, len(chunk)
        while position < end:
            size = self._size_at(chunk, position)
            stop = position + size
            if not size or stop > end:
                self._keep(chunk[position:] if position else chunk, size)
                break
            frames.append(parse(chunk if size == end else chunk[position:stop]))
            position = stop
        return frames

    def _complete(self, chunk: bytes, frames: list[Frame]) -> bytes:
        """Add what the request that has begun still lacks; returns the rest."""
        if not self.wanted:
            chunk = b"".join((*self._chunks, chunk))
            self._drop()
            return chunk
        missing = self.wanted - self._have
        if len(chunk) < missing:
            self._keep(chunk, self.wanted)
            return b""
        data = bytearray().join((*self._chunks, chunk if len(chunk) == missing else memoryview(chunk)[:missing]))
        self._drop()
        frames.append(parse(data))
        return chunk[missing:]

    def _keep(self, chunk: bytes, wanted: int) -> None:
        self.wanted = wanted
        self._have += len(chunk)
        last = self._chunks[-1] if self._chunks else None
        if len(chunk) >= _SMALL_CHUNK_SIZE:
            self._chunks.append(chunk)
        elif isinstance(last, bytearray) and len(last) < _GATHERED_SIZE_MAX:
            last += chunk
        else:
            self._chunks.append(bytearray(chunk))

    def _drop(self) -> None:
        self._chunks, self._have, self.wanted = [], 0, 0

    def _size_at(self, data: bytes, position: int) -> int:
        """Bytes of the request at `position`, size included; 0 if too little is there to tell. Raises: BadFrame."""
        if position + _SIZE.size > len(data):
            return 0
        size = _SIZE.unpack_from(data, position)[0]
        _check_size(size, self._size_max)
        if position + _PREFIX.size > len(data):
            return 0
        if _PREFIX.unpack_from(data, position)[1] != _PRODUCE:
            _check_size(size, min(self._size_max, PLAIN_REQUEST_SIZE_MAX))
        return _SIZE.size + int(size)


def _check_size(size: int, limit: int) -> None:
    if not _HEADER.size <= size <= limit:
        raise BadFrame(f"a request of {size} bytes cannot be ({_HEADER.size} to {limit})")


def parse(data: bytes | bytearray) -> Frame:
    """The header of a request, given with its size. Raises: BadFrame."""
    key, version, correlation_id, length = _HEADER.unpack_from(data, _SIZE.size)
    position = _HEADER_SIZE + max(0, length)
    if position > len(data):
        raise BadFrame("a client id reaches beyond its request")
    client_id = data[_HEADER_SIZE:position].decode("utf-8", "replace")
    api = APIS.get(key)
    if api is not None and api.flexible_since <= version <= api.max_version:
        position = skip_tags(data, position)
    return Frame(key, version, correlation_id, client_id, data, position)


def skip_tags(data: bytes | bytearray, position: int) -> int:
    """The position behind the tagged fields at `position` (KIP-482). Raises: BadFrame."""
    try:
        if not data[position]:  # as all clients send them
            return position + 1
        count, position = uvarint_at(data, position)
        if count > len(data) - position:
            raise BadFrame(f"a request cannot have {count} tagged fields")
        for _ in range(count):
            _, position = uvarint_at(data, position)
            size, position = uvarint_at(data, position)
            position += size
            if position > len(data):
                raise BadFrame("a tagged field reaches beyond its request")
    except IndexError:
        raise BadFrame("a request ends within its header") from None
    return position


def uvarint_at(data: bytes | bytearray, position: int) -> tuple[int, int]:
    """The varint of at most 32 bits at `position`, and the position behind it. Raises: BadFrame, IndexError."""
    value = shift = 0
    while True:
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7
        if shift > 28:
            raise BadFrame("a number has too many bytes")


def respond(frame: Frame, body: bytes) -> bytes:
    """A whole response."""
    return response_header(frame, len(body)) + body


def response_header(frame: Frame, body_size: int) -> bytes:
    """What stands before the body of a response."""
    api = APIS.get(frame.key)
    if api is not None and frame.key != _API_VERSIONS and frame.version >= api.flexible_since:
        return _RESPONSE.pack(body_size + 5, frame.correlation_id) + b"\x00"
    return _RESPONSE.pack(body_size + 4, frame.correlation_id)
