"""A failed sync ends the store, whoever meets it."""

from __future__ import annotations

import asyncio
import errno

import pytest
from tests.contract.stores import Bench, SimulatedBackend, append

from logmq.errors import Unavailable
from logmq.model import TopicPartition
from logmq.storage.engine import Appended
from logmq.storage.local.files import SyncFailed

A = TopicPartition("a", 0)


@pytest.mark.parametrize("name", ["a.log", "a.index", "checkpoint.new", "journal.2"])
async def test_a_sync_that_fails_in_the_background_ends_the_store(name: str) -> None:
    """That of a log or an index at a checkpoint, of the checkpoint, and of a new journal file made ready."""
    bench = Bench()
    bench.spec("a")
    backend = SimulatedBackend(seed=1)
    async with backend.open(bench) as store:
        assert isinstance((await store.append([append(A, b"before")]))[0], Appended)
        backend.disk.fail("sync", 1, errno.EIO, only=name)
        bench.clock.ms += 10 * bench.config.checkpoint_interval_ms
        await store.maintain()
        for _ in range(1_000):
            if bench.failures:
                break
            await asyncio.sleep(0.001)
        assert [type(error) for error in bench.failures] == [SyncFailed]
        assert isinstance((await store.append([append(A, b"after")]))[0], Unavailable)
