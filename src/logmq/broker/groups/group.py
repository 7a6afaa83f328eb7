"""A consumer group that speaks the classic protocol, as a state machine: no I/O, no clock.

                   join                     all joined, or time is up
    EMPTY ------------------> PREPARING ------------------------------> COMPLETING
      ^                        ^  |  ^                                      | the leader's sync
      |  nobody left           |  |  |    join, leave, crash, no sync       v
      +------------------------|--+  +-----------------------------------STABLE

Members join (PREPARING); when all are there a generation begins: one protocol that all speak, one leader, who is told
of all members and works out the assignment. Everybody asks for theirs with a sync, which waits (COMPLETING) until the
leader's brings them (STABLE). Whatever changes the members begins a rebalance; the others learn of it by their
heartbeats.

A member that waits for an answer hands in a ticket; `take_answers` says which tickets are answered, and how: each
exactly once. Time is passed in, in milliseconds of a clock that never steps back; `deadline_ms` says when `tick` is
due.

Sources: Kafka's group protocol, KIP-62 (rebalance timeout), KIP-345 (static members), KIP-394 (member ids), KIP-559
(protocol type and name), KIP-814 (a static leader that comes back).
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from logmq.broker.groups.member import (
    Caller,
    JoinAnswer,
    JoinedMember,
    JoinRequest,
    Member,
    SyncAnswer,
    Ticket,
)
from logmq.broker.groups.membership import Membership
from logmq.broker.groups.refusal import Refusal
from logmq.broker.groups.subscription import CONSUMER, subscribed_topics
from logmq.broker.groups.votes import common_protocols, elect_protocol
from logmq.limits import (
    EXPECTED_MEMBERS_WAIT_MAX_MS,
    EXPECTED_MEMBERS_WAIT_MS,
    GROUP_MEMBER_COUNT_MAX,
    NEW_MEMBER_JOIN_TIMEOUT_MS,
)

_PROMISE_SIZE = 500
"""Bytes of memory, roughly, for a member id that was given out."""


class GroupState(StrEnum):
    """Where a group stands, in Kafka's words."""

    EMPTY = "Empty"
    PREPARING = "PreparingRebalance"
    COMPLETING = "CompletingRebalance"
    STABLE = "Stable"
    DEAD = "Dead"
    """Of groups that do not exist."""


