"""Consumer groups by Kafka's APIs, bytes in and bytes out, in every version that is spoken."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from kio.schema.errors import ErrorCode
from tests.unit.broker.groups.scene import subscription
from tests.unit.protocols.kafka.admin_session import KEYS, AdminSession, admin_session
from tests.unit.protocols.kafka.kafka_session import KafkaSession, stage

from logmq.broker.groups.refusal import Refusal
from logmq.config import DAY, Config
from logmq.limits import GROUP_MEMBER_SIZE_MAX, OFFSET_METADATA_SIZE_MAX
from logmq.protocols.kafka.api import APIS
from logmq.protocols.kafka.group_errors import REFUSALS

SESSION = timedelta(seconds=10)
REBALANCE = timedelta(seconds=60)


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[AdminSession]:
    async with admin_session(tmp_path) as session:
        await session.make("orders", 3)
        yield session


def versions(name: str) -> list[int]:
    api = APIS[KEYS[name]]
    return list(range(api.min_version, api.max_version + 1))


async def join(client: AdminSession, version: int | None = None, **changes: Any) -> Any:
    fields = {
        "group_id": "billing",
        "session_timeout": SESSION,
        "rebalance_timeout": REBALANCE,
        "member_id": "",
        "protocol_type": "consumer",
        "protocols": ({"name": "range", "metadata": subscription("orders")},),
    }
    return await client.ask("join_group", version, **{**fields, **changes})


async def joins_alone(session: KafkaSession) -> Any:
    """The answer to the join of a client that asks for the coordinator first, as all clients do."""
    await session.ask("find_coordinator", 2, key="billing", key_type=0)
    protocols = ({"name": "range", "metadata": subscription("orders")},)
    fields = {"group_id": "billing", "member_id": "", "protocol_type": "consumer", "protocols": protocols}
    return await session.ask("join_group", 3, session_timeout=SESSION, rebalance_timeout=REBALANCE, **fields)


async def test_members_that_start_together_are_in_one_generation(tmp_path: Path) -> None:
    """The first of them waits for those who have asked for the coordinator, too, and no longer than for them."""
    async with stage(tmp_path) as made:
        first, second, third = made.session(), made.session(), made.session()
        await third.ask("find_coordinator", 2, key="billing", key_type=0)
        await second.ask("find_coordinator", 2, key="billing", key_type=0)
        joining = asyncio.ensure_future(joins_alone(first))
        others = [asyncio.ensure_future(joins_alone(session)) for session in (second, third)]
        answers = await asyncio.gather(joining, *others)  # the clock stands still: no time is waited out
        assert [answer.generation_id for answer in answers] == [1, 1, 1]
        assert len(answers[0].members) == 3


async def test_a_lone_member_waits_for_nobody(tmp_path: Path) -> None:
    """Neither for other groups' clients, nor for its own first connection, nor for a member that has gone."""
    async with stage(tmp_path) as made:
        gone, other, first = made.session(), made.session(), made.session()
        await gone.ask("find_coordinator", 2, key="billing", key_type=0)
        await other.ask("find_coordinator", 2, key="mail", key_type=0)
        await other.ask("find_coordinator", 2, key="billing", key_type=1)
        made.clock.seconds += 60
        gone.connection.connection_lost(None)
        await first.ask("find_coordinator", 2, key="billing", key_type=0)
        first.connection.connection_lost(None)
        answer = await joins_alone(made.session())  # the clock stands still: no time is waited out
        assert (answer.generation_id, len(answer.members)) == (1, 1)


async def member(client: AdminSession, assignment: bytes = b"mine") -> str:
    """A lone member of a stable generation 1."""
    member_id: str = (await join(client, 3)).member_id
    response = await client.ask(
        "sync_group",
        group_id="billing",
        generation_id=1,
        member_id=member_id,
        assignments=({"member_id": member_id, "assignment": assignment},),
    )
    assert (response.error_code, response.assignment) == (ErrorCode.none, assignment)
    return member_id


async def commit(client: AdminSession, offset: int = 5, version: int | None = None, **changes: Any) -> list[ErrorCode]:
    """Commit an offset for partition 0 of `orders`, as nobody's member."""
    topics = (
        {
            "name": "orders",
            "partitions": (
                {
                    "partition_index": 0,
                    "committed_offset": offset,
                    "committed_leader_epoch": 3,
                    "committed_metadata": "half way",
                },
            ),
        },
    )
    fields = {
        "group_id": "billing",
        "member_id": "",
        "generation_id": -1,
        "generation_id_or_member_epoch": -1,
        "retention_time": timedelta(milliseconds=-1),
        "topics": topics,
    }
    response = await client.ask("offset_commit", version, **{**fields, **changes})
    return [one.error_code for topic in response.topics for one in topic.partitions]


