"""The storage contract, claim by claim, for every engine."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from tests.contract.stores import BACKENDS, Backend, Bench, SimulatedBackend, append, make_backend

from logmq.config import SYNC_NEVER, Config, SyncMode
from logmq.errors import (
    DiskFull,
    LogMQError,
    OffsetOutOfRange,
    Unavailable,
    UnknownPartition,
    UnknownTopic,
)
from logmq.model import TopicPartition
from logmq.records import frames
from logmq.storage.engine import Appended, LogStore

T0 = TopicPartition("t", 0)
T1 = TopicPartition("t", 1)


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest, tmp_path: Path) -> Backend:
    return make_backend(request.param, tmp_path)


@pytest.fixture
def bench() -> Bench:
    return Bench()


async def put(store: LogStore, partition: TopicPartition, *payloads: bytes) -> Appended:
    (result,) = await store.append([append(partition, *payloads)])
    assert isinstance(result, Appended), result
    return result


async def read_all(store: LogStore, partition: TopicPartition, offset: int = 0) -> list[bytes]:
    found: list[bytes] = []
    while (chunk := await store.read(partition, offset, 100)).data:
        starts, end = frames.walk(chunk.data)
        assert end == len(chunk.data), "whole frames"
        found += frames.cut(chunk.data, starts, end)
        offset = chunk.next_offset
    return found


async def test_append_answers_with_byte_positions(backend: Backend, bench: Bench) -> None:
    """The specification's own: item-1 goes to offset 0, and the next one `4 + length` further."""
    bench.spec("t")
    async with backend.open(bench) as store:
        first = await put(store, T0, b"item-1")
        second = await put(store, T0, b"item-2", b"x")
    assert (first.first_offset, first.next_offset) == (0, 10)
    assert (second.first_offset, second.next_offset) == (10, 25)


async def test_what_was_appended_is_read_back_also_after_a_restart(backend: Backend, bench: Bench) -> None:
    """Bytes, order and offsets survive a close."""
    bench.spec("t")
    payloads = [b"%d" % number * (number % 50) for number in range(2000)]
    async with backend.open(bench) as store:
        for start in range(0, 2000, 100):
            await put(store, T0, *payloads[start : start + 100])
        assert await read_all(store, T0) == payloads
    async with backend.open(bench) as store:
        assert await read_all(store, T0) == payloads
        assert store.bounds(T0).high_watermark == sum(4 + len(payload) for payload in payloads)


async def test_many_appends_at_once_keep_their_order(backend: Backend, bench: Bench) -> None:
    """Calls complete in call order, and appends of a partition lie in call order."""
    bench.spec("t")
    bench.spec("t", 1)
    async with backend.open(bench) as store:
        calls = [store.append([append(T0, b"%d" % n), append(T1, b"%d" % n)]) for n in range(500)]
        done: list[int] = []
        numbers = {call: number for number, call in enumerate(calls)}
        for call in calls:
            call.add_done_callback(lambda call: done.append(numbers[call]))
        results = await asyncio.gather(*calls)
        await asyncio.sleep(0)
        assert done == list(range(500))
        offsets = [pair[0].first_offset for pair in results if isinstance(pair[0], Appended)]
        assert offsets == sorted(offsets)
        assert len(offsets) == 500
        assert await read_all(store, T0) == await read_all(store, T1) == [b"%d" % n for n in range(500)]


async def test_an_append_that_waits_for_nothing_keeps_its_place(backend: Backend, bench: Bench) -> None:
    """`at_once` overtakes no call made before it, and its promise is the same."""
    bench.spec("t")
    async with backend.open(bench) as store:
        calls = [store.append([append(T0, b"%d" % n)], at_once=n % 3 == 2) for n in range(30)]
        done: list[int] = []
        for number, call in enumerate(calls):
            call.add_done_callback(partial(lambda number, _: done.append(number), number))
        await asyncio.gather(*calls)
        assert done == list(range(30))
    async with backend.open(bench) as store:
        assert await read_all(store, T0) == [b"%d" % n for n in range(30)]


