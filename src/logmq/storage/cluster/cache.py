"""Extents in memory: what was appended last, and what was read last."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections import OrderedDict
from collections.abc import Iterable

from logmq.limits import CLUSTER_CACHE_SIZE_MAX
from logmq.model import Format
from logmq.records.codec import CODECS
from logmq.storage.cluster.formats import Extent


class CachedExtent:
    """The bytes of an extent, and where its frames or batches start: found when somebody first reads inside."""

    __slots__ = ("_offsets", "_starts", "data", "extent")

    def __init__(self, extent: Extent, data: bytes) -> None:
        self.extent = extent
        self.data = data
        self._starts: array[int] | None = None
        self._offsets: array[int] | None = None

    def start_of(self, format: Format, offset: int) -> tuple[int, int]:
        """Position and offset of the frame or batch with the first record at or after `offset`; the end if there is
        none."""
        if offset <= self.extent.first_offset:
            return 0, self.extent.first_offset
        starts, offsets = self._boundaries(format)
        relative = offset - self.extent.first_offset
        if format is Format.PLAIN:
            index = bisect_left(offsets, relative)
        else:
            index = bisect_right(offsets, relative) - 1 if offset < self.extent.next_offset else len(offsets)
        if index == len(starts):
            return len(self.data), self.extent.next_offset
        return starts[index], self.extent.first_offset + offsets[index]

    def end_before(self, format: Format, start: int, size_max: int) -> tuple[int, int]:
        """Position and offset of where about `size_max` bytes from position `start` on end, one frame or batch at
        least."""
        if len(self.data) - start <= size_max:
            return len(self.data), self.extent.next_offset
        starts, offsets = self._boundaries(format)
        index = max(bisect_right(starts, start + size_max) - 1, bisect_right(starts, start))
        if index >= len(starts):
            return len(self.data), self.extent.next_offset
        return starts[index], self.extent.first_offset + offsets[index]

    def _boundaries(self, format: Format) -> tuple[array[int], array[int]]:
        if self._starts is None or self._offsets is None:
            found = CODECS[format].walk(self.data)
            self._starts, self._offsets = array("q", found.starts), array("q", found.offsets)
        return self._starts, self._offsets


class ExtentCache:
    """Extents by where they lie; those least recently used go first."""

    def __init__(self, size_max: int = CLUSTER_CACHE_SIZE_MAX) -> None:
        self._size_max = size_max
        self._size = 0
        self._held: OrderedDict[tuple[str, int], CachedExtent] = OrderedDict()

    def get(self, extent: Extent) -> CachedExtent | None:
        """The extent, if it is here."""
        key = extent.object, extent.position
        held = self._held.get(key)
        if held is not None:
            self._held.move_to_end(key)
        return held

    def put(self, extent: Extent, data: bytes) -> CachedExtent:
        """Keep the bytes of an extent for a while."""
        key = extent.object, extent.position
        held = self._held.get(key)
        if held is None:
            held = self._held[key] = CachedExtent(extent, data)
            self._size += len(data)
            while self._size > self._size_max and len(self._held) > 1:
                _, dropped = self._held.popitem(last=False)
                self._size -= len(dropped.data)
        return held

    def move(self, run: Iterable[Extent], moved: Iterable[tuple[Extent, bytes]]) -> None:
        """The records of `run` lie elsewhere now. Who reads them from here goes on to; others do not come in."""
        here = [held for extent in run if (held := self._held.pop((extent.object, extent.position), None)) is not None]
        self._size -= sum([len(held.data) for held in here])
        if here:
            first = min(held.extent.first_offset for held in here)
            for extent, data in moved:
                if extent.next_offset > first:
                    self.put(extent, data)
