"""Whatever consumers do, in whatever order: no partition is read by two of them, and the group comes to rest."""

from __future__ import annotations

import json

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from tests.unit.broker.groups.consumer_scene import SESSION_MS, Consumer, Stage

from logmq.broker.groups import consumer_membership
from logmq.broker.groups.refusal import Refusal

WHO = st.integers(0, 7)
TOPICS = st.sampled_from([("a",), ("b",), ("a", "b"), ("a", "b", "c"), ("missing",), ()])


class Consumers(RuleBasedStateMachine):
    """Clients of which some vanish without a word, and whose answers may be lost. Those that vanish stop reading: a
    consumer does, once it has not heard from the broker for as long as its session."""

    @initialize(count=st.integers(1, 7))
    def begin(self, count: int) -> None:
        self.stage = Stage(a=count, b=3)
        self.born = 0

    def beat(self, consumer: Consumer, *, full: bool = False) -> None:
        """A heartbeat; a client that finds another one under its instance id stops."""
        answer = self.stage.beat(consumer, full=full)
        if answer.refusal in {Refusal.UNRELEASED_INSTANCE, Refusal.FENCED_INSTANCE}:
            del self.stage.consumers[consumer.member_id]

    def pick(self, who: int) -> Consumer | None:
        present = list(self.stage.consumers.values())
        return present[who % len(present)] if present else None

    @rule(
        topics=TOPICS,
        instance=st.sampled_from([None, None, "i", "j"]),
        assignor=st.sampled_from([None, None, "uniform", "range"]),
        pattern=st.sampled_from([None, None, None, "a|c"]),
    )
    def newcomer(
        self, topics: tuple[str, ...], instance: str | None, assignor: str | None, pattern: str | None
    ) -> None:
        self.born += 1
        made = self.stage.consumer(f"m{self.born}", *topics, instance_id=instance, assignor=assignor, pattern=pattern)
        self.beat(made)

    @rule(who=WHO, full=st.booleans())
    def heartbeat(self, who: int, full: bool) -> None:
        consumer = self.pick(who)
        if consumer is not None:
            self.beat(consumer, full=full)

    @rule(who=WHO)
    def give_up_and_report(self, who: int) -> None:
        consumer = self.pick(who)
        if consumer is not None:
            consumer.settle()
            self.beat(consumer)

    @rule(who=WHO)
    def lost_answer(self, who: int) -> None:
        """The heartbeat arrives, its answer does not; the client says everything again."""
        consumer = self.pick(who)
        if consumer is not None:
            self.stage.send(consumer.next_beat())
            self.beat(consumer, full=True)

    @rule(who=WHO, topics=TOPICS)
    def subscribe_to_others(self, who: int, topics: tuple[str, ...]) -> None:
        consumer = self.pick(who)
        if consumer is not None:
            consumer.topics = frozenset(topics)
            self.beat(consumer, full=True)

    @rule(who=WHO)
    def leave(self, who: int) -> None:
        consumer = self.pick(who)
        if consumer is not None:
            self.stage.leave(consumer)

    @rule(who=WHO)
    def go_away_and_come_back(self, who: int) -> None:
        consumer = self.pick(who)
        if consumer is not None and consumer.instance_id is not None:
            self.stage.go_away(consumer)
            del self.stage.consumers[consumer.member_id]

    @rule(who=WHO)
    def begin_anew(self, who: int) -> None:
        """A client drops all it has and joins under the id it had."""
        consumer = self.pick(who)
        if consumer is not None:
            consumer.lose()
            self.beat(consumer)

    @rule(who=WHO)
    def crash(self, who: int) -> None:
        consumer = self.pick(who)
        if consumer is not None:
            del self.stage.consumers[consumer.member_id]

    @rule(name=st.sampled_from(["a", "b", "c"]), more=st.integers(1, 3))
    def more_partitions(self, name: str, more: int) -> None:
        self.stage.topic(name, self.stage.topics.get(name, (0, 0))[1] + more)

    @rule(name=st.sampled_from(["a", "b", "c"]))
    def drop_topic(self, name: str) -> None:
        self.stage.topic(name, 0)

    @rule()
    def restart(self) -> None:
        """The broker stops and starts: the group is what was stored of it."""
        group = self.stage.group
        fields = json.loads(json.dumps(consumer_membership.encode(group)))
        self.stage.group = consumer_membership.decode(group.name, fields, SESSION_MS, self.stage.now_ms)
        assert consumer_membership.encode(self.stage.group) == consumer_membership.encode(group)

    @rule(duration_ms=st.sampled_from([1, 5_000, 44_999, 45_000, 60_000]))
    def time_passes(self, duration_ms: int) -> None:
        """Clients that are not heard of in time are put out; they notice by themselves, as they have clocks, too."""
        self.stage.pass_time(duration_ms)
        for consumer in self.stage.consumers.values():
            if consumer.member_id not in self.stage.group.members:
                consumer.lose()

    @invariant()
    def nobody_shares(self) -> None:
        """No partition is read by two clients at once."""
        if hasattr(self, "stage"):
            self.stage.check_nobody_shares()

    @invariant()
    def books_are_true(self) -> None:
        """Owners are exactly those that hold a partition, the target gives each partition once and only what exists."""
        if not hasattr(self, "stage"):
            return
        group = self.stage.group
        held = {one: member.member_id for member in group.members.values() for one in member.assigned | member.revoking}
        assert held == group._owners
        assert group.target.keys() == group.members.keys()
        targets = [one for share in group.target.values() for one in share]
        assert len(targets) == len(set(targets))
        assert group._instances == {m.instance_id: m.member_id for m in group.members.values() if m.instance_id}

    def teardown(self) -> None:
        """Once nothing happens any more the group comes to rest: everything wanted is read, by one client each."""
        if not hasattr(self, "stage"):
            return
        for consumer in list(self.stage.consumers.values()):
            self.beat(consumer, full=True)
        self.stage.pass_time(44_999)
        for consumer in list(self.stage.consumers.values()):
            self.beat(consumer, full=True)
        self.stage.pass_time(44_999)  # those who are gone are put out, those who are here were heard of
        self.stage.converge()
        self.stage.check_nobody_shares()
        wanted = {
            name
            for one in self.stage.consumers.values()
            for name in (*one.topics, *(("a", "c") if one.pattern else ()))
            if name in self.stage.topics
        }
        read = sum(self.stage.counts().values())
        assert read == sum(self.stage.topics[name][1] for name in wanted), (
            self.stage.counts(),
            self.stage.topics,
            self.stage.consumers,
            self.stage.group.members,
            self.stage.group.target,
        )


Consumers.TestCase.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
TestConsumers = Consumers.TestCase
