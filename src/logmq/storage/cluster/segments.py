"""Moving the small extents of logs together: what many commits wrote becomes few objects, read in few requests.

A log with enough small extents gets a segment, an object of its own; what the others have is put together in packs, so
that the number of objects follows the bytes and not the number of logs. Extents that are large as they are stay.

    an extent that is    large, or in a segment   settled: it stays
                         small, of many that follow each other and are enough together   into a segment
                         small, of a commit       into a pack, and from there into a segment or the next pack
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

from crc32c import crc32c

from logmq.limits import CLUSTER_EXTENT_SIZE_MAX, CLUSTER_PACKED_EXTENTS, CLUSTER_SEGMENT_SIZE
from logmq.storage.cluster.cache import ExtentCache
from logmq.storage.cluster.formats import PACKS, SEGMENTS, WAL, Extent
from logmq.storage.cluster.lane import LaneLog
from logmq.storage.cluster.partitions import Partitions
from logmq.storage.cluster.services import ObjectMissing, Objects, until_answered

_READS_AT_ONCE = 16

Put = Callable[[str, bytes], Awaitable[None]]


@dataclass(slots=True)
class _Object:
    """An object in the making, and whose place its extents take."""

    name: str
    body: list[bytes] = field(default_factory=list)
    size: int = 0
    moves: list[tuple[LaneLog, list[Extent], list[Extent]]] = field(default_factory=list)


class Gathering:
    """One round over all logs.

    Nothing is lost if it is cut off: until a checkpoint that names the new objects is committed, the old ones count
    and stay.
    """

    def __init__(self, partitions: Partitions, objects: Objects, put: Put, next_name: Callable[[str], str]) -> None:
        self._partitions = partitions
        self._objects = objects
        self._put = put
        self._next_name = next_name
        self._pack: _Object | None = None

    async def run(self) -> None:
        """Move what is worth it. Raises: NotLeader, Unavailable."""
        for lane in self._partitions.lanes:
            for log in list(lane.logs.values()):
                await self._gather(log)
        if self._pack is not None:
            await self._finish(self._pack)

    async def _gather(self, log: LaneLog) -> None:
        offset = log.settled
        while run := _next_run(log, offset):
            offset = run[-1].next_offset
            last = offset == log.next_offset
            size = sum([extent.size for extent in run])
            if size >= _SMALL:
                segment = _Object(self._next_name(SEGMENTS))
                if await self._add(segment, log, run):
                    await self._finish(segment)
            else:
                await self._add_to_pack(log, run if len(run) >= CLUSTER_PACKED_EXTENTS else _of_commits(run))
                if last:
                    log.settled = run[0].first_offset  # until there is more
                    return
        log.settled = max(offset, log.settled)

    async def _add_to_pack(self, log: LaneLog, run: list[Extent]) -> None:
        if not run:
            return
        self._pack = self._pack or _Object(self._next_name(PACKS))
        await self._add(self._pack, log, run)
        if self._pack.size >= CLUSTER_SEGMENT_SIZE:
            pack, self._pack = self._pack, None
            await self._finish(pack)

    async def _add(self, target: _Object, log: LaneLog, run: list[Extent]) -> bool:
        """Copy a run into an object; False if one of the extents is damaged: they stay, for readers to find."""
        pieces = await _read(self._objects, self._partitions.cache, run)
        if pieces is None:
            return False
        moved: list[Extent] = []
        begin = size = 0
        for number, extent in enumerate(run):
            size += extent.size
            if size >= CLUSTER_EXTENT_SIZE_MAX or number == len(run) - 1:
                data = b"".join(pieces[begin : number + 1])
                moved.append(
                    Extent(
                        run[begin].first_offset, extent.next_offset, target.name, target.size, len(data), crc32c(data),
                        extent.timestamp_ms,
                    )
                )  # fmt: skip
                target.body.append(data)
                target.size += len(data)
                begin, size = number + 1, 0
                await asyncio.sleep(0)  # others have their turn between two MiB
        target.moves.append((log, run, moved))
        return True

    async def _finish(self, made: _Object) -> None:
        await self._put(made.name, b"".join(made.body))
        data = iter(made.body)
        for log, run, moved in made.moves:
            self._partitions.cache.move(run, [(extent, next(data)) for extent in moved])
            log.replace(run, moved)


_SMALL = CLUSTER_EXTENT_SIZE_MAX // 2


def _next_run(log: LaneLog, offset: int) -> list[Extent]:
    """The next extents from `offset` on that follow each other and are small, up to CLUSTER_SEGMENT_SIZE."""
    run: list[Extent] = []
    size = 0
    for number in range(log.find(offset), len(log.extents)):
        extent = log.extents[number]
        if extent.size < _SMALL and not extent.object.startswith(SEGMENTS):
            run.append(extent)
            size += extent.size
            if size >= CLUSTER_SEGMENT_SIZE:
                break
        elif run:
            break
    return run


def _of_commits(run: list[Extent]) -> list[Extent]:
    """The last ones, which still lie where their commit put them."""
    first = len(run)
    while first and run[first - 1].object.startswith(WAL):
        first -= 1
    return run[first:]


async def _read(objects: Objects, cache: ExtentCache, run: Sequence[Extent]) -> list[bytes] | None:
    """The bytes of the extents; None if one does not match its checksum."""
    pieces: list[bytes] = []
    for first in range(0, len(run), _READS_AT_ONCE):
        read = await asyncio.gather(*(_bytes(objects, cache, one) for one in run[first : first + _READS_AT_ONCE]))
        for data in read:
            if data is None:
                return None
            pieces.append(data)
    return pieces


async def _bytes(objects: Objects, cache: ExtentCache, extent: Extent) -> bytes | None:
    cached = cache.get(extent)
    if cached is not None:
        return cached.data
    try:
        data = await until_answered(partial(objects.get, extent.object, extent.position, extent.size))
    except ObjectMissing:
        return None
    return data if crc32c(data) == extent.crc else None