async def test_read_begins_with_the_first_record_at_or_after_the_offset(backend: Backend, bench: Bench) -> None:
    """An offset inside a frame means the next one; the end and beyond mean an empty chunk."""
    bench.spec("t")
    async with backend.open(bench) as store:
        await put(store, T0, b"aaaa", b"bb", b"")
        assert [(await store.read(T0, offset, 1)).first_offset for offset in range(18)] == (
            [0] + [8] * 8 + [14] * 6 + [18] * 3
        )
        assert (await store.read(T0, 18, 1)).data == b""
        assert (await store.read(T0, 10**12, 1)).next_offset == 18


async def test_read_returns_at_least_one_record(backend: Backend, bench: Bench) -> None:
    """However small the wanted size, and however large the record."""
    bench.spec("t")
    async with backend.open(bench) as store:
        big = bytes(range(256)) * 2000
        await put(store, T0, big, b"small")
        chunk = await store.read(T0, 0, 1)
        assert chunk.data[4 : 4 + len(big)] == big


async def test_read_nowait_says_the_same_or_nothing(backend: Backend, bench: Bench) -> None:
    """`read_nowait` is `read`, or None where it would have to wait."""
    bench.spec("t")
    async with backend.open(bench) as store:
        await put(store, T0, *[b"x" * 50] * 1000)
        for offset in range(0, 54_000, 999):
            chunk = store.read_nowait(T0, offset, 5000)
            assert chunk is None or chunk == await store.read(T0, offset, 5000)


async def test_unknown_partitions_are_refused(backend: Backend, bench: Bench) -> None:
    """Unknown topics and partitions are told apart, by every method."""
    bench.spec("t")
    async with backend.open(bench) as store:
        with pytest.raises(UnknownTopic):
            store.bounds(TopicPartition("nope", 0))
        with pytest.raises(UnknownPartition):
            await store.read(T1, 0, 1)
        (result,) = await store.append([append(T1, b"x")])
        assert isinstance(result, UnknownPartition)
        assert store.leads(T0)
        assert not store.leads(T1)


async def test_wait_ends_when_records_come(backend: Backend, bench: Bench) -> None:
    """A waiter is woken by a commit beyond its offset, and by nothing else."""
    bench.spec("t")
    async with backend.open(bench) as store:
        assert not await store.wait_any({T0: 0}, 0.01)
        waiter = asyncio.create_task(store.wait_any({T0: 0}, 10))
        await asyncio.sleep(0)
        await put(store, T0, b"x")
        assert await waiter
        assert await store.wait_any({T0: 4}, None)
        assert not await store.wait_any({T0: 5}, 0.01)


async def test_one_wait_watches_many_partitions(backend: Backend, bench: Bench) -> None:
    """Whichever grows first ends it; those who wait for others, or further on, go on waiting."""
    t2 = TopicPartition("t", 2)
    for partition in (T0, T1, t2):
        bench.spec("t", partition.index)
    async with backend.open(bench) as store:
        any_of_all = asyncio.create_task(store.wait_any({T0: 0, T1: 0, t2: 0}, 10))
        further_on = asyncio.create_task(store.wait_any({T0: 0, T1: 5}, 10))
        await asyncio.sleep(0)
        await put(store, T1, b"x")
        assert await any_of_all
        assert not further_on.done()
        assert await store.wait_any({T0: 0, T1: 0}, None)
        await put(store, T0, b"x")
        assert await further_on


async def test_a_wait_ends_when_one_of_its_partitions_goes(backend: Backend, bench: Bench) -> None:
    """A partition that is dropped, or was never there, ends it with an error: nothing would ever come."""
    bench.spec("t", 0)
    bench.spec("t", 1)
    async with backend.open(bench) as store:
        with pytest.raises(UnknownPartition):
            await store.wait_any({T0: 0, TopicPartition("t", 7): 0}, 10)
        waiter = asyncio.create_task(store.wait_any({T0: 0, T1: 0}, 10))
        await asyncio.sleep(0)
        await store.drop([T1])
        with pytest.raises(UnknownPartition):
            await waiter


async def test_trim_moves_the_log_start_for_good(backend: Backend, bench: Bench) -> None:
    """What is before is an error that names the range; it stays so after a restart; segments go when they are past."""
    bench.spec("t", segment_bytes=2000)
    async with backend.open(bench) as store:
        for number in range(50):
            await put(store, T0, b"%04d" % number * 25)
        assert store.statistics(T0).segment_count > 2
        assert await store.trim(T0, 2500) == 2500
        with pytest.raises(OffsetOutOfRange) as caught:
            await store.read(T0, 2499, 1)
        assert caught.value.log_start_offset == 2500
        assert (await store.read(T0, 2500, 1)).first_offset == 2600
        assert await store.trim(T0, 100) == 2500, "never backwards"
    async with backend.open(bench) as store:
        assert store.bounds(T0).log_start_offset == 2500
        segments = store.statistics(T0).segment_count
        assert await store.trim(T0, 10**12) == 5200, "capped at the high watermark"
        assert store.statistics(T0).segment_count < segments
        assert await read_all(store, T0, 5200) == []
        assert (await put(store, T0, b"x")).first_offset == 5200


