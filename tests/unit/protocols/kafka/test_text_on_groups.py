"""Groups of Kafka clients as the text protocol shows them."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from kio.schema.errors import ErrorCode
from tests.unit.protocols.kafka.admin_session import AdminSession, admin_session
from tests.unit.protocols.kafka.kafka_session import turns
from tests.unit.protocols.kafka.test_consumer_group_handlers import beat
from tests.unit.protocols.kafka.test_group_handlers import commit, join, member

from logmq.broker.groups.readers import Reader
from logmq.errors import UnknownGroup
from logmq.model import TopicPartition
from logmq.protocols.text.handlers import describe_group
from logmq.protocols.text.requests import DescribeGroup

ASSIGNMENT = b"\x00\x01\x00\x00\x00\x01\x00\x06orders\x00\x00\x00\x02\x00\x00\x00\x02\x00\x00\x00\x00\xff\xff\xff\xff"
"""Partitions 2 and 0 of `orders`, as a leader gives them out."""


def described(client: AdminSession) -> list[str]:
    """The lines of GROUP billing."""
    return describe_group(client.broker, DescribeGroup("billing")).decode().splitlines()


async def test_a_classic_group_shows_who_reads_what(tmp_path: Path) -> None:
    """A MEMBER line with a READS line for each of its partitions, in order; while it rebalances there are none."""
    async with admin_session(tmp_path) as client:
        await client.make("orders", 3)
        member_id = await member(client, ASSIGNMENT)
        assert await commit(client, 0, member_id=member_id, generation_id_or_member_epoch=1) == [ErrorCode.none]
        lines = described(client)
        assert lines[0] == "GROUP Stable 1 billing"
        assert lines[1:4] == [f"MEMBER 127.0.0.1 test {member_id}", "READS orders/0", "READS orders/2"]
        assert lines[-1] == "END 1" and lines[4].startswith("OFFSET orders/")
        newcomer = asyncio.create_task(join(client, 3))
        await turns()
        assert described(client)[0] == "GROUP PreparingRebalance 2 billing"
        assert not [line for line in described(client) if line.startswith("READS")]
        newcomer.cancel()


async def test_a_consumer_group_shows_who_reads_what(tmp_path: Path) -> None:
    """The same for a group whose broker assigns; a partition that is still another's is not shown."""
    async with admin_session(tmp_path) as client:
        await client.make("orders", 3)
        await beat(client)
        await beat(client, "b")
        assert described(client) == [
            "GROUP Reconciling 2 billing",
            "MEMBER 127.0.0.1 test a",
            "READS orders/0",
            "READS orders/1",
            "READS orders/2",
            "MEMBER 127.0.0.1 test b",
            "END 0",
        ]
        await client.broker.drop_topic("orders")
        assert [reader.partitions for reader in client.broker.group_readers("billing")] == [(), ()]


async def test_free_text_does_not_break_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ids with spaces and line ends: the client id becomes one word, the member id keeps its spaces."""
    async with admin_session(tmp_path) as client:
        await client.make("orders", 1)
        await beat(client)
        reader = Reader("my app\n-1", None, "my app\n", "", (TopicPartition("orders", 0),))
        monkeypatch.setattr(client.broker, "group_readers", lambda _: [reader])
        assert described(client)[1:3] == ["MEMBER - my_app? my app?-1", "READS orders/0"]


async def test_an_unknown_group_has_no_readers(tmp_path: Path) -> None:
    """It is said to be unknown."""
    async with admin_session(tmp_path) as client:
        with pytest.raises(UnknownGroup):
            client.broker.group_readers("nobody")
