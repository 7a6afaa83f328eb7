"""What a topic may have of its own, and what holds for it."""

from __future__ import annotations

import dataclasses

import pytest

from logmq.config import SETTINGS, TOPIC_SETTINGS, Config, parse_topic_settings, topic_settings
from logmq.errors import InvalidSetting
from logmq.model import TopicSettings


def test_topic_settings_are_read_by_kafkas_names() -> None:
    """Units are accepted; -1 and none take the limit off retention."""
    texts = {"retention.ms": "7d", "retention.bytes": "-1", "segment.bytes": "64MiB", "max.message.bytes": "1000"}
    assert parse_topic_settings(texts) == {
        "retention.ms": 604_800_000,
        "retention.bytes": None,
        "segment.bytes": 67_108_864,
        "max.message.bytes": 1000,
    }
    assert parse_topic_settings({"retention.ms": "none"}) == {"retention.ms": None}
    assert parse_topic_settings({"message.timestamp.type": "logappendtime", "cleanup.policy": "compact, delete"}) == {
        "message.timestamp.type": "LogAppendTime",
        "cleanup.policy": "compact,delete",
    }


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("segment.bytes", "-1"),
        ("max.message.bytes", "0"),
        ("max.message.bytes", "none"),
        ("retention.ms", "soon"),
        ("retention.ms", ""),
        ("cleanup.policy", "forget"),
        ("cleanup.policy", "delete,delete"),
        ("message.timestamp.type", "now"),
        ("retention_ms", "1"),
        ("", ""),
    ],
)
def test_an_impossible_topic_setting_is_refused_by_name(name: str, text: str) -> None:
    """Unknown names and values out of range raise InvalidSetting with the name and the reason."""
    with pytest.raises(InvalidSetting) as caught:
        parse_topic_settings({name: text})
    assert caught.value.name == name
    assert "only retention.ms" in caught.value.reason or "it takes" in caught.value.reason


def test_a_topics_own_values_lie_over_the_brokers() -> None:
    """Only what was set for the topic differs from the broker's settings; None there is without limit."""
    config = Config(retention_ms=5, retention_bytes=6, segment_size_bytes=7000, message_size_max_bytes=8)
    assert topic_settings(config, {}) == TopicSettings(5, 6, 7000, 8)
    assert topic_settings(config, {"retention.ms": None, "segment.bytes": 9000}) == TopicSettings(None, 6, 9000, 8)


def test_the_topic_table_covers_the_topic_model() -> None:
    """Each field of TopicSettings can be set, and its default is a setting of the broker of the same kind."""
    defaults = [setting.default for setting in TOPIC_SETTINGS.values()]
    assert defaults == [each.name for each in dataclasses.fields(TopicSettings)]
    assert [setting.kind for setting in TOPIC_SETTINGS.values()] == [SETTINGS[name].kind for name in defaults]
