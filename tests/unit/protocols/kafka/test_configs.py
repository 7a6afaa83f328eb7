"""Settings as Kafka's admin clients see and change them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from kio.schema.errors import ErrorCode
from tests.unit.protocols.kafka.admin_session import AdminSession, admin_session

from logmq.config import TOPIC_SETTINGS, Config
from logmq.kept_settings import KEPT_SETTINGS
from logmq.limits import ADMIN_ITEMS_MAX
from logmq.protocols.kafka.configs import BROKER_CONFIGS, TOPIC_CONFIGS

TOPIC, BROKER, LOGGER = 2, 4, 8
SET, DELETE, APPEND, SUBTRACT = range(4)

KAFKA_4_TOPIC_CONFIGS = {
    "cleanup.policy",
    "compression.gzip.level",
    "compression.lz4.level",
    "compression.type",
    "compression.zstd.level",
    "delete.retention.ms",
    "file.delete.delay.ms",
    "flush.messages",
    "flush.ms",
    "follower.replication.throttled.replicas",
    "index.interval.bytes",
    "leader.replication.throttled.replicas",
    "local.retention.bytes",
    "local.retention.ms",
    "max.compaction.lag.ms",
    "max.message.bytes",
    "message.timestamp.after.max.ms",
    "message.timestamp.before.max.ms",
    "message.timestamp.type",
    "min.cleanable.dirty.ratio",
    "min.compaction.lag.ms",
    "min.insync.replicas",
    "preallocate",
    "remote.copy.disable",
    "remote.log.delete.on.disable",
    "remote.storage.enable",
    "retention.bytes",
    "retention.ms",
    "segment.bytes",
    "segment.index.bytes",
    "segment.jitter.ms",
    "segment.ms",
    "unclean.leader.election.enable",
}


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[AdminSession]:
    async with admin_session(tmp_path) as session:
        yield session


async def describe(client: AdminSession, kind: int, name: str, keys: Any = None, **options: bool) -> Any:
    resource = {"resource_type": kind, "resource_name": name, "configuration_keys": keys}
    options = {"include_synonyms": False, "include_documentation": False} | options
    (result,) = (await client.ask("describe_configs", resources=(resource,), **options)).results
    assert (result.resource_type, result.resource_name) == (kind, name)
    return result


async def values(client: AdminSession, name: str, *keys: str) -> list[tuple[str, int]]:
    found = (await describe(client, TOPIC, name, keys)).configs
    by_name = {config.name: (config.value, config.config_source) for config in found}
    return [by_name[key] for key in keys]


async def replace(client: AdminSession, name: str, kind: int = TOPIC, only: bool = False, **texts: str) -> ErrorCode:
    configs = [{"name": key.replace("_", "."), "value": value} for key, value in texts.items()]
    resource = {"resource_type": kind, "resource_name": name, "configs": configs}
    response = await client.ask("alter_configs", resources=(resource,), validate_only=only)
    code: ErrorCode = response.responses[0].error_code
    return code


async def change(
    client: AdminSession, *changes: tuple[str, int, str | None], name: str = "t", only: bool = False, kind: int = TOPIC
) -> ErrorCode:
    configs = [{"name": key, "config_operation": operation, "value": value} for key, operation, value in changes]
    resource = {"resource_type": kind, "resource_name": name, "configs": configs}
    response = await client.ask("incremental_alter_configs", resources=(resource,), validate_only=only)
    code: ErrorCode = response.responses[0].error_code
    return code


# -- describing --------------------------------------------------------------------------------------------------------


def test_every_setting_that_kafka_4_has_is_there() -> None:
    """No more and no fewer, and each that a topic of ours can have."""
    assert set(TOPIC_CONFIGS) == KAFKA_4_TOPIC_CONFIGS
    assert {*TOPIC_SETTINGS, *KEPT_SETTINGS} == set(TOPIC_CONFIGS)
    for config in TOPIC_CONFIGS.values():
        assert config.broker_name is None or config.broker_name in BROKER_CONFIGS, config.name


async def test_a_value_has_the_source_that_it_comes_from(tmp_path: Path) -> None:
    """The topic's own, the broker's where it was set, else the default; without limit is -1."""
    async with admin_session(tmp_path, Config(data_dir=tmp_path, segment_size_bytes=1 << 20)) as client:
        await client.make("t", retention_ms="7d", min_insync_replicas="2")
        names = ("retention.ms", "min.insync.replicas", "segment.bytes", "retention.bytes", "flush.ms")
        assert await values(client, "t", *names) == [
            ("604800000", 1),
            ("2", 1),
            ("1048576", 4),
            ("-1", 5),
            (str(2**63 - 1), 5),
        ]


async def test_synonyms_and_documentation_come_when_asked_for(client: AdminSession) -> None:
    """Synonyms are what a value is and would be, nearest first, by the names that each level has."""
    await client.make("t", retention_ms="5")
    bare = (await describe(client, TOPIC, "t", ("retention.ms",))).configs[0]
    assert (bare.synonyms, bare.documentation) == ((), None)
    full = (
        await describe(client, TOPIC, "t", ("retention.ms",), include_synonyms=True, include_documentation=True)
    ).configs[0]
    assert [(one.name, one.value, one.source) for one in full.synonyms] == [
        ("retention.ms", "5", 1),
        ("log.retention.ms", "-1", 5),
    ]
    assert "segments" in full.documentation
    assert (full.config_type, full.read_only, full.is_sensitive) == (5, False, False)


async def test_types_are_kafkas(client: AdminSession) -> None:
    """Clients parse values by them."""
    await client.make("t")
    types = {config.name: config.config_type for config in (await describe(client, TOPIC, "t")).configs}
    assert {types["cleanup.policy"], types["leader.replication.throttled.replicas"]} == {7}
    assert (types["preallocate"], types["min.cleanable.dirty.ratio"], types["max.message.bytes"]) == (1, 6, 3)
    assert (types["compression.type"], types["retention.bytes"]) == (2, 5)


async def test_the_brokers_settings_are_read_only(client: AdminSession) -> None:
    """Broker 0 shows what is in force, by Kafka's names; the default for all brokers is empty; no other is known."""
    await client.make("t")
    shown = {config.name: config for config in (await describe(client, BROKER, "0")).configs}
    assert set(shown) == set(BROKER_CONFIGS) and all(config.read_only for config in shown.values())
    assert (shown["num.partitions"].value, shown["auto.create.topics.enable"].value) == ("1", "true")
    assert shown["log.dirs"].value == str(client.context.config.data_dir)
    everyone = await describe(client, BROKER, "")
    assert (everyone.error_code, everyone.configs) == (ErrorCode.none, ())
    assert (await describe(client, BROKER, "1")).error_code is ErrorCode.invalid_request
    assert await replace(client, "0", BROKER, num_partitions="3") is ErrorCode.invalid_request
    assert await change(client, ("num.partitions", SET, "3"), name="0", kind=BROKER) is ErrorCode.invalid_request


