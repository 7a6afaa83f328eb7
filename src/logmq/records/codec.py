"""What a log must know of a format: where records start, and which offsets they have.

One small codec a format; the log itself, its index and its recovery are the same for all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from logmq.model import Format, Octets
from logmq.records import batches, frames


class Boundaries(NamedTuple):
    """The frames or batches found in a piece of a log, positions and offsets relative to its beginning.

    `end` and `offset_count` reach behind the last whole one.
    """

    starts: Sequence[int]
    offsets: Sequence[int]
    end: int
    offset_count: int


class Codec(Protocol):
    """Pure functions on the bytes of one format. Every piece given begins with a whole frame or batch."""

    def place(self, data: Octets, starts: Sequence[int], first_offset: int) -> Octets:
        """The bytes as they are stored once it is known that they begin at `first_offset`."""
        ...

    def walk(self, data: bytes) -> Boundaries:
        """Find all whole frames or batches."""
        ...

    def seek(self, data: bytes, offset_count: int) -> tuple[int, int]:
        """The relative position and offset of the first frame or batch that reaches beyond `offset_count` or starts
        there; behind the last whole one if there is none."""
        ...


class PlainCodec:
    """Frames: the offset is the position, so that both move together."""

    def place(self, data: Octets, starts: Sequence[int], first_offset: int) -> Octets:
        """Unchanged: a frame does not know its offset."""
        return data

    def walk(self, data: bytes) -> Boundaries:
        """Find all whole frames."""
        starts, end = frames.walk(data)
        return Boundaries(starts, starts, end, end)

    def seek(self, data: bytes, offset_count: int) -> tuple[int, int]:
        """The first frame that starts at or after `offset_count`."""
        position = frames.seek(data, offset_count)
        return position, position


class BatchCodec:
    """Kafka record batches: each says its offset itself."""

    def place(self, data: Octets, starts: Sequence[int], first_offset: int) -> Octets:
        """Give the batches their offsets."""
        return batches.place(data, starts, first_offset)

    def walk(self, data: bytes) -> Boundaries:
        """Find all whole batches."""
        found = list(batches.headers(data))
        if not found:
            return Boundaries((), (), 0, 0)
        first_offset = found[0][1].base_offset
        position, last = found[-1]
        starts = [start for start, _ in found]
        offsets = [header.base_offset - first_offset for _, header in found]
        return Boundaries(starts, offsets, position + last.size, last.next_offset - first_offset)

    def seek(self, data: bytes, offset_count: int) -> tuple[int, int]:
        """The batch that holds the record, or the first one behind."""
        first_offset: int | None = None
        position = offset = 0
        for start, header in batches.headers(data):
            first_offset = header.base_offset if first_offset is None else first_offset
            if header.next_offset - first_offset > offset_count:
                return start, header.base_offset - first_offset
            position, offset = start + header.size, header.next_offset - first_offset
        return position, offset


CODECS: Mapping[Format, Codec] = {Format.PLAIN: PlainCodec(), Format.BATCH: BatchCodec()}
