"""Reading the journal back: which commits can be believed."""

from __future__ import annotations

import errno
from random import Random

import pytest
from tests.simulation.disk import SimulatedDisk

from logmq.storage.local.chain import Chain, disown, open_journal_files, read_chain
from logmq.storage.local.files import SyncFailed
from logmq.storage.local.journal import (
    HEADER_SIZE,
    FileHeader,
    Journal,
    create_journal_file,
    decode_header,
    encode_header,
    encode_record,
)

SIZE = 8_192


class Writer:
    """Journal files on a simulated disk, written record by record."""

    def __init__(self, count: int = 1) -> None:
        self.disk = SimulatedDisk(Random(1))
        self.journal = Journal([create_journal_file(self.disk, number, SIZE) for number in range(1, count + 1)], 0)
        self.journal.begin()
        self.places: dict[int, tuple[str, int]] = {}

    def commit(self, count: int = 1, *, sync: bool = True) -> None:
        """Append that many records of one size."""
        for _ in range(count):
            self.places[self.journal.commit + 1] = (self.journal._active.file.name, self.journal.used_size)
            self.journal.append(1, [], [b"x" * 50])
            if sync:
                self.journal.sync()

    def spoil(self, *commits: int) -> None:
        """Flip a bit in the heads of these commits' records."""
        for commit in commits:
            name, position = self.places[commit]
            self.disk.flip(name, position + 20, 0)

    def read(self, after_commit: int | None = 0) -> Chain:
        return read_chain(open_journal_files(self.disk), after_commit)


def numbers(chain: Chain) -> list[int]:
    return [one.record.commit for one in chain.records]


def test_an_empty_journal_has_no_chain() -> None:
    """No files, files of zeros, and a header alone."""
    disk = SimulatedDisk(Random(1))
    assert read_chain([], 5) == Chain(5, synced=5)
    create_journal_file(disk, 1, SIZE)
    assert read_chain(open_journal_files(disk), 5) == Chain(5, synced=5)
    assert numbers(Writer().read()) == []


def test_all_commits_behind_the_checkpoint_in_order() -> None:
    """And none at or before it."""
    writer = Writer()
    writer.commit(5)
    assert numbers(writer.read(0)) == [1, 2, 3, 4, 5]
    assert numbers(writer.read(3)) == [4, 5]
    assert numbers(writer.read(5)) == []
    assert writer.read(3).synced == 4


def test_the_bytes_of_a_record_can_be_found() -> None:
    """Each record comes with the bytes of its file."""
    writer = Writer()
    writer.commit(2)
    for one in writer.read().records:
        assert one.data[one.record.data_position :][:50] == b"x" * 50


def test_the_chain_runs_through_several_files() -> None:
    """In the order in which they were begun, whatever their numbers."""
    writer = Writer(count=3)
    for _ in range(3):
        writer.commit(2)
        writer.journal.release(writer.journal.commit - 3)
        writer.journal.roll()
    writer.journal.release(2)
    writer.commit(2)
    assert writer.places[7][0] == "journal.1"
    assert numbers(writer.read(2)) == [3, 4, 5, 6, 7, 8]


def test_without_a_checkpoint_it_begins_with_the_oldest_commit() -> None:
    """Where the checkpoint is damaged, nobody knows which commit was the last one before it."""
    writer = Writer(count=2)
    writer.commit(2)
    writer.journal.roll()
    writer.commit(2)
    writer.journal.release(2)
    writer.journal.roll()
    writer.commit(1)
    chain = writer.read(None)
    assert (chain.after_commit, numbers(chain), chain.missing) == (2, [3, 4, 5], [])


def test_a_torn_record_ends_the_chain() -> None:
    """Nothing behind it was synced, so it need not have been acknowledged."""
    writer = Writer()
    writer.commit(2)
    writer.commit(2, sync=False)
    writer.spoil(4)
    chain = writer.read()
    assert (numbers(chain), chain.missing) == ([1, 2, 3], [])


def test_whole_records_behind_a_torn_one_do_not_count() -> None:
    """Under an interval several commits are written before one sync; pages survive in any order."""
    writer = Writer()
    writer.commit(2)
    writer.commit(3, sync=False)
    writer.spoil(3)
    chain = writer.read()
    assert (numbers(chain), chain.missing, chain.synced) == ([1, 2], [], 2)


def test_a_record_that_was_synced_is_missing_if_it_cannot_be_read() -> None:
    """That is rot, not a cut: the chain goes on behind it and says which commits it lost."""
    writer = Writer()
    writer.commit(6)
    writer.spoil(2, 3, 5)
    chain = writer.read()
    assert (numbers(chain), chain.missing) == ([1, 4, 6], [2, 3, 5])


def test_missing_right_behind_the_checkpoint() -> None:
    """The gap may come first."""
    writer = Writer()
    writer.commit(4)
    writer.spoil(3)
    chain = writer.read(2)
    assert (numbers(chain), chain.missing) == ([4], [3])


def test_a_flipped_bit_in_a_header_is_mended_and_told() -> None:
    """The records of the file count as before."""
    writer = Writer(count=2)
    writer.commit(2)
    writer.journal.roll()
    writer.commit(2)
    writer.disk.flip("journal.1", 10, 3)
    chain = writer.read()
    assert (numbers(chain), chain.mended) == ([1, 2, 3, 4], ["journal.1"])


def test_records_of_an_earlier_use_do_not_count() -> None:
    """The file was begun anew at a checkpoint; what stands behind its last record has another salt."""
    writer = Writer()
    writer.commit(5)
    writer.journal.restart()
    writer.commit(1)
    assert numbers(writer.read(5)) == [6]
    assert writer.read(5).missing == []


def test_undone_commits_do_not_come_back() -> None:
    """What an earlier recovery undid ends where the file begins that it went on in."""
    writer = Writer(count=2)
    writer.commit(5, sync=False)
    second = writer.disk.open("journal.2")
    header = FileHeader(77, 4)
    second.write_at(0, [encode_header(header), encode_record(77, 4, 3, 9, [], 0)])
    chain = writer.read()
    assert numbers(chain) == [1, 2, 3, 4]
    assert chain.records[-1].record.timestamp_ms == 9


def test_files_begun_behind_the_end_are_disowned() -> None:
    """Their headers are wiped for good; all others stay."""
    writer = Writer(count=2)
    writer.commit(2)
    writer.journal.roll()
    files = open_journal_files(writer.disk)
    disown(files, 2)
    disk = writer.disk.crash()
    assert disk.content("journal.2")[:HEADER_SIZE] == bytes(HEADER_SIZE)
    assert decode_header(disk.content("journal.1")) is not None


def test_what_is_read_is_durable_and_comes_from_the_disk() -> None:
    """After a failed sync the cache shows records that the disk does not have: they are not believed."""
    writer = Writer()
    writer.commit(1)
    writer.journal.append(1, [], [b"y"])
    writer.disk.fail("sync", 1, errno.EIO)
    with pytest.raises(SyncFailed):
        writer.journal.sync()
    writer.disk = writer.disk.kill()
    assert numbers(writer.read()) == [1]


def test_reading_makes_unsynced_records_durable() -> None:
    """After a kill they are in the cache only; whoever goes on from them must not lose them again."""
    writer = Writer()
    writer.commit(3, sync=False)
    writer.disk = writer.disk.kill()
    assert numbers(writer.read()) == [1, 2, 3]
    writer.disk = writer.disk.crash()
    assert numbers(writer.read()) == [1, 2, 3]
