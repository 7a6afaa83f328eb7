"""A cluster's life under faults, from a seed: brokers that crash, freeze, stop and come back, whose clocks differ and
whose limits are small; producers that send until they are answered, readers that remember, an administrator; and the
audit of what is left.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from random import Random

from tests.simulation.cluster.administrator import Administrator
from tests.simulation.cluster.virtual_time import LoopClock
from tests.simulation.cluster.world import Faults, Link, LinkObjects, World

from logmq.broker.topics import specs_of
from logmq.config import Config, topic_settings
from logmq.errors import LogMQError, NotLeader, OffsetOutOfRange, Throttled, Unavailable
from logmq.model import Format, TopicPartition
from logmq.records import batches, frames
from logmq.records.records import Record, decode, encode
from logmq.storage.cluster import pipeline, plan, segments, takeover, upkeep
from logmq.storage.cluster.formats import BROKERS, CHECKPOINTS, PACKS, SEGMENTS, WAL
from logmq.storage.cluster.identity import claim
from logmq.storage.cluster.meta import ClusterMeta
from logmq.storage.cluster.services import OutcomeUnknown, Presence
from logmq.storage.cluster.store import ClusterStore, finish_drops
from logmq.storage.cluster.takeover import another_leads, take
from logmq.storage.engine import Append, Appended, LogSpec, LogStore, ProducerBatch

TTL_S = 6.0
CONFIG = Config(checkpoint_interval_ms=4_000, append_queue_size_bytes=4 << 20, cluster_linger_ms=5)
BATCHED = [TopicPartition("batched", index) for index in range(3)]
PLAIN = [TopicPartition("plain", index) for index in range(2)]


def specs() -> list[LogSpec]:
    settings = topic_settings(CONFIG, {})
    batched = [LogSpec(partition, 1001 + number, Format.BATCH, settings) for number, partition in enumerate(BATCHED)]
    # 1066 shares a lane with 1002: a lane may hold several logs
    plain = [LogSpec(partition, 1066 + number, Format.PLAIN, settings) for number, partition in enumerate(PLAIN)]
    return batched + plain


@contextmanager
def small_limits(random: Random) -> Iterator[None]:
    """Bounds that are reached within a run: some hundred bytes an object, a checkpoint every 10 commits."""
    extent = random.choice([100, 1_000, 100_000])
    values = [
        (plan, "CLUSTER_EXTENT_SIZE_MAX", extent),
        (segments, "CLUSTER_EXTENT_SIZE_MAX", extent),
        (segments, "_SMALL", extent // 2),
        (segments, "CLUSTER_SEGMENT_SIZE", random.choice([500, 5_000, 1 << 20])),
        (segments, "CLUSTER_PACKED_EXTENTS", random.choice([2, 8, 64])),
        (pipeline, "CLUSTER_OBJECT_SIZE_MAX", random.choice([300, 3_000, 1 << 20])),
        (pipeline, "CLUSTER_OBJECTS_IN_FLIGHT", random.choice([1, 3, 8])),
        (upkeep, "CLUSTER_CHECKPOINT_COMMITS", random.choice([10, 1_000])),
        (takeover, "_FIRST_READ", random.choice([16, 64 * 1024])),
        (takeover, "_PREFETCH", random.choice([1, 32])),
    ]
    before = [(module, name, getattr(module, name)) for module, name, _ in values]
    for module, name, value in values:
        setattr(module, name, value)
    try:
        yield
    finally:
        for module, name, value in before:
            setattr(module, name, value)


@dataclass
class Ledger:
    """What was answered to clients, and what they read."""

    acknowledged: dict[tuple[TopicPartition, int, int], int] = field(default_factory=dict)
    """Offset by partition, producer and sequence."""
    written: dict[TopicPartition, dict[bytes, int]] = field(default_factory=dict)
    """Offset of each acknowledged plain message."""
    read: dict[tuple[TopicPartition, int], bytes] = field(default_factory=dict)
    """Each record by where it was read: it can never be another."""
    refused: dict[TopicPartition, set[bytes]] = field(default_factory=dict)
    """Plain messages of which a client was told that they are not stored."""
    trimmed: dict[TopicPartition, int] = field(default_factory=dict)
    """Log start offsets that were answered."""
    violations: list[str] = field(default_factory=list)
    takeovers: int = 0

    def see(self, partition: TopicPartition, offset: int, record: bytes) -> None:
        known = self.read.setdefault((partition, offset), record)
        if known != record:
            self.violations.append(f"{partition} at {offset}: {record!r} was {known!r} before")


class Broker:
    """One machine that starts again and again."""

    def __init__(self, campaign: Campaign, number: int) -> None:
        self._campaign = campaign
        self._number = number
        self._starts = 0
        self.link: Link | None = None
        self.store: ClusterStore | None = None
        self.meta: ClusterMeta | None = None
        self.presence: Presence | None = None
        self._clock = LoopClock(asyncio.get_running_loop(), campaign.random.choice([-3_600_000, 0, 0, 3_600_000]))
        self._life: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Live, end somehow, live again."""
        campaign, random = self._campaign, self._campaign.random
        while not campaign.over:
            self._life = asyncio.ensure_future(self._live())
            ending = random.choice(["crash", "freeze", "lose", "stop", "work", "work"])
            await asyncio.wait([self._life], timeout=random.uniform(2, 25))
            if ending == "freeze" and self.link is not None:
                self.link.freeze()
                await asyncio.sleep(random.uniform(1, 15))
                self.link.thaw()
            elif ending == "stop" and self.store is not None:
                await asyncio.wait([asyncio.ensure_future(self._stop())], timeout=random.uniform(0, 20))
            if ending == "work" and not self._life.done():
                await asyncio.wait([self._life], timeout=random.uniform(5, 60))
            while campaign.calm and not campaign.over and not self._life.done():
                await asyncio.wait([self._life], timeout=1)
            self._life.cancel()
            await asyncio.wait([self._life])
            error = None if self._life.cancelled() else self._life.exception()
            if error is not None:
                campaign.ledger.violations.append(f"broker {self._number}-{self._starts} ended: {error!r}")
            self.store = self.meta = None
            await asyncio.sleep(random.uniform(0, 5))

    async def _stop(self) -> None:
        if self.store is not None:
            await self.store.close()
        if self.presence is not None:
            with suppress(OutcomeUnknown):
                await self.presence.withdraw()

    async def _live(self) -> None:
        self._starts += 1
        incarnation = f"{self._number}-{self._starts}"
        link = self.link = Link(self._campaign.world, self._campaign.random, self._campaign.faults)
        presence = self.presence = await link.announce(BROKERS + incarnation, b"", TTL_S)
        lost = asyncio.Event()
        renewing = asyncio.ensure_future(_renew(presence.renew, lost))
        leading = asyncio.ensure_future(self._lead(link, incarnation, presence, lost))
        ended = asyncio.ensure_future(lost.wait())
        store: ClusterStore | None = None
        try:
            await asyncio.wait([leading, ended], return_when=asyncio.FIRST_COMPLETED)
            if not leading.done():
                return
            self.meta, store = leading.result()
            self._campaign.ledger.takeovers += 1
            self.store = store
            await self._serve(store, lost)
        except (Unavailable, NotLeader):
            pass  # it led no longer before it had begun
        finally:
            for task in (renewing, leading, ended):
                task.cancel()
            if store is not None:
                store.pipeline._committing.cancel()  # a crash: what is under way ends where it is

    async def _lead(
        self, link: Link, incarnation: str, presence: Presence, lost: asyncio.Event
    ) -> tuple[ClusterMeta, ClusterStore]:
        while True:
            with suppress(OutcomeUnknown):
                if not await another_leads(link, incarnation):
                    opened = await open_cluster(link, incarnation, presence, self._clock, lambda _: lost.set())
                    if opened is not None:
                        return opened
            await asyncio.sleep(0.3)

    async def _serve(self, store: ClusterStore, lost: asyncio.Event) -> None:
        maintaining = asyncio.ensure_future(_maintain(store))
        try:
            await lost.wait()
            store.lose_presence()
        finally:
            maintaining.cancel()


