"""Records and producers by Kafka's admin APIs: trimming, epochs, producer ids and who produced."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from kio.schema.errors import ErrorCode
from tests.unit.protocols.kafka.admin_session import AdminSession, admin_session

from logmq.config import DAY, Config
from logmq.limits import PRODUCER_ID_BLOCK_SIZE
from logmq.model import TopicPartition
from logmq.protocols.kafka.api import APIS
from logmq.storage.engine import ProducerBatch

SECOND = timedelta(seconds=1)


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[AdminSession]:
    async with admin_session(tmp_path) as session:
        yield session


# -- delete records ----------------------------------------------------------------------------------------------------


async def trim(client: AdminSession, topic: str, *offsets: int, version: int = 2) -> list[tuple[int, ErrorCode]]:
    partitions = [{"partition_index": index, "offset": offset} for index, offset in enumerate(offsets)]
    response = await client.ask(
        "delete_records", version, topics=({"name": topic, "partitions": partitions},), timeout=SECOND
    )
    return [(one.low_watermark, one.error_code) for one in response.topics[0].partitions]


async def test_records_are_deleted_up_to_an_offset_for_good(tmp_path: Path) -> None:
    """-1 is the high watermark; an offset before the start changes nothing; all of it survives a restart."""
    async with admin_session(tmp_path) as client:
        await client.make("t", 2)
        await client.put("t", 10)
        await client.put("t", 10, index=1)
        assert await trim(client, "t", 4, -1) == [(4, ErrorCode.none), (10, ErrorCode.none)]
        assert await trim(client, "t", 2, version=0) == [(4, ErrorCode.none)]
    async with admin_session(tmp_path) as client:
        bounds = [client.broker.bounds(one) for one in client.broker.topic("t").partitions()]
        assert [(one.log_start_offset, one.high_watermark) for one in bounds] == [(4, 10), (10, 10)]


async def test_what_cannot_be_deleted_is_said_by_code(client: AdminSession) -> None:
    """Beyond the end, below -1, unknown partitions, the broker's own topics, and where the policy forbids it."""
    await client.make("t")
    await client.put("t", 3)
    assert await trim(client, "t", 4) == [(-1, ErrorCode.offset_out_of_range)]
    assert await trim(client, "t", -2) == [(-1, ErrorCode.offset_out_of_range)]
    assert await trim(client, "t", 0, 0) == [(0, ErrorCode.none), (-1, ErrorCode.unknown_topic_or_partition)]
    assert await trim(client, "__consumer_offsets", 0) == [(-1, ErrorCode.invalid_topic_exception)]
    await client.make("kept", cleanup_policy="compact")
    assert await trim(client, "kept", 0) == [(-1, ErrorCode.policy_violation)]


# -- epochs ------------------------------------------------------------------------------------------------------------


async def test_the_only_epoch_ends_at_the_high_watermark(client: AdminSession) -> None:
    """Epoch 0 ends there, others are unknown; a client that knows a later leader than there is is told so."""
    await client.make("t")
    await client.put("t", 5)

    async def end(epoch: int, current: int = -1, index: int = 0, version: int = 4) -> tuple[Any, ...]:
        wanted = {"partition": index, "current_leader_epoch": current, "leader_epoch": epoch}
        response = await client.ask(
            "offset_for_leader_epoch", version, replica_id=-1, topics=({"topic": "t", "partitions": (wanted,)},)
        )
        (one,) = response.topics[0].partitions
        return one.error_code, one.leader_epoch, one.end_offset

    for version in range(APIS[23].min_version, APIS[23].max_version + 1):
        assert await end(0, version=version) == (ErrorCode.none, 0, 5)
    assert await end(0, current=0) == (ErrorCode.none, 0, 5)
    assert await end(3) == (ErrorCode.none, -1, -1)
    assert await end(0, current=1) == (ErrorCode.unknown_leader_epoch, -1, -1)
    assert await end(0, index=1) == (ErrorCode.unknown_topic_or_partition, -1, -1)


# -- producers ---------------------------------------------------------------------------------------------------------


async def test_a_producer_id_is_given_out_once(tmp_path: Path) -> None:
    """By all versions, beyond a block and across restarts; the epoch is 0."""
    seen: list[int] = []
    for _ in range(3):
        async with admin_session(tmp_path) as client:
            for version in range(APIS[22].max_version + 1):
                response = await client.ask(
                    "init_producer_id", version, transactional_id=None, transaction_timeout=SECOND
                )
                assert (response.error_code, response.producer_epoch) == (ErrorCode.none, 0)
                seen.append(response.producer_id)
            seen += [await client.broker.new_producer_id() for _ in range(PRODUCER_ID_BLOCK_SIZE)]
    assert len(set(seen)) == len(seen) and min(seen) >= 0


async def test_an_empty_transactional_id_is_refused(client: AdminSession) -> None:
    """It would be nobody's."""
    response = await client.ask("init_producer_id", transactional_id="", transaction_timeout=SECOND)
    assert (response.error_code, response.producer_id) == (ErrorCode.invalid_request, -1)


async def producers(client: AdminSession, *indexes: int) -> list[Any]:
    response = await client.ask("describe_producers", topics=({"name": "t", "partition_indexes": indexes},))
    return list(response.topics[0].partitions)


async def test_producers_are_described_as_their_partition_remembers_them(client: AdminSession) -> None:
    """Id, epoch, last sequence and the time of the last batch; none where nobody produced with an id."""
    await client.make("t", 2)
    await client.put("t", 3, producer=ProducerBatch(9, 2, 0, 3))
    await client.put("t", 2, producer=ProducerBatch(9, 2, 3, 2))
    await client.put("t", 1, index=1)
    busy, quiet, unknown = await producers(client, 0, 1, 2)
    (found,) = busy.active_producers
    assert (found.producer_id, found.producer_epoch, found.last_sequence) == (9, 2, 4)
    assert (found.last_timestamp, found.current_txn_start_offset) == (client.clock.ms, -1)
    assert (quiet.error_code, quiet.active_producers) == (ErrorCode.none, ())
    assert unknown.error_code is ErrorCode.unknown_topic_or_partition
    once, again = await producers(client, 0, 0)
    assert (once.error_code, again.error_code) == (ErrorCode.none, ErrorCode.invalid_request)


async def test_a_silent_producer_is_forgotten(tmp_path: Path) -> None:
    """After producer_id_expiration_ms, not before; one that went on producing stays."""
    async with admin_session(tmp_path, Config(data_dir=tmp_path, retention_check_interval_ms=100)) as client:
        await client.make("t")
        await client.put("t", 1, producer=ProducerBatch(1, 0, 0, 1))
        client.clock.ms += DAY // 2
        await client.put("t", 1, producer=ProducerBatch(2, 0, 0, 1))
        await client.store.maintain()
        assert [one.producer_id for one in (await producers(client, 0))[0].active_producers] == [1, 2]
        client.clock.ms += DAY // 2 + 1
        await client.store.maintain()
        assert [one.producer_id for one in (await producers(client, 0))[0].active_producers] == [2]
        assert client.broker.bounds(TopicPartition("t", 0)).high_watermark == 2
