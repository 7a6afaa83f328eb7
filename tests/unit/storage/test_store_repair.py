"""Indexes that are damaged while the store runs."""

from __future__ import annotations

import pytest
from tests.contract.stores import Bench, SimulatedBackend, append

from logmq.model import TopicPartition
from logmq.records import frames

A = TopicPartition("a", 0)


@pytest.mark.parametrize("name", ["a.index", "a+00000000000000001004.index"])
async def test_a_read_that_comes_upon_a_damaged_index_has_it_rebuilt(name: str) -> None:
    """Also when it is the index of the segment behind the one in which the read began: the offset lies inside the last
    record of that one."""
    bench = Bench()
    bench.spec("a", segment_bytes=1_000)
    backend = SimulatedBackend(seed=1)
    async with backend.open(bench) as store:
        for payload in (b"a" * 1_000, b"b" * 1_000, b"c" * 1_000):
            await store.append([append(A, payload)])
    async with backend.open(bench) as store:
        backend.disk.flip(name, 40, 0)
        chunk = await store.read(A, 1, 1)
        assert chunk.first_offset == 1_004
        assert chunk.data[: 4 + 1_000] == frames.encode([b"b" * 1_000])[0]
        assert (await store.read(A, 0, 1)).data[4:1_004] == b"a" * 1_000
