"""Every implementation of the storage contract, made ready for one test: on a real directory, on the simulated disk."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from tests.simulation.cluster.world import Faults, Link, LinkObjects, World
from tests.simulation.disk import SimulatedDisk

from logmq.config import Config, topic_settings
from logmq.model import Format, TopicPartition
from logmq.records import frames
from logmq.storage.cluster.formats import BROKERS
from logmq.storage.cluster.store import ClusterStore
from logmq.storage.cluster.takeover import take
from logmq.storage.engine import Append, LogSpec, LogStore
from logmq.storage.local.files import Directory, Files
from logmq.storage.local.store import LocalStore


@dataclass
class MovedClock:
    """A clock that stands still until a test moves it."""

    ms: int = 1_000_000

    def now_ms(self) -> int:
        return self.ms

    def monotonic(self) -> float:
        return self.ms / 1000


@dataclass
class Bench:
    """A store under test and what is around it."""

    config: Config = field(default_factory=Config)
    clock: MovedClock = field(default_factory=MovedClock)
    specs: list[LogSpec] = field(default_factory=list)
    failures: list[BaseException] = field(default_factory=list)

    def spec(self, topic: str, index: int = 0, format: Format = Format.PLAIN, **overrides: int | None) -> LogSpec:
        """A new log's spec, remembered for the next opening."""
        settings = topic_settings(self.config, {name.replace("_", "."): value for name, value in overrides.items()})
        spec = LogSpec(TopicPartition(topic, index), len(self.specs) + 1, format, settings)
        self.specs.append(spec)
        return spec


def append(partition: TopicPartition, *payloads: bytes) -> Append:
    """An append of plain frames."""
    data, starts = frames.encode(payloads)
    return Append(partition, data, starts, starts, len(data))


def open_local(files: Files, bench: Bench) -> LocalStore:
    """The local engine over a file layer."""
    return LocalStore.open(files, bench.specs, bench.config, bench.clock, bench.failures.append)


class LocalBackend:
    """Local files in a real directory."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @asynccontextmanager
    async def open(self, bench: Bench) -> AsyncIterator[LogStore]:
        directory = Directory(self.path)
        store = open_local(directory, bench)
        try:
            yield store
        finally:
            await store.close()
            directory.close()


class SimulatedBackend:
    """Local files on the simulated disk, which stays between openings."""

    def __init__(self, seed: int) -> None:
        self.disk = SimulatedDisk(Random(seed))

    @asynccontextmanager
    async def open(self, bench: Bench) -> AsyncIterator[LogStore]:
        store = open_local(self.disk, bench)
        try:
            yield store
        finally:
            await store.close()


class ClusterBackend:
    """The cluster engine over services in memory, which stay between openings."""

    def __init__(self) -> None:
        self.world = World()
        self._openings = 0

    @asynccontextmanager
    async def open(self, bench: Bench) -> AsyncIterator[LogStore]:
        self._openings += 1
        incarnation = f"broker-{self._openings}"
        link = Link(self.world, Random(self._openings), Faults(delay_max_s=0.0))
        presence = await link.announce(BROKERS + incarnation, b"", ttl_s=3600)
        leadership = await take(link, incarnation, presence)
        assert leadership is not None
        store = await ClusterStore.open(
            leadership, LinkObjects(link), bench.specs, bench.config, bench.clock, bench.failures.append
        )
        try:
            yield store
        finally:
            await store.close()
            await presence.withdraw()


Backend = LocalBackend | SimulatedBackend | ClusterBackend


def make_backend(kind: str, path: Path) -> Backend:
    """The implementation of this name, empty."""
    if kind == "cluster":
        return ClusterBackend()
    return LocalBackend(path / "data") if kind == "local" else SimulatedBackend(seed=1)


BACKENDS = ("local", "simulated", "cluster")
