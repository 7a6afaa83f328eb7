"""The broker as protocols see it: topics, records and committed offsets behind one face."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from logmq.broker.groups.consumer_groups import ConsumerGroups
from logmq.broker.groups.coordinator import GroupCoordinator, GroupOverview
from logmq.broker.groups.group import GroupState
from logmq.broker.groups.member import NO_GENERATION, Caller
from logmq.broker.groups.offsets import OFFSETS_TOPIC, CommittedOffset, CommittedOffsets
from logmq.broker.groups.readers import Reader, classic_readers, consumer_readers
from logmq.broker.groups.refusal import Refusal
from logmq.broker.health import Health
from logmq.broker.producer_ids import ProducerIds
from logmq.broker.table_log import TableLog
from logmq.broker.topics import Topics
from logmq.clock import Clock
from logmq.config import Config
from logmq.errors import GroupHasMembers, InternalTopic, UnknownGroup, UnknownTopic
from logmq.limits import DECOMPRESSED_SIZE_MAX, READ_SIZE
from logmq.metrics import Metrics
from logmq.model import Bounds, Format, Topic, TopicPartition
from logmq.records import batches
from logmq.records.records import decode
from logmq.storage.engine import (
    ActiveProducer,
    Append,
    Appending,
    Chunk,
    LogStatistics,
    LogStore,
    Meta,
    RecoveryStatistics,
    StoreStatistics,
)


class Broker:
    """Made by `start`. All methods belong to the event loop's thread."""

    def __init__(
        self,
        store: LogStore,
        topics: Topics,
        groups: GroupCoordinator,
        producer_ids: ProducerIds,
        clock: Clock,
        cluster_id: str,
    ) -> None:
        self.cluster_id = cluster_id
        self._producer_ids = producer_ids
        self._store = store
        self._topics = topics
        self._clock = clock
        self.started_ms = clock.now_ms()
        self.metrics = Metrics(store.metrics)
        """What it has done since its start; protocols count their requests here."""
        self.health = Health(store)
        self.groups = groups
        """Who reads what together, and how far they have come."""

    @classmethod
    async def start(cls, meta: Meta, store: LogStore, config: Config, clock: Clock) -> Broker:
        """The broker over an opened engine; reads committed offsets back.

        Raises: DiskFull, Unavailable.
        """
        topics = Topics(meta, store, config, await meta.topics())
        await _ensure_internal(topics, OFFSETS_TOPIC)
        offsets = CommittedOffsets(store)
        await offsets.load()
        await offsets.retain([topic.name for topic in topics])
        groups = GroupCoordinator(offsets, ConsumerGroups(topics, offsets, config, clock), config, clock)
        groups.start()
        return cls(store, topics, groups, ProducerIds(meta), clock, await meta.cluster_id())

    # -- topics ------------------------------------------------------------------------------------------------------

    def topic(self, name: str) -> Topic:
        """The topic of this name. Raises: InvalidTopicName, UnknownTopic."""
        return self._topics.get(name)

    def topics(self) -> list[Topic]:
        """All topics by name, the broker's own included."""
        return list(self._topics)

    async def create_topic(
        self,
        name: str,
        *,
        format: Format,
        partition_count: int | None = None,
        overrides: Mapping[str, str] | None = None,
    ) -> Topic:
        """Make a topic, with the default number of partitions if none is given. Raises: as `Topics.create`."""
        return await self._topics.create(name, format, partition_count, overrides or {}, internal=False)

    def check_new_topic(
        self, name: str, *, partition_count: int | None = None, overrides: Mapping[str, str] | None = None
    ) -> int:
        """How many partitions a topic would get by `create_topic`. Raises: what that would raise."""
        count, _ = self._topics.check_new(name, partition_count, overrides or {}, internal=False)
        return count

    async def ensure_topic(self, name: str, *, format: Format) -> Topic:
        """The topic, made if it is not there. Raises: as `Topics.ensure`."""
        return await self._topics.ensure(name, format)

    async def open_table(self, name: str) -> TableLog:
        """The log of a table of the broker's own, made if it is not there. Raises: DiskFull."""
        await _ensure_internal(self._topics, name)
        return TableLog(self._store, name)

    async def alter_topic(
        self, name: str, *, partition_count: int | None = None, overrides: Mapping[str, str] | None = None
    ) -> Topic:
        """Add partitions and change settings; the value `default` takes one away. Raises: as `Topics.alter`."""
        return await self._topics.alter(name, partition_count, overrides or {})

    async def drop_topic(self, name: str) -> None:
        """Delete a topic, its records and what groups committed for it. Raises: as `Topics.drop`."""
        await self._topics.drop(name)
        await self.groups.offsets.forget_topic(name)

    def bounds(self, partition: TopicPartition) -> Bounds:
        """Where a partition begins and ends. Raises: UnknownTopic, UnknownPartition."""
        return self._store.bounds(partition)

    def statistics(self, partition: TopicPartition) -> LogStatistics:
        """How large a partition is. Raises: UnknownTopic, UnknownPartition."""
        return self._store.statistics(partition)

    def store_statistics(self) -> StoreStatistics:
        """What the store holds now, and what waits for it."""
        return self._store.store_statistics()

    @property
    def recovery(self) -> RecoveryStatistics:
        """How the store was opened."""
        return self._store.recovery

    # -- records -----------------------------------------------------------------------------------------------------

    def check_producible(self, partition: TopicPartition) -> Topic:
        """The topic of a partition that clients may write to.

        Raises: InvalidTopicName, UnknownTopic, UnknownPartition, InternalTopic.
        """
        topic = self._topics.check_partition(partition)
        if topic.internal:
            raise InternalTopic(topic.name)
        return topic

    def append(self, appends: Sequence[Append], *, atomic: bool = False, at_once: bool = False) -> Appending:
        """See `LogStore.append`. The caller has checked each partition with `check_producible`."""
        return self._store.append(appends, atomic=atomic, at_once=at_once)

    def room(self) -> asyncio.Future[None] | None:
        """See `LogStore.room`."""
        return self._store.room()

    def read_nowait(self, partition: TopicPartition, offset: int, size_max: int) -> Chunk | None:
        """See `LogStore.read_nowait`."""
        return self._store.read_nowait(partition, offset, size_max)

    async def read(self, partition: TopicPartition, offset: int, size_max: int) -> Chunk:
        """See `LogStore.read`."""
        return await self._store.read(partition, offset, size_max)

    async def trim(self, partition: TopicPartition, offset: int) -> int:
        """See `LogStore.trim`. Raises: UnknownTopic, UnknownPartition, InternalTopic, Unavailable."""
        self.check_producible(partition)
        return await self._store.trim(partition, offset)

    async def new_producer_id(self) -> int:
        """An id that no other producer has or had. Raises: DiskFull, Unavailable."""
        return await self._producer_ids.next()

    async def producers(self, partition: TopicPartition) -> list[ActiveProducer]:
        """See `LogStore.producers`."""
        return await self._store.producers(partition)

    async def find_timestamp(self, partition: TopicPartition, timestamp_ms: int) -> tuple[int, int]:
        """Offset and time of the first record whose time is at or after `timestamp_ms`; -1 and -1 if there is none.

        Records of a plain topic have no time of their own: there it is when they were committed, to the precision of
        an index entry. Raises: UnknownTopic, UnknownPartition, Damaged, Unavailable.
        """
        offset = await self._store.find_timestamp(partition, timestamp_ms)
        if offset >= self._store.bounds(partition).high_watermark:
            return -1, -1
        if self._topics.get(partition.topic).format is Format.PLAIN:
            return offset, timestamp_ms
        return await self._find_record(partition, offset, timestamp_ms)

    async def _find_record(self, partition: TopicPartition, offset: int, timestamp_ms: int) -> tuple[int, int]:
        while (chunk := await self._store.read(partition, offset, READ_SIZE)).data:
            for position, header in batches.headers(chunk.data):
                if header.max_timestamp_ms < timestamp_ms:
                    continue
                for record in decode(chunk.data[position : position + header.size], DECOMPRESSED_SIZE_MAX):
                    if record.timestamp_ms >= timestamp_ms:
                        return record.offset, record.timestamp_ms
            offset = chunk.next_offset
        return -1, -1

    async def wait(self, partition: TopicPartition, offset: int, timeout_s: float | None) -> bool:
        """`wait_any` for a single partition."""
        return await self._store.wait_any({partition: offset}, timeout_s)

    async def wait_any(self, offsets: Mapping[TopicPartition, int], timeout_s: float | None) -> bool:
        """See `LogStore.wait_any`."""
        return await self._store.wait_any(offsets, timeout_s)

    # -- committed offsets -------------------------------------------------------------------------------------------

    def check_partition(self, partition: TopicPartition) -> Topic:
        """The topic of a partition that exists. Raises: InvalidTopicName, UnknownTopic, UnknownPartition."""
        return self._topics.check_partition(partition)

    async def commit_offset(self, group: str, partition: TopicPartition, offset: int) -> None:
        """Remember how far a group has come, as an administrator says. Durability: as an append, when it returns.

        Raises: InvalidGroupName, GroupHasMembers, UnknownTopic, UnknownPartition, DiskFull, Throttled, Unavailable.
        """
        await self.commit_offsets(group, {partition: offset})

    async def commit_offsets(self, group: str, offsets: Mapping[TopicPartition, int]) -> None:
        """As `commit_offset`, for some partitions at once: all of them or none."""
        for partition in offsets:
            self._topics.check_partition(partition)
        now_ms = self._clock.now_ms()
        committed = {partition: CommittedOffset(offset, now_ms) for partition, offset in offsets.items()}
        if await self.groups.commit(group, Caller(""), NO_GENERATION, committed) is not None:
            raise GroupHasMembers(group)

    async def forget_offsets(self, group: str, partitions: Sequence[TopicPartition]) -> None:
        """Forget what a group committed for partitions of topics that no member reads. Durability: as `commit_offset`.

        Raises: InvalidGroupName, UnknownGroup, GroupHasMembers, DiskFull, Throttled, Unavailable.
        """
        self.group(group)
        kept = await self.groups.forget_offsets(group, partitions)
        if isinstance(kept, Refusal) or kept:
            raise GroupHasMembers(group)

    def committed_offset(self, group: str, partition: TopicPartition) -> int | None:
        """How far a group has come; None if it never committed. Raises: UnknownTopic, UnknownPartition."""
        self._topics.check_partition(partition)
        committed = self.groups.offsets.get(group, partition)
        return None if committed is None else committed.offset

    def group(self, name: str) -> GroupOverview:
        """A group as it stands. Raises: UnknownGroup."""
        overview = self.groups.describe(name)
        if overview.state == GroupState.DEAD:
            raise UnknownGroup(name)
        return overview

    def group_readers(self, name: str) -> list[Reader]:
        """The members of a group, each with the partitions that it reads. Raises: UnknownGroup."""
        consumers = self.groups.consumers.get(name)
        return classic_readers(self.group(name)) if consumers is None else consumer_readers(consumers, self._topics)

    def group_offsets(self, name: str) -> dict[TopicPartition, int]:
        """How far a group has come in each partition that it committed for."""
        return {partition: committed.offset for partition, committed in self.groups.offsets.of_group(name).items()}

    async def forget_group(self, name: str) -> None:
        """Delete a group without members, and all that it committed. Durability: as an append, when it returns.

        Raises: UnknownGroup, GroupHasMembers, DiskFull, Throttled, Unavailable.
        """
        self.group(name)
        if await self.groups.delete(name) is not None:
            raise GroupHasMembers(name)


async def _ensure_internal(topics: Topics, name: str) -> None:
    """A topic of the broker's own, of which no retention deletes anything."""
    keep = {"retention.ms": "none", "retention.bytes": "none"}
    try:
        settings = topics.get(name).settings
    except UnknownTopic:
        await topics.create(name, Format.PLAIN, 1, keep, internal=True)
        return
    if settings.retention_ms is not None or settings.retention_bytes is not None:
        await topics.alter(name, None, keep)