async def test_what_has_no_settings_is_said_by_code(client: AdminSession) -> None:
    """Unknown topics, names that cannot be, and kinds of things that have no settings here."""
    assert (await describe(client, TOPIC, "t")).error_code is ErrorCode.unknown_topic_or_partition
    assert (await describe(client, TOPIC, "a b")).error_code is ErrorCode.invalid_topic_exception
    assert (await describe(client, LOGGER, "0")).error_code is ErrorCode.invalid_request
    assert await replace(client, "t") is ErrorCode.unknown_topic_or_partition
    assert await change(client, name="0", kind=LOGGER) is ErrorCode.invalid_request


# -- altering ----------------------------------------------------------------------------------------------------------


async def test_replacing_leaves_nothing_of_what_was_set(tmp_path: Path) -> None:
    """AlterConfigs: what is named is set, all else follows the broker; so it is after a restart."""
    async with admin_session(tmp_path) as client:
        await client.make("t", retention_ms="5", preallocate="true")
        assert await replace(client, "t", segment_bytes="2048", only=True) is ErrorCode.none
        assert client.broker.topic("t").settings.retention_ms == 5
        assert await replace(client, "t", segment_bytes="2048", flush_ms="9") is ErrorCode.none
    async with admin_session(tmp_path) as client:
        assert client.broker.topic("t").overrides == {"segment.bytes": 2048, "flush.ms": "9"}
        assert client.broker.topic("t").settings.segment_size_bytes == 2048
        assert await replace(client, "t") is ErrorCode.none
        assert client.broker.topic("t").overrides == {}