class ClassicGroup:
    """One group. `initial_delay_ms` is how long the first member of an empty group waits for others in any case."""

    type = "classic"

    def __init__(self, name: str, initial_delay_ms: int = 0) -> None:
        self.name = name
        self.state = GroupState.EMPTY
        self.generation = 0
        self.protocol_type: str | None = None
        self.protocol_name: str | None = None
        self.leader: str | None = None
        self.members: dict[str, Member] = {}
        """By member id, in the order in which they came."""
        self._instances: dict[str, str] = {}
        """Member ids by instance id."""
        self._promised: dict[str, int] = {}
        """Member ids that were given out and not yet joined with, and until when they hold."""
        self._unsynced: set[str] = set()
        """Members that have not asked for their assignment in this generation."""
        self._rebalance_deadline_ms: int | None = None
        """When the rebalance goes on without those who have not come (PREPARING), not synced (later)."""
        self.expected_count = 0
        """Members that the group will have as far as can be told; whoever knows says so before a join."""
        self._initial_delay_ms = initial_delay_ms
        self._initial_step_ms = 0
        self._initial_until_ms: int | None = None
        """While a first rebalance waits for more members, a step at a time: the latest moment of its end."""
        self._newcomers = False
        self._answers: list[tuple[Ticket, JoinAnswer | SyncAnswer]] = []
        self.membership_version = 0
        """Grows whenever there is another membership to store."""

    @classmethod
    def restored(cls, name: str, membership: Membership, initial_delay_ms: int = 0) -> ClassicGroup:
        """The stable group that had this membership when the broker stopped."""
        group = cls(name, initial_delay_ms)
        group.state = GroupState.STABLE
        group.generation = membership.generation
        group.protocol_type = membership.protocol_type
        group.protocol_name = membership.protocol_name
        group.leader = membership.leader
        group.members = {member.member_id: member for member in membership.members}
        group._instances = {
            member.instance_id: member.member_id for member in membership.members if member.instance_id is not None
        }
        return group

    @property
    def membership(self) -> Membership | None:
        """Generation and members of a stable group; None in other states."""
        if self.state is not GroupState.STABLE:
            return None
        assert self.protocol_type is not None and self.protocol_name is not None and self.leader is not None
        members = tuple(self.members.values())
        return Membership(self.generation, self.protocol_type, self.protocol_name, self.leader, members)

    # -- what the rim asks -------------------------------------------------------------------------------------------

    def take_answers(self) -> list[tuple[Ticket, JoinAnswer | SyncAnswer]]:
        """Answers since the last call, by ticket."""
        answers, self._answers = self._answers, []
        return answers

    @property
    def deadline_ms(self) -> int | None:
        """When `tick` is due; None while there is nothing to wait for."""
        deadlines = [*self._promised.values()]
        deadlines += [member.deadline_ms for member in self.members.values() if self._may_expire(member)]
        if self._rebalance_deadline_ms is not None:
            deadlines.append(self._rebalance_deadline_ms)
        return min(deadlines, default=None)

    @property
    def is_empty(self) -> bool:
        """Whether it has no members. Ids that were given out do not count."""
        return not self.members

    @property
    def is_idle(self) -> bool:
        """Whether nobody would miss it."""
        return not self.members and not self._promised

    @property
    def size(self) -> int:
        """Bytes of memory that its members take, and the ids that were given out."""
        return sum([member.size for member in self.members.values()]) + len(self._promised) * _PROMISE_SIZE

    def is_subscribed(self, topic: str) -> bool:
        """Whether a member reads the topic; if what the members said cannot be read, it is taken for so."""
        wanted = [subscribed_topics(member.metadata(self.protocol_name)) for member in self.members.values()]
        return any(topics is None or topic in topics for topics in wanted)

    def tick(self, now_ms: int) -> None:
        """Do what is due."""
        for member_id in [one for one, deadline_ms in self._promised.items() if deadline_ms <= now_ms]:
            del self._promised[member_id]
        for member in list(self.members.values()):
            if member.deadline_ms <= now_ms and self._may_expire(member):
                self._remove(member, now_ms)
        due = self._rebalance_deadline_ms is not None and self._rebalance_deadline_ms <= now_ms
        if self.state is GroupState.PREPARING:
            if due and self._initial_until_ms is not None and self._prolong_initial_delay(now_ms):
                return
            if due:
                self._complete_join(now_ms)
            else:
                self._complete_join_if_all_came(now_ms)
        elif due:
            self._rebalance_deadline_ms = None
            for member_id in self._unsynced & self.members.keys():
                self._remove(self.members[member_id], now_ms)

    # -- join --------------------------------------------------------------------------------------------------------

    def join(self, request: JoinRequest, ticket: Ticket, now_ms: int) -> None:
        """Become a member, or say anew what one speaks. The answer comes when the generation begins."""
        known = request.member_id != ""
        refusal = self._refuse_known(request) if known else self._refuse_new(request)
        if refusal is not None:
            self._answer(ticket, JoinAnswer(request.member_id, refusal))
            return
        if not known and request.instance_id in self._instances:
            self._take_over(request, ticket, now_ms)
        elif not known and request.instance_id is None and request.requires_member_id:
            self._promised[request.fresh_member_id] = now_ms + request.session_timeout_ms
            self._answer(ticket, JoinAnswer(request.fresh_member_id, Refusal.MEMBER_ID_REQUIRED))
        elif not known:
            self._add(request.fresh_member_id, request, ticket, now_ms)
        elif request.member_id in self._promised:
            del self._promised[request.member_id]
            self._add(request.member_id, request, ticket, now_ms)
        else:
            self._join_again(self.members[request.member_id], request, ticket, now_ms)

    def _refuse_new(self, request: JoinRequest) -> Refusal | None:
        if not self._is_compatible(request):
            return Refusal.INCONSISTENT_PROTOCOL
        full = len(self.members) + len(self._promised) >= GROUP_MEMBER_COUNT_MAX
        return Refusal.GROUP_FULL if full and request.instance_id not in self._instances else None

    def _refuse_known(self, request: JoinRequest) -> Refusal | None:
        if request.member_id not in self._promised or request.instance_id is not None:
            refusal = self._check_member(Caller(request.member_id, request.instance_id))
            if refusal is not None:
                return refusal
        return None if self._is_compatible(request) else Refusal.INCONSISTENT_PROTOCOL

    def _is_compatible(self, request: JoinRequest) -> bool:
        """Whether a generation with this member would have a protocol."""
        if not request.protocol_type or not request.protocols:
            return False
        others = [one for one in self.members.values() if one.member_id != request.member_id]
        if request.member_id == "" and request.instance_id in self._instances:
            others = [one for one in others if one.instance_id != request.instance_id]
        if not others:
            return True
        common = common_protocols(others)
        return request.protocol_type == self.protocol_type and any(one.name in common for one in request.protocols)

    def _add(self, member_id: str, request: JoinRequest, ticket: Ticket, now_ms: int) -> None:
        if not self.members:
            self.protocol_type = request.protocol_type
        member = Member(
            member_id,
            request.instance_id,
            request.client_id,
            request.client_host,
            request.session_timeout_ms,
            request.rebalance_timeout_ms,
            request.protocols,
            # While it waits for its first generation it cannot be heard of, yet its client may be gone.
            now_ms + max(request.session_timeout_ms, NEW_MEMBER_JOIN_TIMEOUT_MS),
            joining=ticket,
        )
        self.members[member_id] = member
        if request.instance_id is not None:
            self._instances[request.instance_id] = member_id
        if self.leader is None:
            self.leader = member_id
        self._newcomers = True
        self._rebalance(now_ms)

    def _join_again(self, member: Member, request: JoinRequest, ticket: Ticket, now_ms: int) -> None:
        unchanged = member.protocols == request.protocols
        leads = member.member_id == self.leader
        # A lost answer of this generation is given again; a leader that joins a stable group wants a rebalance.
        if unchanged and (self.state is GroupState.COMPLETING or (self.state is GroupState.STABLE and not leads)):
            member.heard_of(now_ms)
            self._answer(ticket, self._joined(member))
            return
        self._replace_ticket(member, ticket)
        if len(self.members) == 1:
            self.protocol_type = request.protocol_type
        member.take(request)
        self._rebalance(now_ms)

    def _replace_ticket(self, member: Member, ticket: Ticket | None) -> None:
        """Whoever waits under the old ticket is a request that its client has given up: it must not wait on."""
        if member.joining is not None:
            self._answer(member.joining, JoinAnswer(member.member_id, Refusal.REBALANCE_IN_PROGRESS))
        member.joining = ticket

    # -- static members ----------------------------------------------------------------------------------------------

    def _take_over(self, request: JoinRequest, ticket: Ticket, now_ms: int) -> None:
        """A static member comes back with no memory: it takes its old place under a new id, and its old self is fenced.

        A stable group goes on as it is if the newcomer wants what the old one did (KIP-345).
        """
        assert request.instance_id is not None
        member = self.members[self._instances[request.instance_id]]
        old_leader = self.leader
        self._fence(member, request.fresh_member_id)
        before = member.metadata(self.protocol_name)
        if len(self.members) == 1:
            self.protocol_type = request.protocol_type
        member.take(request)
        if self.state is GroupState.STABLE and self._goes_on_with(member, before):
            member.heard_of(now_ms)
            self.membership_version += 1
            self._answer(ticket, self._rejoined(member, request, old_leader))
            return
        member.joining = ticket
        self._rebalance(now_ms)

    def _fence(self, member: Member, fresh_member_id: str) -> None:
        """Give a member's place to a new id; whoever waits under the old one is told."""
        old_id = member.member_id
        if member.joining is not None:
            self._answer(member.joining, JoinAnswer(old_id, Refusal.FENCED_INSTANCE))
        if member.syncing is not None:
            self._answer(member.syncing, SyncAnswer(Refusal.FENCED_INSTANCE))
        member.joining = member.syncing = None
        # The order of members is the order of their coming, also after this.
        self.members = {
            (fresh_member_id if one is member else member_id): one for member_id, one in self.members.items()
        }
        member.member_id = fresh_member_id
        assert member.instance_id is not None
        self._instances[member.instance_id] = fresh_member_id
        if self.leader == old_id:
            self.leader = fresh_member_id
        if old_id in self._unsynced:
            self._unsynced.discard(old_id)
            self._unsynced.add(fresh_member_id)

    def _goes_on_with(self, member: Member, before: bytes) -> bool:
        """Whether the assignment still fits: same protocol, same wishes. User data (owned partitions) may differ."""
        if elect_protocol(self.members.values()) != self.protocol_name:
            return False
        after = member.metadata(self.protocol_name)
        if before == after:
            return True
        topics = subscribed_topics(before) if self.protocol_type == CONSUMER else None
        return topics is not None and topics == subscribed_topics(after)

    def _rejoined(self, member: Member, request: JoinRequest, old_leader: str | None) -> JoinAnswer:
        """The answer without a rebalance. A leader that has nothing to assign must not believe that it has: one that
        knows the flag is told, another one is given its old self as the leader (KIP-814)."""
        leads = member.member_id == self.leader
        skip = leads and request.can_skip_assignment
        return JoinAnswer(
            member.member_id,
            None,
            self.generation,
            self.protocol_type,
            self.protocol_name,
            (self.leader if request.can_skip_assignment else old_leader) or "",
            self._joined_members() if skip else (),
            skip,
        )

    # -- rebalance ---------------------------------------------------------------------------------------------------

    def _rebalance(self, now_ms: int) -> None:
        """Gather all members, if that is not going on already; go on if all are there."""
        if self.state is not GroupState.PREPARING:
            self._begin_rebalance(now_ms)
        # A delay that was asked for is kept; without one nobody waits once all who were expected are there.
        if self._initial_delay_ms == 0 and len(self.members) >= self.expected_count:
            self._initial_until_ms = None
        self._complete_join_if_all_came(now_ms)

    def _begin_rebalance(self, now_ms: int) -> None:
        for member in self.members.values():
            if member.syncing is not None:
                self._answer_sync(member, SyncAnswer(Refusal.REBALANCE_IN_PROGRESS), now_ms)
        self._unsynced.clear()
        from_empty = self.state is GroupState.EMPTY
        self.state = GroupState.PREPARING
        self._rebalance_deadline_ms = now_ms + self._rebalance_timeout_ms()
        if from_empty and self._initial_delay_ms > 0:
            self._await_more(now_ms, self._initial_delay_ms, self._rebalance_timeout_ms())
        elif from_empty and self.expected_count > 1:
            self._await_more(now_ms, EXPECTED_MEMBERS_WAIT_MS, EXPECTED_MEMBERS_WAIT_MAX_MS)

    def _await_more(self, now_ms: int, step_ms: int, longest_ms: int) -> None:
        """Let a first rebalance wait for more members: `step_ms` and, while new ones keep coming, on and on."""
        assert self._rebalance_deadline_ms is not None
        self._initial_step_ms = step_ms
        self._initial_until_ms = min(self._rebalance_deadline_ms, now_ms + longest_ms)
        self._rebalance_deadline_ms = min(self._rebalance_deadline_ms, now_ms + step_ms)
        self._newcomers = False

    def _prolong_initial_delay(self, now_ms: int) -> bool:
        """While new members keep coming to a new group, it waits on for more."""
        assert self._initial_until_ms is not None
        left_ms = self._initial_until_ms - now_ms
        if not self._newcomers or left_ms <= 0 or not self.members:
            self._initial_until_ms = None
            return False
        self._newcomers = False
        self._rebalance_deadline_ms = now_ms + min(self._initial_step_ms, left_ms)
        return True

    def _rebalance_timeout_ms(self) -> int:
        return max((member.rebalance_timeout_ms for member in self.members.values()), default=0)

    def _complete_join_if_all_came(self, now_ms: int) -> None:
        if self.state is not GroupState.PREPARING or self._initial_until_ms is not None:
            return
        if not self._promised and all(member.joining is not None for member in self.members.values()):
            self._complete_join(now_ms)

    def _complete_join(self, now_ms: int) -> None:
        """Begin the next generation with those who came. Static members keep their place until their session ends."""
        self._initial_until_ms = None
        for member in list(self.members.values()):
            if member.joining is None and member.instance_id is None:
                self._forget(member)
        if self.members and not self._elect_leader():
            # Only static members are left and none has come: their sessions decide.
            self._rebalance_deadline_ms = now_ms + self._rebalance_timeout_ms()
            return
        self.generation += 1
        self._rebalance_deadline_ms = None
        if not self.members:
            self.state = GroupState.EMPTY
            self.membership_version += 1
            self.protocol_name = self.leader = None
            return
        self.state = GroupState.COMPLETING
        self.protocol_name = elect_protocol(self.members.values())
        self._unsynced = set(self.members)
        self._rebalance_deadline_ms = now_ms + self._rebalance_timeout_ms()
        for member in self.members.values():
            member.assignment = b""
            if member.joining is not None:
                ticket, member.joining = member.joining, None
                member.heard_of(now_ms)
                self._answer(ticket, self._joined(member))
            member.is_new = False

    def _elect_leader(self) -> bool:
        """Whether the leader, or else some member who leads from now on, has come."""
        leader = self.members.get(self.leader or "")
        if leader is not None and leader.joining is not None:
            return True
        came = next((one.member_id for one in self.members.values() if one.joining is not None), None)
        self.leader = came or self.leader
        return came is not None

    def _joined(self, member: Member) -> JoinAnswer:
        return JoinAnswer(
            member.member_id,
            None,
            self.generation,
            self.protocol_type,
            self.protocol_name,
            self.leader or "",
            self._joined_members() if member.member_id == self.leader else (),
        )

    def _joined_members(self) -> tuple[JoinedMember, ...]:
        return tuple(
            JoinedMember(one.member_id, one.instance_id, one.metadata(self.protocol_name))
            for one in self.members.values()
        )

    # -- sync --------------------------------------------------------------------------------------------------------

    def sync(
        self,
        caller: Caller,
        generation: int,
        assignments: Sequence[tuple[str, bytes]],
        ticket: Ticket,
        now_ms: int,
        *,
        protocol_type: str | None = None,
        protocol_name: str | None = None,
    ) -> None:
        """Ask for the assignment; the leader brings everybody's, by member id. Those it leaves out get nothing."""
        refusal = self._check(caller, generation)
        if refusal is None and (
            (protocol_type is not None and protocol_type != self.protocol_type)
            or (protocol_name is not None and protocol_name != self.protocol_name)
        ):
            refusal = Refusal.INCONSISTENT_PROTOCOL
        if refusal is None and self.state is GroupState.PREPARING:
            refusal = Refusal.REBALANCE_IN_PROGRESS
        if refusal is not None:
            self._answer(ticket, SyncAnswer(refusal))
            return
        member = self.members[caller.member_id]
        self._unsynced.discard(member.member_id)
        member.heard_of(now_ms)
        if self.state is GroupState.STABLE:
            self._end_syncing()
            self._answer(ticket, self._assigned(member))
            return
        if member.syncing is not None:  # given up by its client, see `_replace_ticket`
            self._answer(member.syncing, SyncAnswer(Refusal.REBALANCE_IN_PROGRESS))
        member.syncing = ticket
        if member.member_id == self.leader:
            self._assign(dict(assignments), now_ms)

    def _assign(self, assignments: dict[str, bytes], now_ms: int) -> None:
        self.state = GroupState.STABLE
        self.membership_version += 1
        self._end_syncing()
        for member in self.members.values():
            member.assignment = assignments.get(member.member_id, b"")
            if member.syncing is not None:
                self._answer_sync(member, self._assigned(member), now_ms)

    def _end_syncing(self) -> None:
        if not self._unsynced:
            self._rebalance_deadline_ms = None

    def _assigned(self, member: Member) -> SyncAnswer:
        return SyncAnswer(None, self.protocol_type, self.protocol_name, member.assignment)

    def _answer_sync(self, member: Member, answer: SyncAnswer, now_ms: int) -> None:
        assert member.syncing is not None
        ticket, member.syncing = member.syncing, None
        member.heard_of(now_ms)
        self._answer(ticket, answer)

    # -- heartbeat, commit, leave ------------------------------------------------------------------------------------

    def heartbeat(self, caller: Caller, generation: int, now_ms: int) -> Refusal | None:
        """A member lives. It is told to join again while the group rebalances."""
        refusal = self._check(caller, generation)
        if refusal is not None:
            return refusal
        self.members[caller.member_id].heard_of(now_ms)
        return Refusal.REBALANCE_IN_PROGRESS if self.state is GroupState.PREPARING else None

    def check_commit(self, caller: Caller, generation: int, now_ms: int) -> Refusal | None:
        """Whether offsets may be committed: by a member of this generation, or by anyone while there are no members."""
        if generation < 0 and self.is_empty:
            return None
        refusal = self._check(caller, generation)
        if refusal is not None:
            return refusal
        self.members[caller.member_id].heard_of(now_ms)
        # It has been told of the new generation, but not yet what it may read.
        return Refusal.REBALANCE_IN_PROGRESS if self.state is GroupState.COMPLETING else None

    def leave(self, caller: Caller, now_ms: int) -> Refusal | None:
        """A member goes. A static one may be named by its instance id alone, as an administrator does."""
        if caller.member_id in self._promised and caller.instance_id is None:
            del self._promised[caller.member_id]
            self._complete_join_if_all_came(now_ms)
            return None
        member_id = caller.member_id
        if not member_id and caller.instance_id is not None:
            member_id = self._instances.get(caller.instance_id, "")
        refusal = self._check_member(Caller(member_id, caller.instance_id))
        if refusal is None:
            self._remove(self.members[member_id], now_ms)
        return refusal

    def _remove(self, member: Member, now_ms: int) -> None:
        self._forget(member)
        self._rebalance(now_ms)

    def _forget(self, member: Member) -> None:
        del self.members[member.member_id]
        self._unsynced.discard(member.member_id)
        if member.instance_id is not None:
            del self._instances[member.instance_id]
        if self.leader == member.member_id:
            self.leader = next(iter(self.members), None)
        if member.joining is not None:
            self._answer(member.joining, JoinAnswer(member.member_id, Refusal.UNKNOWN_MEMBER))
        if member.syncing is not None:
            self._answer(member.syncing, SyncAnswer(Refusal.UNKNOWN_MEMBER))

    # -- checks ------------------------------------------------------------------------------------------------------

    def _check(self, caller: Caller, generation: int) -> Refusal | None:
        refusal = self._check_member(caller)
        if refusal is None and generation != self.generation:
            return Refusal.ILLEGAL_GENERATION
        return refusal

    def _check_member(self, caller: Caller) -> Refusal | None:
        if caller.instance_id is not None:
            current = self._instances.get(caller.instance_id)
            if current is None:
                return Refusal.UNKNOWN_MEMBER
            if current != caller.member_id:
                return Refusal.FENCED_INSTANCE
        return None if caller.member_id in self.members else Refusal.UNKNOWN_MEMBER

    def _may_expire(self, member: Member) -> bool:
        """Whoever waits for an answer lives, but for new members, whose clients may be long gone."""
        return member.is_new or not member.is_waiting

    def _answer(self, ticket: Ticket, answer: JoinAnswer | SyncAnswer) -> None:
        self._answers.append((ticket, answer))
