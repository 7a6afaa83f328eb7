"""Fetch: what is read, how long is waited, and what is said when it cannot be read, in every version."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID

import pytest
from tests.unit.protocols.kafka.kafka_session import (
    KafkaSession,
    Stage,
    batch,
    fetch_fields,
    metadata_fields,
    produce_fields,
    until,
)

from logmq.errors import Damaged
from logmq.model import Bounds, Format, TopicPartition
from logmq.protocols.kafka.api import APIS
from logmq.protocols.kafka.handlers.fetch import RESPONSE_SIZE_MAX
from logmq.protocols.kafka.topic_ids import topic_id
from logmq.records import frames
from logmq.records.records import decode
from logmq.storage.engine import Append

VERSIONS = range(APIS[1].min_version, APIS[1].max_version + 1)
IDS_SINCE = 13


@pytest.fixture
async def topic(staged: Stage) -> str:
    await staged.broker.create_topic("t", format=Format.BATCH, partition_count=3)
    return "t"


def named(staged: Stage, topic: str, version: int) -> Any:
    """How a version asks for a topic: by name or by id."""
    return topic_id(staged.broker.topic(topic)) if version >= IDS_SINCE else topic


async def put(client: KafkaSession, topic: str, *data: bytes) -> None:
    response = await client.ask("produce", 9, **produce_fields(topic, *data))
    assert all(one.error_code.value == 0 for one in response.responses[0].partition_responses)


@pytest.mark.parametrize("version", VERSIONS)
async def test_kio_reads_every_version(staged: Stage, topic: str, version: int) -> None:
    """The hand-packed response says the same in every version: stored bytes, bounds and errors by partition."""
    client = staged.session()
    first, large = batch(b"a", b"b"), batch(b"x" * 100_000)
    await put(client, topic, first, large)
    name = named(staged, topic, version)
    response = await client.ask("fetch", version, **fetch_fields(name, {0: 0, 1: 0, 2: 0, 3: 0}))
    assert getattr(response, "session_id", 0) == 0
    (answered,) = response.responses
    assert (answered.topic_id if version >= IDS_SINCE else answered.topic) == name
    zero, one, two, missing = answered.partitions
    assert [each.partition_index for each in answered.partitions] == [0, 1, 2, 3]
    assert (bytes(zero.records), bytes(one.records), bytes(two.records or b"")) == (first, large, b"")
    assert [each.high_watermark for each in (zero, one, two)] == [2, 1, 0]
    assert [each.last_stable_offset for each in (zero, one, two)] == [2, 1, 0]
    if version >= 5:
        assert zero.log_start_offset == 0
    assert missing.error_code.name == "unknown_topic_or_partition"


async def test_an_unknown_id_has_its_own_error(staged: Stage, topic: str) -> None:
    """An id that no topic has, or has any more, is UNKNOWN_TOPIC_ID; a topic made anew has another one."""
    client = staged.session()
    old = topic_id(staged.broker.topic(topic))
    assert (await client.ask("fetch", 13, **fetch_fields(old, {0: 0}))).responses[0].partitions[0].error_code.value == 0
    await staged.broker.drop_topic(topic)
    await staged.broker.create_topic(topic, format=Format.BATCH)
    for unknown in (old, UUID(int=7)):
        response = await client.ask("fetch", 13, **fetch_fields(unknown, {0: 0}))
        assert response.responses[0].topic_id == unknown
        assert response.responses[0].partitions[0].error_code.name == "unknown_topic_id"


@pytest.mark.parametrize("offset", [-1, 3, 1 << 40, (1 << 63) - 1])
async def test_out_of_range(staged: Stage, topic: str, offset: int) -> None:
    """An offset before the log start or beyond the end is OFFSET_OUT_OF_RANGE at once, however long may be waited."""
    client = staged.session()
    await put(client, topic, batch(b"a", b"b"))
    response = await client.ask("fetch", 11, **fetch_fields(topic, {0: offset}, wait_ms=3_600_000))
    assert response.responses[0].partitions[0].error_code.name == "offset_out_of_range"


async def test_leader_epochs_are_compared(staged: Stage, topic: str) -> None:
    """A client that knows a newer leader than the broker is told so (KIP-320)."""
    response = await staged.session().ask("fetch", 11, **fetch_fields(topic, {0: 0}, epoch=5))
    assert response.responses[0].partitions[0].error_code.name == "unknown_leader_epoch"
    response = await staged.session().ask("fetch", 11, **fetch_fields(topic, {0: 0}, epoch=0))
    assert response.responses[0].partitions[0].error_code.name == "none"


async def test_sessions_are_refused(staged: Stage, topic: str) -> None:
    """A session that was never given out is not known; a full request with a new session gets none."""
    client = staged.session()
    response = await client.ask("fetch", 11, **fetch_fields(topic, {0: 0}, session_id=9, session_epoch=1))
    assert (response.error_code.name, response.responses) == ("fetch_session_id_not_found", ())
    response = await client.ask("fetch", 11, **fetch_fields(topic, {0: 0}, session_epoch=4))
    assert response.error_code.name == "invalid_fetch_session_epoch"
    response = await client.ask("fetch", 11, **fetch_fields(topic, {0: 0}, session_epoch=0))
    assert (response.error_code.name, response.session_id) == ("none", 0)


async def test_min_bytes_are_waited_for(staged: Stage, topic: str) -> None:
    """A response waits until there are min_bytes, over all partitions, and no longer than max_wait."""
    reader, writer = staged.session(), staged.session()
    data = batch(b"x" * 100)
    sent = reader.send("fetch", 11, **fetch_fields(topic, {0: 0, 1: 0}, wait_ms=3_600_000, min_bytes=2 * len(data)))
    await until(lambda: staged.broker.waits == 1)  # one for both partitions
    await put(writer, topic, data)
    await until(lambda: staged.broker.waits == 1)
    assert reader.order() == []
    await put(writer, topic, data, data)
    await until(lambda: reader.order() == [sent])
    began = asyncio.get_running_loop().time()
    response = await writer.ask("fetch", 11, **fetch_fields(topic, {0: 0}, wait_ms=30, min_bytes=1 << 20))
    assert 0.02 < asyncio.get_running_loop().time() - began < 5
    assert len(response.responses[0].partitions[0].records) == 2 * len(data)
    assert staged.broker.waits == 0


async def test_a_wait_costs_nothing(staged: Stage, topic: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A Fetch that waits looks at its partitions once, not again and again."""
    looks: list[TopicPartition] = []
    bounds = staged.broker.broker.bounds

    def look(partition: TopicPartition) -> Bounds:
        looks.append(partition)
        return bounds(partition)

    monkeypatch.setattr(staged.broker.broker, "bounds", look)
    await staged.session().ask("fetch", 11, **fetch_fields(topic, {0: 0}, wait_ms=100))
    assert len(looks) <= 3


