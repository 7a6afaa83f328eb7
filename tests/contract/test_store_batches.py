"""The storage contract for the `batch` format: offsets are record numbers, idempotent producers are stored once."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.contract.stores import BACKENDS, Backend, Bench, SimulatedBackend, make_backend

from logmq.errors import LogMQError, OutOfOrderSequence, ProducerFenced
from logmq.model import Format, TopicPartition
from logmq.records import batches
from logmq.records.records import Record, decode, encode
from logmq.storage.engine import Append, Appended, LogStore, ProducerBatch

T0 = TopicPartition("t", 0)


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest, tmp_path: Path) -> Backend:
    return make_backend(request.param, tmp_path)


@pytest.fixture
def bench() -> Bench:
    bench = Bench()
    bench.spec("t", format=Format.BATCH)
    return bench


def batch(count: int, value: bytes = b"x", producer: ProducerBatch | None = None) -> Append:
    data = encode([Record(number, 0, b"k", value) for number in range(count)])
    if producer is not None:
        data = batches.with_producer(data, producer.producer_id, producer.epoch, producer.base_sequence)
    return Append(T0, data, (0,), (0,), count, 0, producer)


async def put(store: LogStore, append: Append) -> Appended | LogMQError:
    (result,) = await store.append([append])
    return result


async def offsets(store: LogStore, offset: int = 0) -> list[int]:
    found: list[int] = []
    while (chunk := await store.read(T0, offset, 1000)).data:
        for position, header in batches.check(chunk.data):
            data = chunk.data[position : position + header.size]
            found += [record.offset for record in decode(data, 1 << 20)]
        offset = chunk.next_offset
    return found


async def test_offsets_are_record_numbers(backend: Backend, bench: Bench) -> None:
    """Batches get consecutive offsets, also after a restart, and are read back whole from any offset inside."""
    async with backend.open(bench) as store:
        assert [(await put(store, batch(count)))[:2] for count in (3, 1, 500)] == [(0, 3), (3, 4), (4, 504)]  # type: ignore[index]
        assert await offsets(store) == list(range(504))
        assert (await store.read(T0, 2, 1)).first_offset == 0
        assert (await store.read(T0, 250, 1)).first_offset == 4
    async with backend.open(bench) as store:
        assert store.bounds(T0).high_watermark == 504
        assert (await put(store, batch(2)))[:2] == (504, 506)  # type: ignore[index]
        assert await offsets(store) == list(range(506))


async def test_a_batch_sent_again_is_answered_with_its_first_offsets(backend: Backend, bench: Bench) -> None:
    """In one commit, in a later one, and after a restart."""
    first, second = ProducerBatch(7, 0, 0, 3), ProducerBatch(7, 0, 3, 2)
    async with backend.open(bench) as store:
        calls = [store.append([batch(one.record_count, producer=one)]) for one in (first, second, first, second)]
        results = [(await call)[0] for call in calls]
        assert [result[:2] for result in results if isinstance(result, Appended)] == [(0, 3), (3, 5)] * 2
    async with backend.open(bench) as store:
        assert (await put(store, batch(2, producer=second)))[:2] == (3, 5)  # type: ignore[index]
        assert await offsets(store) == list(range(5))


async def test_gaps_and_old_epochs_are_refused(backend: Backend, bench: Bench) -> None:
    """A sequence must follow the last one; an older epoch is fenced; a newer one begins at 0."""
    async with backend.open(bench) as store:
        await put(store, batch(3, producer=ProducerBatch(7, 1, 0, 3)))
        assert isinstance(await put(store, batch(1, producer=ProducerBatch(7, 1, 5, 1))), OutOfOrderSequence)
        assert isinstance(await put(store, batch(1, producer=ProducerBatch(7, 0, 3, 1))), ProducerFenced)
        assert isinstance(await put(store, batch(1, producer=ProducerBatch(7, 2, 3, 1))), OutOfOrderSequence)
        assert isinstance(await put(store, batch(1, producer=ProducerBatch(7, 2, 0, 1))), Appended)
        assert await offsets(store) == list(range(4))


async def test_a_refused_append_leaves_no_trace_of_its_producer(bench: Bench) -> None:
    """What a full disk refused may be sent again and is stored then."""
    backend = SimulatedBackend(seed=5)
    async with backend.open(bench) as store:
        await put(store, batch(1, producer=ProducerBatch(7, 0, 0, 1)))
        backend.disk.capacity = sum(backend.disk.sizes().values()) + 50
        large = batch(100, b"y" * 100, ProducerBatch(7, 0, 1, 100))
        assert isinstance(await put(store, large), LogMQError)
        backend.disk.capacity = None
        assert (await put(store, large))[:2] == (1, 101)  # type: ignore[index]
        assert await offsets(store) == list(range(101))


async def test_producers_survive_a_crash(bench: Bench) -> None:
    """They are rebuilt from checkpoint and journal, so that a retry after a power cut is recognised."""
    backend = SimulatedBackend(seed=6)
    async with backend.open(bench) as store:
        await put(store, batch(4, producer=ProducerBatch(9, 0, 0, 4)))
        backend.disk = backend.disk.crash()
    async with backend.open(bench) as store:
        assert (await put(store, batch(4, producer=ProducerBatch(9, 0, 0, 4))))[:2] == (0, 4)  # type: ignore[index]
        assert await offsets(store) == list(range(4))
