"""Which cluster a place in the object store belongs to.

A leader collects whatever its own heads do not reach. Two clusters at one place would take each other's objects for
garbage, and so would a cluster whose keys were lost and began anew. So the place is marked with the cluster's id, which
the keys hold as well; where the two differ nothing is written and nothing is removed.

    cluster     JSON: the id of the cluster, beside `wal/` and the others
"""

from __future__ import annotations

import json

from logmq.storage.cluster.formats import COUNTERS, LANES, decode_head
from logmq.storage.cluster.services import Keys, ObjectMissing, Objects

_MARK = "cluster"
_MARK_SIZE_MAX = 1024


class ForeignObjects(Exception):
    """The objects belong to another cluster than the keys; the message says what to do."""


async def check(keys: Keys, objects: Objects) -> bool:
    """Whether the place is marked as this cluster's; False if neither has begun.

    Raises: ForeignObjects, OutcomeUnknown.
    """
    ours = await _ours(keys)
    theirs = await _theirs(objects)
    if ours == theirs:
        return ours is not None
    if theirs is None:
        heads = await keys.under(LANES)
        if any(decode_head(one.value).object is not None for one in heads.values()):
            raise ForeignObjects(f"the objects of cluster {ours} are not there: is this its bucket and path?")
        return False
    if ours is None:
        raise ForeignObjects(
            f"the objects belong to cluster {theirs}, of which etcd knows nothing: choose another path,"
            " or restore etcd from its snapshot"
        )
    raise ForeignObjects(f"the objects belong to cluster {theirs}, not to {ours}: give each cluster a path of its own")


async def claim(keys: Keys, objects: Objects) -> None:
    """Mark the place as this cluster's, whose id the keys hold by now. Raises: ForeignObjects, OutcomeUnknown."""
    if not await check(keys, objects):
        await objects.put(_MARK, json.dumps({"cluster_id": await _ours(keys)}).encode())


async def _ours(keys: Keys) -> str | None:
    stored = await keys.get(COUNTERS)
    return None if stored is None else json.loads(stored.value).get("cluster_id")


async def _theirs(objects: Objects) -> str | None:
    try:
        return str(json.loads(await objects.get(_MARK, 0, _MARK_SIZE_MAX))["cluster_id"])
    except ObjectMissing:
        return None
