"""A broker in memory with the semantics of the real one, as far as the text protocol can tell.

Appends complete at once unless `held` is set: then they wait for `commit()`. Reads come from one bytes object a
partition; `cold` makes `read_nowait` answer None, so that the slow way is taken.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import cast

from logmq.broker.broker import Broker
from logmq.broker.groups.coordinator import CLASSIC, GroupOverview
from logmq.broker.groups.group import GroupState
from logmq.broker.groups.readers import Reader
from logmq.config import Config, parse_topic_settings, topic_settings
from logmq.errors import (
    InternalTopic,
    InvalidPartitionCount,
    LogMQError,
    OffsetOutOfRange,
    TopicExists,
    Unavailable,
    UnknownGroup,
    UnknownPartition,
    UnknownTopic,
)
from logmq.metrics import Metrics
from logmq.model import Bounds, Format, Topic, TopicPartition, check_topic_name
from logmq.records import frames
from logmq.storage.engine import Append, Appended, AppendResult, Chunk, LogStatistics


@dataclass
class FakeLog:
    """One partition: all bytes ever appended, and where the readable ones begin."""

    data: bytearray = field(default_factory=bytearray)
    log_start_offset: int = 0
    starts: list[int] = field(default_factory=list)


class FakeBroker:
    """See the module. `calls` has the number of partitions of each append."""

    def __init__(self, config: Config | None = None) -> None:
        self.config = config or Config()
        self.logs: dict[TopicPartition, FakeLog] = {}
        self.calls: list[int] = []
        self.reads = 0
        self.metrics = Metrics()
        self.held = False
        self.cold = False
        self.full: asyncio.Future[None] | None = None
        self.failure: LogMQError | None = None
        """What appends get instead of a place in the log."""
        self.damaged: dict[int, LogMQError] = {}
        """What a read at an offset gets."""
        self.creating: asyncio.Event | None = None
        """Creating a topic waits for this."""
        self._topics: dict[str, Topic] = {}
        self._log_id = 0
        self._waiting: list[tuple[Sequence[Append], asyncio.Future[list[AppendResult]]]] = []
        self._changed = asyncio.Condition()
        self._committed: dict[tuple[str, TopicPartition], int] = {}

    @property
    def face(self) -> Broker:
        """The same object under the type that is asked for."""
        return cast(Broker, self)

    # -- topics

    def topic(self, name: str) -> Topic:
        if name not in self._topics:
            raise UnknownTopic(check_topic_name(name))
        return self._topics[name]

    def topics(self) -> list[Topic]:
        return [self._topics[name] for name in sorted(self._topics)]

    async def create_topic(
        self,
        name: str,
        *,
        format: Format,
        partition_count: int | None = None,
        overrides: Mapping[str, str] | None = None,
    ) -> Topic:
        if self.creating is not None:
            await self.creating.wait()
        if name.startswith("__"):
            raise InternalTopic(name)
        return self.add_topic(name, format, 1 if partition_count is None else partition_count, overrides or {})

    def add_topic(
        self,
        name: str,
        format: Format = Format.PLAIN,
        count: int = 1,
        overrides: Mapping[str, str] | None = None,
    ) -> Topic:
        """`create_topic` without waiting, and for internal ones too."""
        check_topic_name(name)
        if not 1 <= count <= 10_000:
            raise InvalidPartitionCount(count, "a topic has 1 to 10000 partitions")
        values = parse_topic_settings(overrides or {})
        if name in self._topics:
            raise TopicExists(name)
        settings = topic_settings(self.config, values)
        self._topics[name] = Topic(name, format, (), values, settings, 0)
        self._grow(name, count)
        return self._topics[name]

    async def ensure_topic(self, name: str, *, format: Format) -> Topic:
        if name not in self._topics and not self.config.auto_create_topics:
            raise UnknownTopic(name)
        try:
            return await self.create_topic(name, format=format)
        except TopicExists:
            return self.topic(name)

    async def alter_topic(
        self, name: str, *, partition_count: int | None = None, overrides: Mapping[str, str] | None = None
    ) -> Topic:
        topic = self.topic(name)
        values = dict(topic.overrides)
        for setting, text in (overrides or {}).items():
            if text == "default":
                values.pop(setting, None)
            else:
                values |= parse_topic_settings({setting: text})
        self._topics[name] = replace(topic, overrides=values, settings=topic_settings(self.config, values))
        if partition_count is not None:
            self._grow(name, partition_count)
        return self._topics[name]

    def _grow(self, name: str, count: int) -> None:
        topic = self._topics[name]
        if count < topic.partition_count:
            raise InvalidPartitionCount(count, f"{name!r} has {topic.partition_count}, which can only grow")
        for index in range(topic.partition_count, count):
            self._log_id += 1
            self.logs[TopicPartition(name, index)] = FakeLog()
            self._topics[name] = replace(self._topics[name], log_ids=(*self._topics[name].log_ids, self._log_id))

    async def drop_topic(self, name: str) -> None:
        topic = self.topic(name)
        if topic.internal:
            raise InternalTopic(name)
        del self._topics[name]
        for partition in topic.partitions():
            del self.logs[partition]
        await self.announce()

    def bounds(self, partition: TopicPartition) -> Bounds:
        log = self._log(partition)
        return Bounds(log.log_start_offset, len(log.data), len(log.data), 0)

    def statistics(self, partition: TopicPartition) -> LogStatistics:
        return LogStatistics(len(self._log(partition).data), 1, None)

    def _log(self, partition: TopicPartition) -> FakeLog:
        topic = self.topic(partition.topic)
        if partition.index >= topic.partition_count:
            raise UnknownPartition(topic.name, partition.index, topic.partition_count)
        return self.logs[partition]

    # -- records

    def check_producible(self, partition: TopicPartition) -> Topic:
        topic = self.topic(partition.topic)
        if partition.index >= topic.partition_count:
            raise UnknownPartition(topic.name, partition.index, topic.partition_count)
        if topic.internal:
            raise InternalTopic(topic.name)
        return topic

    def append(self, appends: Sequence[Append], *, at_once: bool = False) -> asyncio.Future[list[AppendResult]]:
        future: asyncio.Future[list[AppendResult]] = asyncio.get_running_loop().create_future()
        self.calls.append(len(appends))
        if self.held:
            self._waiting.append((appends, future))
        else:
            future.set_result([self._store(append) for append in appends])
        return future

    def commit(self, count: int | None = None) -> int:
        """Complete appends that are held; returns how many."""
        ready, self._waiting = self._waiting[:count], self._waiting[len(self._waiting[:count]) :]
        for appends, future in ready:
            future.set_result([self._store(append) for append in appends])
        return len(ready)

    def _store(self, append: Append) -> AppendResult:
        if self.failure is not None:
            return self.failure
        log = self.logs.get(append.partition)
        if log is None:
            return Unavailable("dropped")
        first = len(log.data)
        log.data += append.data
        log.starts += [first + start for start in append.starts]
        return Appended(first, len(log.data), 0)

    def room(self) -> asyncio.Future[None] | None:
        return self.full if self.full is not None and not self.full.done() else None

    def read_nowait(self, partition: TopicPartition, offset: int, size_max: int) -> Chunk | None:
        return None if self.cold else self._read(partition, offset, size_max)

    async def read(self, partition: TopicPartition, offset: int, size_max: int) -> Chunk:
        await asyncio.sleep(0)
        return self._read(partition, offset, size_max)

    def _read(self, partition: TopicPartition, offset: int, size_max: int) -> Chunk:
        self.reads += 1
        log = self._log(partition)
        if offset in self.damaged:
            raise self.damaged[offset]
        if offset >= len(log.data):
            return Chunk(len(log.data), len(log.data), b"")
        if offset < log.log_start_offset:
            raise OffsetOutOfRange(offset, log.log_start_offset, len(log.data))
        index = bisect_left(log.starts, offset)
        if index == len(log.starts):  # inside the last record
            return Chunk(len(log.data), len(log.data), b"")
        first = log.starts[index]
        last = max(bisect_right(log.starts, first + size_max) - 1, index + 1)
        end = log.starts[last] if last < len(log.starts) else len(log.data)
        if len(log.data) - first <= size_max:
            end = len(log.data)
        return Chunk(first, end, bytes(memoryview(log.data)[first:end]))

    async def wait(self, partition: TopicPartition, offset: int, timeout_s: float | None) -> bool:
        assert timeout_s is None
        async with self._changed:
            await self._changed.wait_for(lambda: len(self._log(partition).data) > offset)
        return True

    async def announce(self) -> None:
        """Let those who wait look again."""
        async with self._changed:
            self._changed.notify_all()

    async def put(self, partition: TopicPartition, *payloads: bytes) -> None:
        """Append without a client."""
        data, starts = frames.encode(payloads)
        self._store(Append(partition, data, starts, starts, len(data)))
        await self.announce()

    # -- committed offsets

    async def commit_offset(self, group: str, partition: TopicPartition, offset: int) -> None:
        self._log(partition)
        await asyncio.sleep(0)
        self._committed[group, partition] = offset

    def committed_offset(self, group: str, partition: TopicPartition) -> int | None:
        self._log(partition)
        return self._committed.get((group, partition))

    @property
    def groups(self) -> FakeBroker:
        return self

    def overviews(self) -> list[GroupOverview]:
        return [self.group(name) for name in sorted({group for group, _ in self._committed})]

    def group(self, name: str) -> GroupOverview:
        if not self.group_offsets(name):
            raise UnknownGroup(name)
        return GroupOverview(name, CLASSIC, GroupState.EMPTY, "")

    def group_readers(self, name: str) -> list[Reader]:
        return []

    def group_offsets(self, name: str) -> dict[TopicPartition, int]:
        return {partition: offset for (group, partition), offset in self._committed.items() if group == name}

    async def forget_group(self, name: str) -> None:
        for partition in [*self.group_offsets(self.group(name).name)]:
            del self._committed[name, partition]
