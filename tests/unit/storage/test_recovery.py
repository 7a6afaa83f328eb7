"""Opening a directory after every kind of end, and what the report says of it."""

from __future__ import annotations

import errno
from collections.abc import Iterator

import pytest
from tests.simulation.machine import LIMITS, Machine

from logmq.errors import Damaged, DiskFull
from logmq.model import TopicPartition
from logmq.storage.local.files import SyncFailed
from logmq.storage.local.journal import HEADER_SIZE
from logmq.storage.local.names import log_name

A, B = TopicPartition("a", 0), TopicPartition("b", 0)


@pytest.fixture(autouse=True)
def small_limits() -> Iterator[None]:
    with LIMITS.in_force():
        yield


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


@pytest.mark.parametrize("bit", [0, 63, 64, 127, 128, 191, 195, 224, 8 * HEADER_SIZE - 1])
def test_a_flipped_bit_in_a_journal_header_loses_nothing(bit: int) -> None:
    """The header is mended: what only the journal knows of is not cut off with it, and the report says so."""
    machine = Machine(A)
    machine.put(A, b"one", b"two")
    machine.disk.flip("journal.1", bit // 8, bit % 8)
    machine.restart()
    assert machine.session.report.mended_journals == ["journal.1"]
    assert machine.session.logs[A].committed.offset == 14


def test_segments_whose_commits_cannot_be_read_stay() -> None:
    """When the journal lost the commits that began a segment, its bytes are reported as damaged, not deleted."""
    machine = Machine(A, B)
    machine.put(A, b"a" * 3_000)
    machine.put(A, b"b" * 3_000)
    lost = machine.session.journal.used_size
    machine.put(A, b"c" * 3_900, b"d" * 3_900)
    machine.put(A, b"e" * 3_900, b"f" * 3_900)
    machine.put(B, b"x")
    log = machine.session.logs[A]
    sizes = [segment.file.size() for segment in log.segments]
    bases = [segment.base_offset for segment in log.segments]
    machine.disk.flip("journal.1", lost, 0)
    machine.disk.flip("journal.1", (lost + 96 + 7) // 8 * 8, 0)
    machine.recover(machine.disk.kill())
    log = machine.session.logs[A]
    assert machine.session.report.missing_commits == [3, 4]
    assert [segment.base_offset for segment in log.segments] == bases
    assert [segment.file.size() for segment in log.segments] == sizes
    for base in bases[1:]:
        with pytest.raises(Damaged):
            log.read(base, 100, may_wait=True)


def test_without_a_checkpoint_only_what_indexes_vouch_for_is_believed() -> None:
    """A closed segment that no checkpoint reached may be torn: with the checkpoint rotten it is written again from the
    journal, though a segment follows."""
    machine = Machine(A)
    machine.put(A, b"a" * 3_000)
    machine.session.checkpoint()
    machine.put(A, b"b" * 3_900)
    machine.put(A, b"c" * 3_900)
    left = machine.disk.kill()
    file = left.open("a.log")
    file.write_at(5_000, [bytes(1_000)])
    left.flip("checkpoint", 40, 0)
    machine.start(left)
    assert machine.session.report.checkpoint_damaged
