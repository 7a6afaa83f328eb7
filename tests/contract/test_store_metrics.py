"""What every engine counts of itself, and what it tells of what it holds."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.contract.stores import Backend, Bench, LocalBackend, SimulatedBackend, append

from logmq.model import Format, TopicPartition
from logmq.records.records import Record, encode
from logmq.storage.engine import Append

T0, T1 = TopicPartition("t", 0), TopicPartition("t", 1)


@pytest.fixture(params=["local", "simulated"])
def backend(request: pytest.FixtureRequest, tmp_path: Path) -> Backend:
    return LocalBackend(tmp_path / "data") if request.param == "local" else SimulatedBackend(seed=1)


@pytest.fixture
def bench() -> Bench:
    return Bench()


async def test_appends_and_records_are_counted(backend: Backend, bench: Bench) -> None:
    """A call counts an append for each partition; records are frames in one format, records of batches in the other."""
    bench.spec("t", 0)
    bench.spec("t", 1, Format.BATCH)
    three = encode([Record(number, 0, None, b"x") for number in range(3)])
    async with backend.open(bench) as store:
        await store.append([append(T0, b"one", b"two"), Append(T1, three, [0], [0], 3)])
        await store.append([append(T0, b"three")])
        done = store.metrics
        assert (done.appends, done.records, done.commits) == (3, 2 + 3 + 1, 2)
        assert done.appended_bytes == 7 + 7 + 9 + len(three)
        assert done.sync_seconds.count == done.commit_seconds.count == 2


async def test_what_is_refused_is_not_counted(backend: Backend, bench: Bench) -> None:
    """An append to no partition leaves no trace."""
    bench.spec("t")
    async with backend.open(bench) as store:
        await store.append([append(TopicPartition("nothing", 0), b"x")])
        assert (store.metrics.appends, store.metrics.records, store.metrics.commits) == (0, 0, 0)


async def test_reads_are_counted(backend: Backend, bench: Bench) -> None:
    """Those that had to wait among them, with the bytes that came of them."""
    bench.spec("t")
    async with backend.open(bench) as store:
        await store.append([append(T0, b"x" * 96)])
        await store.read(T0, 0, 1000)
        assert (store.metrics.reads, store.metrics.cold_reads, store.metrics.read_bytes) == (1, 1, 100)
        if store.read_nowait(T0, 0, 1000) is not None:
            assert (store.metrics.reads, store.metrics.cold_reads, store.metrics.read_bytes) == (2, 1, 200)


async def test_what_waits_is_told(backend: Backend, bench: Bench) -> None:
    """From the call until its result is there, and nothing stays behind."""
    bench.spec("t")
    async with backend.open(bench) as store:
        calls = [store.append([append(T0, b"x" * 96)]) for _ in range(3)]
        held = store.store_statistics()
        assert (held.waiting_calls, held.waiting_bytes) == (3, 300)
        for call in calls:
            await call
        held = store.store_statistics()
        assert (held.waiting_calls, held.waiting_bytes, held.log_size) == (0, 0, 300)
        assert 0 < held.disk_free_size <= held.disk_size
        assert store.failure is None


async def test_the_opening_is_told(backend: Backend, bench: Bench) -> None:
    """A store that was closed has nothing to recover."""
    bench.spec("t")
    for _ in range(2):
        async with backend.open(bench) as store:
            assert store.recovery.clean
            await store.append([append(T0, b"x")])
