"""Opening a directory after every kind of end, and what the report says of it."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from random import Random

import pytest
from tests.simulation.audit import audit
from tests.simulation.disk import SimulatedDisk
from tests.simulation.ledger import Ledger
from tests.simulation.session import Session, SyncMode
from tests.simulation.small_limits import SmallLimits
from tests.simulation.workload import make_append, make_spec

from logmq.errors import DiskFull
from logmq.model import TopicPartition
from logmq.storage.local.commit import Call
from logmq.storage.local.files import SyncFailed
from logmq.storage.local.names import log_name

A, B = TopicPartition("a", 0), TopicPartition("b", 0)
LIMITS = SmallLimits(
    segment_size=10_000,
    index_interval=1_000,
    span_size_min=4_000,
    inline_size_max=20_000,
    journal_file_size=30_000,
    open_files_max=100,
)


@pytest.fixture(autouse=True)
def small_limits() -> Iterator[None]:
    with LIMITS.in_force():
        yield


class Machine:
    """One data directory, the ledger of what was sent to it, and the process of the moment."""

    def __init__(self, *partitions: TopicPartition, mode: SyncMode = "always") -> None:
        self.specs = [make_spec(partition, number, 10_000) for number, partition in enumerate(partitions, 1)]
        self.ledger = Ledger()
        self.mode: SyncMode = mode
        self.start(SimulatedDisk(Random(1), trace=[]))

    def start(self, disk: SimulatedDisk) -> None:
        """Recover, and hold what is found against the ledger."""
        self.disk = disk
        self.session = Session(disk, self.specs, self.ledger, Random(2), self.mode)
        self.ledger.reopened(self.session.logs, nothing_lost=False)
        audit(disk, self.session.logs, self.ledger, Random(3))

    def restart(self) -> None:
        """Kill the process and start the next one."""
        self.start(self.disk.kill())

    def put(self, partition: TopicPartition, *payloads: bytes) -> Call:
        call = Call([make_append(partition, payloads)])
        self.session.commit([call])
        return call


def test_a_file_begun_at_the_same_commit_hides_no_commits() -> None:
    """The process may end when the next journal file has its header and no record. The next process then begins another
    file at the same commit, and what it stores is found again."""
    machine = Machine(A)
    machine.session.add_journal_file(30_000)
    machine.put(A, b"one")
    assert machine.session.journal.roll()
    machine.restart()
    machine.put(A, b"two")
    machine.session.sync()
    machine.restart()
    assert machine.session.logs[A].committed.offset == 14


def test_what_an_undone_commit_left_hides_no_commits() -> None:
    """The same for a file whose first record was undone."""
    machine = Machine(A)
    machine.session.add_journal_file(30_000)
    machine.put(A, b"one")
    assert machine.session.journal.roll()
    machine.session.mode = "interval"
    machine.put(A, b"x" * 5_000)
    machine.disk.open("a.log").truncate(7)
    machine.restart()
    assert machine.session.report.undone_commits == 1
    machine.put(A, b"two")
    machine.restart()
    assert machine.session.logs[A].committed.offset == 14


@pytest.mark.parametrize("checkpointed", [False, True])
def test_segments_may_be_deleted_as_soon_as_a_trim_is_synced(checkpointed: bool) -> None:
    """A log whose first segments were trimmed and deleted opens without them, and nothing is called damaged, whether or
    not there is a checkpoint of the time when they were there."""
    machine = Machine(A)
    if checkpointed:
        machine.put(A, b"a" * 500)
        machine.session.checkpoint()
    for number in range(8):
        machine.put(A, bytes([number]) * 3_000)
    log = machine.session.logs[A]
    last = log.segments[-1].base_offset
    machine.session.trim(A, last + 1)
    assert [segment.base_offset for segment in log.segments] == [last]
    machine.restart()
    report = machine.session.report
    assert (report.damaged, report.cut_bytes, report.repaired_indexes) == ([], {}, [])
    assert machine.session.logs[A].log_start_offset == last + 1
    assert [name for name in machine.disk.sizes() if name.endswith(".log")] == [log_name(A, last)]


def test_a_deleted_span_undoes_nothing() -> None:
    """Bytes that were trimmed and deleted are not taken for torn ones, even if nothing was synced before the trim."""
    machine = Machine(A, B, mode="interval")
    machine.put(A, b"a" * 5_000)
    machine.put(A, b"a" * 6_000)
    machine.put(B, b"b")
    machine.session.sync()
    machine.session.trim(A, 11_000)
    machine.start(machine.disk.crash())
    assert machine.session.report.undone_commits == 0
    assert machine.session.logs[B].committed.offset == 5


def test_a_log_trimmed_to_its_end_opens_again() -> None:
    """A checkpoint of a log in which nothing is kept, and a segment begun behind it, are no contradiction."""
    machine = Machine(A)
    machine.put(A, b"a" * 9_000)
    machine.session.trim(A, 9_004)
    machine.session.checkpoint()
    machine.put(A, b"b" * 3_000)
    machine.restart()
    assert machine.session.logs[A].committed.offset == 12_008


def test_no_commit_follows_a_journal_header_that_was_not_written() -> None:
    """When there is no room for the next journal file's header, commits fail until there is; those that succeed are
    found again."""
    for files in (1, 2):
        machine = Machine(A)
        for _ in range(1, files):
            machine.session.add_journal_file(30_000)
        for _ in range(9):
            machine.put(A, b"x" * 3_000)
        machine.disk.fail("write", 1, errno.ENOSPC, only="journal.*", partial=True)
        assert isinstance(machine.put(A, b"y" * 3_900).results[0], DiskFull)
        machine.put(A, b"z")
        machine.restart()


def test_a_failed_append_leaves_nothing_in_a_segment_that_was_closed_since() -> None:
    """The cut of a failed append need not survive a power cut. If the log has gone on in another segment by then, the
    bytes are cut off again."""
    machine = Machine(A)
    machine.put(A, b"a" * 3_000)
    machine.session.checkpoint()
    machine.disk.fail("write", 1, errno.ENOSPC, only="journal.*")
    assert isinstance(machine.put(A, b"b" * 500).results[0], DiskFull)
    machine.put(A, b"c" * 8_000)
    left = machine.disk.crash()
    file = left.open("a.log")
    file.write_at(3_004, [b"b" * 504])
    file.sync()
    machine.start(left)
    assert machine.session.report.cut_bytes == {"a.log": 504}


def test_a_record_that_failed_is_not_found_whole_by_chance() -> None:
    """A commit that found no room in the journal is gone, even where the part that is missing equals what was there."""
    machine = Machine(A)
    for size in range(100, 140):
        machine.disk.fail("write", 1, errno.ENOSPC, only="journal.*", partial=True)
        assert isinstance(machine.put(A, bytes(size)).results[0], DiskFull)
        machine.restart()


def test_nothing_is_acknowledged_once_a_checkpoint_could_not_sync() -> None:
    """A failed sync of a log takes with it what a commit wrote to that log meanwhile, though its own sync succeeds."""
    machine = Machine(A, mode="interval")
    machine.put(A, b"a")
    machine.session.advance_checkpoint()
    machine.put(A, b"b" * 5_000)
    machine.disk.fail("sync", 1, errno.EIO, only="a.log")
    machine.session.advance_checkpoint()
    with pytest.raises(SyncFailed):
        machine.session.sync()
