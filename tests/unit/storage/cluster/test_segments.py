"""Small extents are moved together, and the number of objects does not follow the number of logs."""

from __future__ import annotations

from random import Random

import pytest
from tests.contract.stores import Bench, append
from tests.simulation.cluster.virtual_time import run
from tests.simulation.cluster.world import Faults, Link, LinkObjects, World

from logmq.storage.cluster import segments
from logmq.storage.cluster.formats import BROKERS, PACKS, SEGMENTS, WAL
from logmq.storage.cluster.store import ClusterStore
from logmq.storage.cluster.takeover import take


async def opened(world: World, bench: Bench, incarnation: str = "a") -> ClusterStore:
    link = Link(world, Random(1), Faults(delay_max_s=0))
    presence = await link.announce(BROKERS + incarnation, b"", 1e9)
    leadership = await take(link, incarnation, presence)
    assert leadership is not None
    return await ClusterStore.open(
        leadership, LinkObjects(link), bench.specs, bench.config, bench.clock, bench.failures.append
    )


def kinds(world: World) -> list[str]:
    return sorted(name.partition("/")[0] + "/" for name in world.objects if not name.startswith("checkpoints"))


def test_many_small_logs_share_one_object() -> None:
    """However many they are; and it is there that they are read."""

    async def fill() -> None:
        world, bench = World(), Bench()
        specs = [bench.spec("t", index) for index in range(300)]
        store = await opened(world, bench)
        for spec in specs:
            await store.append([append(spec.partition, b"%d" % spec.log_id)])
        await store.upkeep.checkpoint()
        assert kinds(world) == [PACKS]
        for spec in specs:
            assert (await store.read(spec.partition, 0, 100)).data.endswith(b"%d" % spec.log_id)
        assert store.metrics.cold_reads == 0, "what was in memory stays there"

    run(fill())


def test_enough_of_one_log_is_an_object_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also when it came in small pieces, some of which were packed before."""
    monkeypatch.setattr(segments, "_SMALL", 1000)

    async def fill() -> None:
        world, bench = World(), Bench()
        spec = bench.spec("t")
        store = await opened(world, bench)
        for number in range(3):
            await store.append([append(spec.partition, bytes([number]) * 400)])
            await store.upkeep.checkpoint()
        assert kinds(world) == [SEGMENTS]
        log = store.partitions.log(spec)
        assert len(log.extents) == 1
        assert log.size == 3 * 404

    run(fill())


def test_a_damaged_extent_stays_and_does_not_keep_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """What comes after it is moved; readers of it are told, readers of the others are not."""
    monkeypatch.setattr(segments, "_SMALL", 300)

    async def fill() -> None:
        world, bench = World(), Bench()
        spec = bench.spec("t")
        store = await opened(world, bench)
        await store.append([append(spec.partition, b"a" * 400)])
        await store.append([append(spec.partition, b"b" * 200)])
        name = store.partitions.log(spec).extents[1].object
        world.objects[name] = world.objects[name][:-1] + b"?"
        store.partitions.cache = type(store.partitions.cache)()
        await store.append([append(spec.partition, b"c" * 400)])
        await store.upkeep.checkpoint()
        await store.upkeep.checkpoint()
        assert name in world.objects
        assert name.startswith(WAL)
        assert (await store.read(spec.partition, 608, 1)).data.endswith(b"c" * 400)

    run(fill())