async def test_a_new_log_is_there_after_a_restart(backend: Backend, bench: Bench) -> None:
    """`create` makes empty logs that take appends at once."""
    async with backend.open(bench) as store:
        await store.create([bench.spec("t"), bench.spec("t", 1)])
        await put(store, T1, b"x")
    async with backend.open(bench) as store:
        assert store.bounds(T0).high_watermark == 0
        assert await read_all(store, T1) == [b"x"]


async def test_a_dropped_log_leaves_nothing(backend: Backend, bench: Bench) -> None:
    """Dropping ends waiters, and a log made anew under the same name begins at 0."""
    bench.spec("t")
    async with backend.open(bench) as store:
        await put(store, T0, b"old")
        waiter = asyncio.create_task(store.wait_any({T0: 100}, None))
        await asyncio.sleep(0)
        await store.drop([T0])
        with pytest.raises(UnknownPartition):
            await waiter
        with pytest.raises(UnknownTopic):
            store.bounds(T0)
        bench.specs.clear()
        renewed = replace(bench.spec("t"), log_id=77)
        bench.specs[:] = [renewed]
        await store.create([renewed])
        assert (await put(store, T0, b"new")).first_offset == 0
        assert await read_all(store, T0) == [b"new"]
    async with backend.open(bench) as store:
        assert await read_all(store, T0) == [b"new"]


async def test_retention_by_size(backend: Backend, bench: Bench) -> None:
    """Whole segments go while what is left is at least the wanted size."""
    bench.spec("t", segment_bytes=2000, retention_bytes=5000)
    async with backend.open(bench) as store:
        for number in range(100):
            await put(store, T0, b"%04d" % number * 25)
        await store.maintain()
        size = store.statistics(T0).size_bytes
        assert 5000 <= size < 7100
        assert store.bounds(T0).log_start_offset == 10_400 - size


async def test_retention_by_age(backend: Backend, bench: Bench) -> None:
    """Segments whose youngest record is too old go, the last one too."""
    bench.spec("t", segment_bytes=2000, retention_ms=60_000)
    async with backend.open(bench) as store:
        for _ in range(40):
            await put(store, T0, b"x" * 96)
        bench.clock.ms += 50_000
        for _ in range(10):
            await put(store, T0, b"y" * 96)
        await store.maintain()
        assert store.bounds(T0).log_start_offset == 0
        bench.clock.ms += 40_000
        await store.maintain()
        start = store.bounds(T0).log_start_offset
        assert 0 < start <= 4000
        assert set((await read_all(store, T0, start))[-10:]) == {b"y" * 96}
        bench.clock.ms += 61_000
        await store.maintain()
        assert store.bounds(T0).log_start_offset == store.bounds(T0).high_watermark == 5000
        assert (await put(store, T0, b"z")).first_offset == 5000


async def test_timestamps_find_offsets(backend: Backend, bench: Bench) -> None:
    """The offset found for a time is at or before the first record as late, and close to it."""
    bench.spec("t")
    async with backend.open(bench) as store:
        starts: dict[int, int] = {}
        for _ in range(20):
            bench.clock.ms += 1000
            result = await put(store, T0, *[b"x" * 96] * 400)
            starts[result.timestamp_ms] = result.first_offset
        for timestamp_ms, first_offset in starts.items():
            found = await store.find_timestamp(T0, timestamp_ms)
            assert first_offset - 40_000 <= found <= first_offset
        assert await store.find_timestamp(T0, bench.clock.ms + 1) == store.bounds(T0).high_watermark
        assert await store.find_timestamp(T0, 0) <= 40_000


async def test_a_clock_that_steps_back_does_not_disturb(backend: Backend, bench: Bench) -> None:
    """Timestamps never decrease."""
    bench.spec("t")
    async with backend.open(bench) as store:
        first = await put(store, T0, b"a")
        bench.clock.ms -= 500_000
        second = await put(store, T0, b"b")
        assert second.timestamp_ms >= first.timestamp_ms


