"""Reading committed records: from memory where they are, else by ranges of objects, each against its checksum."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import NoReturn

from crc32c import crc32c

from logmq.errors import Damaged, LogMQError, NotLeader, OffsetOutOfRange
from logmq.metrics import StorageMetrics
from logmq.model import TopicPartition
from logmq.records.codec import CODECS
from logmq.storage.cluster.formats import Extent
from logmq.storage.cluster.lane import LaneLog
from logmq.storage.cluster.leadership import Leadership
from logmq.storage.cluster.partitions import Partitions
from logmq.storage.cluster.services import ObjectMissing, Objects, OutcomeUnknown
from logmq.storage.engine import Chunk, LogSpec

_RETRY_S = 0.1


class Reader:
    """Reads for all who ask; whoever asks for the same extent at the same time shares one request."""

    def __init__(
        self, partitions: Partitions, leadership: Leadership, objects: Objects, metrics: StorageMetrics
    ) -> None:
        self._partitions = partitions
        self._leadership = leadership
        self._objects = objects
        self._metrics = metrics
        self._fetching: dict[Extent, asyncio.Task[bytes]] = {}
        self.failure: LogMQError | None = None

    def read_nowait(self, partition: TopicPartition, offset: int, size_max: int) -> Chunk | None:
        """See `LogStore.read_nowait`."""
        spec = self._partitions.find(partition)
        log = self._partitions.log(spec)
        extents = _extents(log, offset, size_max)
        pieces: list[bytes] = []
        for extent in extents:
            data = self._partitions.cache.get(extent)
            if data is None:
                return None
            pieces.append(data)
        return self._chunk(spec, log, offset, size_max, extents, pieces)

    async def read(self, partition: TopicPartition, offset: int, size_max: int) -> Chunk:
        """See `LogStore.read`."""
        while True:
            spec = self._partitions.find(partition)
            log = self._partitions.log(spec)
            extents = _extents(log, offset, size_max)
            try:
                pieces = [await self._fetch(partition, extent) for extent in extents]
            except ObjectMissing:
                if _extents(self._partitions.log(spec), offset, size_max) == extents:
                    await self._explain_missing(partition, extents)
                continue  # the bytes were moved meanwhile
            return self._chunk(spec, log, offset, size_max, extents, pieces)

    async def _explain_missing(self, partition: TopicPartition, extents: Sequence[Extent]) -> NoReturn:
        """Objects of a leader do not go away; those of one that does not know yet that it leads no longer do."""
        while self.failure is None:
            try:
                if await self._leadership.is_mine():
                    raise Damaged(str(partition), extents[0].first_offset, extents[-1].next_offset)
                break
            except OutcomeUnknown:
                await asyncio.sleep(_RETRY_S)
        raise self.failure or NotLeader(str(partition))

    async def _fetch(self, partition: TopicPartition, extent: Extent) -> bytes:
        data = self._partitions.cache.get(extent)
        if data is None:
            data = await asyncio.shield(self._begin(extent))
        if crc32c(data) != extent.crc:
            raise Damaged(str(partition), extent.first_offset, extent.next_offset)
        self._partitions.cache.put(extent, data)
        return data

    def _begin(self, extent: Extent) -> asyncio.Task[bytes]:
        task = self._fetching.get(extent)
        if task is None:
            task = self._fetching[extent] = asyncio.ensure_future(self._get(extent))
            task.add_done_callback(lambda task: task.cancelled() or task.exception())  # those who wait see it
            task.add_done_callback(lambda _: self._fetching.pop(extent, None))
        return task

    async def _get(self, extent: Extent) -> bytes:
        self._metrics.cold_reads += 1
        while True:
            try:
                return await self._objects.get(extent.object, extent.position, extent.size)
            except OutcomeUnknown:
                if self.failure is not None:
                    raise self.failure from None
                await asyncio.sleep(_RETRY_S)

    def _chunk(
        self,
        spec: LogSpec,
        log: LaneLog,
        offset: int,
        size_max: int,
        extents: Sequence[Extent],
        pieces: Sequence[bytes],
    ) -> Chunk:
        """Whole records from the one that is meant on, about `size_max` bytes."""
        self._metrics.reads += 1
        if not extents:
            return Chunk(log.next_offset, log.next_offset, b"")
        codec, first = CODECS[spec.format], extents[0].first_offset
        data = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        position, relative = codec.seek(data, max(0, offset - first))
        if position == len(data):  # the offset lies inside the very last record
            return Chunk(log.next_offset, log.next_offset, b"")
        data = data[position:] if position else data
        found = codec.walk(data[:size_max])
        if not found.starts:
            found = codec.walk(data)
            second = found.starts[1] if len(found.starts) > 1 else found.end
            found = codec.walk(data[:second])
        self._metrics.read_bytes += found.end
        return Chunk(first + relative, first + relative + found.offset_count, data[: found.end])


def _extents(log: LaneLog, offset: int, size_max: int) -> list[Extent]:
    """Those to read for about `size_max` bytes from `offset` on; two at least, as the record that is meant may begin in
    the second. Raises: OffsetOutOfRange."""
    if offset < log.start_offset:
        raise OffsetOutOfRange(offset, log.start_offset, log.next_offset)
    found: list[Extent] = []
    size = 0
    for extent in log.extents[log.find(offset) :]:
        found.append(extent)
        size += extent.size
        if size >= size_max and len(found) > 1:
            break
    return found