async def committed(client: AdminSession, group: str = "billing", *indexes: int) -> list[int]:
    """What a group has committed for partitions of `orders`, 0 unless others are named."""
    wanted = {"group_id": group, "topics": ({"name": "orders", "partition_indexes": indexes or (0,)},)}
    response = await client.ask("offset_fetch", groups=(wanted,))
    return [one.committed_offset for one in response.groups[0].topics[0].partitions]


def test_every_refusal_has_a_code() -> None:
    """The table from refusals to Kafka's codes is total."""
    assert set(REFUSALS) == set(Refusal)


# -- finding the coordinator -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", versions("find_coordinator"))
async def test_the_coordinator_is_this_broker(client: AdminSession, version: int) -> None:
    """For groups and transactions, one key or many, at the address that the client came to."""
    response = await client.ask("find_coordinator", version, key="g", key_type=1, coordinator_keys=("g", "h"))
    found = response.coordinators if version == 4 else [response]
    assert {(one.error_code, one.node_id, one.host, one.port) for one in found} == {
        (ErrorCode.none, 0, "localhost", 8080)
    }
    assert version < 4 or [one.key for one in found] == ["g", "h"]


async def test_there_are_no_other_coordinators(client: AdminSession) -> None:
    """A key type that nobody knows is refused."""
    response = await client.ask("find_coordinator", key_type=7, coordinator_keys=("g",))
    assert response.coordinators[0].error_code is ErrorCode.invalid_request


# -- membership --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", versions("join_group"))
async def test_a_lone_member_joins(client: AdminSession, version: int) -> None:
    """It leads generation 1 at once; from version 4 on it is given its id first."""
    response = await join(client, version)
    if version >= 4:
        assert response.error_code is ErrorCode.member_id_required and response.member_id.startswith("test-")
        assert response.protocol_name == (None if version >= 7 else "")
        response = await join(client, version, member_id=response.member_id)
    assert (response.error_code, response.generation_id, response.protocol_name) == (ErrorCode.none, 1, "range")
    assert response.leader == response.member_id
    assert [bytes(one.metadata) for one in response.members] == [subscription("orders")]


@pytest.mark.parametrize("version", versions("sync_group"))
async def test_sync(client: AdminSession, version: int) -> None:
    """A member of a stable group gets its assignment in every version."""
    member_id = await member(client)
    response = await client.ask(
        "sync_group", version, group_id="billing", generation_id=1, member_id=member_id, assignments=()
    )
    assert (response.error_code, bytes(response.assignment)) == (ErrorCode.none, b"mine")


@pytest.mark.parametrize("version", versions("heartbeat"))
async def test_heartbeat(client: AdminSession, version: int) -> None:
    """A member's is welcome, a stranger's and one of another generation are not."""
    member_id = await member(client)
    for generation, who, expected in (
        (1, member_id, ErrorCode.none),
        (2, member_id, ErrorCode.illegal_generation),
        (1, "x", ErrorCode.unknown_member_id),
    ):
        response = await client.ask("heartbeat", version, group_id="billing", generation_id=generation, member_id=who)
        assert response.error_code is expected


@pytest.mark.parametrize("version", versions("leave_group"))
async def test_leave(client: AdminSession, version: int) -> None:
    """One member before version 3, then a list with an error each."""
    member_id = await member(client)
    members = ({"member_id": member_id, "group_instance_id": None}, {"member_id": "x", "group_instance_id": None})
    response = await client.ask("leave_group", version, group_id="billing", member_id=member_id, members=members)
    assert response.error_code is ErrorCode.none
    if version >= 3:
        assert [one.error_code for one in response.members] == [ErrorCode.none, ErrorCode.unknown_member_id]
    else:
        again = await client.ask("leave_group", version, group_id="billing", member_id=member_id)
        assert again.error_code is ErrorCode.unknown_member_id