@pytest.mark.parametrize("sync", [SyncMode.every(20), SYNC_NEVER])
async def test_other_sync_modes_acknowledge_and_show(backend: Backend, bench: Bench, sync: SyncMode) -> None:
    """Under an interval records become visible with the next sync at the latest; under `never` at once."""
    bench.config = Config(sync=sync)
    bench.spec("t")
    async with backend.open(bench) as store:
        await put(store, T0, b"x")
        assert await store.wait_any({T0: 0}, 10)
        assert await read_all(store, T0) == [b"x"]
    async with backend.open(bench) as store:
        assert await read_all(store, T0) == [b"x"]


async def test_after_close_nothing_is_taken(backend: Backend, bench: Bench) -> None:
    """Appends after the close get Unavailable, never an acknowledgement."""
    bench.spec("t")
    async with backend.open(bench) as store:
        pass
    (result,) = await store.append([append(T0, b"x")])
    assert isinstance(result, Unavailable)


async def test_a_full_disk_fails_appends_and_recovers_without_restart(bench: Bench) -> None:
    """DiskFull while there is no room, reads go on, and appends work again once there is room."""
    backend = SimulatedBackend(seed=2)
    bench.spec("t")
    bench.spec("other")
    async with backend.open(bench) as store:
        await put(store, T0, b"before")
        backend.disk.capacity = sum(backend.disk.sizes().values()) + 50
        (result,) = await store.append([append(T0, b"x" * 1000)])
        assert isinstance(result, DiskFull)
        assert await read_all(store, T0) == [b"before"]
        (small,) = await store.append([append(TopicPartition("other", 0), b"fits")])
        assert isinstance(small, Appended)
        backend.disk.capacity = None
        assert (await put(store, T0, b"after")).first_offset == 10
    async with backend.open(bench) as store:
        assert await read_all(store, T0) == [b"before", b"after"]


async def test_atomic_appends_are_stored_wholly_or_not_at_all(bench: Bench) -> None:
    """With `atomic` an error for one partition undoes the other."""
    backend = SimulatedBackend(seed=3)
    bench.spec("t")
    bench.spec("t", 1)
    async with backend.open(bench) as store:
        backend.disk.capacity = sum(backend.disk.sizes().values()) + 50
        results = await store.append([append(T0, b"fits"), append(T1, b"x" * 1000)], atomic=True)
        assert all(isinstance(result, LogMQError) for result in results)
        assert await read_all(store, T0) == []
        backend.disk.capacity = None
        results = await store.append([append(T0, b"a"), append(T1, b"b")], atomic=True)
        assert all(isinstance(result, Appended) for result in results)


async def test_a_failed_sync_is_final(bench: Bench) -> None:
    """Who waited gets Unavailable, so does everyone after, and the owner is told to stop."""
    backend = SimulatedBackend(seed=4)
    bench.spec("t")
    async with backend.open(bench) as store:
        await put(store, T0, b"safe")
        waiter = asyncio.create_task(store.wait_any({T0: 100}, None))
        await asyncio.sleep(0)
        backend.disk.fail("sync", 1, 5)
        (result,) = await store.append([append(T0, b"lost")])
        assert isinstance(result, Unavailable)
        with pytest.raises(Unavailable):
            await waiter
        (after,) = await store.append([append(T0, b"never")])
        assert isinstance(after, Unavailable)
        assert len(bench.failures) == 1
        assert await read_all(store, T0) == [b"safe"], "what was acknowledged can be read"
    assert len(bench.failures) == 1


async def test_backpressure_says_when_there_is_room(backend: Backend, bench: Bench) -> None:
    """`room` is None while appends are welcome, else a future that ends when bytes have left the queue."""
    bench.config = Config(append_queue_size_bytes=1 << 20)
    bench.spec("t")
    async with backend.open(bench) as store:
        assert store.room() is None
        calls = [store.append([append(T0, b"x" * 100_000)]) for _ in range(40)]
        room = store.room()
        assert room is not None
        results = [result for call in await asyncio.gather(*calls) for result in call]
        assert any(isinstance(result, LogMQError) for result in results), "twice the limit is too much"
        await room
        assert store.room() is None
