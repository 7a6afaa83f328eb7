"""A classic group that becomes a consumer group while its members read: old members stay, new ones join."""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace
from random import Random

import pytest
from tests.unit.broker.groups.consumer_scene import Consumer, Stage
from tests.unit.broker.groups.scene import REBALANCE_MS, SESSION_MS, Scene, request, subscription

from logmq.broker.groups import consumer_classic, consumer_membership
from logmq.broker.groups.consumer_group import ConsumerGroup, TopicsImage
from logmq.broker.groups.consumer_member import Owned
from logmq.broker.groups.group import GroupState
from logmq.broker.groups.member import Caller, JoinAnswer, JoinProtocol
from logmq.broker.groups.refusal import Refusal
from logmq.broker.groups.subscription import assigned_partitions, encode_assignment, owned_partitions
from logmq.model import TopicPartition

LEFT = {None, Refusal.UNKNOWN_MEMBER}
TOPIC = TopicsImage(1, {"orders": (1, 6)}, ["orders"])


def orders(*indexes: int) -> list[TopicPartition]:
    return [TopicPartition("orders", index) for index in indexes]


def claim(*owned: TopicPartition) -> bytes:
    """Join metadata of version 1, with the partitions that the member still owns."""
    return b"\x00\x01" + subscription("orders")[2:] + encode_assignment(owned)[2:-4]


@dataclass
class Old:
    """A client of the classic protocol. An eager one gives up all that it reads before it joins, a cooperative one what
    it was not given again, and then joins once more."""

    member_id: str
    eager: bool
    generation: int
    reading: frozenset[Owned]
    must_join: bool = False
    must_sync: bool = False

    def act(self, stage: Stage) -> None:
        """One request: a heartbeat, or what the last answer calls for. Others act between a join and its sync."""
        group = stage.group
        group.update_topics(TopicsImage(stage._version, dict(stage.topics), list(stage.topics)))
        if self.must_sync:
            self.sync(stage)
        elif self.must_join:
            if self.eager:
                self.reading = frozenset()
            answer = self.join(stage)
            assert answer.refusal is None
            self.generation, self.must_join, self.must_sync = answer.generation, False, True
        else:
            told = consumer_classic.heartbeat(group, Caller(self.member_id), self.generation, stage.now_ms)
            assert told in {None, Refusal.REBALANCE_IN_PROGRESS}
            self.must_join = told is not None

    def sync(self, stage: Stage) -> None:
        """Hear what it was given; a cooperative one gives up the rest, and says so by joining again."""
        synced = consumer_classic.sync(stage.group, Caller(self.member_id), self.generation)
        self.must_sync = False
        if synced.refusal is not None:
            assert synced.refusal is Refusal.REBALANCE_IN_PROGRESS
            self.must_join = True
            return
        given = frozenset(Owned(1, one.index) for one in assigned_partitions(synced.assignment))
        self.must_join = bool(self.reading - given)
        self.reading = given

    def join(self, stage: Stage) -> JoinAnswer:
        """A JoinGroup with what it reads."""
        metadata = claim(*orders(*(one.partition for one in self.reading)))
        asked = replace(request("new"), member_id=self.member_id, protocols=(JoinProtocol("range", metadata),))
        return consumer_classic.join(stage.group, asked, stage.now_ms)


def classic_group(*shares: list[TopicPartition]) -> Scene:
    """A stable group whose members `m0`, `m1`, ... have these partitions."""
    scene = Scene()
    ids = [f"m{number}" for number in range(len(shares))]
    scene.stable(*ids)
    for member_id, share in zip(ids, shares, strict=True):
        scene.group.members[member_id].assignment = encode_assignment(share)
    return scene


def migrated(*shares: list[TopicPartition], eager: bool = True) -> tuple[Stage, list[Old]]:
    """A consumer group made of a classic one, and its old members."""
    scene = classic_group(*shares)
    group = consumer_classic.converted(scene.group, TOPIC, SESSION_MS)
    assert group is not None
    stage = Stage(orders=6)
    stage.group, stage.now_ms = group, scene.now_ms
    old = [
        Old(f"m{number}", eager, scene.group.generation, frozenset(Owned(1, one.index) for one in share))
        for number, share in enumerate(shares)
    ]
    return stage, old


def check_nobody_shares(stage: Stage, old: list[Old]) -> int:
    """How many partitions are read. Raises: AssertionError if one is read twice."""
    held = [one for member in old for one in member.reading]
    held += [one for consumer in stage.consumers.values() for one in consumer.reading]
    assert len(held) == len(set(held)), held
    return len(held)


