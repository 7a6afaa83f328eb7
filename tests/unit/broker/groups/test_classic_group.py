"""The classic group: who is answered what, and when. Time is moved by hand."""

from __future__ import annotations

import pytest
from tests.unit.broker.groups.scene import REBALANCE_MS, SESSION_MS, Scene, request, subscription

from logmq.broker.groups.group import GroupState
from logmq.broker.groups.member import Caller
from logmq.broker.groups.refusal import Refusal
from logmq.limits import EXPECTED_MEMBERS_WAIT_MAX_MS, EXPECTED_MEMBERS_WAIT_MS, NEW_MEMBER_JOIN_TIMEOUT_MS


def test_a_lone_member_is_answered_at_once() -> None:
    """The first member of a group leads generation 1 without any waiting, and gets its own assignment."""
    scene = Scene()
    answer = scene.joined(scene.join(request("a")))
    assert (answer.refusal, answer.generation, answer.leader, answer.member_id) == (None, 1, "a", "a")
    assert (answer.protocol_type, answer.protocol_name) == ("consumer", "range")
    assert [one.member_id for one in answer.members] == ["a"]
    assert scene.is_in(GroupState.COMPLETING)
    synced = scene.synced(scene.sync("a", {"a": b"all"}))
    assert (synced.refusal, synced.assignment, synced.protocol_name) == (None, b"all", "range")
    assert scene.is_in(GroupState.STABLE)


def test_three_members_join() -> None:
    """A newcomer waits until the members have heard of it and joined again; then one generation holds all, and only
    the leader is told of the others."""
    scene = Scene().stable("a")
    b, c = scene.join(request("b")), scene.join(request("c"))
    assert scene.is_waiting(b) and scene.is_waiting(c)
    assert scene.heartbeat("a") is Refusal.REBALANCE_IN_PROGRESS
    a = scene.rejoin("a")
    answers = [scene.joined(one) for one in (a, b, c)]
    assert {one.generation for one in answers} == {2} and {one.leader for one in answers} == {"a"}
    assert [len(one.members) for one in answers] == [3, 0, 0]


def test_followers_wait_for_the_leaders_sync() -> None:
    """A follower's sync is answered when the leader has brought the assignments; whom it forgot gets nothing."""
    scene = Scene().stable("a", "b", "c")
    scene.rejoin("a"), scene.rejoin("b"), scene.rejoin("c")
    b, c = scene.sync("b"), scene.sync("c")
    assert scene.is_waiting(b) and scene.is_waiting(c)
    a = scene.sync("a", {"a": b"1", "b": b"2"})
    assert [scene.synced(one).assignment for one in (a, b, c)] == [b"1", b"2", b""]


def test_a_late_follower_gets_its_assignment_from_a_stable_group() -> None:
    """A sync after the leader's is answered at once."""
    scene = Scene().stable("a", "b")
    scene.rejoin("a"), scene.rejoin("b")
    scene.sync("a", {"b": b"2"})
    assert scene.synced(scene.sync("b")).assignment == b"2"


def test_a_member_leaves() -> None:
    """Who leaves is gone at once; the others hear of it and make a generation without it."""
    scene = Scene().stable("a", "b", "c")
    assert scene.leave("b") is None
    assert scene.heartbeat("b") is Refusal.UNKNOWN_MEMBER
    assert scene.heartbeat("a") is Refusal.REBALANCE_IN_PROGRESS
    a, c = scene.rejoin("a"), scene.rejoin("c")
    assert {one.member_id for one in scene.joined(a).members} == {"a", "c"}
    assert scene.joined(c).generation == scene.joined(a).generation


def test_the_leader_leaves() -> None:
    """Another member leads after the leader is gone."""
    scene = Scene().stable("a", "b", "c")
    scene.leave("a")
    b, c = scene.rejoin("b"), scene.rejoin("c")
    assert scene.joined(b).leader == scene.joined(c).leader == "b"
    assert len(scene.joined(b).members) == 2


def test_the_last_member_leaves() -> None:
    """An empty group has no leader and no deadline, and its generations go on counting."""
    scene = Scene().stable("a")
    scene.leave("a")
    assert (scene.group.state, scene.group.leader, scene.group.deadline_ms) == (GroupState.EMPTY, None, None)
    assert scene.joined(scene.join(request("b"))).generation == 3


def test_a_member_crashes() -> None:
    """Whoever is not heard of for its session timeout is gone, not a moment earlier; heartbeats keep the others."""
    scene = Scene().stable("a", "b")
    scene.pass_time(SESSION_MS - 1)
    assert scene.heartbeat("a") is None and "b" in scene.group.members
    scene.pass_time(1)
    assert "b" not in scene.group.members
    assert scene.heartbeat("a") is Refusal.REBALANCE_IN_PROGRESS
    assert scene.joined(scene.rejoin("a")).generation == 3


