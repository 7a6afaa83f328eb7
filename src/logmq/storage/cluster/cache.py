"""Extents in memory: what was appended last, and what was read last."""

from __future__ import annotations

from collections import OrderedDict

from logmq.limits import CLUSTER_CACHE_SIZE_MAX
from logmq.storage.cluster.formats import Extent


class ExtentCache:
    """The bytes of extents by where they lie; those least recently used go first."""

    def __init__(self, size_max: int = CLUSTER_CACHE_SIZE_MAX) -> None:
        self._size_max = size_max
        self._size = 0
        self._data: OrderedDict[tuple[str, int], bytes] = OrderedDict()

    def get(self, extent: Extent) -> bytes | None:
        """The bytes of an extent, if they are here."""
        key = extent.object, extent.position
        data = self._data.get(key)
        if data is not None:
            self._data.move_to_end(key)
        return data

    def put(self, extent: Extent, data: bytes) -> None:
        """Keep the bytes of an extent for a while."""
        key = extent.object, extent.position
        if key in self._data:
            return
        self._data[key] = data
        self._size += len(data)
        while self._size > self._size_max:
            _, dropped = self._data.popitem(last=False)
            self._size -= len(dropped)
