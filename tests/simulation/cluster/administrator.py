"""Somebody who creates, changes and drops topics while brokers come and go, and remembers the answers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from random import Random
from typing import Literal

from logmq.broker.topics import specs_of
from logmq.errors import LogMQError, NotLeader, TopicExists, Unavailable, UnknownTopic
from logmq.model import Format, Topic, TopicPartition
from logmq.records import frames
from logmq.storage.cluster.meta import ClusterMeta
from logmq.storage.cluster.services import OutcomeUnknown
from logmq.storage.cluster.store import ClusterStore
from logmq.storage.engine import Append, Appended

Leader = Callable[[], tuple[ClusterMeta, ClusterStore] | None]
Known = Topic | Literal["gone", "going", "unknown"]

_NAMES = [f"topic-{number}" for number in range(4)]


class Administrator:
    """One change at a time, so that each answer says how things are."""

    def __init__(self, random: Random, violations: list[str], leader: Leader) -> None:
        self._random = random
        self._violations = violations
        self._leader = leader
        self._known: dict[str, Known] = dict.fromkeys(_NAMES, "gone")
        self._owners: dict[int, str] = {}
        """Of each log id the first topic that had it, with the time of its making: no other may ever have it."""
        self._written: dict[tuple[str, int], dict[bytes, int]] = {}

    async def run(self) -> None:
        while True:
            await asyncio.sleep(self._random.expovariate(1))
            leader = self._leader()
            if leader is None:
                continue
            name = self._random.choice(_NAMES)
            act = self._random.choice([self._create, self._create, self._grow, self._alter, self._drop, self._write])
            known = self._known[name]
            try:
                await asyncio.wait_for(act(name, *leader), 60)
            except TopicExists:
                if known == "gone":
                    self._violations.append(f"{name} is there, and was dropped")
            except UnknownTopic:
                if isinstance(known, Topic):
                    self._violations.append(f"{name} is not there, and was created")
            except (Unavailable, NotLeader, OutcomeUnknown, TimeoutError):
                if act != self._write:
                    self._known[name] = "going" if self._known[name] == "going" else "unknown"

    async def _create(self, name: str, meta: ClusterMeta, store: ClusterStore) -> None:
        topic = await meta.create_topic(name, Format.PLAIN, self._random.randint(1, 3), {})
        if isinstance(self._known[name], Topic):
            self._violations.append(f"{name} was made twice")
        self._learn(topic)
        await store.create(specs_of(topic))

    async def _grow(self, name: str, meta: ClusterMeta, store: ClusterStore) -> None:
        topic = await meta.add_partitions(name, self._random.randint(1, 6))
        if self._known[name] != "going":
            self._learn(topic)
            await store.create(specs_of(topic))

    async def _alter(self, name: str, meta: ClusterMeta, store: ClusterStore) -> None:
        topic = await meta.alter_topic(name, {"retention.bytes": self._random.randint(10_000_000, 20_000_000)})
        if self._known[name] != "going":
            self._learn(topic)

    def _learn(self, topic: Topic) -> None:
        known = self._known[topic.name]
        if isinstance(known, Topic) and topic.log_ids[: len(known.log_ids)] != known.log_ids:
            self._violations.append(f"{topic.name} has other logs than it had: {known.log_ids}, {topic.log_ids}")
        for log_id in topic.log_ids:
            owner = f"{topic.name} of {topic.created_ms}"
            if self._owners.setdefault(log_id, owner) != owner:
                self._violations.append(f"log {log_id} of {owner} was {self._owners[log_id]}'s")
        self._known[topic.name] = topic

    async def _drop(self, name: str, meta: ClusterMeta, store: ClusterStore) -> None:
        topic = await meta.begin_drop(name)
        self._known[name] = "going"
        there = [partition for partition in topic.partitions() if partition in store.partitions]
        await store.drop(there)
        await meta.finish_drop(name)
        self._known[name] = "gone"

    async def _write(self, name: str, meta: ClusterMeta, store: ClusterStore) -> None:
        known = self._known[name]
        if not isinstance(known, Topic):
            return
        payload = b"%d" % self._random.getrandbits(60)
        data, starts = frames.encode([payload])
        result = (await store.append([Append(TopicPartition(name, 0), data, starts, starts, len(data))], atomic=True))[
            0
        ]
        if isinstance(result, Appended):
            self._written.setdefault((name, known.log_ids[0]), {})[payload] = result.first_offset

    async def audit(self, meta: ClusterMeta, store: ClusterStore) -> None:
        """What was made is there with what was written to it; what was dropped is not."""
        there = {topic.name: topic for topic in await meta.topics()}
        for name, known in self._known.items():
            topic = there.get(name)
            if isinstance(known, Topic) and topic is None:
                self._violations.append(f"{name} is gone, and was never dropped")
            if known in ("gone", "going") and topic is not None:
                self._violations.append(f"{name} is back, and was dropped")
            if topic is not None:
                self._learn(topic)
                await self._audit_log(topic, store)
        if dropping := await meta.dropping():
            self._violations.append(f"drops that nobody finished: {dropping}")

    async def _audit_log(self, topic: Topic, store: ClusterStore) -> None:
        for payload, at in self._written.get((topic.name, topic.log_ids[0]), {}).items():
            try:
                chunk = await store.read(TopicPartition(topic.name, 0), at, 1)
            except LogMQError as error:
                self._violations.append(f"{topic.name} at {at}: {error!r}")
                continue
            starts, end = frames.walk(chunk.data)
            if frames.cut(chunk.data, starts, end)[:1] != [payload]:
                self._violations.append(f"{topic.name} at {at} is not what was acknowledged")
