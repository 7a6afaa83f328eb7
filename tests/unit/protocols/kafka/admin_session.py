"""Admin requests as a client sends them: bytes in, bytes out, over a real broker in a directory of the test."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kio.index import load_request_schema, load_response_schema
from kio.serial import entity_reader, entity_writer

from logmq.broker.broker import Broker
from logmq.broker.topics import specs_of
from logmq.config import Config
from logmq.model import Format, TopicPartition
from logmq.protocols.kafka.api import APIS
from logmq.protocols.kafka.context import Context
from logmq.protocols.kafka.dispatch import answer
from logmq.protocols.kafka.framing import Frame
from logmq.protocols.kafka.messages import build
from logmq.records import batches
from logmq.records.records import Record, encode
from logmq.storage.engine import Append, ProducerBatch
from logmq.storage.local.files import Directory
from logmq.storage.local.meta import SqliteMeta
from logmq.storage.local.store import LocalStore

KEYS = {api.name: api.key for api in APIS.values()}


@dataclass
class StillClock:
    """A clock that stands still until a test moves it."""

    ms: int = 1_000_000_000

    def now_ms(self) -> int:
        return self.ms

    def monotonic(self) -> float:
        return self.ms / 1000


@dataclass
class AdminSession:
    """One client's view of a broker."""

    broker: Broker
    store: LocalStore
    context: Context
    clock: StillClock = field(default_factory=StillClock)

    async def ask(self, name: str, version: int | None = None, **fields: Any) -> Any:
        """The response to a request, in the newest version unless one is given."""
        key = KEYS[name]
        version = APIS[key].max_version if version is None else version
        schema = load_request_schema(key, version)
        buffer = io.BytesIO()
        entity_writer(schema)(buffer, build(schema, fields))
        answered = answer(Frame(key, version, 7, "test", buffer.getvalue(), 0), self.context)
        data = answered if isinstance(answered, bytes) else await answered  # type: ignore[misc]
        flexible = key != KEYS["api_versions"] and version >= APIS[key].flexible_since
        response, end = entity_reader(load_response_schema(key, version))(data, 9 if flexible else 8)
        assert end == len(data) - (9 if flexible else 8) or end == len(data)
        return response

    async def put(self, topic: str, count: int, *, producer: ProducerBatch | None = None, index: int = 0) -> None:
        """Append one batch of `count` records."""
        data = encode([Record(number, 0, b"k", b"v") for number in range(count)])
        if producer is not None:
            data = batches.with_producer(data, producer.producer_id, producer.epoch, producer.base_sequence)
        await self.broker.append([Append(TopicPartition(topic, index), data, (0,), (0,), count, 0, producer)])

    async def make(self, name: str, partition_count: int = 1, **overrides: str) -> None:
        """A topic with settings, `_` standing for `.` in their names."""
        await self.broker.create_topic(
            name,
            format=Format.BATCH,
            partition_count=partition_count,
            overrides={key.replace("_", "."): value for key, value in overrides.items()},
        )


@asynccontextmanager
async def admin_session(path: Path, config: Config | None = None) -> AsyncIterator[AdminSession]:
    """A broker over the directory, from start to stop."""
    config = config or Config(data_dir=path)
    clock = StillClock()
    directory = Directory(path)
    meta = SqliteMeta(path, config, clock)
    specs = [spec for topic in await meta.topics() for spec in specs_of(topic)]
    store = LocalStore.open(directory, specs, config, clock, lambda error: None)
    try:
        broker = await Broker.start(meta, store, config, clock)
        context = Context(broker, config, clock, "localhost", 8080, broker.cluster_id, "127.0.0.1")
        yield AdminSession(broker, store, context, clock)
    finally:
        await store.close()
        await meta.close()
        directory.close()