async def test_a_dropped_topic_ends_the_wait(staged: Stage, topic: str) -> None:
    """Whoever waits for a topic that is dropped is told at once."""
    reader = staged.session()
    reader.send("fetch", 11, **fetch_fields(topic, {0: 0}, wait_ms=3_600_000))
    await until(lambda: staged.broker.waits == 1)
    await staged.broker.drop_topic(topic)
    await until(lambda: len(reader.order()) == 1)


async def test_max_bytes_bound_a_response(staged: Stage, topic: str) -> None:
    """A response has at most max_bytes, and each partition its limit, but for the first batch."""
    client = staged.session()
    one = batch(b"x" * 20_000)  # more than an index entry covers
    for _ in range(5):
        await put(client, topic, one, one, one)

    async def sizes(**limits: int) -> list[int]:
        response = await client.ask("fetch", 11, **fetch_fields(topic, {0: 0, 1: 0, 2: 0}, **limits))
        return [len(each.records or b"") for each in response.responses[0].partitions]

    assert await sizes() == [5 * len(one)] * 3
    assert await sizes(max_bytes=1) == [len(one), 0, 0]
    assert await sizes(max_bytes=0) == [len(one), 0, 0]
    assert sum(await sizes(max_bytes=4 * len(one))) <= 5 * len(one)
    assert await sizes(partition_max_bytes=1) == [len(one)] * 3


