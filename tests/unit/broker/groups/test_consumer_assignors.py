"""The assignors: every partition once, shares as equal as can be, few moves."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from logmq.broker.groups.consumer_assignors import ASSIGNORS, Subscriber, assign_range, assign_uniform
from logmq.broker.groups.consumer_member import Owned


def subscriber(
    name: str, *topic_ids: int, target: frozenset[Owned] = frozenset(), static: str | None = None
) -> Subscriber:
    return Subscriber(name, static, frozenset(topic_ids), target)


def numbers(share: frozenset[Owned], topic_id: int = 1) -> list[int]:
    return sorted(one.partition for one in share if one.topic_id == topic_id)


@settings(max_examples=200, deadline=None)
@given(
    counts=st.dictionaries(st.integers(1, 4), st.integers(1, 9), min_size=1),
    wants=st.lists(st.sets(st.integers(1, 4)), max_size=6),
    name=st.sampled_from(sorted(ASSIGNORS)),
    old=st.lists(st.tuples(st.integers(1, 5), st.integers(0, 10)), max_size=20, unique=True),
)
def test_every_partition_once(
    counts: dict[int, int], wants: list[set[int]], name: str, old: list[tuple[int, int]]
) -> None:
    """Whatever members want and had: each partition of a wanted topic goes to one member that wants it."""
    members = []
    for index, want in enumerate(wants):
        had = frozenset([Owned(*one) for one in old[index :: len(wants)]])
        members.append(subscriber(f"m{index}", *(want & counts.keys()), target=had))
    shares = ASSIGNORS[name](members, counts)
    given_out = sorted(one for share in shares.values() for one in share)
    wanted = {topic_id for member in members for topic_id in member.topic_ids}
    assert given_out == sorted(Owned(one, index) for one in wanted for index in range(counts[one]))
    assert shares.keys() == {member.member_id for member in members}
    for member in members:
        assert {one.topic_id for one in shares[member.member_id]} <= member.topic_ids
    if name == "uniform":
        check_even(members, shares)


def check_even(members: list[Subscriber], shares: dict[str, frozenset[Owned]]) -> None:
    """No partition could move to a member with two fewer."""
    for owner in members:
        for one in shares[owner.member_id]:
            for other in members:
                if one.topic_id in other.topic_ids:
                    assert len(shares[owner.member_id]) - len(shares[other.member_id]) <= 1


def test_uniform_moves_few() -> None:
    """A third member takes from the two others what it is to have, and nothing else moves."""
    first = assign_uniform([subscriber("a", 1), subscriber("b", 1)], {1: 12})
    had = [subscriber(name, 1, target=share) for name, share in first.items()]
    second = assign_uniform([*had, subscriber("c", 1)], {1: 12})
    assert second["a"] < first["a"] and second["b"] < first["b"]
    assert [len(share) for share in second.values()] == [4, 4, 4]
    left = [subscriber(name, 1, target=share) for name, share in second.items() if name != "b"]
    third = assign_uniform(left, {1: 12})
    assert third["a"] > second["a"] and third["c"] > second["c"]


def test_uniform_leaves_what_is_even() -> None:
    """When nothing has to change nothing does, also with shares that cannot be equal."""
    first = assign_uniform([subscriber(name, 1, 2) for name in "abc"], {1: 4, 2: 4})
    again = assign_uniform([subscriber(name, 1, 2, target=first[name]) for name in "cab"], {1: 4, 2: 4})
    assert first == again


def test_uniform_with_different_wishes() -> None:
    """Who wants more topics leaves those that others want to them."""
    shares = assign_uniform([subscriber("a", 1, 2), subscriber("b", 1)], {1: 4, 2: 4})
    assert numbers(shares["a"], 2) == [0, 1, 2, 3] and numbers(shares["b"]) == [0, 1, 2, 3]


def test_range_gives_spans() -> None:
    """Each topic is cut into spans in the order of the members, so that the same numbers meet."""
    shares = assign_range([subscriber(name, 1, 2) for name in "bac"], {1: 7, 2: 7})
    assert [numbers(shares[name]) for name in "abc"] == [[0, 1], [2, 3], [4, 5, 6]]
    assert all(numbers(share, 1) == numbers(share, 2) for share in shares.values())


def test_range_knows_static_members() -> None:
    """A static member gets the same span whatever its member id is."""
    before = assign_range([subscriber("x", 1, static="one"), subscriber("y", 1, static="two")], {1: 4})
    after = assign_range([subscriber("z", 1, static="one"), subscriber("y", 1, static="two")], {1: 4})
    assert before["x"] == after["z"] and before["y"] == after["y"]


def test_nobody() -> None:
    """Without members there is nothing to give."""
    assert all(assign([], {}) == {} for assign in ASSIGNORS.values())
