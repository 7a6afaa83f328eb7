"""20,000 random and mutated requests: each is answered or ends its connection; nothing escapes, nothing is kept."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import random
import struct
import tracemalloc

import pytest
from tests.unit.protocols.kafka.kafka_session import (
    KEYS,
    KafkaSession,
    Stage,
    batch,
    encode_request,
    fetch_fields,
    framed,
    metadata_fields,
    produce_fields,
    turns,
)

from logmq.model import Format
from logmq.protocols.kafka.api import APIS

SEED = int(os.environ.get("LOGMQ_FUZZ_SEED", "17"))
COUNT = int(os.environ.get("LOGMQ_FUZZ_COUNT", "20000"))
ROUND = 250
MEMORY_GROWTH_MAX = 6 << 20
_FUZZED = frozenset({"produce", "fetch", "list_offsets", "metadata", "api_versions"})
"""The APIs of which good requests are mutated; of all others there are random bodies."""


def good_requests() -> list[bytes]:
    """Some of each kind, small enough that a mutation hits what matters."""
    produce = produce_fields("t", batch(b"a", b"b"), batch(b"c", key=b"k"))
    listed = {
        "replica_id": -1,
        "isolation_level": 0,
        "topics": [{"name": "t", "partitions": [{"partition_index": 0, "current_leader_epoch": -1, "timestamp": -1}]}],
    }
    return [
        *[encode_request("produce", version, produce) for version in (3, 7, 8, 9, 11)],
        *[encode_request("fetch", version, fetch_fields("t", {0: 0, 1: 0})) for version in (4, 7, 11, 12)],
        *[encode_request("list_offsets", version, listed) for version in (1, 7, 8)],
        *[encode_request("metadata", version, metadata_fields("t", create=False)) for version in (0, 4, 9, 12)],
        encode_request("api_versions", 3, {"client_software_name": "t", "client_software_version": "1"}),
    ]


def mutate(generator: random.Random, good: list[bytes]) -> bytes:
    """A request that is wrong somewhere, its size mostly right so that what is inside is looked at."""
    if generator.random() < 0.4:
        api = generator.choice(list(APIS.values()))
        version = generator.randint(api.min_version - 1, api.max_version + 1)
        return framed(struct.pack(">hhih", api.key, version, 1, -1) + generator.randbytes(generator.randrange(60)))
    data = bytearray(generator.choice(good))
    for _ in range(generator.randint(1, 4)):
        kind, position = generator.randrange(4), generator.randrange(8, len(data))
        if kind == 0:
            data[position] = generator.randrange(256)
        elif kind == 1:
            del data[position : position + generator.randrange(1, 9)]
        elif kind == 2:
            data[position:position] = generator.randbytes(generator.randrange(1, 9))
        else:
            data[position : position + 4] = struct.pack(">i", generator.choice([-1, 0, 1, 127, 1 << 30, -(1 << 31)]))
        if len(data) < 12:
            break
    if generator.random() < 0.95:
        data[:4] = struct.pack(">i", len(data) - 4)
    return bytes(data)


class Watch(logging.Handler):
    """Keeps what the broker calls unexpected."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


@pytest.mark.timeout(180)
async def test_no_request_is_too_strange(staged: Stage) -> None:
    """Whatever comes, nothing is raised, nothing unexpected logged, others are served, and memory stays flat."""
    await staged.broker.create_topic("t", format=Format.BATCH, partition_count=2)
    generator, good, watch = random.Random(SEED), good_requests(), Watch()
    assert {struct.unpack_from(">h", each, 4)[0] for each in good} == {KEYS[name] for name in _FUZZED}
    logging.getLogger("logmq").addHandler(watch)
    client, memory = staged.session(), 0
    tracemalloc.start()
    try:
        for number in range(COUNT):
            data = mutate(generator, good)
            client = await feed(client, staged, data)
            assert not watch.records, (SEED, number, data.hex(), watch.records[0].getMessage())
            if number % ROUND == 0:
                await staged.session().ask("metadata", 12, **metadata_fields("t"))
            if number == COUNT // 2:
                gc.collect()
                memory = tracemalloc.get_traced_memory()[0]
        gc.collect()
        assert tracemalloc.get_traced_memory()[0] - memory < MEMORY_GROWTH_MAX
    finally:
        tracemalloc.stop()
        logging.getLogger("logmq").removeHandler(watch)
    assert staged.broker.waits <= 1


async def feed(client: KafkaSession, staged: Stage, data: bytes) -> KafkaSession:
    """Send it, on a new connection if the last one has ended or waits for something."""
    client.connection.data_received(data)
    await asyncio.sleep(0)
    if client.lost or client.transport.closed or not client.transport.reading or len(client.transport.written) > 50_000:
        if not client.lost:
            client.transport.lose()
        await turns(3)
        return staged.session()
    return client
