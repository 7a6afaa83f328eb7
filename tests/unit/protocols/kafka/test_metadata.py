"""Metadata, ListOffsets and ApiVersions: what clients ask before anything else, in every version."""

from __future__ import annotations

import asyncio
import struct
from typing import Any

import pytest
from tests.unit.protocols.kafka.kafka_session import (
    NOW_MS,
    KafkaSession,
    Stage,
    batch,
    metadata_fields,
    produce_fields,
    stage,
    until,
)

from logmq.config import Config, SyncMode
from logmq.model import Format
from logmq.protocols.kafka.api import APIS
from logmq.protocols.kafka.context import TOPICS_CREATED_MAX
from logmq.protocols.kafka.topic_ids import topic_id

VERSIONS = range(APIS[3].min_version, APIS[3].max_version + 1)


@pytest.mark.parametrize("version", VERSIONS)
async def test_kio_reads_every_version(staged: Stage, version: int) -> None:
    """The hand-packed response says the same in every version: the broker, the topics, their partitions and errors."""
    topic = await staged.broker.create_topic("t", format=Format.BATCH, partition_count=3)
    client = staged.session()
    response = await client.ask("metadata", version, **metadata_fields("t", "no such", "a b", create=False))
    (broker,) = response.brokers
    assert (broker.node_id, broker.host, broker.port) == (0, "127.0.0.1", 8080)
    found, *others = response.topics
    assert [each.name for each in response.topics] == ["t", "no such", "a b"]
    assert [each.error_code.name for each in others] == ["invalid_topic_exception"] * 2
    assert found.error_code.value == 0
    assert [each.partition_index for each in found.partitions] == [0, 1, 2]
    for each in found.partitions:
        assert (each.leader_id, each.replica_nodes, each.isr_nodes) == (0, (0,), (0,))
    if version >= 1:
        assert response.controller_id == 0
        assert found.is_internal is False
    if version >= 2:
        assert response.cluster_id == "c" * 22
    if version >= 7:
        assert found.partitions[0].leader_epoch == 0
    if version >= 10:
        assert found.topic_id == topic_id(topic)


@pytest.mark.parametrize("version", VERSIONS)
async def test_all_topics_or_none(staged: Stage, version: int) -> None:
    """No list means all topics; an empty list means none, but in version 0, which has no other way to ask for all."""
    await staged.broker.create_topic("t", format=Format.BATCH)
    client = staged.session()
    if version >= 1:
        everything = (await client.ask("metadata", version, **metadata_fields(everything=True))).topics
        assert [(each.name, each.is_internal) for each in everything] == [("__consumer_offsets", True), ("t", False)]
    some = (await client.ask("metadata", version, **metadata_fields())).topics
    assert [each.name for each in some] == (["__consumer_offsets", "t"] if version == 0 else [])


async def test_topics_are_asked_for_by_id(staged: Stage) -> None:
    """From version 12 on a topic can be asked for by its id; an unknown one has its own error."""
    topic = await staged.broker.create_topic("t", format=Format.BATCH)
    client = staged.session()
    unknown = topic_id(topic).__class__(int=5)
    known, missing = (await client.ask("metadata", 12, **metadata_fields(topic_id(topic), unknown))).topics
    assert (known.name, known.error_code.value) == ("t", 0)
    assert (missing.name, missing.topic_id, missing.error_code.name) == (None, unknown, "unknown_topic_id")


async def test_topics_are_made_when_asked_for(staged: Stage) -> None:
    """A topic that is named is made, unless the client or the broker's settings say no."""
    client = staged.session()
    (refused,) = (await client.ask("metadata", 12, **metadata_fields("t", create=False))).topics
    assert refused.error_code.name == "unknown_topic_or_partition"
    (made,) = (await client.ask("metadata", 12, **metadata_fields("t"))).topics
    assert (made.error_code.value, len(made.partitions)) == (0, 1)
    assert staged.broker.topic("t").format is Format.BATCH
    (old,) = (await client.ask("metadata", 3, **metadata_fields("u"))).topics
    assert old.error_code.value == 0


async def test_settings_can_forbid_that(tmp_path: Any) -> None:
    """With auto_create_topics=false neither Metadata nor Produce makes a topic."""
    config = Config(data_dir=tmp_path / "d", sync=SyncMode("never"), auto_create_topics=False)
    async with stage(tmp_path / "d", config) as staged:
        client = staged.session()
        (refused,) = (await client.ask("metadata", 12, **metadata_fields("t"))).topics
        assert refused.error_code.name == "unknown_topic_or_partition"
        answer = await client.ask("produce", 9, **produce_fields("t", batch(b"x")))
        assert answer.responses[0].partition_responses[0].error_code.name == "unknown_topic_or_partition"