def test_who_waits_for_others_does_not_expire() -> None:
    """A member whose join waits cannot send heartbeats and lives on."""
    scene = Scene().stable("a", "b")
    scene.join(request("c"))
    b = scene.rejoin("b")
    while scene.is_waiting(b):
        scene.heartbeat("a")
        scene.pass_time(SESSION_MS - 1)
    assert set(scene.group.members) == {"b", "c"} and scene.joined(b).refusal is None


def test_a_newcomer_whose_client_is_gone_expires() -> None:
    """A member that was never part of a generation may not hold its group up for ever: five minutes, as in Kafka."""
    scene = Scene()
    scene.join(request("a"))
    scene.group.members["a"].rebalance_timeout_ms = 10 * NEW_MEMBER_JOIN_TIMEOUT_MS
    scene.sync("a")
    c = scene.join(request("c"))
    for _ in range(NEW_MEMBER_JOIN_TIMEOUT_MS // 5_000):
        assert scene.is_waiting(c)
        scene.heartbeat("a")
        scene.pass_time(5_000)
    assert scene.joined(c).refusal is Refusal.UNKNOWN_MEMBER


def test_the_rebalance_timeout() -> None:
    """A member that lives but does not join again is left out when the rebalance timeout is over."""
    scene = Scene().stable("a", "b")
    c = scene.join(request("c"))
    scene.rejoin("b")
    for _ in range(REBALANCE_MS // 5_000):
        assert scene.heartbeat("a") is Refusal.REBALANCE_IN_PROGRESS
        scene.pass_time(5_000)
    assert set(scene.group.members) == {"b", "c"}
    assert scene.joined(c).generation == 3 and scene.joined(c).leader == "b"


def test_the_leader_never_syncs() -> None:
    """Members wait for assignments no longer than the rebalance timeout: a leader that brings none is left out."""
    scene = Scene().stable("a", "b")
    scene.rejoin("a"), scene.rejoin("b")
    b = scene.sync("b")
    for _ in range(REBALANCE_MS // 5_000):
        scene.heartbeat("a")
        scene.pass_time(5_000)
    assert scene.synced(b).refusal is Refusal.REBALANCE_IN_PROGRESS
    assert set(scene.group.members) == {"b"}
    assert scene.joined(scene.rejoin("b")).leader == "b"


def test_a_follower_never_syncs() -> None:
    """Neither may a follower hold partitions that it never asked for."""
    scene = Scene().stable("a", "b")
    scene.rejoin("a"), scene.rejoin("b")
    scene.sync("a", {"a": b"1", "b": b"2"})
    for _ in range(REBALANCE_MS // 5_000):
        scene.heartbeat("a"), scene.heartbeat("b")
        scene.pass_time(5_000)
    assert set(scene.group.members) == {"a"}


def test_a_join_in_the_middle_of_assigning() -> None:
    """Members that wait for an assignment are told to join again when another one comes."""
    scene = Scene().stable("a", "b")
    scene.rejoin("a"), scene.rejoin("b")
    b = scene.sync("b")
    scene.join(request("c"))
    assert scene.synced(b).refusal is Refusal.REBALANCE_IN_PROGRESS
    assert scene.synced(scene.sync("a", {"a": b"1"})).refusal is Refusal.REBALANCE_IN_PROGRESS


def test_generations_are_fenced() -> None:
    """Heartbeats, syncs and commits of another generation than the present one are refused."""
    scene = Scene().stable("a", "b")
    old = scene.group.generation - 1
    assert scene.heartbeat("a", old) is Refusal.ILLEGAL_GENERATION
    assert scene.synced(scene.sync("a", {}, old)).refusal is Refusal.ILLEGAL_GENERATION
    assert scene.group.check_commit(Caller("a"), old, scene.now_ms) is Refusal.ILLEGAL_GENERATION
    assert scene.group.check_commit(Caller("a"), old + 1, scene.now_ms) is None


def test_strangers_are_refused() -> None:
    """Nobody but members may sync, send heartbeats, commit or leave."""
    scene = Scene().stable("a")
    assert scene.joined(scene.rejoin("x")).refusal is Refusal.UNKNOWN_MEMBER
    assert scene.synced(scene.sync("x")).refusal is Refusal.UNKNOWN_MEMBER
    assert scene.heartbeat("x") is Refusal.UNKNOWN_MEMBER
    assert scene.leave("x") is Refusal.UNKNOWN_MEMBER
    assert scene.group.check_commit(Caller("x"), 1, scene.now_ms) is Refusal.UNKNOWN_MEMBER


def test_who_may_commit() -> None:
    """Without members anybody who claims no membership; with members only they, and not before they have their part."""
    scene = Scene()
    assert scene.group.check_commit(Caller(""), -1, scene.now_ms) is None
    assert scene.group.check_commit(Caller("x"), 3, scene.now_ms) is Refusal.UNKNOWN_MEMBER
    scene.join(request("a"))
    assert scene.group.check_commit(Caller(""), -1, scene.now_ms) is Refusal.UNKNOWN_MEMBER
    assert scene.group.check_commit(Caller("a"), 1, scene.now_ms) is Refusal.REBALANCE_IN_PROGRESS
    scene.sync("a")
    assert scene.group.check_commit(Caller("a"), 1, scene.now_ms) is None
    scene.join(request("b"))  # before it joins again, a member commits what it has done
    assert scene.group.check_commit(Caller("a"), 1, scene.now_ms) is None


def test_a_commit_is_a_sign_of_life() -> None:
    """A member that commits needs no heartbeat."""
    scene = Scene().stable("a")
    for _ in range(5):
        scene.pass_time(SESSION_MS - 1)
        assert scene.group.check_commit(Caller("a"), 1, scene.now_ms) is None


def test_a_new_member_is_given_an_id_first() -> None:
    """A client that understands it gets an id and comes back with it, so that a lost answer leaves no ghost member."""
    scene = Scene()
    answer = scene.joined(scene.join(request("a", requires_member_id=True)))
    assert (answer.refusal, answer.member_id) == (Refusal.MEMBER_ID_REQUIRED, "a")
    assert scene.group.is_empty
    assert scene.joined(scene.join(request("unused", "a", requires_member_id=True))).member_id == "a"


def test_an_id_that_was_given_out_does_not_hold_for_ever() -> None:
    """An id that nobody comes back with is forgotten after the session timeout; a rebalance waits for it till then."""
    scene = Scene().stable("a")
    scene.join(request("x", requires_member_id=True))
    a = scene.rejoin("a")
    assert scene.is_waiting(a)
    scene.pass_time(SESSION_MS)
    assert scene.joined(a).generation == 2
    assert scene.joined(scene.join(request("unused", "x"))).refusal is Refusal.UNKNOWN_MEMBER


def test_a_promised_member_leaves() -> None:
    """An id that was given out can be given back, and holds nobody up from then on."""
    scene = Scene().stable("a")
    scene.join(request("x", requires_member_id=True))
    a = scene.rejoin("a")
    assert scene.leave("x") is None and scene.joined(a).refusal is None


def test_a_lost_join_answer_is_given_again() -> None:
    """A member that joins twice with the same words gets the answer of its generation again; nothing is rebalanced."""
    scene = Scene().stable("a", "b")
    scene.rejoin("a"), scene.rejoin("b")
    again = scene.joined(scene.rejoin("b"))
    assert (again.refusal, again.generation, again.members) == (None, scene.group.generation, ())
    scene.share("a", "b")
    assert scene.joined(scene.rejoin("b")).generation == scene.group.generation
    assert scene.group.state is GroupState.STABLE


def test_a_join_that_was_given_up_is_not_left_open() -> None:
    """When a member joins anew while its first join waits, the first is answered too."""
    scene = Scene().stable("a")
    first = scene.join(request("b"))
    second = scene.rejoin("b")
    assert scene.joined(first).refusal is Refusal.REBALANCE_IN_PROGRESS and scene.is_waiting(second)


def test_a_leader_that_joins_again_wants_a_rebalance() -> None:
    """The leader watches topics for new partitions; its join makes a new generation even if it says the same."""
    scene = Scene().stable("a")
    assert scene.joined(scene.rejoin("a")).generation == 2


def test_a_follower_with_new_wishes_rebalances() -> None:
    """A follower that subscribes to something else makes a new generation."""
    scene = Scene().stable("a", "b")
    b = scene.join(request("unused", "b", protocols=(("range", subscription("other")),)))
    assert scene.is_waiting(b) and scene.group.state is GroupState.PREPARING


def test_votes() -> None:
    """The protocol is one that all speak, and of these the one that most prefer."""
    scene = Scene()
    scene.join(request("a", protocols=(("range", b""), ("sticky", b""), ("only-a", b""))))
    b = scene.join(request("b", protocols=(("sticky", b""), ("range", b""))))
    c = scene.join(request("c", protocols=(("sticky", b""), ("range", b""))))
    scene.join(request("unused", "a", protocols=(("only-a", b""), ("range", b""), ("sticky", b""))))
    assert {scene.joined(one).protocol_name for one in (b, c)} == {"sticky"}


@pytest.mark.parametrize(
    "wrong",
    [
        request("x", protocols=(("sticky", b""),)),
        request("x", protocol_type="connect"),
        request("x", protocols=()),
        request("x", protocol_type=""),
    ],
)
def test_inconsistent_protocols(wrong: object) -> None:
    """A newcomer that shares no protocol with the members, or is of another kind, is refused and disturbs nobody."""
    scene = Scene().stable("a")
    assert scene.joined(scene.join(wrong)).refusal is Refusal.INCONSISTENT_PROTOCOL  # type: ignore[arg-type]
    assert scene.heartbeat("a") is None


def test_a_sync_under_another_protocol() -> None:
    """A sync that names another protocol type or name than the generation's is refused (KIP-559)."""
    scene = Scene().stable("a")
    for names in ({"protocol_type": "connect"}, {"protocol_name": "sticky"}):
        ticket = scene.ticket()
        scene.group.sync(Caller("a"), 1, [], ticket, scene.now_ms, **names)
        scene.settle()
        assert scene.synced(ticket).refusal is Refusal.INCONSISTENT_PROTOCOL


def test_an_empty_group_changes_its_kind() -> None:
    """Once all have left, a group may be used by members of another kind."""
    scene = Scene().stable("a")
    scene.leave("a")
    answer = scene.joined(scene.join(request("w", protocol_type="connect", protocols=(("default", b""),))))
    assert (answer.protocol_type, answer.protocol_name) == ("connect", "default")


# -- the initial delay ---------------------------------------------------------------------------------------------


def test_the_initial_delay() -> None:
    """With a delay the first generation of an empty group waits for more members, anew for each that comes."""
    scene = Scene(initial_delay_ms=3_000)
    a = scene.join(request("a"))
    scene.pass_time(2_000)
    b = scene.join(request("b"))
    scene.pass_time(3_999)
    assert scene.is_waiting(a) and scene.is_waiting(b)
    scene.pass_time(1)
    assert scene.joined(a).generation == scene.joined(b).generation == 1


def test_the_initial_delay_ends() -> None:
    """However many come, the delay lasts no longer than the rebalance timeout."""
    scene = Scene(initial_delay_ms=3_000)
    a = scene.join(request("a"))
    for number in range(REBALANCE_MS // 2_000):
        assert scene.is_waiting(a)
        scene.join(request(f"m{number}"))
        scene.pass_time(2_000)
    assert scene.joined(a).refusal is None


def test_expected_members_are_waited_for() -> None:
    """The first generation begins as soon as all who are expected have joined."""
    scene = Scene(expected_count=3)
    a, b = scene.join(request("a")), scene.join(request("b"))
    scene.pass_time(EXPECTED_MEMBERS_WAIT_MS - 1)
    assert scene.is_waiting(a) and scene.is_waiting(b)
    c = scene.join(request("c"))
    assert scene.joined(a).generation == scene.joined(b).generation == scene.joined(c).generation == 1


def test_expected_members_that_do_not_come() -> None:
    """The wait for them is short, and ends when for its whole length nobody has come."""
    scene = Scene(expected_count=9)
    a = scene.join(request("a"))
    scene.pass_time(EXPECTED_MEMBERS_WAIT_MS // 2)
    b = scene.join(request("b"))
    scene.pass_time(EXPECTED_MEMBERS_WAIT_MS // 2 + EXPECTED_MEMBERS_WAIT_MS - 1)
    assert scene.is_waiting(a) and scene.is_waiting(b)
    scene.pass_time(1)
    assert scene.joined(a).generation == scene.joined(b).generation == 1


def test_the_wait_for_expected_members_ends() -> None:
    """However many come, the first is not kept for longer than the limit."""
    scene = Scene(expected_count=1_000)
    a = scene.join(request("a"))
    for number in range(2 * EXPECTED_MEMBERS_WAIT_MAX_MS // EXPECTED_MEMBERS_WAIT_MS - 1):
        assert scene.is_waiting(a)
        scene.pass_time(EXPECTED_MEMBERS_WAIT_MS // 2)
        scene.join(request(f"m{number}"))
    scene.pass_time(EXPECTED_MEMBERS_WAIT_MS // 2)
    assert scene.joined(a).refusal is None


def test_a_group_that_has_members_waits_for_nobody_expected() -> None:
    """Only a first generation waits: later members join those who are there."""
    scene = Scene(expected_count=1).stable("a")
    scene.group.expected_count = 9
    b = scene.join(request("b"))
    assert scene.heartbeat("a") is Refusal.REBALANCE_IN_PROGRESS
    scene.join(request("unused", "a"))
    assert scene.joined(b).generation == 2


def test_a_delay_that_was_set_is_kept() -> None:
    """With a delay in the settings a group waits for it, even if all who were expected have come."""
    scene = Scene(initial_delay_ms=3_000, expected_count=1)
    a = scene.join(request("a"))
    scene.pass_time(2_999)
    assert scene.is_waiting(a)
    scene.pass_time(1)
    assert scene.joined(a).generation == 1