async def test_two_members_share(client: AdminSession) -> None:
    """A second member waits for the first to join again; the leader's assignments reach both."""
    first = await member(client)
    waiting = asyncio.ensure_future(join(client, 3))
    await asyncio.sleep(0)
    again = await join(client, 3, member_id=first)
    second = await waiting
    assert (again.generation_id, second.generation_id, second.leader) == (2, 2, first)
    assert len(again.members) == 2 and second.members == ()
    fields: dict[str, Any] = {"group_id": "billing", "generation_id": 2}
    follower = asyncio.ensure_future(client.ask("sync_group", member_id=second.member_id, assignments=(), **fields))
    await asyncio.sleep(0)
    assignments = tuple({"member_id": one, "assignment": one.encode()} for one in (first, second.member_id))
    await client.ask("sync_group", member_id=first, assignments=assignments, **fields)
    assert bytes((await follower).assignment) == second.member_id.encode()


async def test_a_client_that_goes_while_it_waits_disturbs_nobody(client: AdminSession) -> None:
    """The request of a lost connection is cancelled; the answer that it no longer wants goes nowhere."""
    first = await member(client)
    waiting = asyncio.ensure_future(join(client, 3))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.sleep(0)
    assert len((await join(client, 3, member_id=first)).members) == 2


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"group_id": ""}, ErrorCode.invalid_group_id),
        ({"group_id": "g" * 250}, ErrorCode.invalid_group_id),
        ({"session_timeout": timedelta(milliseconds=1)}, ErrorCode.invalid_session_timeout),
        ({"session_timeout": timedelta(hours=1)}, ErrorCode.invalid_session_timeout),
        ({"session_timeout": timedelta(milliseconds=-1)}, ErrorCode.invalid_session_timeout),
        ({"member_id": "x"}, ErrorCode.unknown_member_id),
        ({"protocols": ()}, ErrorCode.inconsistent_group_protocol),
        ({"protocol_type": ""}, ErrorCode.inconsistent_group_protocol),
        ({"group_instance_id": "i" * 250}, ErrorCode.invalid_request),
        ({"group_instance_id": ""}, ErrorCode.invalid_request),
        ({"protocols": ({"name": "range", "metadata": b"x" * GROUP_MEMBER_SIZE_MAX},)}, ErrorCode.invalid_request),
    ],
)
async def test_joins_that_cannot_be(client: AdminSession, changes: dict[str, Any], code: ErrorCode) -> None:
    """Names, timeouts, protocols and sizes are checked before anything is kept."""
    assert (await join(client, **changes)).error_code is code
    assert all(group.protocol_type == "" for group in client.broker.groups.overviews())


async def test_duplicate_member_ids(client: AdminSession) -> None:
    """An id stands for one member: a second join under it takes the first one's place, an assignment that names it
    twice gives it the last, and of two leaves in one request only the first finds it."""
    member_id = await member(client)
    again = await join(client, 3, member_id=member_id)
    assert (again.error_code, again.member_id) == (ErrorCode.none, member_id)
    assert [one.member_id for one in again.members] == [member_id]
    shares = [{"member_id": member_id, "assignment": share} for share in (b"first", b"last")]
    group = {"group_id": "billing", "member_id": member_id}
    synced = await client.ask("sync_group", 3, **group, generation_id=again.generation_id, assignments=tuple(shares))
    assert (synced.error_code, synced.assignment) == (ErrorCode.none, b"last")
    twice = ({"member_id": member_id, "group_instance_id": None},) * 2
    left = await client.ask("leave_group", 4, group_id="billing", members=twice)
    assert left.error_code is ErrorCode.none
    assert [one.error_code for one in left.members] == [ErrorCode.none, ErrorCode.unknown_member_id]


async def test_an_assignment_that_is_too_large(client: AdminSession) -> None:
    """A leader cannot make the broker keep more than a member's share."""
    member_id = (await join(client, 3)).member_id
    assignments = ({"member_id": member_id, "assignment": b"x" * (GROUP_MEMBER_SIZE_MAX + 1)},)
    response = await client.ask(
        "sync_group", group_id="billing", generation_id=1, member_id=member_id, assignments=assignments
    )
    assert response.error_code is ErrorCode.invalid_request


