"""Messages to records and back, for each format a topic can have. The only place here that knows how records lie.

To the text protocol a message is its offset and its payload; a format with keys, headers or times shows its values.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from typing import Protocol

from logmq.clock import SYSTEM_CLOCK, Clock
from logmq.errors import LogMQError
from logmq.limits import MIB
from logmq.model import Format, Topic, TopicPartition
from logmq.protocols.text.errors import UnreadableBatch
from logmq.records import batches, frames
from logmq.records.records import batch_of, encode_values, values
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

    def offsets_of(self, append: Append) -> Sequence[int]:
        """The offset of each message of an append, counted from the first one."""
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

    def offsets_of(self, append: Append) -> Sequence[int]:
        """Where the frames start."""
        return append.offsets

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


class BatchFormat:
    """Record batches; the offset is the record's number, and only its value is shown."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def encode(self, partition: TopicPartition, payloads: Sequence[bytes]) -> Append:
        """One batch of all messages, as of now."""
        count, now_ms = len(payloads), self._clock.now_ms()
        data = batch_of(
            body=encode_values(payloads, range(count)),
            base_offset=0,
            last_offset_delta=count - 1,
            record_count=count,
            base_timestamp_ms=now_ms,
            max_timestamp_ms=now_ms,
        )
        return Append(partition, data, (0,), (0,), count, now_ms)

    def offsets_of(self, append: Append) -> Sequence[int]:
        """Records are numbered one by one."""
        return range(append.offset_count)

    def decode(self, chunk: Chunk) -> BatchMessages:
        """The batches of a chunk."""
        return BatchMessages(chunk)


class BatchMessages:
    """The records of batches, found batch by batch, decompressed and cut out when they are first asked for.

    A batch that cannot be read ends what is found before it; asked for itself, it is an error that says where to go on.
    """

    __slots__ = ("_data", "_payloads", "_position", "first_offset", "next_offset", "offsets")

    def __init__(self, chunk: Chunk) -> None:
        self._data = chunk.data
        self._position = 0
        """Where the next batch begins."""
        self.first_offset = chunk.first_offset
        self.next_offset = chunk.next_offset
        self.offsets: list[int] = []
        self._payloads: list[bytes] = []

    def find(self, offset: int, count: int) -> int:
        """See `Messages.find`. Raises: UnreadableBatch."""
        while not self.offsets or self.offsets[-1] < offset:
            if not self._take_batch(offset):
                return len(self.offsets)
        index = bisect_left(self.offsets, offset)
        while index + count > len(self.offsets) and self._take_batch(offset):
            pass
        return index

    def payloads(self, start: int, stop: int) -> list[bytes]:
        """See `Messages.payloads`."""
        return self._payloads[start:stop]

    def _take_batch(self, offset: int) -> bool:
        """Find the messages of the next batch, which are wanted from `offset` on; False if there is none."""
        if self._position + batches.HEADER_SIZE > len(self._data):
            return False
        header = batches.header_at(self._data, self._position)
        if header.next_offset <= offset and not self.offsets:
            self._begin_behind(header)
            return True
        if not header.attributes & batches.CONTROL:
            data = self._data[self._position : self._position + header.size]
            try:
                found = values(data, TEXT_DECOMPRESSED_SIZE_MAX)
            except LogMQError as error:
                return self._meet_unreadable(header, offset, error)
            self.offsets += range(header.base_offset, header.base_offset + len(found))
            self._payloads += [payload or b"" for payload in found]
        self._position += header.size
        return True

    def _meet_unreadable(self, header: batches.BatchHeader, offset: int, error: LogMQError) -> bool:
        if header.next_offset <= offset:
            self._begin_behind(header)
            return True
        if self.offsets and self.offsets[-1] >= offset:
            self.next_offset, self._position = header.base_offset, len(self._data)
            return False
        raise UnreadableBatch(header.base_offset, header.next_offset, str(error)) from error

    def _begin_behind(self, header: batches.BatchHeader) -> None:
        """Forget what is up to the end of this batch: nobody asks for it, and there must be no hole."""
        self.offsets.clear()
        self._payloads.clear()
        self.first_offset = header.next_offset
        self._position += header.size


TEXT_DECOMPRESSED_SIZE_MAX = 16 * MIB
"""What one batch may become to be shown as text. Clients measure a batch before they compress it and keep it under a
MiB or so; taking apart much more would hold up everybody else."""


FORMATS: Mapping[Format, TextFormat] = {Format.PLAIN: PlainFormat(), Format.BATCH: BatchFormat(SYSTEM_CLOCK)}


def format_of(topic: Topic) -> TextFormat:
    """How messages lie in this topic."""
    return FORMATS[topic.format]
