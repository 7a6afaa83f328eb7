"""The growing end of a log: where the next bytes go, and the checksum of those since the last index boundary."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import NamedTuple

from crc32c import crc32c

from logmq.limits import INDEX_INTERVAL
from logmq.model import Octets
from logmq.storage.local.index import Entry, Index


class End(NamedTuple):
    """A place at which a log ends or ended: `crc` covers its segment's bytes from `since` to `position`."""

    base_offset: int
    offset: int
    position: int
    since: int
    crc: int


class Tail:
    """Moves forward over appended bytes and enters a boundary into the index every INDEX_INTERVAL bytes."""

    __slots__ = ("crc", "index", "offset", "position", "since")

    def __init__(self, index: Index, boundary: Entry) -> None:
        """Begin at a boundary, the index's last one or the segment's beginning."""
        self.index = index
        self.offset = boundary.offset
        self.position = self.since = boundary.position
        self.crc = 0

    def reaches_boundary(self, size: int) -> bool:
        """Whether moving over `size` bytes would enter a boundary."""
        return self.position + size - self.since >= INDEX_INTERVAL

    def add(
        self, data: Octets, starts: Sequence[int], offsets: Sequence[int], offset_count: int, timestamp_ms: int
    ) -> None:
        """Move over `data`, whose records start at these relative positions and offsets."""
        done = 0
        if self.reaches_boundary(len(data)):
            done = self._add_boundaries(data, starts, offsets, offset_count, timestamp_ms)
        self.crc = crc32c(memoryview(data)[done:] if done else data, self.crc)
        self.position += len(data)
        self.offset += offset_count

    def _add_boundaries(
        self, data: Octets, starts: Sequence[int], offsets: Sequence[int], offset_count: int, timestamp_ms: int
    ) -> int:
        """Enter all boundaries that fall into `data`; returns the relative position of the last one."""
        view = memoryview(data)
        done = 0
        while True:
            number = bisect_left(starts, self.since + INDEX_INTERVAL - self.position)
            inside = number < len(starts)
            stop = starts[number] if inside else len(data)
            if self.position + stop - self.since < INDEX_INTERVAL:
                return done
            offset = self.offset + (offsets[number] if inside else offset_count)
            crc = crc32c(view[done:stop], self.crc)
            self._enter(Entry(offset, self.position + stop, timestamp_ms, crc))
            done = stop

    def close(self, timestamp_ms: int) -> None:
        """Enter a boundary right here, so that the index covers all there is."""
        if self.position > self.since:
            self._enter(Entry(self.offset, self.position, timestamp_ms, self.crc))

    def skip(self, damaged: bytes, stop: Entry) -> None:
        """Move to `stop` over damaged bytes, from a boundary on; they are entered so that they never pass a check."""
        assert self.position == self.since
        self.offset, self.position = stop.offset, stop.position
        self._enter(stop._replace(crc=crc32c(damaged) ^ 0xFFFFFFFF))

    def _enter(self, entry: Entry) -> None:
        self.index.append(entry)
        self.since = entry.position
        self.crc = 0

    def end(self) -> End:
        """Where the tail is now."""
        return End(self.index.base_offset, self.offset, self.position, self.since, self.crc)

    def restore(self, end: End, entry_count: int) -> None:
        """Go back to where the tail was when the index had `entry_count` entries."""
        self.index.cut(entry_count)
        _, self.offset, self.position, self.since, self.crc = end
