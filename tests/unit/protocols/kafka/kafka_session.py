"""A client's side of a Kafka connection: a transport in memory, requests and responses by kio's schemas, and the real
broker on real files, whose appends can be held."""

from __future__ import annotations

import asyncio
import io
import struct
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

from kio.index import load_request_schema, load_response_schema
from kio.serial import entity_reader, entity_writer
from logmq.protocols.kafka.intake import Intake
from tests.unit.protocols.text_session import FakeTransport

from logmq.broker.broker import Broker
from logmq.broker.topics import specs_of
from logmq.config import Config, SyncMode
from logmq.model import TopicPartition
from logmq.protocols.kafka.api import APIS
from logmq.protocols.kafka.connection import KafkaConnection
from logmq.protocols.kafka.context import Context
from logmq.protocols.kafka.messages import build
from logmq.records.records import Record, encode
from logmq.storage.engine import Append, Appending, AppendResult
from logmq.storage.local.files import Directory
from logmq.storage.local.meta import SqliteMeta
from logmq.storage.local.store import LocalStore

KEYS = {api.name: api.key for api in APIS.values()}
NOW_MS = 1_700_000_000_000


@dataclass
class MovedClock:
    """Time that stands still until it is moved."""

    ms: int = NOW_MS
    seconds: float = 0.0

    def now_ms(self) -> int:
        return self.ms

    def monotonic(self) -> float:
        return self.seconds


@dataclass
class HeldBroker:
    """The broker, with appends that wait for `commit` while `held` is set, and `full` to be waited for."""

    broker: Broker
    held: bool = False
    full: asyncio.Future[None] | None = None
    appends: list[int] = field(default_factory=list)
    """The number of partitions in each call."""
    waits: int = 0
    """Waits under way."""
    _waiting: list[tuple[Sequence[Append], asyncio.Future[list[AppendResult]]]] = field(default_factory=list)

    __hash__ = object.__hash__

    def __getattr__(self, name: str) -> Any:
        return getattr(self.broker, name)

    def append(self, appends: Sequence[Append], *, atomic: bool = False) -> Appending:
        self.appends.append(len(appends))
        if not self.held:
            return self.broker.append(appends, atomic=atomic)
        future: asyncio.Future[list[AppendResult]] = asyncio.get_running_loop().create_future()
        self._waiting.append((appends, future))
        return future

    async def commit(self, count: int | None = None) -> None:
        """Let appends that are held go on."""
        going, self._waiting = self._waiting[:count], self._waiting[len(self._waiting[:count]) :]
        for appends, future in going:
            future.set_result(await self.broker.append(appends))

    async def wait_any(self, offsets: Mapping[TopicPartition, int], timeout_s: float | None) -> bool:
        self.waits += 1
        try:
            return await self.broker.wait_any(offsets, timeout_s)
        finally:
            self.waits -= 1

    def room(self) -> asyncio.Future[None] | None:
        return self.full if self.full is not None and not self.full.done() else None


def encode_request(api: str, version: int, fields: Mapping[str, Any], correlation_id: int = 1) -> bytes:
    """A whole request as a client sends it."""
    key = KEYS[api]
    schema = load_request_schema(key, version)
    header = struct.pack(">hhih", key, version, correlation_id, 4) + b"test"
    if version >= APIS[key].flexible_since:
        header += b"\x00"
    body = io.BytesIO()
    entity_writer(schema)(body, build(schema, fields))
    return framed(header + body.getvalue())


def framed(request: bytes) -> bytes:
    """With the size in front."""
    return struct.pack(">i", len(request)) + request


def decode_response(api: str, version: int, data: bytes) -> Any:
    """A response's body, which must be read to its end."""
    key = KEYS[api]
    position = 8
    if version >= APIS[key].flexible_since and api != "api_versions":
        assert data[position] == 0
        position += 1
    response, size = entity_reader(load_response_schema(key, version))(data, position)
    assert position + size == len(data)
    return response