async def test_a_hundred_thousand_topics(staged: Stage) -> None:
    """A request for 100,000 topics makes a bounded number, answers each name once, and lets others go on."""
    guilty, other = staged.session(), staged.session()
    names = [f"topic-{number}" for number in range(100_000)]
    guilty.send("metadata", 12, **metadata_fields(*names, *names[:1000]))
    longest = 0.0
    loop = asyncio.get_running_loop()
    while not guilty.order():
        began = loop.time()
        await other.ask("metadata", 12, **metadata_fields(create=False))
        longest = max(longest, loop.time() - began)
        assert not guilty.lost
    assert longest < 2
    assert len(staged.broker.topics()) <= TOPICS_CREATED_MAX + 1
    (data,) = guilty.responses()
    assert len(data) < 100 * len(names)
    # 5 bytes of header; throttle time; one broker; cluster and controller; then the count of topics, plus one.
    count, position = 0, data.index(b"c" * 22) + 22 + 4
    for shift in range(0, 28, 7):
        count |= (data[position] & 0x7F) << shift
        position += 1
        if data[position - 1] < 0x80:
            break
    assert count == 100_001


async def test_a_thousand_partitions_are_quick(staged: Stage) -> None:
    """The metadata of 1,000 partitions takes milliseconds."""
    await staged.broker.create_topic("wide", format=Format.BATCH, partition_count=1000)
    client = staged.session()
    began = asyncio.get_running_loop().time()
    client.send("metadata", 12, **metadata_fields("wide"))
    await until(client.order)
    assert asyncio.get_running_loop().time() - began < 0.5


# -- ListOffsets -----------------------------------------------------------------------------------------------------


async def offsets(client: KafkaSession, version: int, timestamp: int, **more: int) -> Any:
    partition = {
        "partition_index": more.get("partition", 0),
        "current_leader_epoch": more.get("epoch", -1),
        "timestamp": timestamp,
    }
    fields = {
        "replica_id": -1,
        "isolation_level": 0,
        "topics": [{"name": "t", "partitions": [partition]}],
    }
    response = await client.ask("list_offsets", version, **fields)
    return response.topics[0].partitions[0]


@pytest.mark.parametrize("version", range(APIS[2].min_version, APIS[2].max_version + 1))
async def test_offsets_by_time(staged: Stage, version: int) -> None:
    """-1 is the end, -2 and -4 the beginning, -3 the latest time; a time means the first record at or after it."""
    await staged.broker.create_topic("t", format=Format.BATCH)
    client = staged.session()
    assert (await offsets(client, version, -1)).offset == 0
    assert (await offsets(client, version, -3)).offset == -1
    for time_ms in (100, 300, 200):
        data = batch(b"a", b"b", timestamp_ms=NOW_MS + time_ms)
        await client.ask("produce", 9, **produce_fields("t", data))
    assert [(await offsets(client, version, each)).offset for each in (-1, -2, -4)] == [6, 0, 0]
    latest = await offsets(client, version, -3)
    assert (latest.offset, latest.timestamp) == (2, NOW_MS + 300)
    for time_ms, offset in ((0, 0), (100, 0), (101, 2), (300, 2), (301, -1)):
        assert (await offsets(client, version, NOW_MS + time_ms)).offset == offset
    assert (await offsets(client, version, -77)).error_code.name == "invalid_request"
    assert (await offsets(client, version, -1, partition=1)).error_code.name == "unknown_topic_or_partition"
    if version >= 4:
        assert (await offsets(client, version, -1)).leader_epoch == 0
        assert (await offsets(client, version, -1, epoch=3)).error_code.name == "unknown_leader_epoch"


# -- ApiVersions -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", range(APIS[18].min_version, APIS[18].max_version + 1))
async def test_the_table_is_advertised(staged: Stage, version: int) -> None:
    """ApiVersions says what api.py does, but for Produce 0, which old librdkafka wants; without tagged fields."""
    client = staged.session()
    names = {"client_software_name": "t", "client_software_version": "1"}
    response = await client.ask("api_versions", version, **names)
    assert {(each.api_key, each.min_version, each.max_version) for each in response.api_keys} == {
        (api.key, 0 if api.name == "produce" else api.min_version, api.max_version) for api in APIS.values()
    }
    if version >= 3:
        assert client.transport.written.endswith(struct.pack(">iB", 0, 0))
