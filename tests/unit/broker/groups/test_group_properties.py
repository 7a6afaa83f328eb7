"""Whatever members do, in whatever order, a group keeps its word."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from tests.unit.broker.groups.scene import Scene, request, subscription

from logmq.broker.groups.group import GroupState
from logmq.broker.groups.member import Caller, JoinAnswer, SyncAnswer
from logmq.broker.groups.refusal import Refusal

PROTOCOLS = st.sampled_from(
    [
        (("range", subscription("t")),),
        (("range", subscription("u")), ("sticky", b"s")),
        (("sticky", b"s"), ("range", subscription("t"))),
        (("sticky", b"other"), ("range", b"not a subscription")),
    ]
)
WHO = st.integers(0, 5)


class Members(RuleBasedStateMachine):
    """Joins, syncs, heartbeats, leaves, restarts and silences in any order. `known` are ids that the group gave out."""

    @initialize(delay_ms=st.sampled_from([0, 0, 3_000]), expected_count=st.integers(0, 4))
    def begin(self, delay_ms: int, expected_count: int) -> None:
        self.scene = Scene(delay_ms, expected_count)
        self.fresh = 0
        self.known: list[str] = []
        self.asked: dict[int, str] = {}
        self.generations: dict[int, list[JoinAnswer]] = {}

    def seen(self) -> None:
        for ticket, answer in self.answers():
            if isinstance(answer, JoinAnswer) and answer.refusal is None:
                self.generations.setdefault(answer.generation, []).append(answer)
                self.known.append(answer.member_id)
            elif isinstance(answer, JoinAnswer) and answer.refusal is Refusal.MEMBER_ID_REQUIRED:
                self.known.append(answer.member_id)
            self.asked.pop(ticket, None)

    def answers(self) -> list[tuple[int, JoinAnswer | SyncAnswer]]:
        return [(ticket, self.scene._answers[ticket]) for ticket in self.asked if ticket in self.scene._answers]

    def pick(self, who: int) -> str:
        return self.known[-1 - who % len(self.known)] if self.known else "nobody"

    @rule(protocols=PROTOCOLS, instance=st.sampled_from([None, None, "i", "j"]), required=st.booleans())
    def newcomer(self, protocols: tuple[tuple[str, bytes], ...], instance: str | None, required: bool) -> None:
        self.fresh += 1
        asked = request(
            f"m{self.fresh}",
            instance_id=instance,
            protocols=protocols,
            requires_member_id=required,
            can_skip_assignment=required,
        )
        self.asked[self.scene.join(asked)] = "join"
        self.seen()

    @rule(who=WHO, protocols=PROTOCOLS, instance=st.sampled_from([None, None, None, "i"]))
    def join_again(self, who: int, protocols: tuple[tuple[str, bytes], ...], instance: str | None) -> None:
        asked = request("unused", self.pick(who), instance_id=instance, protocols=protocols)
        self.asked[self.scene.join(asked)] = "join"
        self.seen()

    @rule()
    def all_join_again(self) -> None:
        for member in list(self.scene.group.members.values()):
            if member.joining is None and member.member_id in self.scene.group.members:
                protocols = tuple((one.name, one.metadata) for one in member.protocols)
                asked = request("unused", member.member_id, instance_id=member.instance_id, protocols=protocols)
                self.asked[self.scene.join(asked)] = "join"
                self.seen()

    @rule(who=WHO, back=st.sampled_from([0, 0, 0, 1]))
    def sync(self, who: int, back: int) -> None:
        assignments = {one: one.encode() for one in self.scene.group.members}
        ticket = self.scene.sync(self.pick(who), assignments, self.scene.group.generation - back)
        self.asked[ticket] = "sync"
        self.seen()

    @rule()
    def all_sync(self) -> None:
        assignments = {one: one.encode() for one in self.scene.group.members}
        for member_id in list(self.scene.group.members):
            self.asked[self.scene.sync(member_id, assignments)] = "sync"
            self.seen()

    @rule(who=WHO, back=st.sampled_from([0, 0, 0, 1]))
    def heartbeat(self, who: int, back: int) -> None:
        self.scene.heartbeat(self.pick(who), self.scene.group.generation - back)

    @rule(who=WHO, instance=st.sampled_from([None, None, "i"]))
    def leave(self, who: int, instance: str | None) -> None:
        self.scene.leave("" if instance else self.pick(who), instance)
        self.seen()

    @rule(duration_ms=st.sampled_from([1, 500, 9_999, 10_000, 60_000, 400_000]))
    def time_passes(self, duration_ms: int) -> None:
        self.scene.pass_time(duration_ms)
        self.seen()

    @invariant()
    def each_generation_is_one(self) -> None:
        """All members of a generation were told of the same protocol, and one of them that it leads."""
        for answers in self.generations.values():
            assert len({(one.protocol_type, one.protocol_name) for one in answers}) == 1
            assert len({one.member_id for one in answers if one.members and not one.skip_assignment}) <= 1

    @invariant()
    def nobody_is_forgotten(self) -> None:
        """Open tickets are exactly those that members wait with."""
        members = self.scene.group.members.values()
        waiting = [one for member in members for one in (member.joining, member.syncing) if one is not None]
        assert sorted(waiting) == sorted(self.scene.open)  # type: ignore[type-var]

    @invariant()
    def states_are_what_they_say(self) -> None:
        group = self.scene.group
        members = list(group.members.values())
        if group.state is GroupState.EMPTY:
            assert not members and group.leader is None
        else:
            assert members or group.state is GroupState.PREPARING
        if group.state in {GroupState.COMPLETING, GroupState.STABLE}:
            assert group.leader in group.members
            assert all(group.protocol_name in member.protocol_names for member in members)
            assert all(member.joining is None for member in members)
        if group.state is not GroupState.COMPLETING:
            assert all(member.syncing is None for member in members)
        assert all(member.member_id == member_id for member_id, member in group.members.items())
        instances = {member.instance_id: member.member_id for member in members if member.instance_id is not None}
        assert instances == group._instances

    @invariant()
    def somebody_will_come(self) -> None:
        """Whoever waits has a deadline to hope for."""
        assert not self.scene.open or self.scene.group.deadline_ms is not None

    def teardown(self) -> None:
        """With nobody heard of any more, every ticket is answered and the group is empty."""
        if hasattr(self, "scene"):
            self.scene.pass_time(3_600_000)
            self.seen()
            assert not self.scene.open and self.scene.group.state is GroupState.EMPTY
            assert self.scene.group.deadline_ms is None and self.scene.group.heartbeat(Caller("m1"), 1, 0) is not None


Members.TestCase.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
TestMembers = Members.TestCase