async def test_a_restart_of_the_broker_goes_unnoticed(tmp_path: Path) -> None:
    """Members of a stable group keep their generation and assignment, leadership and instance id; strangers stay so."""
    async with admin_session(tmp_path) as client:
        await client.make("orders", 3)
        member_id = (await join(client, group_instance_id="i")).member_id
        assignments = ({"member_id": member_id, "assignment": b"mine"},)
        fields: dict[str, Any] = {"group_id": "billing", "generation_id": 1, "member_id": member_id}
        await client.ask("sync_group", assignments=assignments, **fields)
    async with admin_session(tmp_path) as client:
        assert (await client.ask("heartbeat", **fields)).error_code is ErrorCode.none
        assert await commit(client, 4, member_id=member_id, generation_id_or_member_epoch=1) == [ErrorCode.none]
        assert await commit(client, 9, member_id="x", generation_id_or_member_epoch=1) == [ErrorCode.unknown_member_id]
        assert bytes((await client.ask("sync_group", assignments=(), **fields)).assignment) == b"mine"
        again = await join(client, group_instance_id="i")
        assert (again.generation_id, again.skip_assignment) == (1, True)
        fenced = await client.ask("heartbeat", group_instance_id="i", **fields)
        assert fenced.error_code is ErrorCode.fenced_instance_id
    async with admin_session(tmp_path) as client:
        fields["member_id"] = again.member_id
        assert (await client.ask("heartbeat", **fields)).error_code is ErrorCode.none
        members = ({"member_id": again.member_id, "group_instance_id": "i"},)
        await client.ask("leave_group", group_id="billing", members=members)
        await asyncio.gather(*client.broker.groups._storing.values())
    async with admin_session(tmp_path) as client:
        assert (await client.ask("heartbeat", **fields)).error_code is ErrorCode.unknown_member_id


async def test_members_that_do_not_come_back_after_a_restart(tmp_path: Path) -> None:
    """Their sessions begin with the broker, and end like any other."""
    async with admin_session(tmp_path) as client:
        await client.make("orders", 1)
        await member(client)
    async with admin_session(tmp_path) as client:
        groups = client.broker.groups
        assert groups.describe("billing").state.value == "Stable"
        client.context.clock.ms += 10_000  # type: ignore[attr-defined]
        groups._books.timers["billing"][1]._run()
        assert groups.describe("billing").state.value == "Empty"


# -- committed offsets -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", versions("offset_commit"))
async def test_commit(client: AdminSession, version: int) -> None:
    """An offset is there in every version."""
    assert await commit(client, 5, version) == [ErrorCode.none]
    assert await committed(client) == [5]


@pytest.mark.parametrize("version", versions("offset_fetch"))
async def test_fetch_offsets(client: AdminSession, version: int) -> None:
    """With metadata, from version 5 on its leader epoch; -1 where there is none. No topics mean all (version 2)."""
    await commit(client)
    wanted = ({"name": "orders", "partition_indexes": (0, 1)}, {"name": "nothing", "partition_indexes": (0,)})
    groups: Any = ({"group_id": "billing", "topics": wanted}, {"group_id": "other", "topics": None})
    response = await client.ask("offset_fetch", version, group_id="billing", topics=wanted, groups=groups)
    group = response.groups[0] if version >= 8 else response
    first, second = group.topics[0].partitions
    assert (first.committed_offset, first.metadata, first.error_code) == (5, "half way", ErrorCode.none)
    assert (second.committed_offset, second.metadata, second.error_code) == (-1, "", ErrorCode.none)
    assert version < 5 or (first.committed_leader_epoch, second.committed_leader_epoch) == (3, -1)
    assert group.topics[1].partitions[0].committed_offset == -1
    assert version < 8 or response.groups[1].topics == ()
    if version >= 2:
        groups = ({"group_id": "billing", "topics": None},)
        response = await client.ask("offset_fetch", version, group_id="billing", topics=None, groups=groups)
        group = response.groups[0] if version >= 8 else response
        assert [(one.name, len(one.partitions)) for one in group.topics] == [("orders", 1)]


async def test_commits_survive_a_restart(tmp_path: Path) -> None:
    """What was answered is there after the broker has stopped and started, metadata and all."""
    async with admin_session(tmp_path) as client:
        await client.make("orders", 1)
        await commit(client, 7)
    async with admin_session(tmp_path) as client:
        response = await client.ask("offset_fetch", groups=({"group_id": "billing", "topics": None},))
        (one,) = response.groups[0].topics[0].partitions
        assert (one.committed_offset, one.metadata, one.committed_leader_epoch) == (7, "half way", 3)


