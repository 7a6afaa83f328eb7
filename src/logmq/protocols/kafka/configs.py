"""Settings as Kafka's admin clients see them: names, types, where a value comes from, and what it would be otherwise.

    topic   its own value  >  the broker's setting  >  the default
    broker  the broker's setting  >  the default

A broker's settings stand in its flags, environment and file, so they are read-only here. Kafka writes "without limit"
as -1.
Source: KIP-133, KIP-226, KIP-569; Kafka's LogConfig and AbstractKafkaConfig for names and types.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache

from logmq.config import SETTINGS, TOPIC_SETTINGS, Config
from logmq.kept_settings import KEPT_SETTINGS
from logmq.model import SettingValue, Topic
from logmq.protocols.kafka.messages import Fields


class Resource(IntEnum):
    """What can have settings."""

    TOPIC = 2
    BROKER = 4


class Source(IntEnum):
    """Where a value comes from."""

    TOPIC = 1
    STATIC_BROKER = 4
    DEFAULT = 5


class Type(IntEnum):
    """What a value is."""

    BOOLEAN = 1
    STRING = 2
    INT = 3
    LONG = 5
    DOUBLE = 6
    LIST = 7


@dataclass(frozen=True, slots=True)
class TopicConfig:
    """One setting that topics have. `setting` is the broker's behind it, `broker_name` what Kafka calls that one."""

    name: str
    type: Type
    setting: str | None
    broker_name: str | None
    default: str
    meaning: str


@dataclass(frozen=True, slots=True)
class BrokerConfig:
    """One setting that a broker has: ours of that name, or a value that follows from there being one broker."""

    name: str
    type: Type
    setting: str | None
    fixed: str = ""
    meaning: str = ""


def _text(value: object) -> str:
    """A value as Kafka writes it."""
    if value is None:
        return "-1"
    return str(value).lower() if isinstance(value, bool) else str(value)


_ACTING = {
    "retention.ms": (Type.LONG, "log.retention.ms"),
    "retention.bytes": (Type.LONG, "log.retention.bytes"),
    "segment.bytes": (Type.INT, "log.segment.bytes"),
    "max.message.bytes": (Type.INT, "message.max.bytes"),
    "message.timestamp.type": (Type.STRING, "log.message.timestamp.type"),
    "cleanup.policy": (Type.LIST, "log.cleanup.policy"),
}

_KEPT_BROKER_NAMES = {
    "compression.gzip.level": "compression.gzip.level",
    "compression.lz4.level": "compression.lz4.level",
    "compression.type": "compression.type",
    "compression.zstd.level": "compression.zstd.level",
    "delete.retention.ms": "log.cleaner.delete.retention.ms",
    "file.delete.delay.ms": "log.segment.delete.delay.ms",
    "flush.messages": "log.flush.interval.messages",
    "flush.ms": "log.flush.interval.ms",
    "index.interval.bytes": "log.index.interval.bytes",
    "local.retention.bytes": "log.local.retention.bytes",
    "local.retention.ms": "log.local.retention.ms",
    "max.compaction.lag.ms": "log.cleaner.max.compaction.lag.ms",
    "message.timestamp.after.max.ms": "log.message.timestamp.after.max.ms",
    "message.timestamp.before.max.ms": "log.message.timestamp.before.max.ms",
    "min.cleanable.dirty.ratio": "log.cleaner.min.cleanable.ratio",
    "min.compaction.lag.ms": "log.cleaner.min.compaction.lag.ms",
    "min.insync.replicas": "min.insync.replicas",
    "preallocate": "log.preallocate",
    "segment.index.bytes": "log.index.size.max.bytes",
    "segment.jitter.ms": "log.roll.jitter.ms",
    "segment.ms": "log.roll.ms",
    "unclean.leader.election.enable": "unclean.leader.election.enable",
}


def _topic_configs() -> Iterator[TopicConfig]:
    for acting in TOPIC_SETTINGS.values():
        kind, acting_name = _ACTING[acting.name]
        default = _text(SETTINGS[acting.default].default)
        yield TopicConfig(acting.name, kind, acting.default, acting_name, default, acting.meaning)
    for kept in KEPT_SETTINGS.values():
        broker_name = _KEPT_BROKER_NAMES.get(kept.name)
        yield TopicConfig(kept.name, Type[kept.type], None, broker_name, kept.default, f"{kept.meaning}; only kept")


TOPIC_CONFIGS: Mapping[str, TopicConfig] = {
    each.name: each for each in sorted(_topic_configs(), key=lambda each: each.name)
}


