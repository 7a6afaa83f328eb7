"""Who reads which partitions: the assignors that the broker has (KIP-848), as pure functions.

`uniform` gives everybody the same number of partitions, give or take one, and moves as few as it can. `range` gives
each member the same span of every topic, so that partitions of the same number in different topics meet.

Both are deterministic: members and partitions are taken in the order of their names and numbers.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from logmq.broker.groups.consumer_member import Owned


@dataclass(frozen=True, slots=True)
class Subscriber:
    """A member as an assignor sees it."""

    member_id: str
    instance_id: str | None
    topic_ids: frozenset[int]
    """Topics that it wants and that exist."""
    target: frozenset[Owned]
    """What it was to have by the last assignment."""


Assignment: TypeAlias = dict[str, frozenset[Owned]]
"""Partitions by member id; each partition once at most."""

Assignor: TypeAlias = Callable[[Sequence[Subscriber], Mapping[int, int]], Assignment]
"""From the members and the partition counts by topic id to everybody's partitions."""


def assign_range(members: Sequence[Subscriber], partition_counts: Mapping[int, int]) -> Assignment:
    """Each topic in spans as equal as can be, one for each member that wants it.

    Static members are taken in the order of their instance ids, so that one that comes back gets the same span.
    """
    shares: dict[str, list[Owned]] = {member.member_id: [] for member in members}
    ordered = sorted(members, key=lambda one: (one.instance_id is None, one.instance_id or one.member_id))
    for topic_id, count in sorted(partition_counts.items()):
        takers = [one.member_id for one in ordered if topic_id in one.topic_ids]
        for index, member_id in enumerate(takers):
            span = range(index * count // len(takers), (index + 1) * count // len(takers))
            shares[member_id] += [Owned(topic_id, partition) for partition in span]
    return {member_id: frozenset(share) for member_id, share in shares.items()}


def assign_uniform(members: Sequence[Subscriber], partition_counts: Mapping[int, int]) -> Assignment:
    """The same number for everybody, as far as they want the same topics; whoever had a partition keeps it if that
    leaves the numbers as equal."""
    if not members:
        return {}
    ordered = sorted(members, key=lambda one: one.member_id)
    if all(one.topic_ids == ordered[0].topic_ids for one in ordered):
        return _uniform_alike(ordered, partition_counts)
    return _uniform_mixed(ordered, partition_counts)


ASSIGNORS: Mapping[str, Assignor] = {"uniform": assign_uniform, "range": assign_range}
"""By the name that members ask for; the first one is for groups whose members ask for none."""

DEFAULT_ASSIGNOR = next(iter(ASSIGNORS))


def _uniform_alike(members: Sequence[Subscriber], partition_counts: Mapping[int, int]) -> Assignment:
    """All members want the same topics: quotas say how many each one has."""
    wanted = [Owned(one, index) for one in sorted(members[0].topic_ids) for index in range(partition_counts[one])]
    quota, larger = divmod(len(wanted), len(members))
    existing = frozenset(wanted)
    shares: dict[str, list[Owned]] = {}
    kept: set[Owned] = set()
    # Those who have most come first, so that the larger shares go to those who have them already.
    for member in sorted(members, key=lambda one: (-len(one.target), one.member_id)):
        had = sorted([one for one in member.target if one in existing and one not in kept])
        room = quota + 1 if larger and len(had) > quota else quota
        larger -= room > quota
        shares[member.member_id] = had[:room]
        kept.update(had[:room])
    free = [one for one in reversed(wanted) if one not in kept]
    for member in members:
        share = shares[member.member_id]
        while free and len(share) < quota:
            share.append(free.pop())
    # What is left are the larger shares that nobody had.
    for share in (shares[member.member_id] for member in members):
        if free and len(share) == quota:
            share.append(free.pop())
    assert not free
    return {member_id: frozenset(share) for member_id, share in shares.items()}


def _uniform_mixed(members: Sequence[Subscriber], partition_counts: Mapping[int, int]) -> Assignment:
    """Members want different topics: keep what they had, give the rest to whoever has least, then even out."""
    takers: dict[int, list[str]] = defaultdict(list)
    for member in members:
        for topic_id in member.topic_ids:
            takers[topic_id].append(member.member_id)
    shares: dict[str, set[Owned]] = {member.member_id: set() for member in members}
    owners: dict[Owned, str] = {}
    for member in members:
        for one in member.target:
            if one.topic_id in member.topic_ids and one.partition < partition_counts[one.topic_id]:
                owners.setdefault(one, member.member_id)
    for one, owner in owners.items():
        shares[owner].add(one)
    # Topics that few want come first: whoever wants more can still get others.
    for topic_id in sorted(takers, key=lambda one: (len(takers[one]), one)):
        for index in range(partition_counts[topic_id]):
            if (one := Owned(topic_id, index)) not in owners:
                owners[one] = min(takers[topic_id], key=lambda member_id: len(shares[member_id]))
                shares[owners[one]].add(one)
    _even_out(shares, owners, takers)
    return {member_id: frozenset(share) for member_id, share in shares.items()}


def _even_out(shares: dict[str, set[Owned]], owners: dict[Owned, str], takers: Mapping[int, Sequence[str]]) -> None:
    """Move partitions to members that have at least two fewer, until there is no such move.

    Each move makes the sum of the squares smaller, so it ends.
    """
    moved = True
    while moved:
        moved = False
        for one, owner in sorted(owners.items()):
            poorest = min(takers[one.topic_id], key=lambda member_id: len(shares[member_id]))
            if len(shares[owner]) - len(shares[poorest]) > 1:
                shares[owner].remove(one)
                shares[poorest].add(one)
                owners[one] = poorest
                moved = True