async def test_commits_are_fenced(client: AdminSession) -> None:
    """While a group has members, only they commit, and only in its generation; the offsets stay as they were."""
    await commit(client, 1)
    member_id = await member(client)
    refused: list[tuple[dict[str, Any], ErrorCode]] = [
        ({}, ErrorCode.unknown_member_id),
        ({"member_id": "x", "generation_id_or_member_epoch": 1}, ErrorCode.unknown_member_id),
        ({"member_id": member_id, "generation_id_or_member_epoch": 0}, ErrorCode.illegal_generation),
        ({"group_id": "unknown", "member_id": "x", "generation_id_or_member_epoch": 4}, ErrorCode.illegal_generation),
    ]
    for caller, code in refused:
        assert await commit(client, 99, **caller) == [code]
    assert await committed(client) == [1]
    assert await commit(client, 2, member_id=member_id, generation_id_or_member_epoch=1) == [ErrorCode.none]
    assert await committed(client) == [2]


async def test_commits_that_cannot_be(client: AdminSession) -> None:
    """Each partition has its own error; the others are stored."""

    def partition(index: int, offset: int = 1, metadata: str | None = None) -> dict[str, Any]:
        return {"partition_index": index, "committed_offset": offset, "committed_metadata": metadata}

    topics = (
        {
            "name": "orders",
            "partitions": (
                partition(0),
                partition(1, metadata="x" * (OFFSET_METADATA_SIZE_MAX + 1)),
                partition(2, offset=-1),
                partition(3),
            ),
        },
        {"name": "nothing", "partitions": (partition(0),)},
        {"name": "no/name", "partitions": (partition(0),)},
    )
    assert await commit(client, topics=topics) == [
        ErrorCode.none,
        ErrorCode.offset_metadata_too_large,
        ErrorCode.invalid_request,
        ErrorCode.unknown_topic_or_partition,
        ErrorCode.unknown_topic_or_partition,
        ErrorCode.invalid_topic_exception,
    ]
    assert await committed(client, "billing", 0, 1, 2) == [1, -1, -1]
    assert await commit(client, group_id="") == [ErrorCode.invalid_group_id]


async def test_a_dropped_topic_takes_its_offsets_along(client: AdminSession) -> None:
    """A topic of the same name, made later, begins without them."""
    await commit(client)
    await client.broker.drop_topic("orders")
    await client.make("orders", 1)
    assert await committed(client) == [-1]


async def test_offsets_expire(tmp_path: Path) -> None:
    """Offsets of a group without members go when the retention is over, counted from its last member; for good."""
    async with admin_session(tmp_path) as client:
        await client.make("orders", 1)
        member_id = await member(client)
        await commit(client, member_id=member_id, generation_id_or_member_epoch=1)
        client.context.clock.ms += 8 * DAY  # type: ignore[attr-defined]
        await client.broker.groups.expire()
        assert await committed(client) == [5]
        await client.ask("leave_group", 0, group_id="billing", member_id=member_id)
        client.context.clock.ms += 7 * DAY - 1  # type: ignore[attr-defined]
        await client.broker.groups.expire()
        assert await committed(client) == [5]
        client.context.clock.ms += 1  # type: ignore[attr-defined]
        await client.broker.groups.expire()
        assert await committed(client) == [-1]
        await client.broker.groups.expire()
        assert client.broker.groups.overviews() == []
    async with admin_session(tmp_path) as client:
        assert await committed(client) == [-1]


async def test_offsets_may_be_kept_for_ever(tmp_path: Path) -> None:
    """Without a retention nothing expires."""
    async with admin_session(tmp_path, Config(data_dir=tmp_path, offsets_retention_ms=None)) as client:
        await client.make("orders", 1)
        await commit(client)
        client.context.clock.ms += 10_000 * DAY  # type: ignore[attr-defined]
        await client.broker.groups.expire()
        assert await committed(client) == [5]


# -- administration ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", versions("describe_groups"))
async def test_describe(client: AdminSession, version: int) -> None:
    """A stable group shows its members with all they have, an unknown one is Dead, a name that cannot be an error."""
    member_id = await member(client)
    response = await client.ask(
        "describe_groups", version, groups=("billing", "unknown", ""), include_authorized_operations=False
    )
    group, unknown, wrong = response.groups
    assert (group.group_state, group.protocol_type, group.protocol_data) == ("Stable", "consumer", "range")
    (one,) = group.members
    assert (one.member_id, one.client_id, one.client_host) == (member_id, "test", "/127.0.0.1")
    assert (bytes(one.member_metadata), bytes(one.member_assignment)) == (subscription("orders"), b"mine")
    assert (unknown.error_code, unknown.group_state, unknown.members) == (ErrorCode.none, "Dead", ())
    assert wrong.error_code is ErrorCode.invalid_group_id


