"""Topics by Kafka's admin APIs: created, grown, described and deleted, with Kafka's own codes for what cannot be."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from kio.schema.errors import ErrorCode
from tests.unit.protocols.kafka.admin_session import AdminSession, admin_session

from logmq.broker.broker import Broker
from logmq.config import Config
from logmq.errors import UnknownTopic
from logmq.model import Format
from logmq.protocols.kafka.api import APIS

SECOND = timedelta(seconds=1)


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[AdminSession]:
    async with admin_session(tmp_path) as session:
        yield session


def new(name: str, **changed: Any) -> dict[str, Any]:
    return {"name": name, "num_partitions": -1, "replication_factor": -1, "assignments": (), "configs": ()} | changed


async def create(client: AdminSession, *topics: dict[str, Any], validate_only: bool = False) -> list[Any]:
    response = await client.ask("create_topics", topics=topics, timeout=SECOND, validate_only=validate_only)
    return list(response.topics)


# -- create ------------------------------------------------------------------------------------------------------------


async def test_a_topic_is_there_when_its_creation_is_answered(client: AdminSession) -> None:
    """With its partitions, its settings and its id, in the batch format; the answer describes it."""
    (made,) = await create(
        client, new("orders", num_partitions=3, configs=({"name": "retention.ms", "value": "1000"},))
    )
    assert (made.error_code, made.num_partitions, made.replication_factor) == (ErrorCode.none, 3, 1)
    described = {config.name: (config.value, config.config_source) for config in made.configs}
    assert described["retention.ms"] == ("1000", 1) and described["segment.bytes"] == ("1073741824", 5)
    topic = client.broker.topic("orders")
    assert (topic.format, topic.partition_count, topic.settings.retention_ms) == (Format.BATCH, 3, 1000)


async def test_minus_one_means_the_usual(tmp_path: Path) -> None:
    """Partition count and replication factor -1 follow the broker."""
    async with admin_session(tmp_path, Config(data_dir=tmp_path, partition_count=4)) as client:
        (made,) = await create(client, new("t"))
        assert (made.num_partitions, made.replication_factor) == (4, 1)


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"name": "a b"}, ErrorCode.invalid_topic_exception),
        ({"name": "__mine"}, ErrorCode.invalid_topic_exception),
        ({"name": "there"}, ErrorCode.topic_already_exists),
        ({"num_partitions": 0}, ErrorCode.invalid_partitions),
        ({"num_partitions": -2}, ErrorCode.invalid_partitions),
        ({"num_partitions": 1_000_000}, ErrorCode.invalid_partitions),
        ({"replication_factor": 0}, ErrorCode.invalid_replication_factor),
        ({"replication_factor": 3}, ErrorCode.invalid_replication_factor),
        ({"configs": ({"name": "colour", "value": "red"},)}, ErrorCode.invalid_config),
        ({"configs": ({"name": "retention.ms", "value": "soon"},)}, ErrorCode.invalid_config),
        ({"configs": ({"name": "retention.ms", "value": None},)}, ErrorCode.invalid_config),
        ({"assignments": ({"partition_index": 1, "broker_ids": (0,)},)}, ErrorCode.invalid_replica_assignment),
        ({"assignments": ({"partition_index": 0, "broker_ids": (1,)},)}, ErrorCode.invalid_replica_assignment),
        ({"assignments": ({"partition_index": 0, "broker_ids": (0, 1)},)}, ErrorCode.invalid_replica_assignment),
        (
            {"assignments": ({"partition_index": 0, "broker_ids": (0,)},), "num_partitions": 1},
            ErrorCode.invalid_request,
        ),
    ],
)
@pytest.mark.parametrize("validate_only", [False, True])
async def test_a_topic_that_cannot_be_is_refused_with_kafkas_code(
    client: AdminSession, changed: dict[str, Any], code: ErrorCode, validate_only: bool
) -> None:
    """Validated or really created, the answer is the same, says why, and does not hold up the topic beside it."""
    await client.make("there")
    refused, good = await create(client, new("t") | changed, new("good"), validate_only=validate_only)
    assert refused.error_code is code and refused.error_message
    assert good.error_code is ErrorCode.none
    assert {topic.name for topic in client.broker.topics() if not topic.internal} == (
        {"there"} if validate_only else {"there", "good"}
    )


async def test_assignments_that_fit_one_broker_are_taken(client: AdminSession) -> None:
    """Partitions 0 to 2, each on broker 0, are three partitions."""
    assignments = tuple({"partition_index": index, "broker_ids": (0,)} for index in (2, 0, 1))
    (made,) = await create(client, new("t", assignments=assignments))
    assert (made.error_code, made.num_partitions) == (ErrorCode.none, 3)


async def test_a_name_given_twice_is_refused_once(client: AdminSession) -> None:
    """Neither of the two is made."""
    (refused,) = await create(client, new("t"), new("t", num_partitions=2))
    assert refused.error_code is ErrorCode.invalid_request
    with pytest.raises(UnknownTopic):
        client.broker.topic("t")


async def test_validation_describes_the_topic_that_would_be(client: AdminSession) -> None:
    """Partition count and settings are those that creation would give."""
    (made,) = await create(
        client, new("t", configs=({"name": "cleanup.policy", "value": "compact, delete"},)), validate_only=True
    )
    assert made.num_partitions == 1
    assert {config.name: config.value for config in made.configs}["cleanup.policy"] == "compact,delete"


# -- delete ------------------------------------------------------------------------------------------------------------


async def test_topics_are_deleted_by_name_and_by_id(client: AdminSession) -> None:
    """Up to version 5 by name, from version 6 on by either; a deleted topic is gone when it is answered."""
    await client.make("a")
    await client.make("b")
    (made,) = await create(client, new("c"))
    old = await client.ask("delete_topics", 1, topic_names=("a",), timeout=SECOND)
    assert [(one.name, one.error_code) for one in old.responses] == [("a", ErrorCode.none)]
    topics = ({"name": "b", "topic_id": None}, {"name": None, "topic_id": made.topic_id})
    response = await client.ask("delete_topics", topics=topics, timeout=SECOND)
    assert [(one.name, one.error_code) for one in response.responses] == [("b", ErrorCode.none), ("c", ErrorCode.none)]
    assert response.responses[1].topic_id == made.topic_id
    assert all(topic.internal for topic in client.broker.topics())


async def test_what_cannot_be_deleted_is_said_by_code(client: AdminSession) -> None:
    """Unknown names and ids, a name with an id, the broker's own topics, and one given twice."""
    (made,) = await create(client, new("t"))
    await client.ask("delete_topics", 4, topic_names=("t",), timeout=SECOND)
    topics = (
        {"name": "t", "topic_id": None},
        {"name": None, "topic_id": made.topic_id},
        {"name": "t", "topic_id": made.topic_id},
        {"name": "__consumer_offsets", "topic_id": None},
        {"name": "u", "topic_id": None},
        {"name": "u", "topic_id": None},
    )
    response = await client.ask("delete_topics", topics=topics, timeout=SECOND)
    assert [one.error_code for one in response.responses] == [
        ErrorCode.unknown_topic_or_partition,
        ErrorCode.unknown_topic_id,
        ErrorCode.invalid_request,
        ErrorCode.invalid_topic_exception,
        ErrorCode.invalid_request,
    ]


