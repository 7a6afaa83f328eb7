"""Consumer groups of KIP-848 by Kafka's APIs, bytes in and bytes out, beside those of the classic protocol."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from kio.schema.errors import ErrorCode
from tests.unit.protocols.kafka.admin_session import AdminSession, admin_session
from tests.unit.protocols.kafka.test_group_handlers import commit, join, member

from logmq.broker.groups.subscription import assigned_partitions, encode_assignment
from logmq.errors import DiskFull
from logmq.protocols.kafka.topic_ids import topic_id

SESSION_MS = 45_000


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[AdminSession]:
    async with admin_session(tmp_path) as session:
        await session.make("orders", 3)
        yield session


async def beat(client: AdminSession, member_id: str = "a", epoch: int = 0, version: int = 1, **changes: Any) -> Any:
    """A heartbeat; one with epoch 0 says all that a join must."""
    fields: dict[str, Any] = {"group_id": "billing", "member_id": member_id, "member_epoch": epoch}
    fields |= {
        "topic_partitions": None,
        "subscribed_topic_names": None,
        "rebalance_timeout": timedelta(milliseconds=-1),
    }
    if epoch == 0:
        fields |= {"rebalance_timeout": timedelta(seconds=60), "subscribed_topic_names": ("orders",)}
        fields |= {"topic_partitions": ()}
    return await client.ask("consumer_group_heartbeat", version, **{**fields, **changes})


def assigned(response: Any) -> list[int]:
    """Partitions of `orders` in an answer."""
    return [index for topic in response.assignment.topic_partitions for index in topic.partitions]


async def test_joining(client: AdminSession) -> None:
    """A lone member gets all partitions by topic id with its first heartbeat, and how often to come."""
    response = await beat(client)
    assert (response.error_code, response.member_id, response.member_epoch) == (ErrorCode.none, "a", 1)
    (topic,) = response.assignment.topic_partitions
    assert (topic.topic_id, topic.partitions) == (topic_id(client.broker.topic("orders")), (0, 1, 2))
    assert response.heartbeat_interval == timedelta(seconds=5)
    again = await beat(client, "a", 1)
    assert (again.error_code, again.assignment) == (ErrorCode.none, None)


async def test_version_0_makes_the_member_id(client: AdminSession) -> None:
    """Before version 1 the broker gives a new member its id."""
    response = await beat(client, "", version=0)
    assert (response.error_code, response.member_epoch) == (ErrorCode.none, 1)
    assert response.member_id
    assert (await beat(client, response.member_id, 1, version=0)).error_code is ErrorCode.none


async def test_handing_over(client: AdminSession) -> None:
    """A second member waits, and is told to hurry, until the first one has given up what is to be its own."""
    await beat(client)
    waiting = await beat(client, "b")
    assert (assigned(waiting), waiting.heartbeat_interval) == ([], timedelta(milliseconds=500))
    told = await beat(client, "a", 1)
    kept = assigned(told)
    assert len(kept) == 2
    owned = ({"topic_id": topic_id(client.broker.topic("orders")), "partitions": tuple(kept)},)
    assert (await beat(client, "a", 1, topic_partitions=owned)).member_epoch == 2
    assert len(assigned(await beat(client, "b", 2))) == 1


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"member_id": ""}, "member id"),
        ({"member_epoch": -3}, "epoch"),
        ({"member_epoch": -2}, "instance id"),
        ({"rebalance_timeout": timedelta(milliseconds=-1)}, "rebalance timeout"),
        ({"topic_partitions": None}, "own no partitions"),
        ({"subscribed_topic_names": None}, "subscribes"),
        ({"instance_id": ""}, "empty"),
        ({"rack_id": ""}, "empty"),
        ({"member_id": "x" * 300}, "characters"),
    ],
)
async def test_mistakes(client: AdminSession, changes: dict[str, Any], words: str) -> None:
    """A heartbeat that makes no sense is refused in words, and leaves no group behind."""
    response = await beat(client, **changes)
    assert response.error_code is ErrorCode.invalid_request
    assert words in response.error_message
    assert not client.broker.groups.exists("billing")


async def test_refusals(client: AdminSession) -> None:
    """Each thing that a member must know has Kafka's code."""

    async def code(*words: Any, **changes: Any) -> ErrorCode:
        response = await beat(client, *words, **changes)
        assert response.error_message
        refused: ErrorCode = response.error_code
        return refused

    assert await code("a", 5) is ErrorCode.unknown_member_id
    assert await code("a", -1) is ErrorCode.unknown_member_id
    assert await code("a", server_assignor="mine") is ErrorCode.unsupported_assignor
    assert await code("a", subscribed_topic_regex="(") is ErrorCode.invalid_regular_expression
    assert await code("a", group_id="") is ErrorCode.invalid_group_id
    assert not client.broker.groups.exists("billing"), "nothing is left of a first member that was refused"
    await beat(client, instance_id="i")
    assert await code("a", 5) is ErrorCode.fenced_member_epoch
    assert await code("b", 1) is ErrorCode.unknown_member_id
    assert await code("b", instance_id="i") is ErrorCode.unreleased_instance_id
    assert await code("b", 1, instance_id="i") is ErrorCode.fenced_instance_id


