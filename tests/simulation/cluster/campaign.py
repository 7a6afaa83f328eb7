"""A cluster's life under faults, from a seed: brokers that crash, freeze, stop and come back, producers that send until
they are answered, readers that remember; and the audit of what is left.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from random import Random

from tests.simulation.cluster.virtual_time import LoopClock
from tests.simulation.cluster.world import Faults, Link, LinkObjects, World

from logmq.config import Config, topic_settings
from logmq.errors import LogMQError, NotLeader, OffsetOutOfRange, Throttled, Unavailable
from logmq.model import Format, TopicPartition
from logmq.records import batches, frames
from logmq.records.records import Record, decode, encode
from logmq.storage.cluster.formats import BROKERS, WAL
from logmq.storage.cluster.services import OutcomeUnknown
from logmq.storage.cluster.store import ClusterStore
from logmq.storage.cluster.takeover import leader_lives
from logmq.storage.engine import Append, Appended, LogSpec, LogStore, ProducerBatch

TTL_S = 6.0
CONFIG = Config(checkpoint_interval_ms=4_000, append_queue_size_bytes=4 << 20, cluster_linger_ms=5)
BATCHED = [TopicPartition("batched", index) for index in range(3)]
PLAIN = [TopicPartition("plain", index) for index in range(2)]


def specs() -> list[LogSpec]:
    settings = topic_settings(CONFIG, {})
    batched = [LogSpec(partition, 1 + number, Format.BATCH, settings) for number, partition in enumerate(BATCHED)]
    # 66 shares a lane with 2: a lane may hold several logs
    plain = [LogSpec(partition, 66 + number, Format.PLAIN, settings) for number, partition in enumerate(PLAIN)]
    return batched + plain


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
        self._life: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Live, end somehow, live again."""
        random = self._campaign.random
        while not self._campaign.over:
            self._life = asyncio.ensure_future(self._live())
            ending = random.choice(["crash", "freeze", "lose", "stop", "work", "work"])
            await asyncio.wait([self._life], timeout=random.uniform(2, 25))
            if ending == "freeze" and self.link is not None:
                self.link.freeze()
                await asyncio.sleep(random.uniform(1, 15))
                self.link.thaw()
            elif ending == "stop" and self.store is not None:
                await asyncio.wait([asyncio.ensure_future(self.store.close())], timeout=20)
            if ending == "work" and not self._life.done():
                await asyncio.wait([self._life], timeout=random.uniform(5, 60))
            self._life.cancel()
            await asyncio.wait([self._life])
            error = None if self._life.cancelled() else self._life.exception()
            if error is not None:
                self._campaign.ledger.violations.append(f"broker {self._number}-{self._starts} ended: {error!r}")
            self.store = None
            await asyncio.sleep(random.uniform(0, 5))

    async def _live(self) -> None:
        self._starts += 1
        incarnation = f"{self._number}-{self._starts}"
        link = self.link = Link(self._campaign.world, self._campaign.random, self._campaign.faults)
        presence = await link.announce(BROKERS + incarnation, b"", TTL_S)
        lost = asyncio.Event()
        renewing = asyncio.ensure_future(_renew(presence.renew, lost))
        store: ClusterStore | None = None
        try:
            while store is None and not lost.is_set():
                try:
                    if not await leader_lives(link):
                        store = await ClusterStore.open(
                            link, LinkObjects(link), presence, incarnation, specs(), CONFIG,
                            LoopClock(asyncio.get_running_loop()), lambda _: lost.set(),
                        )  # fmt: skip
                except OutcomeUnknown:
                    pass
                await asyncio.sleep(0.3)
            if store is None:
                return
            self._campaign.ledger.takeovers += 1
            self.store = store
            await self._serve(store, lost)
        finally:
            renewing.cancel()
            if store is not None:
                store.pipeline._committing.cancel()  # a crash: what is under way ends where it is

    async def _serve(self, store: ClusterStore, lost: asyncio.Event) -> None:
        maintaining = asyncio.ensure_future(_maintain(store))
        try:
            await lost.wait()
            store.lose_presence()
        finally:
            maintaining.cancel()


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
        self.over = False
        self._length_s = length_s
        hard = self.random.random()
        self.faults = Faults(0.03 * hard, 0.03 * hard, 0.1, 0.05, 0.01 * hard)
        self._brokers = [Broker(self, number) for number in range(3)]

    async def run(self) -> Ledger:
        """Everything at once for a while, then the audit."""
        brokers = [asyncio.ensure_future(broker.run()) for broker in self._brokers]
        clients = [
            *(asyncio.ensure_future(self._produce(number)) for number in range(1, 5)),
            *(asyncio.ensure_future(self._write(number)) for number in range(2)),
            asyncio.ensure_future(self._read()),
            asyncio.ensure_future(self._trim()),
        ]
        await asyncio.sleep(self._length_s)
        self.over = True
        await asyncio.wait(brokers, timeout=200)
        for task in [*brokers, *clients]:
            task.cancel()
        for task in (await asyncio.wait([*brokers, *clients]))[0]:
            error = None if task.cancelled() else task.exception()
            if error is not None:
                raise error
        await asyncio.sleep(60)  # what is still on its way arrives
        await self._audit()
        return self.ledger

    def _store(self) -> LogStore | None:
        """Some broker that takes itself for the leader."""
        leading = [broker.store for broker in self._brokers if broker.store is not None]
        return self.random.choice(leading) if leading else None

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
            values = [f"{producer_id}:{sequence + number}".encode() for number in range(count)]
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

    async def _audit(self) -> None:
        self.faults = Faults(delay_max_s=0.001)
        link = Link(self.world, self.random, self.faults)
        self.world.expire(float("inf"))
        presence = await link.announce(BROKERS + "auditor", b"", 1e9)
        store = await ClusterStore.open(
            link, LinkObjects(link), presence, "auditor", specs(), replace(CONFIG),
            LoopClock(asyncio.get_running_loop()), lambda _: None,
        )  # fmt: skip
        assert store is not None
        for partition in BATCHED + PLAIN:
            await self._audit_partition(store, partition)
        for _ in range(2):
            await store.append([_probe()])
            await store.upkeep.checkpoint()
        left = [name for name in self.world.objects if name.startswith(WAL) and "/auditor/" not in name]
        reachable = {name for lane in store.partitions.lanes for name in lane.objects()}
        if set(left) - reachable:
            self.ledger.violations.append(f"{len(set(left) - reachable)} objects were never collected")
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
            producer_id, sequence = map(int, found[at].split(b":"))
            if producer_id in last and sequence != last[producer_id] + 1:
                violations.append(f"{partition}: producer {producer_id} has {sequence} after {last[producer_id]}")
            last[producer_id] = sequence
        for (where, producer_id, sequence), at in self.ledger.acknowledged.items():
            if where == partition and at >= start and found.get(at) != f"{producer_id}:{sequence}".encode():
                violations.append(f"{partition}: {producer_id}:{sequence} was acknowledged at {at}: {found.get(at)!r}")


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