class KafkaSession:
    """One client."""

    def __init__(self, broker: HeldBroker, config: Config, clock: MovedClock, intake: Intake) -> None:
        self.clock = clock
        self.lost = False
        self.connection = KafkaConnection(
            lambda _: Context(cast(Broker, broker), config, clock, "127.0.0.1", 8080, "c" * 22, "127.0.0.1"),
            request_size_max=config.kafka_request_size_max_bytes,
            queue_size_max=config.connection_queue_size_bytes,
            intake=intake,
            on_lost=self._on_lost,
        )
        self.transport = FakeTransport(self.connection)
        self.connection.connection_made(self.transport)
        self._correlation_id = 0
        self._taken = 0

    def _on_lost(self, _: object) -> None:
        self.lost = True

    def send(self, api: str, version: int, **fields: Any) -> int:
        """Send a request without waiting; returns its correlation id."""
        self._correlation_id += 1
        self.connection.data_received(encode_request(api, version, fields, self._correlation_id))
        return self._correlation_id

    async def ask(self, api: str, version: int, **fields: Any) -> Any:
        """Send a request and wait for its response."""
        correlation_id = self.send(api, version, **fields)
        data = await self.response()
        assert struct.unpack_from(">i", data, 4)[0] == correlation_id
        return decode_response(api, version, data)

    def responses(self) -> list[bytes]:
        """Whole responses that have come since the last call, sizes included."""
        found = self._responses_from(self._taken)
        self._taken += sum(map(len, found))
        return found

    def _responses_from(self, position: int) -> list[bytes]:
        found, written = [], self.transport.written
        while position + 4 <= len(written):
            end = position + 4 + struct.unpack_from(">i", written, position)[0]
            assert end <= len(written)
            found.append(bytes(written[position:end]))
            position = end
        return found

    def order(self) -> list[int]:
        """The correlation ids of all responses that have come."""
        return [struct.unpack_from(">i", data, 4)[0] for data in self._responses_from(0)]

    async def response(self) -> bytes:
        """The next response."""
        await until(lambda: self._taken < len(self.transport.written) or self.lost)
        (data,) = self.responses()
        return data


async def until(condition: Any) -> None:
    """Give others their turn until something holds; the test's own timeout ends it."""
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - whatever it is that others change
            await asyncio.sleep(0.0005)


async def turns(count: int = 20) -> None:
    """Give others their turn, so that what could happen has happened."""
    for _ in range(count):
        await asyncio.sleep(0)


@dataclass
class Stage:
    """A broker and what belongs to it."""

    broker: HeldBroker
    config: Config
    clock: MovedClock
    intake: Intake

    def session(self) -> KafkaSession:
        """A new client."""
        return KafkaSession(self.broker, self.config, self.clock, self.intake)


@asynccontextmanager
async def stage(directory: Path, config: Config | None = None) -> AsyncIterator[Stage]:
    """A broker on an empty directory."""
    config = config or Config(data_dir=directory, sync=SyncMode("never"))
    clock = MovedClock()
    files = Directory(directory)
    meta = SqliteMeta(directory, config, clock)
    specs = [spec for topic in await meta.topics() for spec in specs_of(topic)]
    store = LocalStore.open(files, specs, config, clock, lambda error: None)
    try:
        intake = Intake(config.kafka_receive_queue_size_bytes, clock, asyncio.get_running_loop())
        yield Stage(HeldBroker(await Broker.start(meta, store, config, clock)), config, clock, intake)
    finally:
        await store.close()
        await meta.close()
        files.close()


def batch(*values: bytes | None, key: bytes | None = None, timestamp_ms: int = NOW_MS) -> bytes:
    """A batch of records."""
    return encode([Record(number, timestamp_ms, key, value) for number, value in enumerate(values)])


def produce_fields(topic: str, *records: bytes | None, acks: int = -1) -> dict[str, Any]:
    """A Produce request's fields: one batch for each partition from 0 on."""
    data = [{"index": index, "records": each} for index, each in enumerate(records)]
    return {
        "transactional_id": None,
        "acks": acks,
        "timeout": timedelta(seconds=1),
        "topic_data": [{"name": topic, "partition_data": data}],
    }


def fetch_fields(
    topic: Any, offsets: Mapping[int, int], *, wait_ms: int = 0, min_bytes: int = 1, **more: Any
) -> dict[str, Any]:
    """A Fetch request's fields; `topic` is a name, or an id from version 13 on."""
    partitions = [
        {
            "partition": index,
            "current_leader_epoch": more.get("epoch", -1),
            "fetch_offset": offset,
            "last_fetched_epoch": -1,
            "log_start_offset": -1,
            "partition_max_bytes": more.get("partition_max_bytes", 1 << 20),
        }
        for index, offset in offsets.items()
    ]
    return {
        "replica_id": -1,
        "max_wait": timedelta(milliseconds=wait_ms),
        "min_bytes": min_bytes,
        "max_bytes": more.get("max_bytes", 50 << 20),
        "isolation_level": more.get("isolation_level", 0),
        "session_id": more.get("session_id", 0),
        "session_epoch": more.get("session_epoch", -1),
        "topics": [{"topic": topic, "topic_id": topic, "partitions": partitions}],
        "forgotten_topics_data": (),
        "rack_id": "",
    }


def metadata_fields(*names: Any, create: bool = True, everything: bool = False) -> dict[str, Any]:
    """A Metadata request's fields: for topics by name or id, or for all of them."""
    topics = [
        {"name": each if isinstance(each, str) else None, "topic_id": None if isinstance(each, str) else each}
        for each in names
    ]
    return {
        "topics": None if everything else topics,
        "allow_auto_topic_creation": create,
        "include_cluster_authorized_operations": False,
        "include_topic_authorized_operations": False,
    }