async def test_commits_and_fetches_of_members(client: AdminSession) -> None:
    """While a group has members, only they commit, in their epoch; a member with an old one is told so."""
    await beat(client)
    assert await commit(client, member_id="a", generation_id_or_member_epoch=1) == [ErrorCode.none]
    assert await commit(client, member_id="a", generation_id_or_member_epoch=0) == [ErrorCode.stale_member_epoch]
    assert await commit(client, member_id="b", generation_id_or_member_epoch=1) == [ErrorCode.unknown_member_id]
    assert await commit(client) == [ErrorCode.unknown_member_id]

    async def fetch(member_id: str | None, epoch: int) -> ErrorCode:
        group = {"group_id": "billing", "member_id": member_id, "member_epoch": epoch, "topics": None}
        (answered,) = (await client.ask("offset_fetch", 9, groups=(group,), require_stable=False)).groups
        code: ErrorCode = answered.error_code
        return code

    assert await fetch("a", 1) is ErrorCode.none
    assert await fetch(None, -1) is ErrorCode.none
    assert await fetch("a", 7) is ErrorCode.stale_member_epoch
    assert await fetch("b", 1) is ErrorCode.unknown_member_id
    await beat(client, "a", -1)
    assert await commit(client) == [ErrorCode.none]


async def test_description(client: AdminSession) -> None:
    """ConsumerGroupDescribe shows members with what they have and are to have; groups of the classic protocol and
    those that do not exist are not found."""
    await beat(client, rack_id="r", subscribed_topic_regex="ord.*")
    await beat(client, "b")
    await join(client, 3, group_id="classic")
    names = ("billing", "classic", "none")
    groups = (await client.ask("consumer_group_describe", group_ids=names, include_authorized_operations=False)).groups
    assert [group.error_code for group in groups[1:]] == [ErrorCode.group_id_not_found] * 2
    group = groups[0]
    assert (group.group_state, group.group_epoch, group.assignor_name) == ("Reconciling", 2, "uniform")
    member = group.members[0]
    assert (member.member_id, member.rack_id, member.client_id, member.client_host) == ("a", "r", "test", "/127.0.0.1")
    assert (member.subscribed_topic_names, member.subscribed_topic_regex) == (("orders",), "ord.*")
    assert member.assignment.topic_partitions[0].partitions == (0, 1, 2)
    (target,) = member.target_assignment.topic_partitions
    assert (target.topic_name, len(target.partitions)) == ("orders", 2)
    assert group.members[1].assignment.topic_partitions == ()


async def test_both_types(client: AdminSession) -> None:
    """A group with members is of one type, which lists show; members of the other are turned away, or have to wait for
    a rebalance to end. An empty one becomes what the next member speaks, and keeps its offsets."""
    await beat(client)
    assert (await join(client, 3)).error_code is ErrorCode.inconsistent_group_protocol
    listed = (await client.ask("list_groups", states_filter=(), types_filter=("Consumer",))).groups
    assert [(one.group_id, one.group_type, one.group_state) for one in listed] == [("billing", "consumer", "Stable")]
    described = (await client.ask("describe_groups", groups=("billing",), include_authorized_operations=False)).groups
    assert described[0].group_state == "Dead"
    await commit(client, member_id="a", generation_id_or_member_epoch=1)
    await beat(client, "a", -1)
    classic = await join(client, 3)
    assert classic.error_code is ErrorCode.none
    assert (await beat(client)).error_code is ErrorCode.coordinator_load_in_progress
    await client.ask("leave_group", 2, group_id="billing", member_id=classic.member_id)
    assert (await beat(client)).error_code is ErrorCode.none
    assert len(client.broker.groups.offsets.of_group("billing")) == 1


