"""Consumer groups: who is in them, how far they have come, and moving those that nobody is in."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from typing import Annotated, Literal

import msgspec
from msgspec import Meta
from starlette.requests import Request
from starlette.responses import Response

from logmq.broker.groups.coordinator import CLASSIC, GroupOverview
from logmq.broker.groups.offsets import CommittedOffset
from logmq.config import show_address
from logmq.errors import GroupHasMembers, LogMQError
from logmq.limits import HTTP_GROUP_OFFSETS_MAX, HTTP_PAGE_GROUPS_MAX
from logmq.model import TopicPartition
from logmq.protocols.http.bodies import Query, answer_json, json_of, query_of
from logmq.protocols.http.context import Context, context_of
from logmq.protocols.http.handlers.topics import OffsetUnit, offset_unit
from logmq.protocols.http.problems import InvalidInput
from logmq.protocols.http.reading import resolve_offset

GroupType = Literal["classic", "consumer"]
Offset = Annotated[int, Meta(ge=0, le=2**63 - 1)]
PartitionNumber = Annotated[int, Meta(ge=0, le=2**31 - 1)]

_TURN_OFFSET_COUNT = 500
"""Offsets looked up in one go, before other clients get their turn."""


class GroupsQuery(Query, frozen=True):
    """Which groups to list."""

    search: Annotated[str, Meta(description="a part of the name, in any letter case")] = ""
    after: Annotated[str, Meta(description="the name after which the page begins, the `next` of the one before")] = ""
    limit: Annotated[int, Meta(ge=1, le=HTTP_PAGE_GROUPS_MAX, description="groups in one page")] = HTTP_PAGE_GROUPS_MAX


class GroupLine(msgspec.Struct, frozen=True):
    """A group in a list. `lag` adds up its partitions', each in the offset unit of its topic."""

    group: str
    type: GroupType
    state: str
    member_count: int
    topic_count: int
    lag: int


class GroupPage(msgspec.Struct, frozen=True):
    """Groups by name; `total` counts all that were searched for, `next` is the next page's `after`."""

    groups: list[GroupLine]
    total: int
    next: str | None


class GroupPartition(msgspec.Struct, frozen=True):
    """A partition that a member reads."""

    topic: str
    partition: int


class MemberAnswer(msgspec.Struct, frozen=True):
    """A member of a group, and what it reads at the moment."""

    member_id: str
    client_id: str
    client_host: str
    instance_id: str | None
    partitions: list[GroupPartition]


class OffsetAnswer(msgspec.Struct, frozen=True):
    """How far a group has come in a partition, and how far it is behind, in the topic's `offset_unit`.

    `offset`, `committed_ms` and `lag` are null for a partition that a member reads and nothing was committed for yet.
    """

    topic: str
    partition: int
    offset: int | None
    metadata: str
    committed_ms: int | None
    log_start_offset: int
    high_watermark: int
    lag: int | None
    offset_unit: OffsetUnit
    member_id: str | None


class GroupAnswer(msgspec.Struct, frozen=True):
    """A group as it stands. `protocol` is how partitions are given out, `coordinator` this broker's address."""

    group: str
    type: GroupType
    state: str
    protocol: str
    generation: int
    coordinator: str
    members: list[MemberAnswer]
    offsets: list[OffsetAnswer]


class OffsetsAnswer(msgspec.Struct, frozen=True):
    """What a group has committed."""

    offsets: list[OffsetAnswer]


