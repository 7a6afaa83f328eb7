"""Consumer groups (KIP-848) as a state machine: joining, reconciling, leaving, dying, fencing."""

from __future__ import annotations

import pytest
from tests.unit.broker.groups.consumer_scene import REBALANCE_MS, SESSION_MS, Stage

from logmq.broker.groups import consumer_group, consumer_pattern
from logmq.broker.groups.consumer_group import ConsumerGroupState
from logmq.broker.groups.consumer_member import ConsumerHeartbeat, MemberState, Owned
from logmq.broker.groups.refusal import Refusal


def test_a_lone_member_reads_at_once() -> None:
    """The answer to the first heartbeat brings all partitions: nobody waits for others that may come."""
    stage = Stage(orders=3)
    answer = stage.beat(stage.consumer("a", "orders"))
    assert answer.assignment == frozenset({Owned(1, 0), Owned(1, 1), Owned(1, 2)})
    assert (answer.epoch, stage.group.state) == (1, ConsumerGroupState.STABLE)


def test_a_partition_waits_until_it_is_given_up() -> None:
    """A newcomer gets nothing while the old owner may still read, and its share once that one has said so."""
    stage = Stage(orders=2)
    old, new = stage.consumer("a", "orders"), stage.consumer("b", "orders")
    stage.beat(old)
    assert stage.beat(new).assignment == frozenset()
    told = stage.beat(old)
    assert told.assignment is not None and len(told.assignment) == 1
    assert told.epoch == 1, "it stays in its epoch until it has given up what it must"
    assert stage.beat(new).assignment is None
    assert stage.group.state.name == "RECONCILING"
    old.settle()
    assert stage.beat(old).epoch == 2
    given = stage.beat(new)
    assert given.assignment is not None and len(given.assignment) == 1
    assert stage.group.state is ConsumerGroupState.STABLE


def test_a_heartbeat_that_says_nothing_of_partitions_gives_none_up() -> None:
    """A member that was told to give up a partition, and does not say that it has, keeps it."""
    stage = Stage(orders=2)
    old, new = stage.consumer("a", "orders"), stage.consumer("b", "orders")
    stage.beat(old)
    stage.beat(new)
    for _ in range(3):
        stage.send(ConsumerHeartbeat("a", 1))
    assert stage.group.members["a"].state is MemberState.UNREVOKED
    assert stage.beat(new).assignment is None


