"""Logs that cannot be created: the error says why and what to do, nothing is left of them, and the store goes on."""

from __future__ import annotations

import errno

import pytest
from tests.contract.stores import Bench, SimulatedBackend, append

from logmq.errors import DiskFull, RetriableError, Throttled
from logmq.model import TopicPartition
from logmq.storage.engine import Appended


@pytest.mark.parametrize(
    ("error", "refusal", "words"),
    [
        (errno.ENOSPC, DiskFull, "the disk is full, nothing was stored"),
        (errno.EMFILE, Throttled, r"no file descriptor is left, nothing was stored: .*ulimit -n"),
        (errno.ENFILE, Throttled, r"no file descriptor is left, nothing was stored: .*ulimit -n"),
        (errno.EACCES, RetriableError, "the topic's files cannot be created: Permission denied"),
    ],
)
async def test_a_log_that_cannot_be_created(error: int, refusal: type[RetriableError], words: str) -> None:
    """Of two logs the first one's files are there already when the second one's cannot be made: neither stays."""
    bench = Bench()
    specs = [bench.spec("a"), bench.spec("b")]
    bench.specs.clear()
    backend = SimulatedBackend(seed=1)
    async with backend.open(bench) as store:
        # Without descriptors it is tried again once the store has let go of files.
        tries = 2 if refusal is Throttled else 1
        backend.disk.fail("create", 1, error, count=tries, only="b.*")
        with pytest.raises(RetriableError, match=words) as raised:
            await store.create(specs)
        assert type(raised.value) is refusal
        assert not [name for name in backend.disk.sizes() if name.startswith(("a.", "b."))]
        assert not bench.failures
        await store.create(specs)
        assert isinstance((await store.append([append(TopicPartition("b", 0), b"x")]))[0], Appended)


async def test_a_file_in_the_way() -> None:
    """A log is never created over a file that holds something: the error names the file."""
    bench = Bench()
    spec = bench.spec("a")
    bench.specs.clear()
    backend = SimulatedBackend(seed=1)
    async with backend.open(bench) as store:
        backend.disk.create("a.log").write_at(0, [b"somebody's"])
        with pytest.raises(RetriableError, match=r"a\.log is in the way: move it out") as raised:
            await store.create([spec])
        assert type(raised.value) is RetriableError
        assert backend.disk.open("a.log").read_at(0, 10) == b"somebody's"