async def test_describe_in_a_rebalance(client: AdminSession) -> None:
    """Members are shown without what is no longer true."""
    await member(client)
    waiting = asyncio.ensure_future(join(client, 3))
    await asyncio.sleep(0)
    (group,) = (await client.ask("describe_groups", groups=("billing",), include_authorized_operations=False)).groups
    assert (group.group_state, group.protocol_data, len(group.members)) == ("PreparingRebalance", "", 2)
    assert {bytes(one.member_assignment) for one in group.members} == {b""}
    waiting.cancel()


@pytest.mark.parametrize("version", versions("list_groups"))
async def test_list(client: AdminSession, version: int) -> None:
    """Groups with members and groups with nothing but offsets; filters from versions 4 and 5 on."""
    await member(client)
    await commit(client, group_id="archive")
    groups = (await client.ask("list_groups", version)).groups
    assert [(one.group_id, one.protocol_type) for one in groups] == [("archive", ""), ("billing", "consumer")]
    assert version < 4 or [one.group_state for one in groups] == ["Empty", "Stable"]
    assert version < 5 or {one.group_type for one in groups} == {"classic"}
    if version >= 4:
        filtered = await client.ask("list_groups", version, states_filter=("stable",))
        assert [one.group_id for one in filtered.groups] == ["billing"]
    if version >= 5:
        assert (await client.ask("list_groups", version, types_filter=("consumer",))).groups == ()
        assert len((await client.ask("list_groups", version, types_filter=("Classic",))).groups) == 2


@pytest.mark.parametrize("version", versions("delete_groups"))
async def test_delete(client: AdminSession, version: int) -> None:
    """A group goes with all it committed, but not while it has members."""
    member_id = await member(client)
    await commit(client, member_id=member_id, generation_id_or_member_epoch=1)
    await commit(client, group_id="archive")

    async def delete(*names: str) -> list[ErrorCode]:
        response = await client.ask("delete_groups", version, groups_names=names)
        return [one.error_code for one in response.results]

    expected = [ErrorCode.non_empty_group, ErrorCode.none, ErrorCode.group_id_not_found, ErrorCode.invalid_group_id]
    assert await delete("billing", "archive", "unknown", "") == expected
    await client.ask("leave_group", 0, group_id="billing", member_id=member_id)
    assert await delete("billing") == [ErrorCode.none]
    assert await committed(client) == [-1] and client.broker.groups.overviews() == []


async def test_a_deleted_group_stays_deleted(tmp_path: Path) -> None:
    """Also after a restart; what is committed later counts."""
    async with admin_session(tmp_path) as client:
        await client.make("orders", 1)
        await commit(client, 5)
        await commit(client, 5, group_id="kept")
        await client.ask("delete_groups", groups_names=("billing",))
    async with admin_session(tmp_path) as client:
        assert await committed(client) == [-1] and await committed(client, "kept") == [5]
        await commit(client, 6)
    async with admin_session(tmp_path) as client:
        assert await committed(client) == [6]


async def test_offset_delete(client: AdminSession) -> None:
    """Offsets of topics that no member reads go; those of the others stay."""
    await client.make("refunds", 1)
    topics = tuple(
        {
            "name": name,
            "partitions": ({"partition_index": 0, "committed_offset": 4, "committed_metadata": None},),
        }
        for name in ("orders", "refunds")
    )
    await commit(client, topics=topics)
    await member(client)
    wanted = tuple({"name": name, "partitions": ({"partition_index": 0},)} for name in ("orders", "refunds", "nothing"))
    response = await client.ask("offset_delete", group_id="billing", topics=wanted)
    codes = [one.error_code for topic in response.topics for one in topic.partitions]
    assert codes == [ErrorCode.group_subscribed_to_topic, ErrorCode.none, ErrorCode.unknown_topic_or_partition]
    assert await committed(client) == [4]
    assert list(client.broker.groups.offsets.of_group("billing")) == [("orders", 0)]
    response = await client.ask("offset_delete", group_id="unknown", topics=wanted)
    assert (response.error_code, response.topics) == (ErrorCode.group_id_not_found, ())