def _broker_configs() -> Iterator[BrokerConfig]:
    for name, kind, setting in (
        ("auto.create.topics.enable", Type.BOOLEAN, "auto_create_topics"),
        ("connections.max.idle.ms", Type.LONG, "idle_timeout_ms"),
        ("log.cleanup.policy", Type.LIST, "cleanup_policy"),
        ("log.dirs", Type.STRING, "data_dir"),
        ("log.message.timestamp.type", Type.STRING, "message_timestamp_type"),
        ("log.retention.bytes", Type.LONG, "retention_bytes"),
        ("log.retention.check.interval.ms", Type.LONG, "retention_check_interval_ms"),
        ("log.retention.ms", Type.LONG, "retention_ms"),
        ("log.segment.bytes", Type.INT, "segment_size_bytes"),
        ("max.connections", Type.INT, "connections_max"),
        ("message.max.bytes", Type.INT, "message_size_max_bytes"),
        ("num.partitions", Type.INT, "partition_count"),
        ("producer.id.expiration.ms", Type.INT, "producer_id_expiration_ms"),
        ("socket.request.max.bytes", Type.INT, "kafka_request_size_max_bytes"),
    ):
        yield BrokerConfig(name, kind, setting, meaning=SETTINGS[setting].meaning)
    for name, kind, fixed, meaning in (
        ("broker.id", Type.INT, "0", "there is one broker"),
        ("node.id", Type.INT, "0", "there is one broker"),
        ("default.replication.factor", Type.INT, "1", "there is one broker"),
        ("offsets.topic.replication.factor", Type.INT, "1", "there is one broker"),
        ("transaction.state.log.min.isr", Type.INT, "1", "there is one broker"),
        ("transaction.state.log.replication.factor", Type.INT, "1", "there is one broker"),
        ("delete.topic.enable", Type.BOOLEAN, "true", "topics can be deleted"),
    ):
        yield BrokerConfig(name, kind, None, fixed, meaning)
    named = {config.broker_name: config for config in TOPIC_CONFIGS.values() if config.setting is None}
    for broker_name, topic_config in named.items():
        if broker_name is not None:
            yield BrokerConfig(broker_name, topic_config.type, None, topic_config.default, topic_config.meaning)


BROKER_CONFIGS: Mapping[str, BrokerConfig] = {
    each.name: each for each in sorted(_broker_configs(), key=lambda each: each.name)
}


# -- topics ------------------------------------------------------------------------------------------------------------


def describe_topic(topic: Topic, config: Config, names: Iterable[str] | None = None) -> list[Fields]:
    """A topic's settings, all or those named that there are."""
    return [_describe(TOPIC_CONFIGS[name], topic.overrides, config) for name in _chosen(TOPIC_CONFIGS, names)]


def _chosen(known: Iterable[str], names: Iterable[str] | None) -> Iterable[str]:
    if names is None:
        return known
    wanted = set(names)
    return [name for name in known if name in wanted]


def describe_new_topic(overrides: Mapping[str, SettingValue], config: Config) -> list[Fields]:
    """The settings of a topic that is not there yet."""
    return [_describe(each, overrides, config) for each in TOPIC_CONFIGS.values()]


def value_of(topic: Topic, name: str, config: Config) -> str:
    """The value in force of one setting."""
    return str(_describe(TOPIC_CONFIGS[name], topic.overrides, config)["value"])


def _describe(config: TopicConfig, overrides: Mapping[str, SettingValue], broker: Config) -> Fields:
    usual = _describe_usual(config, broker)
    if config.name not in overrides:
        return usual
    own = _synonym(config.name, _text(overrides[config.name]), Source.TOPIC)
    return _fields(config.name, config.type, config.meaning, [own, *usual["synonyms"]], read_only=False)


@lru_cache(256)
def _describe_usual(config: TopicConfig, broker: Config) -> Fields:
    """A setting that a topic has not set: the same for all of them, so that thousands of topics cost no memory."""
    if config.broker_name is not None and config.setting is not None:
        chain = _broker_chain(config.broker_name, config.setting, broker)
    else:
        chain = [_synonym(config.broker_name or config.name, config.default, Source.DEFAULT)]
    return _fields(config.name, config.type, config.meaning, chain, read_only=False)


def _broker_chain(name: str, setting: str, broker: Config) -> list[Fields]:
    """The broker's value, if it is not the default, and the default."""
    value, default = _text(getattr(broker, setting)), _text(SETTINGS[setting].default)
    default_entry = _synonym(name, default, Source.DEFAULT)
    return [default_entry] if value == default else [_synonym(name, value, Source.STATIC_BROKER), default_entry]


def _synonym(name: str, value: str, source: Source) -> Fields:
    return {"name": name, "value": value, "source": source}


def _fields(name: str, kind: Type, meaning: str, chain: list[Fields], *, read_only: bool) -> Fields:
    return {
        "name": name,
        "value": chain[0]["value"],
        "read_only": read_only,
        "config_source": chain[0]["source"],
        "is_sensitive": False,
        "synonyms": chain,
        "config_type": kind,
        "documentation": meaning,
    }


# -- the broker --------------------------------------------------------------------------------------------------------


def describe_broker(config: Config, names: Iterable[str] | None = None) -> list[Fields]:
    """The broker's settings, all or those named that there are."""
    return [_describe_broker_config(BROKER_CONFIGS[name], config) for name in _chosen(BROKER_CONFIGS, names)]


def _describe_broker_config(each: BrokerConfig, config: Config) -> Fields:
    if each.setting is None:
        chain = [_synonym(each.name, each.fixed, Source.DEFAULT)]
    else:
        chain = _broker_chain(each.name, each.setting, config)
    return _fields(each.name, each.type, each.meaning, chain, read_only=True)