async def open_cluster(
    link: Link, incarnation: str, presence: Presence, clock: LoopClock, on_failure: Callable[[BaseException], None]
) -> tuple[ClusterMeta, ClusterStore] | None:
    """As a broker does it."""
    leadership = await take(link, incarnation, presence)
    if leadership is None:
        return None
    meta = ClusterMeta(leadership, CONFIG, clock)
    await meta.cluster_id()
    await claim(link, LinkObjects(link))
    known = specs() + [spec for topic in await meta.topics() for spec in specs_of(topic)]
    store = await ClusterStore.open(leadership, LinkObjects(link), known, CONFIG, clock, on_failure)
    await finish_drops(meta, store)
    return meta, store


async def _maintain(store: ClusterStore) -> None:
    while True:
        with suppress(LogMQError):
            await store.maintain()
        await asyncio.sleep(1)


async def _renew(renew: Callable[[], object], lost: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()
    last = loop.time()
    while not lost.is_set():
        await asyncio.sleep(1.5)
        try:
            if not await renew():  # type: ignore[misc]
                lost.set()
            last = loop.time()
        except OutcomeUnknown:
            if loop.time() - last > TTL_S:
                lost.set()


class Campaign:
    """One run."""

    def __init__(self, seed: int, length_s: float = 120.0) -> None:
        self.random = Random(seed)
        self.world = World()
        self.ledger = Ledger()
        self.calm = False
        self.over = False
        self._length_s = length_s
        hard = self.random.random()
        slow = self.random.choice([0.0, 0.01, 0.05])
        self.faults = Faults(0.03 * hard, 0.03 * hard, 0.1, 0.05, slow * hard, 0.1 * hard)
        self._brokers: list[Broker] = []

    async def run(self) -> Ledger:
        """Everything at once for a while, then the audit."""
        with small_limits(self.random):
            return await self._run()

    async def _run(self) -> Ledger:
        self._brokers = [Broker(self, number) for number in range(3)]
        administrator = Administrator(self.random, self.ledger.violations, self._leader)
        brokers = [asyncio.ensure_future(broker.run()) for broker in self._brokers]
        clients = [
            *(asyncio.ensure_future(self._produce(number)) for number in range(1, 5)),
            *(asyncio.ensure_future(self._write(number)) for number in range(2)),
            asyncio.ensure_future(self._read()),
            asyncio.ensure_future(self._trim()),
            asyncio.ensure_future(administrator.run()),
        ]
        await asyncio.sleep(self._length_s)
        await self._await_leader()
        self.over = True
        await asyncio.wait(brokers, timeout=200)
        for task in [*brokers, *clients]:
            task.cancel()
        for task in (await asyncio.wait([*brokers, *clients]))[0]:
            error = None if task.cancelled() else task.exception()
            if error is not None:
                raise error
        await asyncio.sleep(60)  # what is still on its way arrives
        await self._audit(administrator)
        return self.ledger

    async def _await_leader(self) -> None:
        """Nothing goes wrong any more: somebody must lead and store before long."""
        self.calm = True
        self.faults.heal()
        deadline = asyncio.get_running_loop().time() + 120
        while not isinstance(await self._send(_probe()), Appended):
            if asyncio.get_running_loop().time() > deadline:
                self.ledger.violations.append("nobody leads, although nothing is wrong")
                return
            await asyncio.sleep(1)

    def _leader(self) -> tuple[ClusterMeta, ClusterStore] | None:
        """Some broker that takes itself for the leader."""
        leading = [(one.meta, one.store) for one in self._brokers if one.meta is not None and one.store is not None]
        return self.random.choice(leading) if leading else None

    def _store(self) -> LogStore | None:
        leader = self._leader()
        return None if leader is None else leader[1]

    # -- clients -----------------------------------------------------------------------------------------------------

    async def _send(self, append: Append) -> Appended | LogMQError:
        store = self._store()
        if store is None:
            return NotLeader("nobody leads")
        call = store.append([append])
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        call.add_done_callback(lambda _: None if future.done() else future.set_result(None))
        try:
            await asyncio.wait_for(future, 60)
        except TimeoutError:
            return Unavailable("no answer")
        return call.result()[0]

    async def _produce(self, producer_id: int) -> None:
        """An idempotent producer: the same batch until it is answered, then the next."""
        sequences = dict.fromkeys(BATCHED, 0)
        while True:
            partition = self.random.choice(BATCHED)
            count, sequence = self.random.randint(1, 4), sequences[partition]
            more = b":" + b"x" * self.random.choice([0, 0, 0, 10, 400, 5_000])
            values = [f"{producer_id}:{sequence + number}".encode() + more for number in range(count)]
            data = encode([Record(number, 0, None, value) for number, value in enumerate(values)])
            data = batches.with_producer(data, producer_id, 0, sequence)
            producer = ProducerBatch(producer_id, 0, sequence, count)
            while True:
                result = await self._send(Append(partition, data, (0,), (0,), count, 0, producer))
                if isinstance(result, Appended):
                    break
                if not isinstance(result, NotLeader | Throttled | Unavailable):
                    self.ledger.violations.append(f"producer {producer_id} at {sequence}: {result!r}")
                    return
                await asyncio.sleep(self.random.uniform(0, 0.5))
            for number in range(count):
                self.ledger.acknowledged[partition, producer_id, sequence + number] = result.first_offset + number
            sequences[partition] += count
            await asyncio.sleep(self.random.expovariate(12))

    async def _write(self, writer: int) -> None:
        """Plain messages: one that is not answered is not sent again."""
        number = 0
        while True:
            partition = self.random.choice(PLAIN)
            number += 1
            payload = f"{writer}/{number}/".encode() + b"x" * self.random.randint(0, 50)
            data, starts = frames.encode([payload])
            result = await self._send(Append(partition, data, starts, starts, len(data)))
            if isinstance(result, Appended):
                self.ledger.written.setdefault(partition, {})[payload] = result.first_offset
            elif isinstance(result, NotLeader):
                self.ledger.refused.setdefault(partition, set()).add(payload)
            await asyncio.sleep(self.random.expovariate(8))

    async def _read(self) -> None:
        """Read at random places, of leaders old and new."""
        while True:
            await asyncio.sleep(self.random.expovariate(5))
            store, partition = self._store(), self.random.choice(BATCHED + PLAIN)
            if store is None:
                continue
            bounds = store.bounds(partition)
            offset = self.random.randint(bounds.log_start_offset, max(bounds.log_start_offset, bounds.high_watermark))
            try:
                chunk = await asyncio.wait_for(store.read(partition, offset, 500), 30)
            except (LogMQError, TimeoutError) as error:
                if isinstance(error, OffsetOutOfRange | Unavailable | NotLeader | TimeoutError):
                    continue
                self.ledger.violations.append(f"reading {partition} at {offset}: {error!r}")
                continue
            for at, record in _records(partition, chunk.first_offset, chunk.data):
                self.ledger.see(partition, at, record)

    async def _trim(self) -> None:
        while True:
            await asyncio.sleep(self.random.uniform(10, 30))
            store, partition = self._store(), self.random.choice(BATCHED + PLAIN)
            if store is None:
                continue
            bounds = store.bounds(partition)
            offset = bounds.log_start_offset + (bounds.high_watermark - bounds.log_start_offset) // 4
            try:
                start = await asyncio.wait_for(store.trim(partition, offset), 30)
                self.ledger.trimmed[partition] = max(start, self.ledger.trimmed.get(partition, 0))
            except (LogMQError, TimeoutError):
                continue

    # -- the audit ---------------------------------------------------------------------------------------------------

    async def _audit(self, administrator: Administrator) -> None:
        self.faults.heal()
        link = Link(self.world, self.random, self.faults)
        self.world.expire(float("inf"))
        presence = await link.announce(BROKERS + "auditor", b"", 1e9)
        opened = await open_cluster(
            link, "auditor", presence, LoopClock(asyncio.get_running_loop()), lambda _: None
        )  # fmt: skip
        assert opened is not None
        meta, store = opened
        for partition in BATCHED + PLAIN:
            await self._audit_partition(store, partition)
        await administrator.audit(meta, store)
        for _ in range(2):
            await store.append([_probe()])
            await store.upkeep.checkpoint()
        reachable = {name for lane in store.partitions.lanes for name in lane.objects()}
        left = {name for name in self.world.objects if name.startswith((WAL, CHECKPOINTS, SEGMENTS, PACKS))}
        reachable |= store.upkeep.recent | {str(head.checkpoint) for head in store.pipeline._leadership.heads}
        if forgotten := left - reachable:
            self.ledger.violations.append(f"{len(forgotten)} objects were never collected: {min(forgotten)}")
        for lane in store.partitions.lanes:
            for log_id, log in lane.logs.items():
                if log.size != sum(extent.size for extent in log.extents):
                    self.ledger.violations.append(f"log {log_id} has another size than its extents")
        await store.close()

    async def _audit_partition(self, store: ClusterStore, partition: TopicPartition) -> None:
        violations = self.ledger.violations
        start = offset = store.bounds(partition).log_start_offset
        if start < self.ledger.trimmed.get(partition, 0):
            violations.append(f"{partition} begins at {start}, was trimmed to {self.ledger.trimmed[partition]}")
        found: dict[int, bytes] = {}
        while (chunk := await store.read(partition, offset, 100_000)).data:
            for at, record in _records(partition, chunk.first_offset, chunk.data):
                self.ledger.see(partition, at, record)
                found[at] = record
            offset = chunk.next_offset
        if partition in BATCHED:
            self._audit_producers(partition, start, found)
        for payload, at in self.ledger.written.get(partition, {}).items():
            if at >= start and found.get(at) != payload:
                violations.append(f"{partition}: {payload!r} was acknowledged at {at}, there is {found.get(at)!r}")

        for record in self.ledger.refused.get(partition, set()).intersection(found.values()):
            violations.append(f"{partition}: {record!r} is there, and was said not to be stored")

    def _audit_producers(self, partition: TopicPartition, start: int, found: dict[int, bytes]) -> None:
        violations = self.ledger.violations
        offsets = [at for at in sorted(found) if at >= start]
        if offsets and offsets != list(range(offsets[0], offsets[-1] + 1)):
            violations.append(f"{partition}: offsets are not consecutive")
        last: dict[int, int] = {}
        for at in sorted(found):
            producer_id, sequence = map(int, found[at].split(b":")[:2])
            if producer_id in last and sequence != last[producer_id] + 1:
                violations.append(f"{partition}: producer {producer_id} has {sequence} after {last[producer_id]}")
            last[producer_id] = sequence
        for (where, producer_id, sequence), at in self.ledger.acknowledged.items():
            there = found.get(at, b"")
            if where == partition and at >= start and not there.startswith(f"{producer_id}:{sequence}:".encode()):
                violations.append(f"{partition}: {producer_id}:{sequence} was acknowledged at {at}: {there!r}")


def _records(partition: TopicPartition, first_offset: int, data: bytes) -> list[tuple[int, bytes]]:
    if partition in PLAIN:
        starts, end = frames.walk(data)
        return list(zip([first_offset + start for start in starts], frames.cut(data, starts, end), strict=True))
    return [
        (record.offset, record.value or b"")
        for position, header in batches.headers(data)
        for record in decode(data[position : position + header.size], 1 << 20)
    ]


def _probe() -> Append:
    data, starts = frames.encode([b"probe"])
    return Append(PLAIN[0], data, starts, starts, len(data))
