"""The rim around the consumer groups of KIP-848: their clock, timers and bounds, and the topics as they are now.

A group is stored before a member hears of a change of it, so that after a restart of the broker its members go on as if
nothing had been, and nobody is given what another one reads.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from logmq.broker.groups import consumer_classic, consumer_membership
from logmq.broker.groups.books import GroupBooks
from logmq.broker.groups.consumer_group import NO_TOPICS, ConsumerGroup, TopicsImage
from logmq.broker.groups.consumer_member import JOINING_EPOCH, ConsumerAnswer, ConsumerHeartbeat
from logmq.broker.groups.group import ClassicGroup
from logmq.broker.groups.member import Caller, JoinAnswer, JoinRequest, SyncAnswer
from logmq.broker.groups.offsets import CommittedOffsets
from logmq.broker.groups.refusal import Refusal
from logmq.clock import Clock
from logmq.config import Config
from logmq.errors import LogMQError
from logmq.limits import GROUP_MEMBER_SIZE_MAX, GROUPS_SIZE_MAX
from logmq.model import Topic

_log = logging.getLogger(__name__)


class Catalog(Protocol):
    """All topics, and a number that grows with every change of them."""

    version: int

    def __iter__(self) -> Iterator[Topic]:
        """Each topic once."""


class ConsumerGroups:
    """All consumer groups. Every method belongs to the event loop's thread."""

    def __init__(self, topics: Catalog, offsets: CommittedOffsets, config: Config, clock: Clock) -> None:
        self._topics = topics
        self._offsets = offsets
        self._config = config
        self._image = NO_TOPICS
        self._groups: dict[str, ConsumerGroup] = {}
        """Groups that have members, or had some lately."""
        self._books = GroupBooks(clock)
        self._stored: dict[str, int] = {}
        """The version of a group that was stored last."""
        self._storing: dict[str, asyncio.Task[None]] = {}
        """Groups that are being stored."""
        self._keeping: set[asyncio.Task[None]] = set()
        """What is being stored without anybody waiting for it."""

    def __contains__(self, name: str) -> bool:
        return name in self._groups

    def __len__(self) -> int:
        return len(self._groups)

    def __iter__(self) -> Iterator[ConsumerGroup]:
        return iter(list(self._groups.values()))

    def get(self, name: str) -> ConsumerGroup | None:
        """The group of this name."""
        return self._groups.get(name)

    def has_members(self, name: str) -> bool:
        """Whether there is such a group, with members."""
        group = self._groups.get(name)
        return group is not None and not group.is_empty

    def emptied_ms(self, name: str) -> int:
        """When the group lost its last member; 0 if it has some or is not known."""
        return self._books.emptied_ms(name)

    def restore(self, name: str, fields: Mapping[str, Any]) -> None:
        """Take up a group as it was stored; its members have a whole session to be heard of."""
        timeout_ms = self._config.consumer_session_timeout_ms
        group = self._groups[name] = consumer_membership.decode(name, fields, timeout_ms, self._books.now_ms())
        self._count(group)
        self._wake_by(group, group.deadline_ms)

    def drop(self, name: str) -> None:
        """Forget a group without members."""
        group = self._groups.pop(name, None)
        assert group is None or group.is_empty
        self._stored.pop(name, None)
        self._books.forget(name)

    def heartbeat(self, name: str, beat: ConsumerHeartbeat) -> ConsumerAnswer:
        """See `ConsumerGroup.heartbeat`. A group begins with its first member. The caller must `keep` the group before
        it gives out the answer."""
        if beat.size > GROUP_MEMBER_SIZE_MAX:
            return ConsumerAnswer(Refusal.TOO_LARGE, f"a member may have {GROUP_MEMBER_SIZE_MAX} bytes of names")
        group = self._groups.get(name)
        if group is None or beat.member_id not in group.members:
            if beat.epoch != JOINING_EPOCH and group is None:
                return ConsumerAnswer(Refusal.UNKNOWN_MEMBER, "the group does not know this member")
            if self._books.size + beat.size > GROUPS_SIZE_MAX:
                return ConsumerAnswer(Refusal.GROUP_FULL, "the broker has no room for more members of groups")
        if group is None:
            group = ConsumerGroup(name, self._config.consumer_session_timeout_ms)
        self._refresh(group)
        answer = group.heartbeat(beat, self._books.now_ms())
        if name in self._groups or not group.is_empty:  # a first member that was refused leaves no group behind
            self._groups[name] = group
            self._settle(group, beat)
        return answer

    # -- members of the classic protocol -----------------------------------------------------------------------------

    def adopt(self, classic: ClassicGroup) -> bool:
        """Take over a stable group of the classic protocol with its members, if they can be understood. The caller must
        `keep` it before anybody hears of it."""
        self._look_at_topics()
        group = consumer_classic.converted(classic, self._image, self._config.consumer_session_timeout_ms)
        if group is None:
            return False
        self._groups[group.name] = group
        self._count(group)
        self._wake_by(group, group.deadline_ms)
        return True

    def mixed(self, name: str) -> ConsumerGroup | None:
        """The group of this name if some of its members speak the classic protocol."""
        group = self._groups.get(name)
        return group if group is not None and group.has_classic_members else None

    async def classic_join(self, group: ConsumerGroup, request: JoinRequest) -> JoinAnswer:
        """See `consumer_classic.join`. Durability: as `keep`."""
        self._refresh(group)
        answer = consumer_classic.join(group, request, self._books.now_ms())
        self._settle_classic(group)
        await self.keep(group.name)
        return answer

    def classic_sync(self, group: ConsumerGroup, caller: Caller, generation: int) -> SyncAnswer:
        """See `consumer_classic.sync`."""
        return consumer_classic.sync(group, caller, generation)

    def classic_heartbeat(self, group: ConsumerGroup, caller: Caller, generation: int) -> Refusal | None:
        """See `consumer_classic.heartbeat`."""
        self._refresh(group)
        refusal = consumer_classic.heartbeat(group, caller, generation, self._books.now_ms())
        member = group.members.get(caller.member_id)
        if member is not None:
            self._wake_by(group, member.deadline_ms)
        return refusal

    def classic_leave(self, group: ConsumerGroup, caller: Caller) -> Refusal | None:
        """See `consumer_classic.leave`."""
        refusal = consumer_classic.leave(group, caller, self._books.now_ms())
        self._settle_classic(group)
        self._keep_later(group)
        return refusal

    def _settle_classic(self, group: ConsumerGroup) -> None:
        self._count(group)
        self._wake_by(group, group.deadline_ms)

    # -- durability --------------------------------------------------------------------------------------------------

    async def keep(self, name: str) -> None:
        """Return when the group is stored as it is now, or newer. Durability: as an append."""
        group = self._groups.get(name)
        if group is not None and self._stored.get(name, 0) < group.version:
            await self._keep(group)

    # -- the rim -----------------------------------------------------------------------------------------------------

    def _refresh(self, group: ConsumerGroup) -> None:
        self._look_at_topics()
        group.update_topics(self._image)

    def _look_at_topics(self) -> None:
        if self._image.version != self._topics.version:
            self._image = TopicsImage.of(self._topics.version, list(self._topics))

    def _settle(self, group: ConsumerGroup, beat: ConsumerHeartbeat) -> None:
        """Keep the books after a heartbeat, as far as it can have changed them."""
        if beat.topics is not None or beat.pattern is not None or beat.member_id not in group.members:
            self._count(group)
        member = group.members.get(beat.member_id)
        if member is not None:
            self._wake_by(group, member.deadline_ms)

    async def _keep(self, group: ConsumerGroup) -> None:
        name, version = group.name, group.version
        while self._groups.get(name) is group and self._stored.get(name, 0) < version:
            if name not in self._storing:
                self._storing[name] = asyncio.ensure_future(self._store(group))
            # Others wait for the same: that one of them is gone must not end it.
            await asyncio.shield(self._storing[name])

    async def _store(self, group: ConsumerGroup) -> None:
        name, version = group.name, group.version
        try:
            await self._offsets.store_membership(name, None if group.is_empty else consumer_membership.encode(group))
        except LogMQError as error:
            # The members are told all the same: a full disk must not stop them from reading.
            _log.warning("a group's members are not stored", extra={"group": name, "reason": str(error)})
        finally:
            del self._storing[name]
            if self._groups.get(name) is group:
                self._stored[name] = version

    def _count(self, group: ConsumerGroup) -> None:
        self._books.count(group.name, group.size, is_empty=group.is_empty)

    def _wake_by(self, group: ConsumerGroup, deadline_ms: int | None) -> None:
        self._books.wake_by(group.name, deadline_ms, lambda: self._tick(group))

    def _tick(self, group: ConsumerGroup) -> None:
        group.tick(self._books.now_ms())
        self._count(group)
        self._keep_later(group)
        self._wake_by(group, group.deadline_ms)

    def _keep_later(self, group: ConsumerGroup) -> None:
        task = asyncio.ensure_future(self._keep(group))
        self._keeping.add(task)
        task.add_done_callback(self._keeping.discard)