async def test_a_response_is_bounded_whatever_is_asked_for(staged: Stage, topic: str) -> None:
    """max_bytes beyond the broker's own bound is not believed, and min_bytes beyond it not waited for."""
    client = staged.session()
    for _ in range(12):
        await put(client, topic, batch(b"x" * 1_000_000), batch(b"x" * 1_000_000))
    fields = fetch_fields(
        topic,
        {0: 0, 1: 0},
        wait_ms=3_600_000,
        min_bytes=(1 << 31) - 1,
        max_bytes=(1 << 31) - 1,
        partition_max_bytes=(1 << 31) - 1,
    )
    response = await client.ask("fetch", 11, **fields)
    size = sum(len(each.records) for each in response.responses[0].partitions)
    assert RESPONSE_SIZE_MAX - 1_100_000 <= size <= RESPONSE_SIZE_MAX + 1_100_000


async def test_readers_of_decided_records_stop_at_the_last_stable_offset(
    staged: Stage, topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With read_committed nothing at or behind the last stable offset is sent; without, everything is."""
    client = staged.session()
    for value in (b"a", b"b", b"c"):
        await put(client, topic, batch(value))
    monkeypatch.setattr(staged.broker.broker, "bounds", lambda partition: Bounds(0, 3, 2, 0))

    async def values(offset: int, isolation_level: int) -> list[bytes | None]:
        fields = fetch_fields(topic, {0: offset}, isolation_level=isolation_level)
        (partition,) = (await client.ask("fetch", 11, **fields)).responses[0].partitions
        assert (partition.high_watermark, partition.last_stable_offset) == (3, 2)
        data, found = bytes(partition.records or b""), []
        while data:
            found += [record.value for record in decode(data, 1000)]
            data = data[12 + int.from_bytes(data[8:12], "big") :]
        return found

    assert await values(0, 0) == [b"a", b"b", b"c"]
    assert await values(0, 1) == [b"a", b"b"]
    assert await values(2, 1) == []


async def test_damage_is_an_error_of_its_partition(staged: Stage, topic: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Records that rotted are an error that consumers show; the partitions beside are served."""
    client = staged.session()
    await put(client, topic, batch(b"a"), batch(b"b"))
    read = staged.broker.broker.read_nowait

    def rotten(partition: TopicPartition, offset: int, size_max: int) -> Any:
        if partition.index == 0:
            raise Damaged(str(partition), 0, 1)
        return read(partition, offset, size_max)

    monkeypatch.setattr(staged.broker.broker, "read_nowait", rotten)
    response = await client.ask("fetch", 11, **fetch_fields(topic, {0: 0, 1: 0}))
    bad, good = response.responses[0].partitions
    assert bad.error_code.name == "corrupt_message"
    assert bytes(good.records) == batch(b"b")


async def test_what_nc_stored_is_read_from_any_offset(staged: Stage) -> None:
    """A plain topic's frames are records at their positions; an offset inside a frame means the next one."""
    await staged.broker.create_topic("p", format=Format.PLAIN)
    payloads = [b"hello", b"", b"w" * 300]
    data, starts = frames.encode(payloads)
    await staged.broker.append([Append(TopicPartition("p", 0), data, starts, starts, len(data))])
    client = staged.session()
    for offset, expected in ((0, [0, 9, 13]), (1, [9, 13]), (9, [9, 13]), (10, [13]), (13, [13]), (14, [])):
        response = await client.ask("fetch", 11, **fetch_fields("p", {0: offset}))
        (partition,) = response.responses[0].partitions
        assert partition.error_code.value == 0
        found = list(decode(bytes(partition.records), 10_000)) if partition.records else []
        assert [record.offset for record in found] == expected
        assert [record.value for record in found] == payloads[len(payloads) - len(expected) :]


async def test_a_thousand_partitions(staged: Stage) -> None:
    """A Fetch of 1,000 empty partitions waits for all of them and wakes for any, leaving nothing behind."""
    await staged.broker.create_topic("wide", format=Format.BATCH, partition_count=1000)
    reader, writer = staged.session(), staged.session()
    offsets = dict.fromkeys(range(1000), 0)
    sent = reader.send("fetch", 13, **fetch_fields(topic_id(staged.broker.topic("wide")), offsets, wait_ms=3_600_000))
    await until(lambda: staged.broker.waits == 1)
    assert len(asyncio.all_tasks()) < 20
    fields = produce_fields("wide", batch(b"x"))
    fields["topic_data"][0]["partition_data"][0]["index"] = 777
    await writer.ask("produce", 9, **fields)
    await until(lambda: reader.order() == [sent])
    assert staged.broker.waits == 0
    assert len((await writer.ask("metadata", 12, **metadata_fields("wide"))).topics[0].partitions) == 1000
