"""`LogStore` on an object store and a store of keys: one leader at a time, no state that a machine could lose.

Pipeline   appends -> objects -> one transaction a commit -> acknowledged
Reader     committed records, from memory or from objects
Upkeep     retention, checkpoints, segments, garbage
Leadership the heads, which only a leader can move
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress

from logmq.clock import Clock
from logmq.config import Config
from logmq.errors import LogMQError, NotLeader, UnknownPartition
from logmq.metrics import ClusterMetrics, StorageMetrics
from logmq.model import Bounds, TopicPartition
from logmq.storage.calls import PendingCall
from logmq.storage.cluster.leadership import Leadership
from logmq.storage.cluster.partitions import Partitions
from logmq.storage.cluster.pipeline import Pipeline, partitions_of
from logmq.storage.cluster.plan import Batch
from logmq.storage.cluster.reader import Reader
from logmq.storage.cluster.services import ObjectMissing, Objects
from logmq.storage.cluster.takeover import MalformedObject, load
from logmq.storage.cluster.upkeep import Upkeep
from logmq.storage.engine import (
    ActiveProducer,
    Append,
    Chunk,
    ClusterStatistics,
    LogSpec,
    LogStatistics,
    Meta,
    RecoveryStatistics,
    StoreStatistics,
)
from logmq.storage.waiters import Waiters

_LAST_CHECKPOINT_TIMEOUT_S = 5.0


class ClusterStore:
    """All lanes, while this broker leads them. Made by `open`."""

    def __init__(
        self,
        partitions: Partitions,
        leadership: Leadership,
        objects: Objects,
        recent: Iterable[str],
        config: Config,
        clock: Clock,
        on_failure: Callable[[BaseException], None],
        recovery_s: float,
    ) -> None:
        self.metrics = StorageMetrics()
        self.cluster_metrics = ClusterMetrics()
        self.cluster_metrics.takeover_seconds = recovery_s
        self.partitions = partitions
        self.pipeline = Pipeline(partitions, leadership, objects, config, clock, self.cluster_metrics, self)
        self._reader = Reader(partitions, leadership, objects, self.metrics)
        self.upkeep = Upkeep(
            partitions, leadership, self.pipeline, objects, set(recent), config, clock, self.metrics
        )  # fmt: skip
        self.recovery = RecoveryStatistics(recovery_s, len(self.upkeep.recent), 0, 0, 0, 0, 0)
        self._leadership = leadership
        self._clock = clock
        self._on_failure = on_failure
        self._waiters = Waiters()

    @classmethod
    async def open(
        cls,
        leadership: Leadership,
        objects: Objects,
        specs: Iterable[LogSpec],
        config: Config,
        clock: Clock,
        on_failure: Callable[[BaseException], None],
    ) -> ClusterStore:
        """Read what the lanes hold that this broker leads. `specs` were read after it had taken them.

        `on_failure` is called on the loop when this broker has lost its lanes: it should stop and begin anew.

        Raises:
            MalformedObject, ObjectMissing: the object store no longer has what was committed.
            NotLeader: another broker has taken over meanwhile, and may have collected what was to be read.
        """
        began = clock.monotonic()
        try:
            lanes, recent = await load(objects, leadership.heads)
        except (ObjectMissing, MalformedObject):
            if await leadership.finds_itself():
                raise
            raise NotLeader("this cluster: another broker has taken over") from None
        partitions = Partitions(lanes, specs)
        return cls(partitions, leadership, objects, recent, config, clock, on_failure, clock.monotonic() - began)

    # -- called by the pipeline --------------------------------------------------------------------------------------

    def committed(self, batch: Batch) -> None:
        """See `Owner.committed`."""
        if batch.sections:
            self.upkeep.recent.add(batch.name)
            self.metrics.commits += 1
            self.metrics.commit_seconds.observe(self._clock.monotonic() - batch.began)
            self._keep(batch)
        self.metrics.appends += sum([len(call.appends) for call in batch.calls])
        self.metrics.records += batch.record_count
        self.metrics.inline_bytes += batch.record_size
        if self._waiters:
            for partition in partitions_of(batch):
                self._wake(partition)

    def _keep(self, batch: Batch) -> None:
        """Those who read next most often read what came last."""
        view = memoryview(batch.data)
        for section in batch.sections:
            for log_id in {piece.log_id for piece in section.pieces}:
                log = self.partitions.lanes[section.lane].logs.get(log_id)
                for extent in reversed(log.extents if log is not None else ()):
                    if extent.object != batch.name:
                        break
                    self.partitions.cache.put(extent, bytes(view[extent.position : extent.position + extent.size]))

    def failed(self, error: BaseException, failure: LogMQError) -> None:
        """See `Owner.failed`."""
        first, self._reader.failure = self._reader.failure is None, failure
        for partition in list(self._waiters):
            self._waiters.fail(partition, failure)
        if first and not self.pipeline.closed:
            self._on_failure(error)

    def _wake(self, partition: TopicPartition) -> None:
        spec = self.partitions.get(partition)
        if spec is None:
            self._waiters.fail(partition, UnknownPartition(partition.topic, partition.index, 0))
        else:
            self._waiters.wake(partition, self.partitions.log(spec).next_offset)

    # -- appending and reading ---------------------------------------------------------------------------------------

    def append(self, appends: Sequence[Append], *, atomic: bool = False, at_once: bool = False) -> PendingCall:
        """See `LogStore.append`. An object's round trip is so long that `at_once` would win nothing."""
        return self.pipeline.append(appends, atomic=atomic)

    def room(self) -> asyncio.Future[None] | None:
        """See `LogStore.room`."""
        return self.pipeline.room()

    def read_nowait(self, partition: TopicPartition, offset: int, size_max: int) -> Chunk | None:
        """See `LogStore.read_nowait`."""
        return self._reader.read_nowait(partition, offset, size_max)

    async def read(self, partition: TopicPartition, offset: int, size_max: int) -> Chunk:
        """See `LogStore.read`."""
        return await self._reader.read(partition, offset, size_max)

    async def wait_any(self, offsets: Mapping[TopicPartition, int], timeout_s: float | None) -> bool:
        """See `LogStore.wait_any`."""
        for partition, offset in offsets.items():
            if self.partitions.log(self.partitions.find(partition)).next_offset > offset:
                return True
        if self.failure is not None:
            raise self.failure
        return await self._waiters.wait_any(offsets, timeout_s)

    def bounds(self, partition: TopicPartition) -> Bounds:
        """See `LogStore.bounds`."""
        log = self.partitions.log(self.partitions.find(partition))
        # Always epoch 0: what one leader showed no other takes back, so that consumers need not look for a fork.
        return Bounds(log.start_offset, log.next_offset, log.next_offset, 0)

    def statistics(self, partition: TopicPartition) -> LogStatistics:
        """See `LogStore.statistics`."""
        log = self.partitions.log(self.partitions.find(partition))
        return LogStatistics(log.size, len(log.extents), log.last_append_ms or None)

    def store_statistics(self) -> StoreStatistics:
        """See `LogStore.store_statistics`."""
        return StoreStatistics(
            waiting_bytes=self.pipeline.waiting_bytes,
            waiting_calls=self.pipeline.waiting_calls,
            log_size=sum(log.size for lane in self.partitions.lanes for log in lane.logs.values()),
            open_file_count=0,
            journal_file_count=0,
            journal_size=0,
            disk_free_size=-1,
            disk_size=-1,
            cluster=ClusterStatistics(
                self._leadership.heads[0].term,
                self.pipeline.objects_under_way,
                self._leadership.retries,
                self.cluster_metrics,
            ),
        )

    @property
    def failure(self) -> LogMQError | None:
        """See `LogStore.failure`."""
        return self.pipeline.failure

    async def find_timestamp(self, partition: TopicPartition, timestamp_ms: int) -> int:
        """See `LogStore.find_timestamp`."""
        log = self.partitions.log(self.partitions.find(partition))
        number = log.find_timestamp(timestamp_ms)
        return max(log.extents[number].first_offset, log.start_offset) if number < len(log.extents) else log.next_offset

    async def producers(self, partition: TopicPartition) -> list[ActiveProducer]:
        """See `LogStore.producers`."""
        return self.partitions.log(self.partitions.find(partition)).producers.active()

    def leads(self, partition: TopicPartition) -> bool:
        """See `LogStore.leads`."""
        return partition in self.partitions and self.failure is None

    # -- creating, trimming, dropping --------------------------------------------------------------------------------

    async def create(self, specs: Iterable[LogSpec]) -> None:
        """See `LogStore.create`: a log begins with its first append."""
        self.partitions.add(specs)

    async def configure(self, specs: Iterable[LogSpec]) -> None:
        """See `LogStore.configure`."""
        self.partitions.add(spec for spec in specs if self.partitions.find(spec.partition))

    async def drop(self, partitions: Iterable[TopicPartition]) -> None:
        """See `LogStore.drop`. The bytes go with the next collections."""
        specs = [self.partitions.find(partition) for partition in partitions]
        for spec in specs:
            self.partitions.remove(spec.partition)
        await self.pipeline.change(drops=[spec.log_id for spec in specs])
        for spec in specs:
            self._wake(spec.partition)

    async def trim(self, partition: TopicPartition, offset: int) -> int:
        """See `LogStore.trim`."""
        spec = self.partitions.find(partition)
        log = self.partitions.log(spec)
        wanted = min(offset, log.next_offset)
        if wanted > log.start_offset:
            await self.pipeline.change(trims={spec.log_id: wanted})
        return self.partitions.log(spec).start_offset

    # -- living and ending -------------------------------------------------------------------------------------------

    async def maintain(self) -> None:
        """See `LogStore.maintain`."""
        if self.failure is None:
            await self.upkeep.maintain()

    def lose_presence(self) -> None:
        """This broker was taken for dead: another one leads, or soon will."""
        self.pipeline.lose_presence()

    async def close(self) -> None:
        """See `LogStore.close`."""
        if self.failure is None and self.upkeep.recent:
            with suppress(TimeoutError, LogMQError):
                async with asyncio.timeout(_LAST_CHECKPOINT_TIMEOUT_S):
                    await self.upkeep.checkpoint()
        await self.pipeline.close()


async def finish_drops(meta: Meta, store: ClusterStore) -> None:
    """Carry out drops that a crash cut off. Raises: NotLeader, Unavailable."""
    for topic in await meta.dropping():
        await store.pipeline.change(drops=topic.log_ids)
        await meta.finish_drop(topic.name)
