"""Reading committed records: from memory where they are, else by ranges of objects, each against its checksum."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import NoReturn

from crc32c import crc32c

from logmq.errors import Damaged, LogMQError, NotLeader, OffsetOutOfRange
from logmq.limits import CLUSTER_READ_AHEAD
from logmq.metrics import StorageMetrics
from logmq.model import TopicPartition
from logmq.storage.cluster.cache import CachedExtent
from logmq.storage.cluster.formats import Extent
from logmq.storage.cluster.lane import LaneLog
from logmq.storage.cluster.leadership import Leadership
from logmq.storage.cluster.partitions import Partitions
from logmq.storage.cluster.services import RETRY_S, ObjectMissing, Objects, OutcomeUnknown
from logmq.storage.engine import Chunk, LogSpec


class Reader:
    """Reads for all who ask; whoever asks for the same extent at the same time shares one request."""

    def __init__(
        self, partitions: Partitions, leadership: Leadership, objects: Objects, metrics: StorageMetrics
    ) -> None:
        self._partitions = partitions
        self._leadership = leadership
        self._objects = objects
        self._metrics = metrics
        self._fetching: dict[Extent, asyncio.Future[CachedExtent | None]] = {}
        self.failure: LogMQError | None = None

    def read_nowait(self, partition: TopicPartition, offset: int, size_max: int) -> Chunk | None:
        """See `LogStore.read_nowait`."""
        spec = self._partitions.find(partition)
        log = self._partitions.log(spec)
        held: list[CachedExtent] = []
        for extent in _extents(log, offset, size_max):
            cached = self._partitions.cache.get(extent)
            if cached is None:
                return None
            held.append(cached)
        return self._chunk(spec, log, offset, size_max, held)

    async def read(self, partition: TopicPartition, offset: int, size_max: int) -> Chunk:
        """See `LogStore.read`."""
        while True:
            spec = self._partitions.find(partition)
            log = self._partitions.log(spec)
            extents = _extents(log, offset, size_max)
            try:
                held = await self._fetch_all(partition, extents)
            except ObjectMissing:
                if _extents(self._partitions.log(spec), offset, size_max) == extents:
                    await self._explain_missing(partition, extents)
                continue  # the bytes were moved meanwhile
            return self._chunk(spec, log, offset, size_max, held)

    async def _fetch_all(self, partition: TopicPartition, extents: Sequence[Extent]) -> list[CachedExtent]:
        """The extents, fetched at the same time; and a few that come next begin to be fetched."""
        if all(self._partitions.cache.get(extent) is not None for extent in extents):
            return [await self._fetch(partition, extent) for extent in extents]
        for extent in extents:
            self._begin(extent)
        held = [await self._fetch(partition, extent) for extent in extents]
        self._read_ahead(partition, extents[-1])
        return held

    def _read_ahead(self, partition: TopicPartition, last: Extent) -> None:
        spec = self._partitions.get(partition)
        if spec is None or len(self._fetching) > CLUSTER_READ_AHEAD:
            return
        log = self._partitions.log(spec)
        first = log.find(last.next_offset)
        for extent in log.extents[first : first + CLUSTER_READ_AHEAD]:
            self._begin(extent)

    async def _explain_missing(self, partition: TopicPartition, extents: Sequence[Extent]) -> NoReturn:
        """Objects of a leader do not go away; those of one that does not know yet that it leads no longer do."""
        while self.failure is None:
            try:
                if await self._leadership.is_mine():
                    raise Damaged(str(partition), extents[0].first_offset, extents[-1].next_offset)
                break
            except OutcomeUnknown:
                await asyncio.sleep(RETRY_S)
        raise self.failure or NotLeader(str(partition))

    async def _fetch(self, partition: TopicPartition, extent: Extent) -> CachedExtent:
        cached = self._partitions.cache.get(extent) or await asyncio.shield(self._begin(extent))
        if cached is None:
            raise Damaged(str(partition), extent.first_offset, extent.next_offset)
        return cached

    def _begin(self, extent: Extent) -> asyncio.Future[CachedExtent | None]:
        """The extent in memory, once it is there; None if it does not match its checksum."""
        fetching = self._fetching.get(extent)
        if fetching is None:
            cached = self._partitions.cache.get(extent)
            if cached is not None:
                fetching = asyncio.get_running_loop().create_future()
                fetching.set_result(cached)
                return fetching
            fetching = self._fetching[extent] = asyncio.ensure_future(self._get(extent))
            fetching.add_done_callback(lambda task: task.cancelled() or task.exception())  # those who wait see it
            fetching.add_done_callback(lambda _: self._fetching.pop(extent, None))
        return fetching

    async def _get(self, extent: Extent) -> CachedExtent | None:
        self._metrics.cold_reads += 1
        while True:
            try:
                data = await self._objects.get(extent.object, extent.position, extent.size)
                return self._partitions.cache.put(extent, data) if crc32c(data) == extent.crc else None
            except OutcomeUnknown:
                if self.failure is not None:
                    raise self.failure from None
                await asyncio.sleep(RETRY_S)

    def _chunk(self, spec: LogSpec, log: LaneLog, offset: int, size_max: int, held: Sequence[CachedExtent]) -> Chunk:
        """Whole records from the one that is meant on, about `size_max` bytes."""
        self._metrics.reads += 1
        pieces: list[bytes] = []
        first = following = log.next_offset
        room = size_max
        for cached in held:
            start, begin = (0, cached.extent.first_offset) if pieces else cached.start_of(spec.format, offset)
            if start == len(cached.data):
                continue  # the offset lies inside its last record
            first = first if pieces else begin
            end, following = cached.end_before(spec.format, start, room)
            pieces.append(cached.data if not start and end == len(cached.data) else cached.data[start:end])
            room -= end - start
            if end < len(cached.data) or room <= 0:
                break
        data = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        self._metrics.read_bytes += len(data)
        return Chunk(first, following if pieces else first, data)


def _extents(log: LaneLog, offset: int, size_max: int) -> list[Extent]:
    """Those to read for about `size_max` bytes from `offset` on; two at least, as the record that is meant may begin in
    the second. Raises: OffsetOutOfRange."""
    if offset < log.start_offset:
        raise OffsetOutOfRange(offset, log.start_offset, log.next_offset)
    found: list[Extent] = []
    size = 0
    for number in range(log.find(offset), len(log.extents)):
        extent = log.extents[number]
        found.append(extent)
        size += extent.size
        if size >= size_max and len(found) > 1:
            break
    return found
