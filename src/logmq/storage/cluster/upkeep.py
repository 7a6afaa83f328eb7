"""What a leader does in the background: retention, checkpoints, segments, and the collection of what is left behind."""

from __future__ import annotations

import asyncio
import logging

from logmq.clock import Clock
from logmq.config import Config
from logmq.limits import CLUSTER_CHECKPOINT_COMMITS
from logmq.metrics import StorageMetrics
from logmq.storage.cluster.formats import CHECKPOINTS, PACKS, SEGMENTS, WAL, Checkpoint, encode_checkpoint
from logmq.storage.cluster.garbage import collect
from logmq.storage.cluster.identity import ForeignObjects
from logmq.storage.cluster.lane import LaneLog
from logmq.storage.cluster.leadership import Leadership
from logmq.storage.cluster.partitions import Partitions
from logmq.storage.cluster.pipeline import Pipeline
from logmq.storage.cluster.segments import Gathering
from logmq.storage.cluster.services import Objects, OutcomeUnknown
from logmq.storage.engine import LogSpec

_log = logging.getLogger(__name__)


class Upkeep:
    """One thing at a time; called every second or so."""

    def __init__(
        self,
        partitions: Partitions,
        leadership: Leadership,
        pipeline: Pipeline,
        objects: Objects,
        recent: set[str],
        config: Config,
        clock: Clock,
        metrics: StorageMetrics,
    ) -> None:
        self.recent = recent
        """The objects of the commits since the checkpoint: the chain needs them."""
        self._partitions = partitions
        self._leadership = leadership
        self._pipeline = pipeline
        self._objects = objects
        self._config = config
        self._clock = clock
        self._metrics = metrics
        self._number = 0
        self._due = clock.monotonic() + config.checkpoint_interval_ms / 1000
        self._lock = asyncio.Lock()

    async def maintain(self) -> None:
        """See `LogStore.maintain`. Raises: NotLeader, Unavailable."""
        async with self._lock:
            await self._retain()
            self._expire()
            due = self._clock.monotonic() >= self._due
            if len(self.recent) >= CLUSTER_CHECKPOINT_COMMITS or (due and self.recent):
                await self._checkpoint()

    async def checkpoint(self) -> None:
        """Write a checkpoint now. Raises: NotLeader, Unavailable."""
        async with self._lock:
            await self._checkpoint()

    async def _retain(self) -> None:
        trims: dict[int, int] = {}
        for spec in self._partitions.specs():
            if spec.settings.has_retention:
                log = self._partitions.log(spec)
                start = retained_from(log, spec, self._clock.now_ms())
                if start > log.start_offset:
                    trims[spec.log_id] = start
        if trims:
            await self._pipeline.change(trims=trims)

    def _expire(self) -> None:
        before_ms = self._clock.now_ms() - self._config.producer_id_expiration_ms
        self._pipeline.expire_producers(before_ms)
        for lane in self._partitions.lanes:
            for log in lane.logs.values():
                log.producers.expire(before_ms)

    async def _checkpoint(self) -> None:
        """Move small extents together, write all lanes into an object, have the heads name it, collect what is left."""
        self._due = self._clock.monotonic() + self._config.checkpoint_interval_ms / 1000
        await Gathering(self._partitions, self._objects, self._pipeline.put, self._next_name).run()
        recent = set(self.recent)
        snapshot = Checkpoint([lane.snapshot() for lane in self._partitions.lanes])
        name = self._next_name(CHECKPOINTS)
        await self._pipeline.put(name, encode_checkpoint(snapshot))
        self._pipeline.checkpoint = name
        await self._pipeline.change()
        self.recent -= recent
        self._metrics.checkpoints += 1
        await self._collect(name)

    def _next_name(self, kind: str) -> str:
        self._number += 1
        return f"{kind}{self._leadership.incarnation}/{self._number:012d}"

    async def _collect(self, checkpoint: str) -> None:
        given = dict.fromkeys((CHECKPOINTS, SEGMENTS, PACKS), self._number) | {WAL: self._pipeline.number}
        reachable = {checkpoint} | self.recent | self._pipeline.names()
        reachable.update(*(lane.objects() for lane in self._partitions.lanes))
        try:
            await collect(self._leadership, self._objects, reachable, given)
        except OutcomeUnknown as error:
            _log.warning("the collection of garbage ends early", extra={"reason": str(error)})
        except ForeignObjects as error:
            _log.error("nothing is collected", extra={"reason": str(error)})


def retained_from(log: LaneLog, spec: LogSpec, now_ms: int) -> int:
    """The offset before which nothing need be kept, by age and size, in whole extents."""
    first = 0
    if spec.settings.retention_ms is not None:
        first = log.find_timestamp(now_ms - spec.settings.retention_ms)
    if spec.settings.retention_bytes is not None:
        size = log.size - sum([extent.size for extent in log.extents[:first]])
        while first < len(log.extents) and size - log.extents[first].size >= spec.settings.retention_bytes:
            size -= log.extents[first].size
            first += 1
    return max(log.start_offset, log.extents[first].first_offset if first < len(log.extents) else log.next_offset)
