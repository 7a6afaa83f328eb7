"""The storage contract for what a log remembers of idempotent producers, and for topics that only may be compacted."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.contract.stores import Backend, Bench, LocalBackend, SimulatedBackend, append

from logmq.config import DAY, Config
from logmq.model import Format, TopicPartition
from logmq.records import batches
from logmq.records.records import Record, encode
from logmq.storage.engine import ActiveProducer, Append, LogStore, ProducerBatch

T0 = TopicPartition("t", 0)


@pytest.fixture(params=["local", "simulated"])
def backend(request: pytest.FixtureRequest, tmp_path: Path) -> Backend:
    return LocalBackend(tmp_path / "data") if request.param == "local" else SimulatedBackend(seed=1)


async def produce(store: LogStore, producer: ProducerBatch) -> None:
    data = encode([Record(number, 0, None, b"v") for number in range(producer.record_count)])
    data = batches.with_producer(data, producer.producer_id, producer.epoch, producer.base_sequence)
    await store.append([Append(T0, data, (0,), (0,), producer.record_count, 0, producer)])


async def test_producers_are_known_until_they_are_silent_too_long(backend: Backend) -> None:
    """With epoch, last sequence and time, also after a restart; then producer_id_expiration_ms of silence end it."""
    bench = Bench(Config(retention_check_interval_ms=100))
    bench.spec("t", format=Format.BATCH)
    async with backend.open(bench) as store:
        await produce(store, ProducerBatch(7, 1, 0, 3))
        first_ms = bench.clock.ms
        bench.clock.ms += DAY // 2
        await produce(store, ProducerBatch(8, 0, 0, 1))
        known = [ActiveProducer(7, 1, 2, first_ms), ActiveProducer(8, 0, 0, bench.clock.ms)]
        assert await store.producers(T0) == known
    async with backend.open(bench) as store:
        assert await store.producers(T0) == known
        await store.maintain()
        assert await store.producers(T0) == known
        bench.clock.ms += DAY // 2 + 1
        await store.maintain()
        assert await store.producers(T0) == known[1:]


@pytest.mark.parametrize(("policy", "is_kept"), [("delete", False), ("compact", True), ("compact,delete", False)])
async def test_only_a_policy_that_deletes_has_retention(backend: Backend, policy: str, is_kept: bool) -> None:
    """A topic that is only compacted loses nothing by age or size."""
    bench = Bench(Config(retention_check_interval_ms=100, retention_ms=1000, retention_bytes=1, cleanup_policy=policy))
    bench.spec("t", segment_bytes=1024)
    async with backend.open(bench) as store:
        for _ in range(4):
            await store.append([append(T0, b"x" * 1000)])
        bench.clock.ms += 10_000
        await store.maintain()
        assert (store.bounds(T0).log_start_offset == 0) is is_kept
