"""The group coordinator: the rim around the groups' state machines, with the futures, the timers and the bounds.

A group begins with its first member or its first committed offset, and ends when it has neither. Who is in a stable
group is stored before the members hear of it, so that they go on after a restart of the broker as if nothing had been.

A group is of one type: `classic` (here) or `consumer` (KIP-848, in consumer_groups.py). While it has no members it may
become one of the other; a stable classic group also becomes a consumer group when a member of that protocol joins.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, cast

from logmq.broker.groups import consumer_classic, membership
from logmq.broker.groups.books import GroupBooks
from logmq.broker.groups.consumer_group import ConsumerGroup
from logmq.broker.groups.consumer_groups import ConsumerGroups
from logmq.broker.groups.consumer_member import JOINING_EPOCH, ConsumerAnswer, ConsumerHeartbeat
from logmq.broker.groups.expected import ExpectedMembers
from logmq.broker.groups.group import ClassicGroup, GroupState
from logmq.broker.groups.member import Caller, JoinAnswer, JoinRequest, Member, SyncAnswer
from logmq.broker.groups.offsets import CommittedOffset, CommittedOffsets, check_group_name
from logmq.broker.groups.refusal import Refusal
from logmq.broker.groups.subscription import CONSUMER
from logmq.clock import Clock
from logmq.config import Config
from logmq.errors import LogMQError, Throttled
from logmq.limits import (
    GROUP_COUNT_MAX,
    GROUP_MEMBER_SIZE_MAX,
    GROUPS_SIZE_MAX,
    OFFSETS_EXPIRY_INTERVAL_S,
    SESSION_TIMEOUT_MAX_MS,
    SESSION_TIMEOUT_MIN_MS,
)
from logmq.model import TopicPartition

_log = logging.getLogger(__name__)

CLASSIC = "classic"


@dataclass(frozen=True, slots=True)
class GroupOverview:
    """A group as a list shows it. The protocol type is empty for groups that only ever committed offsets."""

    name: str
    type: str
    state: StrEnum
    protocol_type: str
    protocol_name: str = ""
    """For a consumer group its assignor."""
    member_count: int = 0
    members: tuple[Member, ...] = ()
    """Of a classic group; those of a consumer group are in `GroupCoordinator.consumers`."""
    generation: int = 0
    """For a consumer group its epoch."""


class GroupCoordinator:
    """All groups. Every method belongs to the event loop's thread."""

    def __init__(self, offsets: CommittedOffsets, consumers: ConsumerGroups, config: Config, clock: Clock) -> None:
        self.offsets = offsets
        self.consumers = consumers
        """Groups of the type `consumer`. No name is both in there and here."""
        self._config = config
        self._clock = clock
        self._groups: dict[str, ClassicGroup] = {}
        """Groups that have members, or had some lately."""
        self.expected = ExpectedMembers(clock)
        self._books = GroupBooks(clock)
        self._stored: dict[str, int] = {}
        """The membership version that was stored last, by group."""
        self._storing: dict[str, asyncio.Task[None]] = {}
        """Memberships that are being stored; a group's answers wait for it."""
        self._started_ms = clock.now_ms()
        self._expiring: asyncio.Task[None] | None = None

    # -- membership --------------------------------------------------------------------------------------------------

    async def join(self, name: str, request: JoinRequest) -> JoinAnswer:
        """Join a group, made if it is not there; returns when the generation begins. Raises: InvalidGroupName."""
        refusal = self._refuse_join(check_group_name(name), request)
        if refusal is not None:
            return JoinAnswer(request.member_id, refusal)
        mixed = self.consumers.mixed(name)
        if mixed is not None:
            return await self.consumers.classic_join(mixed, request)
        self.consumers.drop(name)
        group = self._groups.get(name)
        if group is None:
            group = self._groups[name] = ClassicGroup(name, self._config.group_initial_rebalance_delay_ms)
        ticket: asyncio.Future[JoinAnswer] = asyncio.get_running_loop().create_future()
        group.expected_count = self.expected.count(name)
        group.join(request, ticket, self._books.now_ms())
        self._settle(group)
        return await ticket

    def _refuse_join(self, name: str, request: JoinRequest) -> Refusal | None:
        if not SESSION_TIMEOUT_MIN_MS <= request.session_timeout_ms <= SESSION_TIMEOUT_MAX_MS:
            return Refusal.INVALID_SESSION_TIMEOUT
        if request.size > GROUP_MEMBER_SIZE_MAX:
            return Refusal.TOO_LARGE
        mixed = self.consumers.mixed(name)
        if self.consumers.has_members(name) and mixed is None:
            return Refusal.WRONG_TYPE
        group = self._groups.get(name)
        if group is None and mixed is None:
            if request.member_id:
                return Refusal.UNKNOWN_MEMBER
            if len(self._groups) + len(self.consumers) >= GROUP_COUNT_MAX:
                return Refusal.GROUP_FULL
        member = None if group is None else group.members.get(request.member_id)
        grown = request.size - (0 if member is None else member.size)
        return Refusal.GROUP_FULL if grown > 0 and self._books.size + grown > GROUPS_SIZE_MAX else None

    async def sync(
        self,
        name: str,
        caller: Caller,
        generation: int,
        assignments: Sequence[tuple[str, bytes]],
        *,
        protocol_type: str | None = None,
        protocol_name: str | None = None,
    ) -> SyncAnswer:
        """Bring or wait for the assignment of a generation. Raises: InvalidGroupName."""
        mixed = self.consumers.mixed(check_group_name(name))
        if mixed is not None:
            return self.consumers.classic_sync(mixed, caller, generation)
        group = self._groups.get(name)
        if group is None:
            return SyncAnswer(Refusal.UNKNOWN_MEMBER)
        if any(len(assignment) > GROUP_MEMBER_SIZE_MAX for _, assignment in assignments):
            return SyncAnswer(Refusal.TOO_LARGE)
        ticket: asyncio.Future[SyncAnswer] = asyncio.get_running_loop().create_future()
        group.sync(
            caller,
            generation,
            assignments,
            ticket,
            self._books.now_ms(),
            protocol_type=protocol_type,
            protocol_name=protocol_name,
        )
        if caller.member_id == group.leader:
            self._settle(group)
        else:  # it puts its deadline off and changes nothing else: hundreds of followers need not look at each other
            self._give_out(group)
        return await ticket

    def heartbeat(self, name: str, caller: Caller, generation: int) -> Refusal | None:
        """A member lives. Raises: InvalidGroupName."""
        mixed = self.consumers.mixed(check_group_name(name))
        if mixed is not None:
            return self.consumers.classic_heartbeat(mixed, caller, generation)
        group = self._groups.get(name)
        # It only puts deadlines off, so that the timer may stay: should it come too early, it is set anew.
        return Refusal.UNKNOWN_MEMBER if group is None else group.heartbeat(caller, generation, self._books.now_ms())

    def leave(self, name: str, callers: Iterable[Caller]) -> list[Refusal | None]:
        """Members go; one result each. Raises: InvalidGroupName."""
        mixed = self.consumers.mixed(check_group_name(name))
        if mixed is not None:
            return [self.consumers.classic_leave(mixed, caller) for caller in callers]
        group = self._groups.get(name)
        if group is None:
            return [Refusal.UNKNOWN_MEMBER for _ in callers]
        results = [group.leave(caller, self._books.now_ms()) for caller in callers]
        self._settle(group)
        return results

    async def consumer_heartbeat(self, name: str, beat: ConsumerHeartbeat) -> ConsumerAnswer:
        """A member of a consumer group (KIP-848) joins, lives or leaves; returns when what has changed is stored.

        Raises: InvalidGroupName.
        """
        classic = self._groups.get(check_group_name(name))
        if classic is not None and not classic.is_idle:
            refused = self._migrate(classic, beat)
            if refused is not None:
                return refused
            classic = None
        if name not in self.consumers and len(self._groups) + len(self.consumers) >= GROUP_COUNT_MAX:
            return ConsumerAnswer(Refusal.GROUP_FULL, f"there are {GROUP_COUNT_MAX} groups already; delete one")
        answer = self.consumers.heartbeat(name, beat)
        if classic is not None and name in self.consumers:
            self._drop(name)
        await self.consumers.keep(name)
        return answer

    def _migrate(self, classic: ClassicGroup, beat: ConsumerHeartbeat) -> ConsumerAnswer | None:
        """Let a group whose first member of the new protocol joins become one of it; its old members stay (KIP-848)."""
        if beat.epoch != JOINING_EPOCH:
            return ConsumerAnswer(Refusal.GROUP_UNKNOWN, "the group has members of the classic protocol")
        if classic.state is not GroupState.STABLE:
            return ConsumerAnswer(Refusal.NOT_YET, "the group has members of the classic protocol, and rebalances")
        if not self.consumers.adopt(classic):
            return ConsumerAnswer(Refusal.GROUP_UNKNOWN, "the group has members that are no consumers")
        self._drop(classic.name)
        return None

    # -- committed offsets -------------------------------------------------------------------------------------------

    async def commit(
        self, name: str, caller: Caller, generation: int, offsets: Mapping[TopicPartition, CommittedOffset]
    ) -> Refusal | None:
        """Remember how far a group has come, if the caller may say so.

        Generation -1 and no member id is a consumer that works on its own, or an administrator.
        Durability: as an append, when it returns None. Raises: InvalidGroupName, DiskFull, Throttled, Unavailable.
        """
        refusal = self._check_commit(check_group_name(name), caller, generation)
        if refusal is None and offsets:
            if not self.offsets.of_group(name) and self.offsets.group_count >= GROUP_COUNT_MAX:
                raise Throttled(f"there are {GROUP_COUNT_MAX} groups already; delete one")
            await self.offsets.commit(name, offsets)
        return refusal

    def _check_commit(self, name: str, caller: Caller, generation: int) -> Refusal | None:
        consumers, group = self.consumers.get(name), self._groups.get(name)
        if consumers is not None:
            return _check_consumer(consumers, caller, generation)
        if group is not None:
            return group.check_commit(caller, generation, self._books.now_ms())
        return Refusal.ILLEGAL_GENERATION if generation >= 0 else None

    def check_reader(self, name: str, member_id: str, epoch: int) -> Refusal | None:
        """Whether a member of a consumer group that asks for committed offsets is in its present epoch: one that is
        not would go on from where it should not. Whoever is no member (epoch -1) may ask, too."""
        group = self.consumers.get(name)
        if group is None or (epoch < 0 and not member_id):
            return None
        return group.check_epoch(member_id, epoch)

    async def forget_offsets(self, name: str, partitions: Collection[TopicPartition]) -> Refusal | set[TopicPartition]:
        """Forget what a group committed; returns the partitions of topics that it reads, whose offsets stay.

        Durability: as `commit`. Raises: InvalidGroupName, DiskFull, Throttled, Unavailable.
        """
        if not self.exists(check_group_name(name)):
            return Refusal.GROUP_UNKNOWN
        group = self._groups.get(name)
        kept: set[TopicPartition] = set()
        if group is not None and not group.is_empty:
            if group.protocol_type != CONSUMER:
                return Refusal.GROUP_NOT_EMPTY
            subscribed = {topic for topic in {one.topic for one in partitions} if group.is_subscribed(topic)}
            kept = {one for one in partitions if one.topic in subscribed}
        consumers = self.consumers.get(name)
        if consumers is not None:
            kept = {one for one in partitions if consumers.is_subscribed(one.topic)}
        await self.offsets.forget(name, [one for one in partitions if one not in kept])
        return kept

    # -- administration ----------------------------------------------------------------------------------------------

    def exists(self, name: str) -> bool:
        """Whether there is such a group."""
        return name in self._groups or name in self.consumers or bool(self.offsets.of_group(name))

    def names(self) -> set[str]:
        """The names of all groups."""
        return {*self._groups, *self.offsets.groups(), *(group.name for group in self.consumers)}

    def overviews(self) -> list[GroupOverview]:
        """All groups by name."""
        return [self.describe(name) for name in sorted(self.names())]

    def describe(self, name: str) -> GroupOverview:
        """A group, with its members if it is a classic one; one that does not exist is DEAD."""
        consumers, group = self.consumers.get(name), self._groups.get(name)
        if consumers is not None:
            count = len(consumers.members)
            return GroupOverview(
                name, consumers.type, consumers.state, CONSUMER, consumers.assignor, count, (), consumers.epoch
            )
        if group is None:
            state = GroupState.EMPTY if self.offsets.of_group(name) else GroupState.DEAD
            return GroupOverview(name, CLASSIC, state, "")
        return GroupOverview(
            name,
            CLASSIC,
            group.state,
            group.protocol_type or "",
            group.protocol_name or "",
            len(group.members),
            tuple(group.members.values()),
            group.generation,
        )

    async def delete(self, name: str) -> Refusal | None:
        """Forget a group without members, and all that it committed.

        Durability: as `commit`. Raises: InvalidGroupName, DiskFull, Throttled, Unavailable.
        """
        if not self.exists(check_group_name(name)):
            return Refusal.GROUP_UNKNOWN
        group = self._groups.get(name)
        if self.consumers.has_members(name) or (group is not None and not group.is_empty):
            return Refusal.GROUP_NOT_EMPTY
        if self.offsets.of_group(name):
            await self.offsets.forget_group(name)
        if not self.consumers.has_members(name):
            self.consumers.drop(name)
        if group is not None and group.is_idle and self._groups.get(name) is group:
            self._drop(name)
        return None

    # -- expiry ------------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Take up the groups that were stable when the broker stopped, and look for expired offsets from now on."""
        for name, fields in self.offsets.memberships().items():
            if fields.get("type") == ConsumerGroup.type:
                self.consumers.restore(name, fields)
                continue
            delay_ms = self._config.group_initial_rebalance_delay_ms
            group = ClassicGroup.restored(name, membership.decode(fields, self._books.now_ms()), delay_ms)
            self._groups[name] = group
            self._settle(group)
        self._look_for_expired()

    def _look_for_expired(self) -> None:
        asyncio.get_running_loop().call_later(OFFSETS_EXPIRY_INTERVAL_S, self._expire_later)

    def _expire_later(self) -> None:
        if self._expiring is None or self._expiring.done():
            self._expiring = asyncio.ensure_future(self.expire())
        self._look_for_expired()

    async def expire(self) -> None:
        """Of groups without members, forget offsets past their retention, and those groups that have no offsets.

        The time counts from the commit, from the moment the last member left and from the start of the broker,
        whichever is latest: a group whose members are about to come back after a restart keeps its place (KIP-211).
        """
        for name, group in list(self._groups.items()):
            if group.is_idle and not self.offsets.of_group(name):
                self._drop(name)
        for consumers in self.consumers:
            if consumers.is_empty and not self.offsets.of_group(consumers.name):
                self.consumers.drop(consumers.name)
        retention_ms = self._config.offsets_retention_ms
        if retention_ms is None:
            return
        for name in self.offsets.groups():
            try:
                await self._expire_offsets(name, self._clock.now_ms() - retention_ms)
            except LogMQError:
                return  # the next round tries again

    async def _expire_offsets(self, name: str, latest_ms: int) -> None:
        group = self._groups.get(name)
        # A commit under way would be overtaken by its own removal.
        if (group is not None and not group.is_idle) or self.offsets.is_writing(name):
            return
        if self.consumers.has_members(name):
            return
        emptied_ms = max(self._books.emptied_ms(name), self.consumers.emptied_ms(name))
        if max(emptied_ms, self._started_ms) > latest_ms:
            return
        offsets = self.offsets.of_group(name)
        await self.offsets.forget(
            name, [one for one, committed in offsets.items() if committed.committed_ms <= latest_ms]
        )

    # -- the rim -----------------------------------------------------------------------------------------------------

    def _settle(self, group: ClassicGroup) -> None:
        """After every change of a group: store its membership, give out its answers, keep the books, set its timer."""
        self._store_if_changed(group)
        self._give_out(group)
        self._books.count(group.name, group.size, is_empty=group.is_empty)
        self._books.wake_by(group.name, group.deadline_ms, lambda: self._tick(group))

    def _store_if_changed(self, group: ClassicGroup) -> None:
        if group.membership_version == self._stored.get(group.name, 0) or group.name in self._storing:
            return
        members = group.membership
        if members is None and not group.is_empty:
            return  # a rebalance: what comes of it will be stored
        self._stored[group.name] = group.membership_version
        fields = None if members is None else membership.encode(members)
        self._storing[group.name] = asyncio.ensure_future(self._store(group, fields))

    async def _store(self, group: ClassicGroup, fields: dict[str, Any] | None) -> None:
        try:
            await self.offsets.store_membership(group.name, fields)
        except LogMQError as error:
            # The members are told all the same: a full disk must not stop them from reading.
            _log.warning("a group's members are not stored", extra={"group": group.name, "reason": str(error)})
        finally:
            del self._storing[group.name]
            current = self._groups.get(group.name)
            if current is not group:  # dropped meanwhile; there may be another one of that name
                self._give_out(group)
            if current is not None:
                self._settle(current)

    def _give_out(self, group: ClassicGroup) -> None:
        if group.name in self._storing:
            return  # it gives them out when it is done
        for ticket, answer in group.take_answers():
            future = cast("asyncio.Future[Any]", ticket)
            if not future.done():  # done: the client's connection is gone, its request was cancelled
                future.set_result(answer)

    def _tick(self, group: ClassicGroup) -> None:
        group.tick(self._books.now_ms())
        self._settle(group)

    def _drop(self, name: str) -> None:
        del self._groups[name]
        self._stored.pop(name, None)
        self._books.forget(name)


def _check_consumer(group: ConsumerGroup, caller: Caller, epoch: int) -> Refusal | None:
    if epoch < 0 and group.is_empty:
        return None
    member = group.members.get(caller.member_id)
    if member is not None and member.classic is not None:
        return consumer_classic.check(group, caller, epoch)
    return group.check_epoch(caller.member_id, epoch, instance_id=caller.instance_id)