# -- partitions --------------------------------------------------------------------------------------------------------


async def grow(client: AdminSession, *topics: tuple[str, int, Any], validate_only: bool = False) -> list[ErrorCode]:
    wanted = [{"name": name, "count": count, "assignments": assigned} for name, count, assigned in topics]
    response = await client.ask("create_partitions", topics=wanted, timeout=SECOND, validate_only=validate_only)
    return [one.error_code for one in response.results]


async def test_partitions_only_grow(client: AdminSession) -> None:
    """More is done, as many or fewer is refused; the records that are there stay."""
    await client.make("t", 2)
    await client.put("t", 3)
    assert await grow(client, ("t", 2, None)) == [ErrorCode.invalid_partitions]
    assert await grow(client, ("t", 1, None)) == [ErrorCode.invalid_partitions]
    assert await grow(client, ("t", 10_001, None)) == [ErrorCode.invalid_partitions]
    assert await grow(client, ("t", 4, None), validate_only=True) == [ErrorCode.none]
    assert client.broker.topic("t").partition_count == 2
    assert await grow(client, ("t", 4, ({"broker_ids": (0,)},) * 2)) == [ErrorCode.none]
    await client.put("t", 1, index=3)
    assert [client.broker.bounds(one).high_watermark for one in client.broker.topic("t").partitions()] == [3, 0, 0, 1]


async def test_partitions_that_cannot_be_are_refused_with_kafkas_code(client: AdminSession) -> None:
    """Unknown topic, assignments that do not fit, names given twice, the broker's own topics."""
    await client.make("t")
    one_broker, other_broker = {"broker_ids": (0,)}, {"broker_ids": (7,)}
    assert await grow(client, ("u", 2, None)) == [ErrorCode.unknown_topic_or_partition]
    assert await grow(client, ("t", 3, (one_broker,))) == [ErrorCode.invalid_replica_assignment]
    assert await grow(client, ("t", 2, (other_broker,))) == [ErrorCode.invalid_replica_assignment]
    assert await grow(client, ("t", 2, None), ("t", 3, None)) == [ErrorCode.invalid_request]
    assert await grow(client, ("__consumer_offsets", 100, None)) == [ErrorCode.invalid_topic_exception]
    assert client.broker.topic("t").partition_count == 1


