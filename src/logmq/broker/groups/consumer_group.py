"""A consumer group (KIP-848), whose partitions the broker assigns, as a state machine: no I/O, no clock.

    group epoch      grows with every change of the members, of what they want, and of the topics
    target           who is to have which partitions: worked out anew for every group epoch, at once
    member epoch     the group epoch up to which a member has come; its heartbeats bring it on

Each member goes its own way towards its target, nobody waits for all others:

    STABLE --- its target has changed ---> has it something to give up?
      ^                                     | yes                            | no: it is in the new epoch
      |                                     v                                v
      |                                  UNREVOKED -- it has given it up --> do others still hold some of its target?
      |                                     | not in time: it is put out     | no              | yes
      |                                     v                                v                 v
      +-------------------------------------------------------------------- STABLE         UNRELEASED, asks again

A partition belongs to whoever was told to read it until that member says in a heartbeat that it does not, leaves, or is
taken for dead. So no two members ever read one partition.

Time is passed in, in milliseconds of a clock that never steps back.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum

from logmq.broker.groups.consumer_assignors import ASSIGNORS, DEFAULT_ASSIGNOR, Subscriber
from logmq.broker.groups.consumer_member import (
    AWAY_EPOCH,
    JOINING_EPOCH,
    LEAVING_EPOCH,
    ConsumerAnswer,
    ConsumerHeartbeat,
    ConsumerMember,
    MemberState,
    Owned,
)
from logmq.broker.groups.consumer_pattern import InvalidPattern, TopicPattern
from logmq.broker.groups.refusal import Refusal
from logmq.limits import GROUP_MEMBER_COUNT_MAX
from logmq.model import Topic


class ConsumerGroupState(StrEnum):
    """Where a group stands, in Kafka's words."""

    EMPTY = "Empty"
    RECONCILING = "Reconciling"
    """Some member does not have its target yet."""
    STABLE = "Stable"


@dataclass(frozen=True, slots=True)
class TopicsImage:
    """Topics as groups see them. `version` changes whenever they do."""

    version: int
    by_name: Mapping[str, tuple[int, int]]
    """Id and partition count of each."""
    selectable: Collection[str]
    """Names that a pattern may match: the broker's own topics are read by those who name them."""

    @classmethod
    def of(cls, version: int, topics: Collection[Topic]) -> TopicsImage:
        """The image of these topics."""
        by_name = {topic.name: (topic.log_ids[0], topic.partition_count) for topic in topics}
        return cls(version, by_name, [topic.name for topic in topics if not topic.internal])


NO_TOPICS = TopicsImage(-1, {}, ())