async def test_single_settings_are_set_and_taken_away(client: AdminSession) -> None:
    """IncrementalAlterConfigs touches only what it names; the settings act at once."""
    await client.make("t", retention_ms="5", max_message_bytes="100")
    done = await change(client, ("retention.ms", DELETE, None), ("message.timestamp.type", SET, "LogAppendTime"))
    assert done is ErrorCode.none
    settings = client.broker.topic("t").settings
    assert (settings.retention_ms, settings.message_size_max_bytes) == (None, 100)
    assert settings.message_timestamp_type == "LogAppendTime"
    assert await change(client, ("flush.ms", SET, "1"), only=True) is ErrorCode.none
    assert "flush.ms" not in client.broker.topic("t").overrides


async def test_lists_grow_and_shrink(client: AdminSession) -> None:
    """From the value in force, each word once; a list that may not be empty stays."""
    await client.make("t")

    async def after(operation: int, value: str) -> tuple[ErrorCode, str]:
        code = await change(client, ("cleanup.policy", operation, value))
        return code, client.broker.topic("t").settings.cleanup_policy

    assert await after(APPEND, "compact") == (ErrorCode.none, "delete,compact")
    assert await after(APPEND, "compact") == (ErrorCode.none, "delete,compact")
    assert await after(SUBTRACT, "delete") == (ErrorCode.none, "compact")
    assert await after(SUBTRACT, "compact") == (ErrorCode.invalid_config, "compact")
    assert await after(APPEND, "forget") == (ErrorCode.invalid_config, "compact")


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ([("colour", SET, "red")], ErrorCode.invalid_config),
        ([("colour", DELETE, None)], ErrorCode.invalid_config),
        ([("retention.ms", SET, "soon")], ErrorCode.invalid_config),
        ([("retention.ms", SET, None)], ErrorCode.invalid_config),
        ([("retention.ms", APPEND, "1")], ErrorCode.invalid_config),
        ([("retention.ms", 9, "1")], ErrorCode.invalid_request),
        ([("retention.ms", SET, "1"), ("retention.ms", SET, "2")], ErrorCode.invalid_request),
        ([("segment.bytes", SET, "2048"), ("retention.ms", SET, "soon")], ErrorCode.invalid_config),
    ],
)
async def test_a_change_that_cannot_be_changes_nothing(
    client: AdminSession, changes: list[tuple[str, int, str | None]], code: ErrorCode
) -> None:
    """Refused with Kafka's code, and none of the request's settings is touched."""
    await client.make("t", retention_ms="5")
    assert await change(client, *changes) is code
    assert client.broker.topic("t").overrides == {"retention.ms": 5}


async def test_the_brokers_own_topics_cannot_be_changed(client: AdminSession) -> None:
    """Their retention would delete what groups committed."""
    assert await change(client, ("retention.ms", SET, "1"), name="__consumer_offsets") is (
        ErrorCode.invalid_topic_exception
    )
    assert await replace(client, "__consumer_offsets", retention_ms="1") is ErrorCode.invalid_topic_exception


async def test_a_resource_given_twice_is_refused(client: AdminSession) -> None:
    """Which of the two was meant nobody knows."""
    await client.make("t")
    resource = {"resource_type": TOPIC, "resource_name": "t", "configs": ({"name": "flush.ms", "value": "1"},)}
    response = await client.ask("alter_configs", resources=(resource, resource), validate_only=False)
    assert {one.error_code for one in response.responses} == {ErrorCode.invalid_request}
    assert client.broker.topic("t").overrides == {}


async def test_a_request_names_so_many_resources_at_most(client: AdminSession) -> None:
    """Those beyond the limit are refused with a code each: few bytes must not become gigabytes."""
    await client.make("t")
    resource = {"resource_type": TOPIC, "resource_name": "t", "configuration_keys": ("retention.ms",)}
    response = await client.ask(
        "describe_configs",
        resources=(resource,) * (ADMIN_ITEMS_MAX + 2),
        include_synonyms=False,
        include_documentation=False,
    )
    codes = [result.error_code for result in response.results]
    assert codes == [ErrorCode.none] * ADMIN_ITEMS_MAX + [ErrorCode.invalid_request] * 2
