"""The body of a Produce request, read by hand: kio takes longer for it than all the rest of a small request, and copies
the records of a large one twice. Here they are not copied at all.

    transactional id nullable string | acks i16 | timeout i32 | topics array: name string
      | partitions array: index i32 | records nullable bytes | tags (v9+)
    | tags (v9+)

Strings have an i16 length, arrays and bytes an i32 one; from version 9 on all are compact: a varint of the length plus
one, 0 for null (KIP-482).
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import NamedTuple, TypeVar

from logmq.model import Octets
from logmq.protocols.kafka.framing import BadFrame, Frame, skip_tags, uvarint_at
from logmq.protocols.kafka.messages import MalformedRequest

_FLEXIBLE = 9
_I16 = struct.Struct(">h")
_I32 = struct.Struct(">i")
_ACKS_AND_TIMEOUT = struct.Struct(">hi")
_COPIED_SIZE_MAX = 4096
"""Below this a copy costs less than a view."""

T = TypeVar("T")


class PartitionData(NamedTuple):
    """What is to be appended to one partition; large records are a view of the request, writable if that is."""

    partition: int
    records: Octets


class TopicData(NamedTuple):
    """What is to be appended to one topic."""

    name: str
    partitions: list[PartitionData]


class ProduceRequest(NamedTuple):
    """A whole request."""

    transactional_id: str | None
    acks: int
    timeout_ms: int
    topics: list[TopicData]


def read_produce(frame: Frame) -> ProduceRequest:
    """The request in a frame. Raises: MalformedRequest."""
    reader = _Reader(frame.data, frame.position, flexible=frame.version >= _FLEXIBLE)
    try:
        transactional_id = reader.string()
        acks, timeout_ms = _ACKS_AND_TIMEOUT.unpack_from(frame.data, reader.position)
        reader.position += _ACKS_AND_TIMEOUT.size
        topics = reader.array(_topic)
        reader.tags()
    except (BadFrame, IndexError, struct.error, UnicodeDecodeError) as error:
        raise MalformedRequest(f"Produce version {frame.version}: {error}") from error
    return ProduceRequest(transactional_id, acks, timeout_ms, topics)


class _Reader:
    """A place in a request's bytes."""

    __slots__ = ("_data", "_flexible", "position")

    def __init__(self, data: bytes | bytearray, position: int, *, flexible: bool) -> None:
        self._data = data
        self._flexible = flexible
        self.position = position

    def i32(self) -> int:
        """A number of 32 bits."""
        self.position += 4
        return int(_I32.unpack_from(self._data, self.position - 4)[0])

    def string(self) -> str | None:
        """A string or null."""
        data = self._cut(self._length(_I16))
        return None if data is None else data.decode()

    def octets(self) -> Octets | None:
        """Bytes or null."""
        length = self._length(_I32)
        if length < _COPIED_SIZE_MAX:
            return self._cut(length)
        begin = self._move(length)
        return memoryview(self._data)[begin : self.position]

    def array(self, item: Callable[[_Reader], T]) -> list[T]:
        """A list; null counts as empty."""
        count = self._length(_I32)
        # Each item takes some bytes: a count beyond them is refused before anything is read.
        if count > len(self._data) - self.position:
            raise MalformedRequest(f"an array of {count} items reaches beyond its request")
        return [item(self) for _ in range(count)]

    def tags(self) -> None:
        """Tagged fields, of which none is known."""
        if self._flexible and self._data[self.position] == 0:
            self.position += 1
        elif self._flexible:
            self.position = skip_tags(self._data, self.position)

    def _length(self, fixed: struct.Struct) -> int:
        if self._flexible:
            first = self._data[self.position]
            if first < 0x80:
                self.position += 1
                return first - 1
            length, self.position = uvarint_at(self._data, self.position)
            return length - 1
        self.position += fixed.size
        return int(fixed.unpack_from(self._data, self.position - fixed.size)[0])

    def _cut(self, length: int) -> bytes | bytearray | None:
        if length < 0:
            return None
        begin = self._move(length)
        return self._data[begin : self.position]

    def _move(self, length: int) -> int:
        """Go on by `length` bytes; returns where they begin. Raises: MalformedRequest."""
        begin, self.position = self.position, self.position + length
        if self.position > len(self._data):
            raise MalformedRequest("a field reaches beyond its request")
        return begin


def _topic(reader: _Reader) -> TopicData:
    name = reader.string()
    if name is None:
        raise MalformedRequest("a topic has no name")
    partitions = reader.array(_partition)
    reader.tags()
    return TopicData(name, partitions)


def _partition(reader: _Reader) -> PartitionData:
    index = reader.i32()
    records = reader.octets()
    reader.tags()
    return PartitionData(index, records or b"")
