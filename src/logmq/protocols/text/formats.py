"""Messages to records and back, for each format a topic can have. The only place here that knows how records lie.

To the text protocol a message is its offset and its payload; a format with keys, headers or times shows its values.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from typing import Protocol

from logmq.model import Format, Topic, TopicPartition
from logmq.protocols.text.errors import UnsupportedFormat
from logmq.records import frames
from logmq.storage.engine import Append, Chunk


class Messages(Protocol):
    """The messages of one chunk, found as far as they are asked for: `[first_offset, next_offset)`."""

    first_offset: int
    next_offset: int
    offsets: list[int]
    """Of the messages found so far, ascending."""

    def find(self, offset: int, count: int) -> int:
        """The index in `offsets` of the first message at or after `offset`; finds it and, if they are there, `count`
        messages in all from it on. `len(offsets)` if there is none."""
        ...

    def payloads(self, start: int, stop: int) -> list[bytes]:
        """The payloads of the messages with these indices in `offsets`."""
        ...


class TextFormat(Protocol):
    """How messages lie in a topic."""

    def encode(self, partition: TopicPartition, payloads: Sequence[bytes]) -> Append:
        """Records for messages; there is at least one."""
        ...

    def decode(self, chunk: Chunk) -> Messages:
        """The messages of a chunk that was read."""
        ...


class PlainFormat:
    """Frames; the offset is the position."""

    def encode(self, partition: TopicPartition, payloads: Sequence[bytes]) -> Append:
        """A frame for each message."""
        data, starts = frames.encode(payloads)
        return Append(partition, data, starts, starts, len(data))

    def decode(self, chunk: Chunk) -> PlainMessages:
        """The frames of a chunk."""
        return PlainMessages(chunk)


class PlainMessages:
    """Frames, found from the beginning on by walking from header to header."""

    __slots__ = ("_data", "_found_end", "first_offset", "next_offset", "offsets")

    def __init__(self, chunk: Chunk) -> None:
        self._data = chunk.data
        self.first_offset = chunk.first_offset
        self.next_offset = chunk.next_offset
        self.offsets: list[int] = []
        self._found_end = 0
        """The position behind the last frame that was found."""

    def find(self, offset: int, count: int) -> int:
        """See `Messages.find`."""
        if not self.offsets:
            self._walk(count)
        while self.offsets[-1] < offset and self._walk(len(self.offsets) + count):
            pass
        index = bisect_left(self.offsets, offset)
        missing = index + count - len(self.offsets)
        if missing > 0:
            self._walk(missing)
        return index

    def payloads(self, start: int, stop: int) -> list[bytes]:
        """See `Messages.payloads`."""
        first = self.first_offset
        if stop == start + 1:
            position = self.offsets[start] - first + frames.HEADER_SIZE
            return [self._data[position : self._end(start)]]
        starts = [offset - first for offset in self.offsets[start:stop]] if first else self.offsets[start:stop]
        return frames.cut(self._data, starts, self._end(stop - 1))

    def _end(self, index: int) -> int:
        """The position behind a frame."""
        return self.offsets[index + 1] - self.first_offset if index + 1 < len(self.offsets) else self._found_end

    def _walk(self, count: int) -> bool:
        """Find up to `count` more frames; False if there are no more."""
        starts, self._found_end = frames.walk(self._data, self._found_end, count)
        first = self.first_offset
        self.offsets += [first + start for start in starts] if first else starts
        return bool(starts)


FORMATS: Mapping[Format, TextFormat] = {Format.PLAIN: PlainFormat()}


def format_of(topic: Topic) -> TextFormat:
    """How messages lie in this topic. Raises: UnsupportedFormat."""
    handled = FORMATS.get(topic.format)
    if handled is None:
        raise UnsupportedFormat(topic.name, topic.format)
    return handled
