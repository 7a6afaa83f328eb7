"""Removing objects that nothing names any more.

An object may go when no head reaches it and none ever will: its incarnation is gone (its key is no longer there, so
that none of its commits can succeed), or it is this incarnation's own and older than all that is under way. That holds
only while this broker leads: heads that others have moved reach what it does not know. So the order of steps counts:
list, look which incarnations live, make sure that the heads are still one's own, then delete. No clock is asked.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from logmq.storage.cluster import identity
from logmq.storage.cluster.formats import BROKERS, CHECKPOINTS, PACKS, SEGMENTS, WAL
from logmq.storage.cluster.leadership import Leadership
from logmq.storage.cluster.services import Objects


async def collect(
    leadership: Leadership, objects: Objects, reachable: Collection[str], given: Mapping[str, int]
) -> int:
    """Delete what is neither `reachable` nor can become so; returns how many. Raises: OutcomeUnknown, ForeignObjects.

    `reachable` is what the heads reach and what this incarnation has under way, as of now, and `given` the last number
    that it has given to an object of each kind: what is made later is in neither.
    """
    own = leadership.incarnation
    names = [name for kind in _KINDS for name in await objects.names(kind)]
    living = {key.removeprefix(BROKERS) for key in await leadership.keys.under(BROKERS)}
    await identity.check(leadership.keys, objects)
    if not await leadership.is_mine():
        return 0
    garbage = [
        name
        for name in names
        if name not in reachable and (_is_old(name, own, given) or _incarnation(name) not in living)
    ]
    await objects.delete(garbage)
    return len(garbage)


_KINDS = (WAL, CHECKPOINTS, SEGMENTS, PACKS)


def _incarnation(name: str) -> str:
    return name.split("/")[1]


def _is_old(name: str, incarnation: str, given: Mapping[str, int]) -> bool:
    """Whether it is this incarnation's own, and was made before `reachable` was."""
    kind, owner, number = name.split("/")
    return owner == incarnation and int(number) <= given[f"{kind}/"]