# -- describe ----------------------------------------------------------------------------------------------------------


async def test_topics_are_described_so_many_partitions_at_a_time(client: AdminSession) -> None:
    """Following the cursor visits each partition once, in order of names, whatever the limit."""
    await client.make("a", 5)
    await client.make("b", 1)
    await client.make("c", 4)
    wanted = ({"name": "c"}, {"name": "a"}, {"name": "b"}, {"name": "bb"})
    for limit in (1, 2, 3, 5, 6, 2000):
        seen, cursor = [], None
        while True:
            response = await client.ask(
                "describe_topic_partitions", topics=wanted, response_partition_limit=limit, cursor=cursor
            )
            assert sum(len(topic.partitions) for topic in response.topics) <= limit
            for topic in response.topics:
                if topic.name == "bb":
                    assert topic.error_code is ErrorCode.unknown_topic_or_partition
                seen += [(topic.name, one.partition_index) for one in topic.partitions]
            if response.next_cursor is None:
                break
            last = response.next_cursor
            cursor = {"topic_name": last.topic_name, "partition_index": last.partition_index}
        assert seen == [(name, index) for name, count in (("a", 5), ("b", 1), ("c", 4)) for index in range(count)]


async def test_all_topics_are_described_where_none_are_named(client: AdminSession) -> None:
    """The broker's own are among them and say that they are."""
    await client.make("a")
    response = await client.ask("describe_topic_partitions", topics=())
    assert {topic.name: topic.is_internal for topic in response.topics} == {
        topic.name: topic.internal for topic in client.broker.topics()
    }


async def test_the_cluster_is_one_broker(client: AdminSession) -> None:
    """All versions say so; controllers do not listen here."""
    for version in range(APIS[60].max_version + 1):
        response = await client.ask(
            "describe_cluster", version, include_cluster_authorized_operations=True, include_fenced_brokers=False
        )
        assert (response.error_code, response.cluster_id, response.controller_id) == (
            ErrorCode.none,
            client.broker.cluster_id,
            0,
        )
        assert [(one.broker_id, one.host, one.port) for one in response.brokers] == [(0, "localhost", 8080)]
        assert response.cluster_authorized_operations > 0
    for endpoint_type, code in ((2, ErrorCode.mismatched_endpoint_type), (9, ErrorCode.unsupported_endpoint_type)):
        refused = await client.ask(
            "describe_cluster",
            include_cluster_authorized_operations=False,
            endpoint_type=endpoint_type,
            include_fenced_brokers=False,
        )
        assert (refused.error_code, refused.brokers) == (code, ())


async def test_log_dirs_have_the_size_of_each_partition(client: AdminSession, tmp_path: Path) -> None:
    """All partitions or those asked for; what is not there is left out."""
    await client.make("t", 2)
    await client.put("t", 10, index=1)
    for topics in (None, ({"topic": "t", "partitions": (0, 1, 2)}, {"topic": "u", "partitions": (0,)})):
        (found,) = (await client.ask("describe_log_dirs", topics=topics)).results
        assert (found.error_code, found.log_dir) == (ErrorCode.none, str(tmp_path))
        assert 0 < found.usable_bytes <= found.total_bytes
        sizes = {
            topic.name: {one.partition_index: one.partition_size for one in topic.partitions} for topic in found.topics
        }
        assert sizes["t"] == {0: 0, 1: (tmp_path / "t@1.log").stat().st_size}
        assert "u" not in sizes


async def test_topics_are_not_made_by_metadata_where_that_is_off(tmp_path: Path) -> None:
    """With auto_create_topics off an unknown name is UNKNOWN_TOPIC_OR_PARTITION, and nothing is made."""
    async with admin_session(tmp_path, Config(data_dir=tmp_path, auto_create_topics=False)) as client:
        response = await client.ask("metadata", 4, topics=({"name": "t"},), allow_auto_topic_creation=True)
        assert [topic.error_code for topic in response.topics] == [ErrorCode.unknown_topic_or_partition]
        with pytest.raises(UnknownTopic):
            client.broker.topic("t")


def test_the_broker_under_test_is_the_real_one(client: AdminSession) -> None:
    """Nothing here is a double."""
    assert type(client.broker) is Broker
