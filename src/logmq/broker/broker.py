"""The broker as protocols see it (sketch: signatures only; being implemented)."""
from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from logmq.model import Bounds, Format, Topic, TopicPartition
from logmq.storage.engine import Append, AppendResult, Chunk, LogStatistics


class Broker:
    # -- topics ---------------------------------------------------------------------------------------------------
    def topic(self, name: str) -> Topic: ...                      # raises UnknownTopic (InvalidTopicName if illegal)
    def topics(self) -> list[Topic]: ...                          # by name, internal ones included
    async def create_topic(self, name: str, *, format: Format, partition_count: int | None = None,
                           overrides: Mapping[str, str] | None = None) -> Topic: ...  # TopicExists, InvalidSetting, InvalidPartitionCount, InvalidTopicName, InternalTopic, DiskFull
    async def ensure_topic(self, name: str, *, format: Format) -> Topic: ...   # returns it, or creates it with the default partition count
    async def alter_topic(self, name: str, *, partition_count: int | None = None,
                          overrides: Mapping[str, str] | None = None) -> Topic: ...  # a value "default" resets; 
    async def drop_topic(self, name: str) -> None: ...            # UnknownTopic, InternalTopic
    def bounds(self, partition: TopicPartition) -> Bounds: ...
    def statistics(self, partition: TopicPartition) -> LogStatistics: ...

    # -- records --------------------------------------------------------------------------------------------------
    def check_producible(self, partition: TopicPartition) -> Topic: ...  # raises UnknownTopic, UnknownPartition, InternalTopic
    def append(self, appends: Sequence[Append]) -> asyncio.Future[list[AppendResult]]: ...
    # ^ the caller has encoded the records with logmq.records.frames and called check_producible
    def read_nowait(self, partition: TopicPartition, offset: int, size_max: int) -> Chunk | None: ...
    async def read(self, partition: TopicPartition, offset: int, size_max: int) -> Chunk: ...
    async def wait(self, partition: TopicPartition, offset: int, timeout_s: float | None) -> bool: ...

    # -- committed offsets of groups -------------------------------------------------------------------------------
    async def commit_offset(self, group: str, partition: TopicPartition, offset: int) -> None: ...   # InvalidGroupName, UnknownTopic, UnknownPartition
    def committed_offset(self, group: str, partition: TopicPartition) -> int | None: ...