async def test_a_group_moves_over_while_its_members_read(client: AdminSession) -> None:
    """A member of the new protocol joins a stable classic group: the old member goes on in its generation, is told to
    join again, gets its share by JoinGroup and SyncGroup, commits, and leaves; an admin sees of which kind each is."""
    whole = encode_assignment(client.broker.topic("orders").partitions())
    old = await member(client, whole)
    new = await beat(client, "new")
    assert (new.error_code, assigned(new)) == (ErrorCode.none, [])
    group = {"group_id": "billing", "member_id": old}
    told = await client.ask("heartbeat", 3, **group, generation_id=1)
    assert told.error_code is ErrorCode.rebalance_in_progress
    joined = await join(client, 3, member_id=old)
    assert (joined.error_code, joined.protocol_name, joined.members) == (ErrorCode.none, "range", ())
    generation = joined.generation_id
    synced = await client.ask("sync_group", 3, **group, generation_id=generation, assignments=())
    assert len(assigned_partitions(synced.assignment)) == 2
    fields = {"member_id": old, "generation_id_or_member_epoch": generation}
    assert await commit(client, 5, **fields) == [ErrorCode.none]
    assert await commit(client, 5, **{**fields, "generation_id_or_member_epoch": 1}) == [ErrorCode.illegal_generation]
    assert len(assigned(await beat(client, "new", new.member_epoch))) == 1
    described = await client.ask("consumer_group_describe", group_ids=("billing",), include_authorized_operations=False)
    assert [one.member_type for one in described.groups[0].members] == [0, 1]
    left = await client.ask("leave_group", 2, **group)
    assert left.error_code is ErrorCode.none
    assert len(assigned(await beat(client, "new", generation))) == 3


async def test_a_group_of_others_does_not_move_over(client: AdminSession) -> None:
    """Where the broker does not know for sure who reads what, a member of the new protocol is refused for good."""
    await member(client, b"mine")
    assert (await beat(client, "new")).error_code is ErrorCode.group_id_not_found


async def test_deletion(client: AdminSession) -> None:
    """A consumer group can be deleted once it has no members."""
    await beat(client)

    async def delete() -> ErrorCode:
        (result,) = (await client.ask("delete_groups", groups_names=("billing",))).results
        code: ErrorCode = result.error_code
        return code

    assert await delete() is ErrorCode.non_empty_group
    await beat(client, "a", -1)
    assert await delete() is ErrorCode.none
    assert not client.broker.groups.exists("billing")


async def test_offsets_of_topics_that_are_read(client: AdminSession) -> None:
    """The offsets of topics that members of a consumer group subscribe to cannot be deleted."""
    await commit(client)
    await beat(client)
    topics = ({"name": "orders", "partitions": ({"partition_index": 0},)},)
    response = await client.ask("offset_delete", group_id="billing", topics=topics)
    assert response.topics[0].partitions[0].error_code is ErrorCode.group_subscribed_to_topic


async def test_the_timer_ends_sessions(client: AdminSession) -> None:
    """A member that falls silent is gone without anybody asking, and its offsets live on until their time."""
    await beat(client)
    await commit(client, member_id="a", generation_id_or_member_epoch=1)
    client.clock.ms += SESSION_MS
    consumers = client.broker.groups.consumers
    ((_, timer),) = consumers._books.timers.values()
    timer._run()  # instead of waiting for the loop
    assert not consumers.has_members("billing") and not consumers._books.timers and consumers._books.size == 0
    await client.broker.groups.expire()
    assert client.broker.groups.exists("billing")
    client.clock.ms += 8 * 24 * 3_600_000
    await client.broker.groups.expire()
    await client.broker.groups.expire()
    assert not client.broker.groups.exists("billing")


