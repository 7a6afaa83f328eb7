"""Moving the small extents of a log together: what many commits wrote becomes one object, read in few requests."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from crc32c import crc32c

from logmq.limits import CLUSTER_EXTENT_SIZE_MAX, CLUSTER_SEGMENT_SIZE
from logmq.storage.cluster.cache import ExtentCache
from logmq.storage.cluster.formats import SEGMENTS, WAL, Extent
from logmq.storage.cluster.lane import LaneLog
from logmq.storage.cluster.partitions import Partitions
from logmq.storage.cluster.services import ObjectMissing, Objects, OutcomeUnknown

_RETRY_S = 0.1


async def gather(partitions: Partitions, objects: Objects, next_name: Callable[[str], str]) -> None:
    """Move what lies in commits' objects into segments.

    Nothing is lost if this is cut off: until a checkpoint that names the segment is committed, the commits' objects
    count, and stay.
    """
    for lane in partitions.lanes:
        for log_id, log in list(lane.logs.items()):
            run = _run(log)
            if run:
                data = await _read(objects, partitions.cache, run)
                if data is not None and lane.logs.get(log_id) is log:
                    await _move(objects, next_name(SEGMENTS), log, run, data)


def _run(log: LaneLog) -> list[Extent]:
    """The extents to move next: up to CLUSTER_SEGMENT_SIZE of those that still lie where their commit put them."""
    run: list[Extent] = []
    size = 0
    for extent in log.extents:
        if not extent.object.startswith(WAL):
            continue
        run.append(extent)
        size += extent.size
        if size >= CLUSTER_SEGMENT_SIZE:
            break
    return run


async def _read(objects: Objects, cache: ExtentCache, run: Sequence[Extent]) -> list[bytes] | None:
    """The bytes of the extents; None if one does not match its checksum: it stays where it is, for readers to find."""
    pieces: list[bytes] = []
    for extent in run:
        cached = cache.get(extent)
        data = None if cached is None else cached.data
        while data is None:
            try:
                data = await objects.get(extent.object, extent.position, extent.size)
            except OutcomeUnknown:
                await asyncio.sleep(_RETRY_S)
            except ObjectMissing:
                return None
        if crc32c(data) != extent.crc:
            return None
        pieces.append(data)
    return pieces


async def _move(objects: Objects, name: str, log: LaneLog, run: Sequence[Extent], pieces: Sequence[bytes]) -> None:
    moved: list[Extent] = []
    body: list[bytes] = []
    position = begin = size = 0
    for number, extent in enumerate(run):
        size += extent.size
        if size >= CLUSTER_EXTENT_SIZE_MAX or number == len(run) - 1:
            data = b"".join(pieces[begin : number + 1])
            timestamp_ms = max(one.timestamp_ms for one in run[begin : number + 1])
            moved.append(
                Extent(
                    run[begin].first_offset, extent.next_offset, name, position, len(data), crc32c(data), timestamp_ms
                )
            )
            body.append(data)
            position += len(data)
            begin, size = number + 1, 0
    while True:
        try:
            await objects.put(name, b"".join(body))
            break
        except OutcomeUnknown:
            await asyncio.sleep(_RETRY_S)
    _replace(log, run, moved)


def _replace(log: LaneLog, run: Sequence[Extent], moved: list[Extent]) -> None:
    """Put the moved extents where the others were, unless the log was trimmed up to there meanwhile."""
    try:
        first = log.extents.index(run[0])
    except ValueError:
        return  # trimmed meanwhile: the next time begins further on
    if log.extents[first : first + len(run)] == list(run):
        log.extents[first : first + len(run)] = moved