class NewOffset(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The offset of the record that a group is to read next."""

    topic: str
    partition: PartitionNumber
    offset: Offset


class NewOffsets(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Offsets to set; those of other partitions stay."""

    offsets: Annotated[list[NewOffset], Meta(min_length=1, max_length=HTTP_GROUP_OFFSETS_MAX)]


class Reset(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where a group is to go on in a topic: in one partition, or in all."""

    topic: str
    to: Annotated[
        Offset | str,
        Meta(description="a number, `earliest`, `latest`, `-10` (the last ten), `@` and milliseconds, or an ISO time"),
    ]
    partition: PartitionNumber | None = None
    dry_run: bool = False


class Move(msgspec.Struct, frozen=True, rename={"origin": "from"}):
    """A group's place in a partition, before and after; `from` is null where it had none."""

    topic: str
    partition: int
    origin: int | None
    to: int


class ResetAnswer(msgspec.Struct, frozen=True):
    """What was moved, or would be."""

    offsets: list[Move]


class OffsetsQuery(Query, frozen=True):
    """Which of a group's offsets to forget."""

    topic: str
    partition: Annotated[PartitionNumber | None, Meta(description="the partition; without it all of the topic's")] = (
        None
    )


# -- reading -----------------------------------------------------------------------------------------------------------


async def list_groups(request: Request) -> Response:
    """One page of the groups."""
    query, context = query_of(request, GroupsQuery), context_of(request)
    wanted = query.search.lower()
    found = [group for group in context.broker.groups.overviews() if wanted in group.name.lower()]
    rest = [group for group in found if group.name > query.after] if query.after else found
    page = rest[: query.limit]
    following = page[-1].name if len(page) < len(rest) else None
    lines, looked_up = [], 0
    for group in page:
        lines.append(_line(context, group))
        looked_up += 1 + len(context.broker.groups.offsets.of_group(group.name))
        if looked_up >= _TURN_OFFSET_COUNT:
            looked_up = 0
            await asyncio.sleep(0)
    return answer_json(GroupPage(lines, len(found), following))


def _line(context: Context, group: GroupOverview) -> GroupLine:
    committed = context.broker.groups.offsets.of_group(group.name)
    lags = [_lag(context, partition, each.offset) for partition, each in committed.items()]
    topic_count = len({partition.topic for partition in committed})
    return GroupLine(group.name, _type(group), group.state, group.member_count, topic_count, sum(lags))


async def describe_group(request: Request) -> Response:
    """One group with its members and offsets."""
    context, name = context_of(request), request.path_params["group"]
    group = context.broker.group(name)
    members = _members(context, group)
    return answer_json(
        GroupAnswer(
            name,
            _type(group),
            group.state,
            group.protocol_name,
            group.generation,
            _coordinator(request),
            members,
            _offsets(context, context.broker.groups.offsets.of_group(name), members),
        )
    )


async def list_offsets(request: Request) -> Response:
    """What a group has committed, and how far it is behind."""
    context, name = context_of(request), request.path_params["group"]
    group = context.broker.group(name)
    committed = context.broker.groups.offsets.of_group(name)
    return answer_json(OffsetsAnswer(_offsets(context, committed, _members(context, group), only_committed=True)))


# -- changing ----------------------------------------------------------------------------------------------------------


async def set_offsets(request: Request) -> Response:
    """Let a group go on from these offsets; it is made if need be. Durability: as an append, when it is answered."""
    wanted, context, name = await json_of(request, _NEW_OFFSETS), context_of(request), request.path_params["group"]
    offsets: dict[TopicPartition, int] = {}
    for index, each in enumerate(wanted.offsets):
        partition = TopicPartition(each.topic, each.partition)
        if partition in offsets:
            raise InvalidInput(f"{partition} is there twice", f"offsets[{index}]")
        context.broker.check_partition(partition)
        offsets[partition] = each.offset
    await context.broker.commit_offsets(name, offsets)
    committed = context.broker.groups.offsets.of_group(name)
    chosen = {partition: committed[partition] for partition in offsets if partition in committed}
    return answer_json(OffsetsAnswer(_offsets(context, chosen, ())))


async def reset_offsets(request: Request) -> Response:
    """Move a group in a topic, or say where it would be moved. Durability: as an append, when it is answered."""
    wanted, context, name = await json_of(request, _RESET), context_of(request), request.path_params["group"]
    _check_idle(context.broker.group(name))
    topic = context.broker.topic(wanted.topic)
    partitions = topic.partitions() if wanted.partition is None else [TopicPartition(topic.name, wanted.partition)]
    targets = {each: await _target(context, each, str(wanted.to)) for each in partitions}
    committed = context.broker.groups.offsets.of_group(name)
    moves = [
        Move(each.topic, each.index, committed[each].offset if each in committed else None, target)
        for each, target in targets.items()
    ]
    if not wanted.dry_run:
        await context.broker.commit_offsets(name, targets)
    return answer_json(ResetAnswer(moves))


async def _target(context: Context, partition: TopicPartition, text: str) -> int:
    """The offset that is meant, or the nearest one that the partition can be read from."""
    context.broker.check_partition(partition)
    try:
        offset = await resolve_offset(context, partition, text)
    except InvalidInput as error:
        raise InvalidInput(str(error), "to") from None
    bounds = context.broker.bounds(partition)
    return min(max(offset, bounds.log_start_offset), bounds.high_watermark)


async def forget_offsets(request: Request) -> Response:
    """Forget what a group committed for a topic that none of its members reads. Durability: as `set_offsets`."""
    query, context, name = query_of(request, OffsetsQuery), context_of(request), request.path_params["group"]
    context.broker.group(name)
    committed = context.broker.groups.offsets.of_group(name)
    partitions = [
        each for each in committed if each.topic == query.topic and query.partition in {None, each.index}
    ]  # fmt: skip
    await context.broker.forget_offsets(name, partitions)
    return Response(status_code=204)


async def drop_group(request: Request) -> Response:
    """Delete a group without members, and all that it committed. Durability: as `set_offsets`."""
    await context_of(request).broker.forget_group(request.path_params["group"])
    return Response(status_code=204)


_NEW_OFFSETS = msgspec.json.Decoder(NewOffsets)
_RESET = msgspec.json.Decoder(Reset)


def _check_idle(group: GroupOverview) -> None:
    if group.member_count:
        raise GroupHasMembers(group.name)


# -- parts of answers --------------------------------------------------------------------------------------------------


def _type(group: GroupOverview) -> GroupType:
    return "classic" if group.type == CLASSIC else "consumer"


def _coordinator(request: Request) -> str:
    """This broker, at the address by which it was asked."""
    host, port = request.scope.get("server") or ("", 0)
    return show_address(host, port or 0)


def _members(context: Context, group: GroupOverview) -> list[MemberAnswer]:
    return [
        MemberAnswer(
            one.member_id,
            one.client_id,
            one.client_host,
            one.instance_id,
            [GroupPartition(*partition) for partition in one.partitions],
        )
        for one in context.broker.group_readers(group.name)
    ]


def _offsets(
    context: Context,
    committed: Mapping[TopicPartition, CommittedOffset],
    members: Collection[MemberAnswer],
    *,
    only_committed: bool = False,
) -> list[OffsetAnswer]:
    """By topic and partition."""
    readers = {TopicPartition(one.topic, one.partition): each.member_id for each in members for one in each.partitions}
    wanted = committed.keys() if only_committed else committed.keys() | readers.keys()
    found = [_offset(context, each, committed.get(each), readers.get(each)) for each in sorted(wanted)]
    return [each for each in found if each is not None]


def _offset(
    context: Context, partition: TopicPartition, committed: CommittedOffset | None, member_id: str | None
) -> OffsetAnswer | None:
    """None if there is no such partition: it was dropped just now, or a client made it up."""
    try:
        topic, bounds = context.broker.check_partition(partition), context.broker.bounds(partition)
    except LogMQError:
        return None
    return OffsetAnswer(
        partition.topic,
        partition.index,
        None if committed is None else committed.offset,
        "" if committed is None else committed.metadata,
        None if committed is None else committed.committed_ms,
        bounds.log_start_offset,
        bounds.high_watermark,
        None if committed is None else bounds.lag(committed.offset),
        offset_unit(topic),
        member_id,
    )


def _lag(context: Context, partition: TopicPartition, offset: int) -> int:
    """In a list's sum a partition that was dropped a moment ago counts nothing."""
    try:
        return context.broker.bounds(partition).lag(offset)
    except LogMQError:
        return 0
