"""The log of one partition: segments in a row, appended to by one thread and read by any.

The committing thread calls `write` (page cache only), and `publish` once the commit is durable; readers see nothing
behind what was published. All that readers use is replaced as a whole (`segments`, `committed`), never changed in
place, so they need no lock.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from crc32c import crc32c

from logmq.errors import Damaged, OffsetOutOfRange
from logmq.model import Bounds, Octets
from logmq.records.codec import CODECS
from logmq.storage.engine import Append, Chunk, LogSpec
from logmq.storage.local.files import File, Files
from logmq.storage.local.index import Entry, IndexDamaged
from logmq.storage.local.opened import OpenFiles
from logmq.storage.local.segment import Segment
from logmq.storage.local.tail import End, Tail
from logmq.storage.producers import Producers


@dataclass(slots=True)
class Written:
    """What one log was given in one commit, as the journal needs it."""

    log: Log
    before: End
    entry_count_before: int
    buffers: list[Octets]
    size: int
    offset_count: int


class LogState(NamedTuple):
    """What is known of a log when it is opened: its segments, and where it begins and ends."""

    segments: tuple[Segment, ...]
    log_start_offset: int
    end: Entry
    """The end of the last segment, which must be a boundary of its index (or its beginning)."""


class Log:
    """One partition's records."""

    __slots__ = (
        "_files",
        "_opened",
        "codec",
        "committed",
        "dirty",
        "last_append_ms",
        "log_start_offset",
        "producers",
        "sealed_size",
        "segments",
        "spec",
        "tail",
    )  # fmt: skip

    def __init__(self, files: Files, opened: OpenFiles, spec: LogSpec, state: LogState) -> None:
        self._files = files
        self._opened = opened
        self.spec = spec
        self.codec = CODECS[spec.format]
        self.segments = state.segments
        self.log_start_offset = state.log_start_offset
        self.last_append_ms = state.end.timestamp_ms
        self.tail = Tail(self.segments[-1].index, state.end)
        self.committed = self.tail.end()
        self.dirty: dict[Segment, File] = {}
        """Segments with bytes that their own file was not synced for; the files stay open until a checkpoint."""
        self.producers = Producers()
        self.sealed_size = 0
        """Bytes in all segments but the last."""

    # -- writing, by the committing thread only ------------------------------------------------------------------

    def write(self, appends: Sequence[Append], timestamp_ms: int) -> Written:
        """Append to the file, rolling to a new segment first when this one is full.

        Durability: none before the journal (or the file itself) is synced. Visible to readers after `publish`.
        Raises: OSError, after which nothing has changed.
        """
        size = sum([len(append.data) for append in appends]) if len(appends) > 1 else len(appends[0].data)
        if self.tail.position and self.tail.position + size > self.spec.settings.segment_size_bytes:
            self.roll(timestamp_ms)
        tail = self.tail
        segment = self.segments[-1]
        before, entry_count = self.committed, len(tail.index)
        if before.position != tail.position or before.base_offset != segment.base_offset:
            before = tail.end()
        file = self.dirty.get(segment) or segment.file
        latest_ms = self._latest_ms(appends, timestamp_ms)
        buffers = self._move_tail(appends, size, latest_ms)
        written = Written(self, before, entry_count, buffers, size, tail.offset - before.offset)
        try:
            file.write_at(before.position, buffers)
        except OSError:
            self.undo(written)
            raise
        self.dirty[segment] = file
        self.last_append_ms = latest_ms
        return written

    def _latest_ms(self, appends: Sequence[Append], timestamp_ms: int) -> int:
        """The latest time of any record so far: the records' own times, or that of the commit. Never goes back."""
        times = [timestamp_ms if append.timestamp_ms is None else append.timestamp_ms for append in appends]
        return max(self.last_append_ms, *times)

    def _move_tail(self, appends: Sequence[Append], size: int, timestamp_ms: int) -> list[Octets]:
        """Move the tail over appends; returns their bytes as they are stored."""
        tail = self.tail
        placed = []
        offset = tail.offset
        for append in appends:
            placed.append(self.codec.place(append.data, append.starts, offset))
            offset += append.offset_count
        if len(placed) > 1 and not tail.reaches_boundary(size):
            # Many small ones cost less together: one checksum, one buffer to write.
            together = b"".join(placed)
            tail.add(together, (), (), offset - tail.offset, timestamp_ms)
            return [together]
        for append, data in zip(appends, placed, strict=True):
            tail.add(data, append.starts, append.offsets, append.offset_count, timestamp_ms)
        return placed

    def undo(self, written: Written) -> None:
        """Cut off again what `write` appended. Raises: OSError."""
        self.tail.restore(written.before, written.entry_count_before)
        self.segments[-1].file.truncate(written.before.position)

    def publish(self) -> None:
        """Let readers see everything that was written. Called when it is durable."""
        self.committed = self.tail.end()

    def roll(self, timestamp_ms: int) -> None:
        """Begin a new segment at the end. Durability: its files' names are durable when it returns."""
        old = self.segments[-1]
        file = self.dirty.get(old) or old.file  # may fail, but not once there is a new segment that nobody goes on in
        segment = create_segment(self._opened, self.spec, self.tail.offset)
        self._files.sync_names()
        self.tail.close(timestamp_ms)
        self.dirty[old] = file  # its index has an entry more, for the next checkpoint to write
        self.sealed_size += self.tail.position
        self.tail = Tail(segment.index, segment.origin())
        self.segments = (*self.segments, segment)

    def trim(self, log_start_offset: int) -> list[Segment]:
        """Move the beginning forward; returns the segments that hold nothing any more, for the caller to delete.

        Raises: OSError, after which these segments stay for a later trim.
        """
        self.log_start_offset = max(self.log_start_offset, log_start_offset)
        keep = max(0, bisect_right(self.segments, self.log_start_offset, key=_base_offset) - 1)
        gone = list(self.segments[:keep])
        self.sealed_size -= sum([segment.file.size() for segment in gone])
        self.segments = self.segments[keep:]
        for segment in gone:
            self.dirty.pop(segment, None)
        return gone

    # -- reading, by any thread ------------------------------------------------------------------------------------

    def bounds(self) -> Bounds:
        """The readable range."""
        end = self.committed.offset
        return Bounds(min(self.log_start_offset, end), end, end, 0)

    def read(self, offset: int, size_max: int, *, may_wait: bool) -> Chunk | None:
        """See `LogStore.read`; None if it would have to wait for the disk and may not.

        Raises: OffsetOutOfRange, Damaged, IndexDamaged, OSError.
        """
        committed, segments = self.committed, self.segments
        if offset >= committed.offset:
            return Chunk(committed.offset, committed.offset, b"")
        if offset < self.log_start_offset:
            raise OffsetOutOfRange(offset, self.log_start_offset, committed.offset)
        segment = segments[max(0, bisect_right(segments, offset, key=_base_offset) - 1)]
        boundaries = segment.boundaries(offset, size_max)
        if segment.base_offset == committed.base_offset:
            boundaries = _up_to(boundaries, committed)
        if len(boundaries) < 2:
            raise IndexDamaged(f"{segment.index.name} does not reach to offset {offset}")
        first, size = boundaries[0], boundaries[-1].position - boundaries[0].position
        file = segment.file
        data = file.read_at(first.position, size) if may_wait else file.read_cached_at(first.position, size)
        if data is None:
            return None
        last = self._check(data, boundaries)
        size = last.position - first.position
        skipped, skipped_count = 0, 0
        if first.offset < offset:
            interval = data[: boundaries[1].position - first.position]
            skipped, skipped_count = self.codec.seek(interval, offset - first.offset)
            if skipped == size:  # `offset` lies inside the last record of the only interval that was read
                return self.read(last.offset, size_max, may_wait=may_wait)
        return Chunk(first.offset + skipped_count, last.offset, data[skipped:size])

    def _check(self, data: bytes, boundaries: list[Entry]) -> Entry:
        """Verify interval by interval; returns the boundary up to which all is well. Raises: Damaged, at the first."""
        view = memoryview(data)
        origin = boundaries[0].position
        good = boundaries[0]
        for entry in boundaries[1:]:
            interval = view[good.position - origin : entry.position - origin]
            if len(interval) != entry.position - good.position or crc32c(interval) != entry.crc:
                break
            good = entry
        if good is boundaries[0]:
            raise Damaged(str(self.spec.partition), good.offset, boundaries[1].offset)
        return good

    def find_timestamp(self, timestamp_ms: int) -> int:
        """See `LogStore.find_timestamp`. Raises: IndexDamaged, OSError."""
        committed = self.committed
        for segment in self.segments:
            number = segment.index.find_timestamp(timestamp_ms)
            if number < len(segment.index):
                return min(max(segment.boundary(number).offset, self.log_start_offset), committed.offset)
        if self.last_append_ms >= timestamp_ms:  # only what came since the last boundary is as late
            last = self.segments[-1]
            return min(last.boundary(len(last.index)).offset, committed.offset)
        return committed.offset

    def size(self) -> int:
        """Bytes kept on disk."""
        return self.sealed_size + self.committed.position


def create_segment(opened: OpenFiles, spec: LogSpec, base_offset: int) -> Segment:
    """Create the two files of an empty segment. Durability: their names are durable after `Files.sync_names`."""
    segment = Segment(opened, spec.partition, base_offset, 0)
    opened.create(segment.index.name)
    opened.create(segment.name)
    return segment


def _base_offset(segment: Segment) -> int:
    return segment.base_offset


def _up_to(boundaries: list[Entry], committed: End) -> list[Entry]:
    """Leave out boundaries that are not committed, and add the end itself behind the last one that is."""
    while len(boundaries) > 1 and boundaries[-1].position > committed.position:
        boundaries.pop()
    if boundaries[-1].position == committed.since < committed.position:
        boundaries.append(Entry(committed.offset, committed.position, 0, committed.crc))
    return boundaries