def test_who_does_not_give_up_in_time_is_put_out() -> None:
    """Heartbeats do not save a member that holds on for longer than its rebalance timeout; the others go on."""
    stage = Stage(orders=2)
    old, new = stage.consumer("a", "orders"), stage.consumer("b", "orders")
    stage.beat(old)
    stage.beat(new)
    stage.beat(old)
    for _ in range(3):
        stage.pass_time(REBALANCE_MS // 3)
        stage.beat(new)
        stage.send(ConsumerHeartbeat("a", 1))
    assert stage.send(ConsumerHeartbeat("a", 1)).refusal is Refusal.UNKNOWN_MEMBER
    stage.beat(new)
    assert len(new.told) == 2


def test_the_dead_make_room() -> None:
    """A member that is not heard of for its session is gone, and its partitions go to the others."""
    stage = Stage(orders=2)
    dead, alive = stage.consumer("a", "orders"), stage.consumer("b", "orders")
    stage.converge()
    del stage.consumers["a"]
    stage.pass_time(SESSION_MS - 1)
    stage.beat(alive)
    assert len(alive.told) == 1
    stage.pass_time(1)
    stage.beat(alive)
    assert len(alive.told) == 2
    assert stage.beat(dead).refusal is Refusal.UNKNOWN_MEMBER


def test_leaving() -> None:
    """Who leaves is answered with its epoch; what it had is free at once, and the last one leaves an empty group."""
    stage = Stage(orders=2)
    first, second = stage.consumer("a", "orders"), stage.consumer("b", "orders")
    stage.converge()
    assert stage.leave(first).epoch == -1
    stage.beat(second)
    assert len(second.told) == 2
    stage.leave(second)
    assert stage.group.state is ConsumerGroupState.EMPTY
    assert stage.group.deadline_ms is None
    assert stage.leave(second).refusal is Refusal.UNKNOWN_MEMBER


@pytest.mark.parametrize("epoch", [2, 4, 7])
def test_epochs_that_are_not_the_members(epoch: int) -> None:
    """An epoch that the member does not have fences it, unless it is the one before and nothing is held too much."""
    stage = Stage(orders=2)
    stage.consumer("a", "orders")
    for name in ("b", "c"):
        stage.consumer(name, "orders")
        stage.converge()
    assert stage.group.members["a"].epoch == 3
    assert stage.send(ConsumerHeartbeat("a", epoch)).refusal is Refusal.FENCED_EPOCH
    assert stage.send(ConsumerHeartbeat("a", epoch, owned=frozenset({Owned(9, 9)}))).refusal is Refusal.FENCED_EPOCH


def test_a_lost_answer_is_given_again() -> None:
    """A member that missed the answer with its new epoch comes with the old one, and hears all of it."""
    stage = Stage(orders=2)
    member = stage.consumer("a", "orders")
    stage.beat(member)
    stage.topic("orders", 3)
    lost = stage.send(ConsumerHeartbeat("a", 1))
    assert lost.epoch == 2
    again = stage.send(ConsumerHeartbeat("a", 1, owned=member.reading))
    assert (again.refusal, again.epoch, again.assignment) == (None, 2, lost.assignment)


def test_joining_anew_under_the_same_id() -> None:
    """A member that joins with the id that it has begins with nothing and gets its place back; the epoch stays."""
    stage = Stage(orders=2)
    member = stage.consumer("a", "orders")
    stage.converge()
    before = member.told
    member.lose()
    assert stage.beat(member).assignment == before
    assert stage.group.epoch == 1


def test_topics_that_come_grow_and_go() -> None:
    """Each change of a topic that members want is a new epoch; what happens to others is not."""
    stage = Stage(orders=1)
    member = stage.consumer("a", "orders", "later")
    stage.beat(member)
    stage.topic("other", 5)
    stage.beat(member)
    assert stage.group.epoch == 1
    stage.topic("later", 2)
    stage.topic("orders", 3)
    stage.beat(member)
    assert (stage.group.epoch, len(member.told)) == (2, 5)
    stage.topic("orders", 0)
    stage.converge()
    assert (stage.group.epoch, len(member.reading)) == (3, 2)
    stage.topic("orders", 1)
    stage.converge()
    assert Owned(4, 0) in member.reading, "a topic made anew is another one"


def test_subscriptions_change() -> None:
    """A member that wants other topics gives up the old ones, and others take them."""
    stage = Stage(orders=2, bills=2)
    first, second = stage.consumer("a", "orders", "bills"), stage.consumer("b", "orders")
    stage.converge()
    first.topics = frozenset({"bills"})
    stage.beat(first, full=True)
    stage.converge()
    assert first.reading == {Owned(2, 0), Owned(2, 1)}
    assert second.reading == {Owned(1, 0), Owned(1, 1)}
    assert stage.group.is_subscribed("bills") and not stage.group.is_subscribed("other")


def test_patterns() -> None:
    """A pattern takes in topics that match, also those to come, beside those that are named; "" takes it back."""
    stage = Stage(orders=1, bills=1)
    member = stage.consumer("a", "bills", pattern="ord.*")
    stage.converge()
    assert len(member.reading) == 2
    stage.topic("ordinary", 2)
    stage.topic("disorder", 2)
    stage.converge()
    assert len(member.reading) == 4 and stage.group.is_subscribed("ordinary")
    member.pattern = ""
    stage.beat(member, full=True)
    stage.converge()
    assert member.reading == {Owned(2, 0)}


def test_a_pattern_that_is_none() -> None:
    """A join with a broken pattern is refused and leaves nothing behind; a member keeps the pattern that it has."""
    stage = Stage(orders=1)
    broken = stage.consumer("a", pattern="(")
    answer = stage.beat(broken)
    assert answer.refusal is Refusal.INVALID_PATTERN and "'('" in answer.reason
    assert stage.group.is_empty
    broken.pattern = "orders"
    stage.converge()
    broken.pattern = "["
    assert stage.beat(broken, full=True).refusal is Refusal.INVALID_PATTERN
    assert len(stage.group.members["a"].assigned) == 1


def test_a_pattern_that_takes_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pattern that becomes too costly as topics come is refused from then on, in words; the others go on."""
    stage = Stage(orders=1)
    costly, other = stage.consumer("a", pattern="(o|r|d|e|r|s)*"), stage.consumer("b", "orders")
    stage.converge()
    monkeypatch.setattr(consumer_pattern, "PATTERN_STEPS_MAX", 0)
    monkeypatch.setattr(consumer_pattern, "PATTERN_STEPS_A_NAME_MAX", 1)
    stage.topic("orders-of-today", 1)
    answer = stage.beat(costly)
    assert answer.refusal is Refusal.INVALID_PATTERN and "steps" in answer.reason
    assert stage.beat(stage.consumer("c", pattern="o*")).refusal is Refusal.INVALID_PATTERN
    assert set(stage.group.members) == {"a", "b"}
    assert stage.beat(other).refusal is None


def test_assignors_are_elected() -> None:
    """The assignor that most members ask for holds for all; uniform where none is asked for; others are refused."""
    stage = Stage(orders=4)
    stage.converge()
    stage.consumer("a", "orders")
    stage.converge()
    assert stage.group.assignor == "uniform"
    stage.consumer("b", "orders", assignor="range")
    stage.converge()
    assert stage.group.assignor == "range"
    refused = stage.beat(stage.consumer("c", "orders", assignor="sticky"))
    assert refused.refusal is Refusal.UNSUPPORTED_ASSIGNOR and "range" in refused.reason
    assert "c" not in stage.group.members


def test_groups_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A group takes so many members and no more; those it has go on."""
    monkeypatch.setattr(consumer_group, "GROUP_MEMBER_COUNT_MAX", 2)
    stage = Stage(orders=4)
    first = stage.consumer("a", "orders")
    stage.consumer("b", "orders")
    stage.converge()
    assert stage.beat(stage.consumer("c", "orders")).refusal is Refusal.GROUP_FULL
    first.lose()
    assert stage.beat(first).refusal is None


def test_commits_need_the_present_epoch() -> None:
    """Whether a member may commit: in its epoch only, and only as itself."""
    stage = Stage(orders=1)
    stage.consumer("a", "orders", instance_id="i")
    stage.converge()
    check = stage.group.check_epoch
    assert check("a", 1) is None
    assert check("a", 1, instance_id="i") is None
    assert check("a", 0) is Refusal.STALE_EPOCH
    assert check("a", 2) is Refusal.STALE_EPOCH
    assert check("b", 1) is Refusal.UNKNOWN_MEMBER
    assert check("b", 1, instance_id="i") is Refusal.FENCED_INSTANCE
    assert check("a", 1, instance_id="j") is Refusal.UNKNOWN_MEMBER


# -- static members ----------------------------------------------------------------------------------------------------


def test_a_static_member_comes_back() -> None:
    """A static member that leaves for a while finds its partitions again under a new id, and nobody else moves."""
    stage = Stage(orders=4)
    one, other = stage.consumer("a", "orders", instance_id="i"), stage.consumer("b", "orders")
    stage.converge()
    before, epoch = one.reading, stage.group.epoch
    assert stage.go_away(one).epoch == -2
    assert stage.group.state is ConsumerGroupState.STABLE
    stage.beat(other)
    assert len(other.told) == 2
    del stage.consumers["a"]
    back = stage.consumer("a2", "orders", instance_id="i")
    assert stage.beat(back).assignment == before
    assert stage.group.epoch == epoch and set(stage.group.members) == {"a2", "b"}


def test_a_static_member_that_does_not_come_back() -> None:
    """Its place is kept until its session ends."""
    stage = Stage(orders=4)
    one, other = stage.consumer("a", "orders", instance_id="i"), stage.consumer("b", "orders")
    stage.converge()
    stage.go_away(one)
    del stage.consumers["a"]
    stage.pass_time(SESSION_MS - 1)
    stage.beat(other)
    assert len(other.told) == 2
    stage.pass_time(1)
    stage.beat(other)
    assert len(other.told) == 4


def test_what_an_away_member_shall_not_have_is_free() -> None:
    """While a static member is away, what the target gives to others need not wait for it."""
    stage = Stage(orders=4)
    one = stage.consumer("a", "orders", instance_id="i")
    stage.converge()
    stage.go_away(one)
    del stage.consumers["a"]
    stage.beat(newcomer := stage.consumer("b", "orders"))
    assert len(newcomer.told) == 2


def test_two_with_the_same_instance_id() -> None:
    """While the first one lives the second is turned away; what the first one's id says under another is fenced."""
    stage = Stage(orders=4)
    stage.consumer("a", "orders", instance_id="i")
    stage.converge()
    assert stage.beat(stage.consumer("b", "orders", instance_id="i")).refusal is Refusal.UNRELEASED_INSTANCE
    assert stage.send(ConsumerHeartbeat("b", 1, "i")).refusal is Refusal.FENCED_INSTANCE
    assert stage.send(ConsumerHeartbeat("b", -1, "i")).refusal is Refusal.FENCED_INSTANCE
    assert stage.send(ConsumerHeartbeat("a", 1, "j")).refusal is Refusal.UNKNOWN_MEMBER
    joins_otherwise = ConsumerHeartbeat("a", 0, "j", rebalance_timeout_ms=1, topics=frozenset(), owned=frozenset())
    assert stage.send(joins_otherwise).refusal is Refusal.FENCED_EPOCH
    assert set(stage.group.members) == {"a"}
