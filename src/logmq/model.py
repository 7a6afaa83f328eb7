"""The nouns every layer shares: partitions, topics, their settings, and where a partition begins and ends."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple, TypeAlias

from logmq.errors import InvalidTopicName
from logmq.limits import TOPIC_NAME_SIZE_MAX

_TOPIC_NAME = re.compile(rf"[A-Za-z0-9._-]{{1,{TOPIC_NAME_SIZE_MAX}}}")


Octets: TypeAlias = bytes | bytearray | memoryview
"""Bytes to be read, wherever they lie: views of a buffer save copies."""

SettingValue: TypeAlias = int | str | None
"""What one setting of a topic can be; None is without limit."""


class TopicPartition(NamedTuple):
    """One partition of a topic, written `topic/index` for people."""

    topic: str
    index: int  # type: ignore[assignment]  # hides tuple.index, which nobody needs here

    def __str__(self) -> str:
        return f"{self.topic}/{self.index}"


class Format(StrEnum):
    """How a topic's records lie on disk; fixed when the topic is created."""

    PLAIN = "plain"
    """Frames of a 4-byte big-endian length and the payload; a record's offset is its byte position."""
    BATCH = "batch"
    """Kafka record batches, back to back; a record's offset is its number."""


@dataclass(frozen=True, slots=True)
class TopicSettings:
    """What may be set for one topic. `None` means without limit. Sizes in bytes, times in milliseconds."""

    retention_ms: int | None
    retention_bytes: int | None
    segment_size_bytes: int
    message_size_max_bytes: int
    message_timestamp_type: str = "CreateTime"
    """Whose clock dates a record: its producer's, or with `LogAppendTime` the broker's."""
    cleanup_policy: str = "delete"
    """What becomes of old records: `delete`, `compact` or both, with a comma between."""

    @property
    def may_delete(self) -> bool:
        """Whether old records may go; a topic that is only compacted keeps the last record of each key."""
        return "delete" in self.cleanup_policy.split(",")

    @property
    def has_retention(self) -> bool:
        """Whether there is an age or a size beyond which records are deleted."""
        return self.may_delete and not (self.retention_ms is None and self.retention_bytes is None)


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic as it stands in Meta.

    `overrides` holds only what was set for this topic, by setting name; `settings` is the result of
    laying them over the broker's defaults. `log_ids` has one id a partition: a log's id is never used
    again, so that a topic dropped and created anew shares nothing with its predecessor.
    """

    name: str
    format: Format
    log_ids: tuple[int, ...]
    overrides: Mapping[str, SettingValue]
    settings: TopicSettings
    created_ms: int

    @property
    def partition_count(self) -> int:
        """The number of partitions, at least one."""
        return len(self.log_ids)

    @property
    def internal(self) -> bool:
        """Whether the broker keeps its own state in it; clients may read but not write or drop it."""
        return self.name.startswith("__")

    def partitions(self) -> list[TopicPartition]:
        """Its partitions in order."""
        return [TopicPartition(self.name, index) for index in range(len(self.log_ids))]


@dataclass(frozen=True, slots=True)
class Bounds:
    """Where a partition's readable records begin and end: `[log_start_offset, high_watermark)`.

    `last_stable_offset` is where readers that want only decided transactions must stop.
    """

    log_start_offset: int
    high_watermark: int
    last_stable_offset: int
    leader_epoch: int

    def lag(self, offset: int) -> int:
        """How far a reader at `offset` has yet to go; what is not kept any more cannot be read and does not count."""
        return max(0, self.high_watermark - max(offset, self.log_start_offset))


def check_topic_name(name: str) -> str:
    """Return `name` if it is a legal topic name.

    Raises:
        InvalidTopicName: the name is not `[A-Za-z0-9._-]{1,249}`, or is `.` or `..`.
    """
    if _TOPIC_NAME.fullmatch(name) is None or name in {".", ".."}:
        raise InvalidTopicName(name)
    return name