async def test_a_restart_goes_unnoticed(tmp_path: Path) -> None:
    """What a member was told outlives the broker: it goes on in its epoch, keeps what it has, and a partition that it
    is to give up is not given to another one before it has."""
    async with admin_session(tmp_path) as before:
        await before.make("orders", 2)
        await beat(before, instance_id="i", subscribed_topic_regex="ord.*", server_assignor="range")
        await beat(before, "b")
        kept = assigned(await beat(before, "a", 1, instance_id="i"))
        described = before.broker.groups.consumers.get("billing")
    async with admin_session(tmp_path) as after:
        group = after.broker.groups.consumers.get("billing")
        assert group is not None and described is not None
        assert (group.epoch, group.assignor, group.target) == (described.epoch, "range", described.target)
        assert list(group.members) == ["a", "b"] and group._owners == described._owners
        waiting = await beat(after, "b", 2)
        assert (waiting.error_code, waiting.assignment) == (ErrorCode.none, None)
        assert await commit(after, member_id="a", generation_id_or_member_epoch=1, group_instance_id="i") == [
            ErrorCode.none
        ]
        owned = ({"topic_id": topic_id(after.broker.topic("orders")), "partitions": tuple(kept)},)
        given_up = await beat(after, "a", 1, instance_id="i", topic_partitions=owned)
        assert given_up.error_code is ErrorCode.none and given_up.member_epoch > 1
        assert len(assigned(await beat(after, "b", waiting.member_epoch))) == 1
        await beat(after, "a", -1, instance_id="i")
        await beat(after, "b", -1)
    async with admin_session(tmp_path) as at_last:
        assert not at_last.broker.groups.consumers.has_members("billing")


async def test_the_dead_stay_dead(tmp_path: Path) -> None:
    """A member that was taken for dead is not there again after a restart."""
    async with admin_session(tmp_path) as before:
        await before.make("orders", 2)
        await beat(before)
        before.clock.ms += SESSION_MS
        consumers = before.broker.groups.consumers
        for _, timer in list(consumers._books.timers.values()):
            timer._run()
        await asyncio.gather(*consumers._keeping)
    async with admin_session(tmp_path) as after:
        assert not after.broker.groups.exists("billing")


async def test_members_are_told_when_nothing_can_be_stored(
    client: AdminSession, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A full disk does not stop a group from reading; the log says that its members are not stored."""

    async def full(*_: object) -> None:
        raise DiskFull("no room")

    monkeypatch.setattr(client.broker.groups.offsets, "store_membership", full)
    assert (await beat(client)).error_code is ErrorCode.none
    assert "members are not stored" in caplog.text


async def test_many_heartbeats_share_a_store(client: AdminSession) -> None:
    """Members that join at the same time are stored together, and each is answered after its own change is stored."""
    store = client.broker.groups.offsets.store_membership
    sizes = []

    async def counting(name: str, fields: Any) -> None:
        sizes.append(len(fields["members"]))
        await store(name, fields)

    client.broker.groups.offsets.store_membership = counting  # type: ignore[method-assign, assignment]
    responses = await asyncio.gather(*[beat(client, f"m{number}") for number in range(50)])
    assert all(response.error_code is ErrorCode.none for response in responses)
    assert sizes[-1] == 50 and len(sizes) <= 3


async def test_bounds(client: AdminSession, monkeypatch: pytest.MonkeyPatch) -> None:
    """Groups, and the bytes of all their members, are bounded; who is in goes on."""
    await beat(client)
    monkeypatch.setattr("logmq.broker.groups.coordinator.GROUP_COUNT_MAX", 1)
    assert (await beat(client, group_id="other")).error_code is ErrorCode.group_max_size_reached
    monkeypatch.setattr("logmq.broker.groups.consumer_groups.GROUPS_SIZE_MAX", 10)
    assert (await beat(client, "b")).error_code is ErrorCode.group_max_size_reached
    assert (await beat(client, "a", 1)).error_code is ErrorCode.none
    monkeypatch.setattr("logmq.broker.groups.consumer_groups.GROUP_MEMBER_SIZE_MAX", 10)
    names = ("a-long-name-of-a-topic",)
    assert (await beat(client, "a", 1, subscribed_topic_names=names)).error_code is ErrorCode.invalid_request
