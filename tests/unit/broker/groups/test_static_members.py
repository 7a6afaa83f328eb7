"""Static members (KIP-345): a process that comes back under its instance id takes its old place."""

from __future__ import annotations

from tests.unit.broker.groups.scene import REBALANCE_MS, SESSION_MS, Scene, request, subscription

from logmq.broker.groups.group import GroupState
from logmq.broker.groups.member import Caller
from logmq.broker.groups.refusal import Refusal


def static_pair() -> Scene:
    """A stable group of `a1` (instance a, the leader) and `b1` (instance b)."""
    scene = Scene()
    scene.join(request("a1", instance_id="a"))
    scene.join(request("b1", instance_id="b"))
    scene.join(request("unused", "a1", instance_id="a"))
    scene.share("a1", "b1")
    assert scene.group.state is GroupState.STABLE
    return scene


def test_a_follower_restarts() -> None:
    """It gets a new member id and its old assignment, and nobody else notices."""
    scene = static_pair()
    generation = scene.group.generation
    answer = scene.joined(scene.join(request("b2", instance_id="b")))
    assert (answer.refusal, answer.member_id, answer.generation) == (None, "b2", generation)
    assert (answer.leader, answer.members, answer.skip_assignment) == ("a1", (), False)
    assert scene.synced(scene.sync("b2")).assignment == b"b1"
    assert scene.heartbeat("a1") is None


def test_the_leader_restarts() -> None:
    """A leader that understands it is told that it leads, of all members, and that there is nothing to assign
    (KIP-814)."""
    scene = static_pair()
    answer = scene.joined(scene.join(request("a2", instance_id="a")))
    assert (answer.leader, answer.skip_assignment) == ("a2", True)
    assert [one.member_id for one in answer.members] == ["a2", "b1"]
    assert scene.group.state is GroupState.STABLE


def test_the_leader_restarts_with_an_old_client() -> None:
    """One that would take its leadership for a reason to assign is told that its old self leads."""
    scene = static_pair()
    answer = scene.joined(scene.join(request("a2", instance_id="a", can_skip_assignment=False)))
    assert (answer.leader, answer.skip_assignment, answer.members) == ("a1", False, ())


def test_a_restart_with_other_wishes_rebalances() -> None:
    """Who comes back to read other topics needs a new assignment."""
    scene = static_pair()
    b = scene.join(request("b2", instance_id="b", protocols=(("range", subscription("other")),)))
    assert scene.is_waiting(b) and scene.group.state is GroupState.PREPARING


def test_a_restart_without_memory_does_not_rebalance() -> None:
    """User data, such as the partitions that a sticky assignor had, may be missing after a restart."""
    scene = static_pair()
    metadata = subscription("orders", user_data=b"owned")
    assert not scene.is_waiting(scene.join(request("b2", instance_id="b", protocols=(("range", metadata),))))
    assert scene.group.state is GroupState.STABLE


def test_a_restart_without_the_groups_protocol() -> None:
    """Who no longer speaks the group's only protocol is refused; its old self stays until its session ends."""
    scene = static_pair()
    answer = scene.joined(scene.join(request("b2", instance_id="b", protocols=(("sticky", b""),))))
    assert answer.refusal is Refusal.INCONSISTENT_PROTOCOL
    assert "b1" in scene.group.members


def test_the_old_self_is_fenced() -> None:
    """Whatever a process does that another one replaced is answered with the fence."""
    scene = static_pair()
    scene.join(request("b2", instance_id="b"))
    old = Caller("b1", "b")
    generation, now_ms = scene.group.generation, scene.now_ms
    assert scene.group.heartbeat(old, generation, now_ms) is Refusal.FENCED_INSTANCE
    assert scene.group.check_commit(old, generation, now_ms) is Refusal.FENCED_INSTANCE
    assert scene.group.leave(old, now_ms) is Refusal.FENCED_INSTANCE
    assert scene.joined(scene.join(request("unused", "b1", instance_id="b"))).refusal is Refusal.FENCED_INSTANCE


def test_an_old_self_that_waits_is_fenced() -> None:
    """Also a join and a sync that wait when the other process comes."""
    scene = static_pair()
    scene.join(request("c1"))
    b = scene.join(request("unused", "b1", instance_id="b"))
    assert scene.is_waiting(b)
    newer = scene.join(request("b2", instance_id="b"))
    assert scene.joined(b).refusal is Refusal.FENCED_INSTANCE
    scene.join(request("unused", "a1", instance_id="a"))
    assert scene.joined(newer).refusal is None
    sync = scene.sync("b2")
    scene.join(request("b3", instance_id="b"))
    assert scene.synced(sync).refusal is Refusal.FENCED_INSTANCE


def test_a_static_member_does_not_come_in_time() -> None:
    """A rebalance goes on without it but leaves it its place until its session ends."""
    scene = static_pair()
    scene.group.members["b1"].session_timeout_ms = 2 * REBALANCE_MS
    scene.group.heartbeat(Caller("b1", "b"), scene.group.generation, scene.now_ms)
    a = scene.join(request("unused", "a1", instance_id="a"))
    scene.pass_time(REBALANCE_MS)
    assert {one.member_id for one in scene.joined(a).members} == {"a1", "b1"}


def test_only_static_members_are_left_and_none_comes() -> None:
    """The group waits for them until their sessions end, and is empty then."""
    scene = static_pair()
    scene.join(request("c1"))
    scene.leave("c1")
    scene.pass_time(SESSION_MS)
    assert scene.group.state is GroupState.EMPTY and scene.group.deadline_ms is None


def test_an_administrator_removes_a_static_member() -> None:
    """A static member may be named by its instance id alone."""
    scene = static_pair()
    assert scene.leave("", "nobody") is Refusal.UNKNOWN_MEMBER
    assert scene.leave("", "b") is None
    assert set(scene.group.members) == {"a1"}


def test_an_unknown_instance() -> None:
    """A member id and an instance id that the group does not know are refused."""
    scene = static_pair()
    assert scene.joined(scene.join(request("unused", "x", instance_id="x"))).refusal is Refusal.UNKNOWN_MEMBER


def test_a_static_member_needs_no_second_join() -> None:
    """Its instance id makes it known, so that it is not sent back for a member id."""
    answer = Scene()
    assert answer.joined(answer.join(request("a1", instance_id="a", requires_member_id=True))).refusal is None
