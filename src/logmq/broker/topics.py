"""The topics of this broker: their names and settings as Meta has them, their logs as the store keeps them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping

from logmq.config import Config
from logmq.errors import InternalTopic, InvalidPartitionCount, TopicExists, UnknownPartition, UnknownTopic
from logmq.kept_settings import check_names, parse_overrides
from logmq.limits import PARTITION_COUNT_MAX
from logmq.model import Format, SettingValue, Topic, TopicPartition, check_topic_name
from logmq.storage.engine import LogSpec, LogStore, Meta

DEFAULT = "default"
"""The value that takes a topic's own setting away again."""


def specs_of(topic: Topic, first: int = 0) -> list[LogSpec]:
    """What the store must know of a topic's partitions, from partition `first` on."""
    return [
        LogSpec(TopicPartition(topic.name, index), log_id, topic.format, topic.settings)
        for index, log_id in enumerate(topic.log_ids)
        if index >= first
    ]


class Topics:
    """Names to topics. Changes go to Meta first, so that a crash in between leaves nothing that is not known."""

    def __init__(self, meta: Meta, store: LogStore, config: Config, topics: Iterable[Topic]) -> None:
        self._meta = meta
        self._store = store
        self._config = config
        self._by_name = {topic.name: topic for topic in topics}
        self.version = 0
        """Grows with every change: who keeps something worked out from topics sees by it that they are others now."""
        self._changing = asyncio.Lock()

    def __iter__(self) -> Iterator[Topic]:
        return iter(sorted(self._by_name.values(), key=lambda topic: topic.name))

    def get(self, name: str) -> Topic:
        """The topic of this name. Raises: InvalidTopicName, UnknownTopic."""
        topic = self._by_name.get(name)
        if topic is None:
            raise UnknownTopic(check_topic_name(name))
        return topic

    def check_partition(self, partition: TopicPartition) -> Topic:
        """The topic of a partition that exists. Raises: InvalidTopicName, UnknownTopic, UnknownPartition."""
        topic = self.get(partition.topic)
        if not 0 <= partition.index < len(topic.log_ids):
            raise UnknownPartition(topic.name, partition.index, len(topic.log_ids))
        return topic

    def check_new(
        self, name: str, partition_count: int | None, overrides: Mapping[str, str], *, internal: bool
    ) -> tuple[int, dict[str, SettingValue]]:
        """How many partitions and which settings a new topic would have.

        Raises: InvalidTopicName, InternalTopic, TopicExists, InvalidPartitionCount, InvalidSetting.
        """
        check_topic_name(name)
        if name.startswith("__") and not internal:
            raise InternalTopic(name)
        count = self._config.partition_count if partition_count is None else partition_count
        _check_count(count)
        if name in self._by_name:
            raise TopicExists(name)
        return count, parse_overrides(overrides)

    async def create(
        self, name: str, format: Format, partition_count: int | None, overrides: Mapping[str, str], *, internal: bool
    ) -> Topic:
        """Make a topic with empty logs. Durability: it survives a power cut when it returns.

        Raises: InvalidTopicName, InternalTopic, TopicExists, InvalidPartitionCount, InvalidSetting, DiskFull,
            Throttled.
        """
        count, values = self.check_new(name, partition_count, overrides, internal=internal)
        async with self._changing:
            if name in self._by_name:
                raise TopicExists(name)
            topic = await self._meta.create_topic(name, format, count, values)
            try:
                await self._store.create(specs_of(topic))
            except BaseException:
                await self._meta.begin_drop(name)
                await self._meta.finish_drop(name)
                raise
            self._by_name[name] = topic
            self.version += 1
        return topic

    async def ensure(self, name: str, format: Format) -> Topic:
        """The topic, made if it is not there and topics may be made so. Raises: as `create`, UnknownTopic."""
        if name in self._by_name:
            return self._by_name[name]
        if not self._config.auto_create_topics:
            raise UnknownTopic(check_topic_name(name))
        try:
            return await self.create(name, format, None, {}, internal=False)
        except TopicExists:  # somebody else was quicker
            return self.get(name)

    async def alter(self, name: str, partition_count: int | None, overrides: Mapping[str, str]) -> Topic:
        """Add partitions and change settings.

        Raises: UnknownTopic, InternalTopic, InvalidPartitionCount, InvalidSetting, DiskFull, Throttled.
        """
        reset = [setting for setting, text in overrides.items() if text.lower() == DEFAULT]
        check_names(reset)
        values = parse_overrides({setting: text for setting, text in overrides.items() if setting not in reset})
        async with self._changing:
            topic = self.get(name)
            if topic.internal:
                raise InternalTopic(name)
            if overrides:
                kept = {setting: value for setting, value in topic.overrides.items() if setting not in reset}
                topic = await self._meta.alter_topic(name, {**kept, **values})
                await self._store.configure(specs_of(topic))
                self._by_name[name] = topic
            if partition_count is not None:
                topic = await self._add_partitions(topic, partition_count)
        return topic

    async def _add_partitions(self, topic: Topic, partition_count: int) -> Topic:
        _check_count(partition_count)
        before = topic.partition_count
        if partition_count < before:
            raise InvalidPartitionCount(partition_count, f"{topic.name!r} has {before}, which can only grow")
        topic = await self._meta.add_partitions(topic.name, partition_count)
        await self._store.create(specs_of(topic, first=before))
        self._by_name[topic.name] = topic
        self.version += 1
        return topic

    async def drop(self, name: str) -> None:
        """Delete a topic with its records. Durability: it is gone for good when it returns.

        Raises: UnknownTopic, InternalTopic.
        """
        async with self._changing:
            topic = self.get(name)
            if topic.internal:
                raise InternalTopic(name)
            await self._meta.begin_drop(name)
            del self._by_name[name]
            self.version += 1
            await self._store.drop(topic.partitions())
            await self._meta.finish_drop(name)


def _check_count(count: int) -> None:
    if not 1 <= count <= PARTITION_COUNT_MAX:
        raise InvalidPartitionCount(count, f"a topic has 1 to {PARTITION_COUNT_MAX} partitions")
