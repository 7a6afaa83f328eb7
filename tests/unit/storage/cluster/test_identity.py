"""Objects belong to one cluster; who is wrong is told, and removes nothing."""

from __future__ import annotations

from random import Random

import pytest
from tests.contract.stores import Bench, MovedClock, append
from tests.simulation.cluster.virtual_time import run
from tests.simulation.cluster.world import Faults, Link, LinkObjects, World

from logmq.storage.cluster.formats import BROKERS
from logmq.storage.cluster.identity import ForeignObjects, check, claim
from logmq.storage.cluster.meta import ClusterMeta
from logmq.storage.cluster.store import ClusterStore
from logmq.storage.cluster.takeover import take


class Cluster:
    """A leader whose keys and objects need not be in the same world."""

    def __init__(self, keys: World, objects: World) -> None:
        self.keys = Link(keys, Random(1), Faults(delay_max_s=0))
        self.objects = LinkObjects(Link(objects, Random(1), Faults(delay_max_s=0)))
        self.bench = Bench()

    async def open(self, incarnation: str) -> ClusterStore:
        presence = await self.keys.announce(BROKERS + incarnation, b"", 1e9)
        leadership = await take(self.keys, incarnation, presence)
        assert leadership is not None
        await ClusterMeta(leadership, self.bench.config, MovedClock()).cluster_id()
        await claim(self.keys, self.objects)
        specs = [self.bench.spec("t")]
        return await ClusterStore.open(
            leadership, self.objects, specs, self.bench.config, self.bench.clock, self.bench.failures.append
        )


def test_two_clusters_at_one_place() -> None:
    """The second does not start."""

    async def both() -> None:
        objects = World()
        await Cluster(World(), objects).open("a")
        with pytest.raises(ForeignObjects, match="a path of its own"):
            await Cluster(World(), objects).open("b")

    run(both())


def test_keys_that_were_lost() -> None:
    """They would begin anew and collect all that there is: they are to be restored."""

    async def begin() -> None:
        objects = World()
        await Cluster(World(), objects).open("a")
        again = Cluster(World(), objects)
        with pytest.raises(ForeignObjects, match="snapshot"):
            await check(again.keys, again.objects)

    run(begin())


def test_another_bucket() -> None:
    """A broker with the right keys and the wrong objects does not start."""

    async def begin() -> None:
        keys = World()
        store = await Cluster(keys, World()).open("a")
        await store.append([append(Bench().spec("t").partition, b"x")])
        wrong = Cluster(keys, World())
        with pytest.raises(ForeignObjects, match="bucket and path"):
            await check(wrong.keys, wrong.objects)

    run(begin())


def test_nothing_is_collected_where_the_mark_is_anothers() -> None:
    """Two that began at the same moment: whose mark was overwritten removes nothing."""

    async def collide() -> None:
        objects = World()
        store = await Cluster(World(), objects).open("a")
        partition = Bench().spec("t").partition
        objects.objects["cluster"] = b'{"cluster_id": "another"}'
        objects.objects["wal/b/000000000001"] = b"of the other"
        objects.written["wal/b/000000000001"] = 0.0
        await store.append([append(partition, b"x")])
        await store.upkeep.checkpoint()
        assert "wal/b/000000000001" in objects.objects

    run(collide())
