"""The settings that a topic may have of its own, under Kafka's names; the broker's are their defaults."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from logmq.config import kinds
from logmq.config.kinds import Kind
from logmq.config.settings import Config
from logmq.errors import InvalidSetting
from logmq.model import SettingValue, TopicSettings


@dataclass(frozen=True, slots=True)
class TopicSetting:
    """One row of the topics' table: Kafka's name, the broker setting that is its default, kind, meaning."""

    name: str
    default: str
    kind: Kind[Any]
    meaning: str


TOPIC_SETTINGS: Mapping[str, TopicSetting] = {
    each.name: each
    for each in (
        TopicSetting(
            "retention.ms",
            "retention_ms",
            kinds.RETENTION_TIME,
            "age at which the topic's old segments are deleted",
        ),
        TopicSetting(
            "retention.bytes",
            "retention_bytes",
            kinds.RETENTION_SIZE,
            "size of a partition above which its oldest segments are deleted",
        ),
        TopicSetting(
            "segment.bytes",
            "segment_size_bytes",
            kinds.SEGMENT_SIZE,
            "size at which a log goes on in a new segment",
        ),
        TopicSetting(
            "max.message.bytes", "message_size_max_bytes", kinds.MESSAGE_SIZE, "largest message the topic takes"
        ),
        TopicSetting(
            "message.timestamp.type",
            "message_timestamp_type",
            kinds.TIMESTAMP_TYPE,
            "whose clock dates a record: its producer's, or LogAppendTime the broker's",
        ),
        TopicSetting(
            "cleanup.policy",
            "cleanup_policy",
            kinds.CLEANUP_POLICY,
            "what becomes of old records; compact alone keeps all of them: nothing is compacted yet",
        ),
    )
}


def parse_topic_settings(texts: Mapping[str, str]) -> dict[str, SettingValue]:
    """Values of topic settings from their texts, by the same names; None is without limit.

    Raises:
        InvalidSetting: there is no such setting, or its value is not allowed.
    """
    values: dict[str, SettingValue] = {}
    for name, text in texts.items():
        setting = TOPIC_SETTINGS.get(name)
        if setting is None:
            raise InvalidSetting(name, f"a topic has no such setting, only {', '.join(TOPIC_SETTINGS)}")
        try:
            values[name] = setting.kind.parse(text.strip())
        except ValueError:
            raise InvalidSetting(name, f"{text!r} is not allowed; it takes {setting.kind.allowed}") from None
    return values


def topic_settings(config: Config, overrides: Mapping[str, SettingValue]) -> TopicSettings:
    """What holds for a topic: its own settings, by name, laid over the broker's."""
    values: dict[str, Any] = {
        setting.default: overrides.get(name, getattr(config, setting.default))
        for name, setting in TOPIC_SETTINGS.items()
    }
    return TopicSettings(**values)