def test_conversion_takes_nothing_from_anybody() -> None:
    """Members keep their ids, their generation as their epoch, and their partitions, and hear of nothing."""
    stage, old = migrated(orders(0, 1, 2), orders(3, 4, 5))
    for member in old:
        member.act(stage)
        assert not member.must_join
    assert check_nobody_shares(stage, old) == 6
    assert {one.epoch for one in stage.group.members.values()} == {old[0].generation}
    assert stage.group.has_classic_members


@pytest.mark.parametrize("eager", [True, False])
def test_an_old_member_hands_over_to_a_new_one(eager: bool) -> None:
    """The newcomer waits until an old member has joined again without its partitions; all are read in the end."""
    stage, old = migrated(orders(0, 1, 2, 3, 4, 5), eager=eager)
    new = stage.consumer("new", "orders")
    assert stage.beat(new).assignment == frozenset()
    for _ in range(20):
        old[0].act(stage)
        check_nobody_shares(stage, old)
        stage.beat(new)
        new.settle()
        check_nobody_shares(stage, old)
    assert (len(old[0].reading), len(new.reading)) == (3, 3)
    assert old[0].generation == new.epoch == stage.group.epoch


@pytest.mark.parametrize("seed", range(30))
def test_whatever_happens_nobody_shares_and_all_is_read(seed: int) -> None:
    """Old members of both kinds, some of which become new ones, in any order, with losses: no partition ever has two
    readers, and when it has become quiet each has one."""
    print("seed", seed)
    rng = Random(seed)
    stage, old = migrated(orders(0, 3), orders(1, 4), orders(2, 5))
    for member in old:
        member.eager = rng.random() < 0.5
    for number in range(150):
        actor = rng.choice([*old, *stage.consumers.values(), None])
        if actor is None and len(stage.consumers) < 2:
            stage.consumer(f"new{number}", "orders")
        elif actor is None and len(old) < 4 and stage.group.has_classic_members:
            old.append(Old(f"old{number}", rng.random() < 0.5, 0, frozenset(), must_join=True))
        elif isinstance(actor, Old) and rng.random() < 0.05:
            old.remove(actor)  # it may not have joined yet
            assert consumer_classic.leave(stage.group, Caller(actor.member_id), stage.now_ms) in LEFT
        elif isinstance(actor, Old):
            actor.act(stage)
        elif isinstance(actor, Consumer) and rng.random() < 0.05:
            stage.leave(actor)
        elif isinstance(actor, Consumer):
            stage.beat(actor)
            check_nobody_shares(stage, old)
            if rng.random() < 0.7:
                actor.settle()
        check_nobody_shares(stage, old)
    for _ in range(60):
        for member in old:
            member.act(stage)
        for consumer in stage.consumers.values():
            stage.beat(consumer)
            consumer.settle()
        check_nobody_shares(stage, old)
    if old or stage.consumers:
        assert check_nobody_shares(stage, old) == 6


