"""Checkpoints in three steps, between which commits go on."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from random import Random

import pytest
from tests.simulation.disk import SimulatedDisk
from tests.simulation.machine import LIMITS, Machine
from tests.simulation.stepping_clock import SteppingClock
from tests.simulation.workload import make_append, make_spec

from logmq.model import TopicPartition
from logmq.storage.calls import Call
from logmq.storage.local import checkpoint
from logmq.storage.local.commit import Commits
from logmq.storage.local.files import SyncFailed
from logmq.storage.local.recovery import recover

A, B = TopicPartition("a", 0), TopicPartition("b", 0)


@pytest.fixture(autouse=True)
def small_limits() -> Iterator[None]:
    with LIMITS.in_force():
        yield


@pytest.fixture
def machine() -> Machine:
    return Machine(A, B)


def state_of(machine: Machine, log_id: int) -> tuple[int, int]:
    """Commit and end offset in the checkpoint file."""
    found = checkpoint.read(machine.disk)
    assert found is not None
    return found.commit, found.logs[log_id].end_offset


def test_nothing_is_due_without_commits(machine: Machine) -> None:
    """And something is after each."""
    checkpointer = machine.session.checkpointer
    assert not checkpointer.due
    machine.put(A, b"x")
    assert checkpointer.due
    machine.session.checkpoint()
    assert not checkpointer.due


def test_a_checkpoint_has_what_was_there_when_it_began(machine: Machine) -> None:
    """Commits between its steps belong to the next one."""
    checkpointer = machine.session.checkpointer
    machine.put(A, b"one")
    plan = checkpointer.begin()
    machine.put(A, b"two")
    checkpointer.write(plan)
    machine.put(A, b"three")
    checkpointer.finish(plan)
    assert state_of(machine, 1) == (1, 7)
    assert checkpointer.due
    machine.restart()
    assert machine.session.logs[A].committed.offset == 7 + 7 + 9


def test_after_a_checkpoint_nothing_is_replayed(machine: Machine) -> None:
    """The logs' own files and indexes have it all."""
    machine.put(A, b"a" * 3_000, b"b" * 2_000)
    machine.put(B, b"c")
    machine.session.checkpoint()
    machine.start(machine.disk.crash())
    assert machine.session.report.clean


def test_only_logs_that_changed_are_synced(machine: Machine) -> None:
    """A thousand idle partitions cost a checkpoint nothing."""
    machine.put(A, b"x")
    before = machine.disk.syncs.copy()
    machine.session.checkpoint()
    assert set(machine.disk.syncs - before) == {"a.log", "a.index", "checkpoint.new"}


def test_an_error_leaves_all_for_the_next_checkpoint(machine: Machine) -> None:
    """The old one stands, and the segments are dirty again."""
    machine.put(A, b"one")
    machine.disk.fail("write", 1, errno.ENOSPC, only="checkpoint.new")
    with pytest.raises(OSError):
        machine.session.checkpoint()
    assert state_of(machine, 1) == (0, 0)
    assert machine.session.checkpointer.due
    machine.session.checkpoint()
    assert state_of(machine, 1) == (1, 7)
    machine.start(machine.disk.crash())
    assert machine.session.report.clean


def test_journal_files_are_free_when_the_checkpoint_is_durable(machine: Machine) -> None:
    """Not when it begins, nor when it fails."""
    session = machine.session
    session.add_journal_file(30_000)
    machine.put(A, b"x")
    assert session.journal.roll()
    plan = session.checkpointer.begin()
    session.checkpointer.write(plan)
    assert not session.journal.free
    session.checkpointer.finish(plan)
    assert [file.number for file in session.journal.free] == [1]


def test_a_commit_that_cannot_wait_finishes_the_checkpoint(machine: Machine) -> None:
    """`settle` does what `finish` would have done; `finish` then does nothing."""
    machine.put(A, b"x")
    plan = machine.session.checkpointer.begin()
    machine.session.checkpointer.write(plan)
    machine.session.checkpointer.settle()
    assert not machine.session.checkpointer.due
    machine.session.checkpointer.finish(plan)
    machine.session.checkpointer.run()


def test_a_failed_sync_is_raised_by_whoever_finishes(machine: Machine) -> None:
    """It must stop the store, whichever thread met it."""
    machine.put(A, b"x")
    machine.disk.fail("sync", 1, errno.EIO, only="a.log")
    plan = machine.session.checkpointer.begin()
    machine.session.checkpointer.write(plan)
    with pytest.raises(SyncFailed):
        machine.session.checkpointer.check()
    with pytest.raises(SyncFailed):
        machine.session.checkpointer.finish(plan)


def test_files_are_synced_side_by_side_with_an_executor() -> None:
    """The same results as one after the other."""
    disk = SimulatedDisk(Random(1))
    specs = [make_spec(TopicPartition("t", index), index + 1, 10_000) for index in range(20)]
    with ThreadPoolExecutor(4) as executor:
        found = recover(disk, specs, SteppingClock(Random(2)), executor)
        commits = Commits(found.logs, found.journal, found.checkpointer, SteppingClock(Random(2)), executor)
        commits.write([Call([make_append(spec.partition, [bytes(100 * spec.log_id)]) for spec in specs])])
        commits.sync()
        found.checkpointer.run()
    again = recover(disk.crash(), specs, SteppingClock(Random(2)))
    assert again.report.clean
    assert [log.committed.offset for log in again.logs.values()] == [4 + 100 * number for number in range(1, 21)]