class ConsumerGroup:
    """One group."""

    type = "consumer"
    default_assignor = DEFAULT_ASSIGNOR

    def __init__(self, name: str, session_timeout_ms: int) -> None:
        self.name = name
        self.epoch = 0
        self.assignor = DEFAULT_ASSIGNOR
        self.members: dict[str, ConsumerMember] = {}
        """By member id, in the order in which they came."""
        self.target: dict[str, frozenset[Owned]] = {}
        """What each member is to have, by member id."""
        self.topics = NO_TOPICS
        self._session_timeout_ms = session_timeout_ms
        self._instances: dict[str, str] = {}
        """Member ids by instance id."""
        self._owners: dict[Owned, str] = {}
        """Who was told to read a partition and has not given it up, by member id."""
        self.version = 0
        """Grows with every change that has to outlive the broker."""

    @classmethod
    def restored(
        cls,
        name: str,
        session_timeout_ms: int,
        epoch: int,
        assignor: str,
        members: Collection[ConsumerMember],
        target: Mapping[str, frozenset[Owned]],
    ) -> ConsumerGroup:
        """The group that had these members when the broker stopped."""
        group = cls(name, session_timeout_ms)
        group.epoch, group.assignor, group.target = epoch, assignor, dict(target)
        group.members = {member.member_id: member for member in members}
        group._instances = {one.instance_id: one.member_id for one in members if one.instance_id is not None}
        group._owners = {one: member.member_id for member in members for one in member.assigned | member.revoking}
        return group

    # -- what the rim asks -------------------------------------------------------------------------------------------

    @property
    def state(self) -> ConsumerGroupState:
        """Where it stands."""
        if not self.members:
            return ConsumerGroupState.EMPTY
        done = all(self._has_target(member) or member.is_away for member in self.members.values())
        return ConsumerGroupState.STABLE if done else ConsumerGroupState.RECONCILING

    @property
    def is_empty(self) -> bool:
        """Whether it has no members."""
        return not self.members

    @property
    def deadline_ms(self) -> int | None:
        """When `tick` is due; None while there is nothing to wait for."""
        return min((member.deadline_ms for member in self.members.values()), default=None)

    @property
    def size(self) -> int:
        """Bytes kept for its members."""
        return sum(member.size for member in self.members.values())

    @property
    def has_classic_members(self) -> bool:
        """Whether some of its members speak the classic protocol."""
        return any(member.classic is not None for member in self.members.values())

    def instance_member(self, instance_id: str | None) -> str | None:
        """The id of the member with this instance id."""
        return None if instance_id is None else self._instances.get(instance_id)

    def has_news_for(self, member: ConsumerMember) -> bool:
        """Whether its next full heartbeat would bring the member on: something is to be given up, or to be got."""
        if self._has_target(member):
            return False
        if member.epoch != self.epoch or member.state is not MemberState.UNRELEASED:
            return True
        return any(one not in self._owners for one in self.target.get(member.member_id, frozenset()) - member.assigned)

    def is_subscribed(self, topic: str) -> bool:
        """Whether a member wants the topic."""
        return any(topic in member.topics or topic in member.matched for member in self.members.values())

    def tick(self, now_ms: int) -> None:
        """Put out the members whose time is up."""
        late = [member for member in self.members.values() if member.deadline_ms <= now_ms]
        for member in late:
            self._forget(member)
        if late:
            self._begin_epoch()

    def update_topics(self, image: TopicsImage) -> None:
        """Take topics as they are now; what members want of them may have changed."""
        if image.version == self.topics.version:
            return
        before = self._wanted()
        self.topics = image
        for member in self.members.values():
            if member.pattern is not None:
                member.matched = member.pattern.select(image.selectable)
        if self._wanted() != before:
            self._begin_epoch()

    def check_epoch(self, member_id: str, epoch: int, *, instance_id: str | None = None) -> Refusal | None:
        """Whether whoever speaks is a member in its present epoch, as for a commit (KIP-848)."""
        refusal = self.check_member(member_id, instance_id)
        if refusal is not None:
            return refusal
        return None if self.members[member_id].epoch == epoch else Refusal.STALE_EPOCH

    # -- heartbeat ---------------------------------------------------------------------------------------------------

    def heartbeat(self, beat: ConsumerHeartbeat, now_ms: int) -> ConsumerAnswer:
        """A member joins, lives, or leaves, and is brought on towards its target."""
        if beat.epoch in {LEAVING_EPOCH, AWAY_EPOCH}:
            return self._leave(beat)
        refused = self._refuse(beat)
        if refused is not None:
            return refused
        try:
            pattern = self._pattern(beat)
        except InvalidPattern as error:
            return ConsumerAnswer(Refusal.INVALID_PATTERN, str(error))
        member = self._joined(beat) if beat.epoch == JOINING_EPOCH else self.members[beat.member_id]
        if self._take(member, beat, pattern):
            self._begin_epoch()
        classic = member.classic
        timeout_ms = self._session_timeout_ms if classic is None else classic.session_timeout_ms
        member.session_deadline_ms = now_ms + timeout_ms
        before, missed = member.assigned, beat.epoch != member.epoch
        if not self._has_target(member):
            self._reconcile(member, beat.owned, now_ms)
        tells = beat.is_full or missed or member.assigned != before
        return ConsumerAnswer(
            None,
            "",
            member.epoch,
            member.assigned if tells else None,
            hurry=not self._has_target(member),
        )

    def _pattern(self, beat: ConsumerHeartbeat) -> TopicPattern | None:
        """What a heartbeat subscribes by, looked through once. Raises: InvalidPattern."""
        member = self.members.get(beat.member_id)
        pattern = None if member is None else member.pattern
        if beat.pattern is not None and (pattern is None or beat.pattern != pattern.text):
            pattern = TopicPattern(beat.pattern) if beat.pattern else None
            if pattern is not None:
                pattern.select(self.topics.selectable)
        if pattern is not None and pattern.is_exhausted:
            raise InvalidPattern(pattern.text, "it takes too many steps")
        return pattern

    def _refuse(self, beat: ConsumerHeartbeat) -> ConsumerAnswer | None:
        if beat.assignor is not None and beat.assignor not in ASSIGNORS:
            known = ", ".join(ASSIGNORS)
            return ConsumerAnswer(Refusal.UNSUPPORTED_ASSIGNOR, f"there is no assignor {beat.assignor!r}, only {known}")
        if beat.epoch == JOINING_EPOCH:
            return self._refuse_join(beat)
        refusal = self.check_member(beat.member_id, beat.instance_id)
        if refusal is Refusal.FENCED_INSTANCE:
            return ConsumerAnswer(refusal, "another member has joined under the same instance id")
        if refusal is not None:
            return ConsumerAnswer(refusal, "the group does not know this member")
        return self._refuse_epoch(self.members[beat.member_id], beat)

    def _refuse_join(self, beat: ConsumerHeartbeat) -> ConsumerAnswer | None:
        other = self.members.get(self._instances.get(beat.instance_id or "", ""))
        replaced = other is not None and (other.is_away or other.classic is not None)
        if other is not None and other.member_id != beat.member_id and not replaced:
            return ConsumerAnswer(Refusal.UNRELEASED_INSTANCE, "a member with the same instance id is still there")
        known = self.members.get(beat.member_id)
        if known is not None and known.instance_id != beat.instance_id:
            return ConsumerAnswer(Refusal.FENCED_EPOCH, "the member has joined under another instance id")
        if known is None and other is None and len(self.members) >= GROUP_MEMBER_COUNT_MAX:
            return ConsumerAnswer(Refusal.GROUP_FULL, f"the group has {len(self.members)} members already")
        return None

    def _refuse_epoch(self, member: ConsumerMember, beat: ConsumerHeartbeat) -> ConsumerAnswer | None:
        if beat.epoch == member.epoch:
            return None
        # The answer that brought the present epoch may have been lost: then the member has nothing that it must not.
        if beat.epoch == member.previous_epoch and beat.owned is not None and beat.owned <= member.assigned:
            return None
        return ConsumerAnswer(Refusal.FENCED_EPOCH, f"the member's epoch is {member.epoch}, not {beat.epoch}")

    def _joined(self, beat: ConsumerHeartbeat) -> ConsumerMember:
        """The member that joins with nothing: a new one, or one that begins anew and keeps its place."""
        place = self.members.get(beat.member_id)
        if place is None and beat.instance_id in self._instances:
            place = self.members[self._instances[beat.instance_id]]
        if place is None:
            place = ConsumerMember(beat.member_id, beat.instance_id)
        else:
            self._hold(place, frozenset(), frozenset())
            self._rename(place, beat.member_id)
        place.epoch = place.previous_epoch = JOINING_EPOCH
        place.state = MemberState.UNRELEASED
        place.revoke_deadline_ms = place.classic = None
        return place

    def _rename(self, member: ConsumerMember, member_id: str) -> None:
        """A static member that comes back has a new id and its old target."""
        old_id, member.member_id = member.member_id, member_id
        self.members = {(member_id if one is member else key): one for key, one in self.members.items()}
        if old_id in self.target:
            self.target[member_id] = self.target.pop(old_id)
        if member.instance_id is not None:
            self._instances[member.instance_id] = member_id

    def _take(self, member: ConsumerMember, beat: ConsumerHeartbeat, pattern: TopicPattern | None) -> bool:
        """Take what a heartbeat says of the member; returns whether that calls for a new assignment."""
        is_new = member.member_id not in self.members
        before = (member.topics, None if member.pattern is None else member.pattern.text, member.assignor)
        if beat.rebalance_timeout_ms is not None:
            member.rebalance_timeout_ms = beat.rebalance_timeout_ms
        member.rack_id = member.rack_id if beat.rack_id is None else beat.rack_id
        member.assignor = member.assignor if beat.assignor is None else beat.assignor
        member.client_id, member.client_host = beat.client_id, beat.client_host
        if beat.topics is not None:
            member.topics = beat.topics
        if pattern is not member.pattern:
            member.pattern = pattern
            member.matched = frozenset() if pattern is None else pattern.select(self.topics.selectable)
        if is_new:
            self.members[member.member_id] = member
            if member.instance_id is not None:
                self._instances[member.instance_id] = member.member_id
        after = (member.topics, None if member.pattern is None else member.pattern.text, member.assignor)
        return is_new or after != before

    # -- leaving -----------------------------------------------------------------------------------------------------

    def _leave(self, beat: ConsumerHeartbeat) -> ConsumerAnswer:
        refusal = self.check_member(beat.member_id, beat.instance_id)
        if refusal is not None:
            return ConsumerAnswer(refusal, "the group does not know this member")
        member = self.members[beat.member_id]
        if beat.epoch == AWAY_EPOCH and member.instance_id is not None:
            # It has stopped reading; what it was to give up is free, what it has waits for it.
            self._hold(member, member.assigned, frozenset())
            member.epoch = member.previous_epoch = AWAY_EPOCH
            self.version += 1
            member.revoke_deadline_ms = None
        else:
            self._forget(member)
            self._begin_epoch()
        return ConsumerAnswer(epoch=beat.epoch)

    def _forget(self, member: ConsumerMember) -> None:
        self._hold(member, frozenset(), frozenset())
        del self.members[member.member_id]
        self.target.pop(member.member_id, None)
        if member.instance_id is not None:
            del self._instances[member.instance_id]

    # -- the target --------------------------------------------------------------------------------------------------

    def _begin_epoch(self) -> None:
        """Something has changed: work out anew who is to have what."""
        self.epoch += 1
        self.version += 1
        self.assignor = self._elect_assignor()
        by_name = self.topics.by_name
        subscribers = [
            Subscriber(
                member.member_id,
                member.instance_id,
                frozenset([by_name[name][0] for name in member.subscribed if name in by_name]),
                self.target.get(member.member_id, frozenset()),
            )
            for member in self.members.values()
        ]
        wanted = frozenset().union(*(one.topic_ids for one in subscribers))
        counts = {topic_id: count for topic_id, count in by_name.values() if topic_id in wanted}
        self.target = ASSIGNORS[self.assignor](subscribers, counts)
        for member in self.members.values():
            if member.is_away:  # it reads nothing, so what others are to have now need not wait for it
                self._hold(member, member.assigned & self.target[member.member_id], frozenset())

    def _elect_assignor(self) -> str:
        """The one that most members ask for."""
        votes = Counter(member.assignor for member in self.members.values() if member.assignor is not None)
        return votes.most_common(1)[0][0] if votes else DEFAULT_ASSIGNOR

    def _wanted(self) -> list[object]:
        """What the target depends on beside the members: the topics that they want, as they are."""
        by_name = self.topics.by_name
        return [frozenset([(name, by_name.get(name)) for name in one.subscribed]) for one in self.members.values()]

    # -- towards the target ------------------------------------------------------------------------------------------

    def _has_target(self, member: ConsumerMember) -> bool:
        return member.state is MemberState.STABLE and member.epoch == self.epoch

    def _reconcile(self, member: ConsumerMember, owned: frozenset[Owned] | None, now_ms: int) -> None:
        """Bring a member on as far as it can go. `owned` is what it says it has, None for what it said last."""
        if member.state is MemberState.UNREVOKED:
            if owned is None or owned & member.revoking:
                return
            self._hold(member, member.assigned, frozenset())
        target = self.target.get(member.member_id, frozenset())
        kept, revoking = member.assigned & target, member.assigned - target
        if revoking and (owned is None or owned & revoking):
            self._hold(member, kept, revoking)
            member.state = MemberState.UNREVOKED
            member.revoke_deadline_ms = now_ms + member.rebalance_timeout_ms
            return
        missing = target - kept
        self._hold(member, kept, frozenset())
        free = frozenset([one for one in missing if one not in self._owners])
        self._hold(member, kept | free, frozenset())
        member.state = MemberState.STABLE if len(free) == len(missing) else MemberState.UNRELEASED
        member.revoke_deadline_ms = None
        if member.epoch != self.epoch:
            member.previous_epoch, member.epoch = member.epoch, self.epoch

    def _hold(self, member: ConsumerMember, assigned: frozenset[Owned], revoking: frozenset[Owned]) -> None:
        """From now on the member has these partitions, and no others."""
        for one in (member.assigned | member.revoking) - assigned - revoking:
            del self._owners[one]
        member.assigned, member.revoking = assigned, revoking
        self.version += 1
        for one in assigned | revoking:
            assert self._owners.setdefault(one, member.member_id) == member.member_id, f"{one} has two owners"

    # -- checks ------------------------------------------------------------------------------------------------------

    def check_member(self, member_id: str, instance_id: str | None) -> Refusal | None:
        """Whether whoever speaks is a member, and the one that it says it is."""
        if instance_id is not None:
            current = self._instances.get(instance_id)
            if current is None:
                return Refusal.UNKNOWN_MEMBER
            if current != member_id:
                return Refusal.FENCED_INSTANCE
        return None if member_id in self.members else Refusal.UNKNOWN_MEMBER
