"""One segment of a log: a file of records, and its index."""

from __future__ import annotations

from bisect import bisect_right

from logmq.limits import INDEX_INTERVAL
from logmq.model import TopicPartition
from logmq.storage.local.files import File
from logmq.storage.local.index import Entry, Index
from logmq.storage.local.names import index_name, log_name
from logmq.storage.local.opened import OpenFiles


class Segment:
    """Records from `base_offset` on. Knows where its bytes lie, not how many of them are committed."""

    __slots__ = ("_opened", "base_offset", "index", "name")

    def __init__(self, opened: OpenFiles, partition: TopicPartition, base_offset: int, entry_count: int) -> None:
        self._opened = opened
        self.base_offset = base_offset
        self.name = log_name(partition, base_offset)
        self.index = Index(opened, index_name(partition, base_offset), base_offset, entry_count)

    @property
    def file(self) -> File:
        """The file of records, opened if need be."""
        return self._opened.get(self.name)

    def origin(self) -> Entry:
        """The boundary at which the segment begins."""
        return Entry(self.base_offset, 0, 0, 0)

    def boundary(self, number: int) -> Entry:
        """The boundary behind the first `number` intervals; 0 is the segment's beginning."""
        return self.index[number - 1] if number else self.origin()

    def boundaries(self, offset: int, size_max: int) -> list[Entry]:
        """Index boundaries around a stretch that is to be read.

        The first one is at or below `offset`; the last one lies about `size_max` bytes behind, but at least one
        interval, as far as the index goes. A single boundary means that the index has no entry beyond `offset`.
        """
        index = self.index
        number = index.find(offset)
        first = self.boundary(number)
        found = index.slice(number, number + 1 + size_max // INDEX_INTERVAL)
        count = max(1, bisect_right(found, first.position + size_max, key=lambda entry: entry.position))
        index.hint = max(0, number - 1 + (count if size_max > INDEX_INTERVAL else 0))
        return [first, *found[:count]]
