"""Which protocol a classic group uses: one that all members speak, the favourite of most of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection

from logmq.broker.groups.member import Member


def common_protocols(members: Collection[Member]) -> frozenset[str]:
    """Names of the protocols that all members speak; nothing where there is no member."""
    names = [member.protocol_names for member in members]
    return frozenset.intersection(*names) if names else frozenset()


def elect_protocol(members: Collection[Member]) -> str:
    """Each member votes for the first of its protocols that all speak. Ties go to whom the earliest member prefers.

    There is such a protocol: nobody is let in without.
    """
    candidates = common_protocols(members)
    votes = Counter(next(one.name for one in member.protocols if one.name in candidates) for member in members)
    return votes.most_common(1)[0][0]