def test_an_old_member_that_does_not_come_in_time_is_put_out() -> None:
    """One that was told to join again and only goes on with its heartbeats loses its place in time."""
    stage, old = migrated(orders(0, 1, 2, 3, 4, 5))
    new = stage.consumer("new", "orders")
    stage.beat(new)
    caller = Caller(old[0].member_id)
    for _ in range(REBALANCE_MS // SESSION_MS * 2):
        assert consumer_classic.heartbeat(stage.group, caller, old[0].generation, stage.now_ms) is not None
        stage.beat(new)
        stage.pass_time(SESSION_MS // 2)
    assert old[0].member_id not in stage.group.members
    stage.beat(new)
    assert len(new.told) == 6


def test_old_members_die_by_their_own_session() -> None:
    """The session timeout that a member joined with still holds."""
    stage, old = migrated(orders(0, 1, 2))
    stage.pass_time(SESSION_MS - 1)
    assert old[0].member_id in stage.group.members
    stage.pass_time(1)
    assert stage.group.is_empty


def test_new_members_of_the_old_protocol_may_join_meanwhile() -> None:
    """A process of the old version that is started again gets an id and its share; one that speaks no consumer's
    protocol is refused."""
    stage, old = migrated(orders(0, 1, 2, 3, 4, 5))
    asked = request("fresh", requires_member_id=True)
    first = consumer_classic.join(stage.group, asked, stage.now_ms)
    assert (first.member_id, first.refusal) == ("fresh", Refusal.MEMBER_ID_REQUIRED)
    second = consumer_classic.join(stage.group, replace(asked, member_id="fresh"), stage.now_ms)
    assert (second.refusal, second.leader, second.protocol_name) == (None, "", "range")
    old.append(Old("fresh", True, second.generation, frozenset()))
    for _ in range(20):
        for member in old:
            member.act(stage)
            check_nobody_shares(stage, old)
    assert sorted(len(member.reading) for member in old) == [3, 3]
    strange = replace(asked, protocol_type="connect")
    assert consumer_classic.join(stage.group, strange, stage.now_ms).refusal is Refusal.INCONSISTENT_PROTOCOL
    strange = replace(asked, protocols=(JoinProtocol("range", b"?"),))
    assert consumer_classic.join(stage.group, strange, stage.now_ms).refusal is Refusal.INCONSISTENT_PROTOCOL


def test_a_static_member_comes_back_with_the_new_protocol() -> None:
    """Its old self has no time to leave: the new one takes its place and its partitions at once."""
    scene = classic_group(orders(0, 1, 2, 3, 4, 5))
    member = scene.group.members["m0"]
    member.instance_id = "one"
    group = consumer_classic.converted(scene.group, TOPIC, SESSION_MS)
    assert group is not None
    stage = Stage(orders=6)
    stage.group, stage.now_ms = group, scene.now_ms
    new = stage.consumer("new", "orders", instance_id="one")
    answer = stage.beat(new)
    assert answer.assignment is not None and len(answer.assignment) == 6
    assert consumer_classic.heartbeat(group, Caller("m0", "one"), 1, stage.now_ms) is Refusal.FENCED_INSTANCE
    assert not group.has_classic_members


@pytest.mark.parametrize("generation", [0, 2])
def test_another_generation_is_refused(generation: int) -> None:
    """Heartbeats, syncs and commits of a generation that is not the member's are refused in the old words."""
    stage, old = migrated(orders(0))
    caller = Caller(old[0].member_id)
    assert old[0].generation == 1
    assert consumer_classic.heartbeat(stage.group, caller, generation, stage.now_ms) is Refusal.ILLEGAL_GENERATION
    assert consumer_classic.sync(stage.group, caller, generation).refusal is Refusal.ILLEGAL_GENERATION
    assert consumer_classic.check(stage.group, caller, generation) is Refusal.ILLEGAL_GENERATION
    assert consumer_classic.check(stage.group, Caller("nobody"), 1) is Refusal.UNKNOWN_MEMBER


@pytest.mark.parametrize("spoil", ["protocol", "metadata", "assignment", "twice"])
def test_what_cannot_be_understood_is_not_converted(spoil: str) -> None:
    """Members that are no consumers, or whose partitions the broker does not know for sure, stay as they are."""
    scene = classic_group(orders(0, 1), orders(1) if spoil == "twice" else orders(2))
    assert scene.is_in(GroupState.STABLE)
    member = scene.group.members["m0"]
    if spoil == "protocol":
        scene.group.protocol_type = "connect"
    elif spoil == "metadata":
        member.protocols = (JoinProtocol("range", b"?"),)
    elif spoil == "assignment":
        member.assignment = b"mine"
    assert consumer_classic.converted(scene.group, TOPIC, SESSION_MS) is None


def test_partitions_that_are_gone_are_nobodys() -> None:
    """An assignment may name a topic that was dropped, or partitions that there never were."""
    scene = classic_group([TopicPartition("gone", 0), TopicPartition("orders", 9), *orders(0)])
    group = consumer_classic.converted(scene.group, TOPIC, SESSION_MS)
    assert group is not None and group.members["m0"].assigned == {Owned(1, 0)}


def test_a_restart_goes_unnoticed_by_old_members() -> None:
    """What is stored of a mixed group holds all that its old members need."""
    stage, old = migrated(orders(0, 1, 2, 3, 4, 5))
    new = stage.consumer("new", "orders")
    stage.beat(new)
    fields = consumer_membership.encode(stage.group)
    stage.group = consumer_membership.decode("billing", fields, 45_000, stage.now_ms)
    assert isinstance(stage.group, ConsumerGroup) and stage.group.has_classic_members
    for _ in range(20):
        old[0].act(stage)
        stage.beat(new)
        new.settle()
    assert (len(old[0].reading), len(new.reading)) == (3, 3)
    stage.pass_time(SESSION_MS)
    assert old[0].member_id not in stage.group.members


def test_what_a_member_owns_is_read_from_its_metadata() -> None:
    """From version 1 on; version 0, or bytes that are none, own nothing."""
    owned = [*orders(0, 5), TopicPartition("other", 2)]
    metadata = claim(*owned)
    assert owned_partitions(metadata) == owned
    assert owned_partitions(metadata + struct.pack(">i", 7)) == owned  # version 2 goes on with a generation
    assert owned_partitions(subscription("orders", user_data=b"x")) == []
    for size in range(len(metadata)):
        assert owned_partitions(metadata[:size]) in ([], owned[:2])
    assert assigned_partitions(encode_assignment(owned)) == owned
