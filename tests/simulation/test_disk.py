"""What the simulated disk loses at a power cut, what it keeps, and how it fails when told to."""

from __future__ import annotations

import errno
from collections.abc import Callable
from random import Random

import pytest
from tests.simulation.disk import Killed, PowerCut, SimulatedDisk, SimulatedFile
from tests.simulation.faults import OperationName
from tests.simulation.inode import PAGE_SIZE, SECTOR_SIZE

from logmq.storage.local.files import File, SyncFailed

SEEDS = range(200)
PAGE_A, PAGE_B = b"a" * PAGE_SIZE, b"b" * PAGE_SIZE


def new_disk(seed: int = 1) -> SimulatedDisk:
    return SimulatedDisk(Random(seed), trace=[])


def synced(disk: SimulatedDisk, name: str, content: bytes) -> SimulatedFile:
    """A file that is durable with its name."""
    file = disk.create(name)
    file.write_at(0, [content])
    file.sync()
    disk.sync_names()
    return file


def outcomes(scenario: Callable[[SimulatedDisk], object], name: str = "f") -> list[bytes | None]:
    """What is left of a file, None for nothing, when the power is cut after `scenario`, for each seed."""
    found = []
    for seed in SEEDS:
        disk = new_disk(seed)
        scenario(disk)
        disk = disk.crash()
        found.append(disk.content(name) if name in disk.sizes() else None)
    return found


# -- content -----------------------------------------------------------------------------------------------------


def test_what_is_synced_with_its_name_survives_every_cut() -> None:
    """Content that was synced under a name that was synced is there after a cut, whatever the seed."""
    content = Random(0).randbytes(3 * PAGE_SIZE + 100)
    assert set(outcomes(lambda disk: synced(disk, "f", content))) == {content}


def test_an_unsynced_overwrite_is_lost_for_some_seeds_and_kept_for_others() -> None:
    """A page written since the last sync is old or new after a cut, and both happen."""

    def overwrite(disk: SimulatedDisk) -> None:
        synced(disk, "f", PAGE_A).write_at(0, [PAGE_B])

    found = outcomes(overwrite)
    assert {PAGE_A, PAGE_B} <= set(found)


def test_pages_are_lost_independently_of_the_order_of_their_writes() -> None:
    """A later page may survive where an earlier one did not, and the other way round."""

    def overwrite(disk: SimulatedDisk) -> None:
        file = synced(disk, "f", PAGE_A * 2)
        file.write_at(0, [PAGE_B])
        file.write_at(PAGE_SIZE, [PAGE_B])

    assert {PAGE_A * 2, PAGE_A + PAGE_B, PAGE_B + PAGE_A, PAGE_B * 2} <= set(outcomes(overwrite))


def test_files_are_lost_independently_of_each_other() -> None:
    """One file may keep all that was written before a cut while another one loses it all."""
    pairs = set()
    for seed in SEEDS:
        disk = new_disk(seed)
        files = [synced(disk, name, PAGE_A * 8) for name in "fg"]
        for file in files:
            file.write_at(0, [PAGE_B * 8])
        disk = disk.crash()
        pairs.add((disk.content("f"), disk.content("g")))
    assert {(PAGE_A * 8, PAGE_B * 8), (PAGE_B * 8, PAGE_A * 8)} <= pairs


def test_a_page_may_be_torn_between_sectors_but_never_within_one() -> None:
    """For some seeds a page is partly old and partly new; each of its sectors is one or the other."""

    def overwrite(disk: SimulatedDisk) -> None:
        synced(disk, "f", PAGE_A * 4).write_at(0, [PAGE_B * 4])

    torn = 0
    for content in outcomes(overwrite):
        assert content is not None
        for start in range(0, len(content), SECTOR_SIZE):
            assert content[start : start + SECTOR_SIZE] in {b"a" * SECTOR_SIZE, b"b" * SECTOR_SIZE}
        pages = {content[start : start + PAGE_SIZE] for start in range(0, len(content), PAGE_SIZE)}
        torn += bool(pages - {PAGE_A, PAGE_B})
    assert 0 < torn < len(SEEDS) / 2


def test_a_page_written_twice_may_be_left_in_the_state_in_between() -> None:
    """The kernel may write a page back at any time, so a cut can leave what only the first of two writes made."""

    def write_twice(disk: SimulatedDisk) -> None:
        file = synced(disk, "f", PAGE_A)
        file.write_at(0, [PAGE_B])
        file.write_at(0, [b"c" * PAGE_SIZE])

    assert PAGE_B in outcomes(write_twice)


def test_an_unsynced_tail_is_gone_or_full_of_zeros_or_there() -> None:
    """An append that was not synced leaves the old size, or a zero-filled tail, or its bytes; never other bytes."""

    def append(disk: SimulatedDisk) -> None:
        synced(disk, "f", PAGE_A).write_at(PAGE_SIZE, [PAGE_B])

    found = outcomes(append)
    assert {PAGE_A, PAGE_A + bytes(PAGE_SIZE), PAGE_A + PAGE_B} <= set(found)
    for content in found:
        assert content is not None
        assert content.startswith(PAGE_A)
        assert set(content[PAGE_SIZE:]) <= set(b"b\0")


def test_a_growing_file_may_be_cut_at_any_size_between() -> None:
    """Of one unsynced append a part may be left, down to a size at which no write ended."""
    found = outcomes(lambda disk: synced(disk, "f", PAGE_A).write_at(PAGE_SIZE, [PAGE_B * 3]))
    sizes = {len(content) for content in found if content is not None}
    assert {PAGE_SIZE, 4 * PAGE_SIZE} < sizes


def test_an_unsynced_truncation_survives_or_not() -> None:
    """A file cut short without a sync has its old or its new size after a power cut."""
    found = outcomes(lambda disk: synced(disk, "f", PAGE_A * 2).truncate(PAGE_SIZE))
    assert set(found) == {PAGE_A, PAGE_A * 2}


def test_a_truncation_that_is_lost_may_have_zeroed_the_rest_of_its_page() -> None:
    """The kernel zeroes the rest of the last page by a write of its own, which may survive where the size did not."""
    found = outcomes(lambda disk: synced(disk, "f", PAGE_A).truncate(100))
    assert {PAGE_A, PAGE_A[:100], PAGE_A[:100].ljust(PAGE_SIZE, b"\0")} <= set(found)


@pytest.mark.parametrize("size", [100, PAGE_SIZE])
def test_what_a_truncation_cut_off_does_not_come_back_when_the_file_grows_again(size: int) -> None:
    """Grown after a cut, a file shows zeros there, before and after a sync and a power cut."""
    for seed in SEEDS:
        disk = new_disk(seed)
        file = synced(disk, "f", PAGE_A * 3)
        file.truncate(size)
        file.truncate(3 * PAGE_SIZE)
        expected = b"a" * size + bytes(3 * PAGE_SIZE - size)
        assert disk.content("f") == expected
        file.sync()
        assert disk.crash().content("f") == expected


def test_a_lost_write_behind_a_truncation_that_survived_leaves_zeros() -> None:
    """A file cut and appended to without a sync never mixes what was cut off into its new size."""

    def cut_and_append(disk: SimulatedDisk) -> None:
        file = synced(disk, "f", PAGE_A * 3)
        file.truncate(PAGE_SIZE)
        file.write_at(PAGE_SIZE, [PAGE_B])

    found = outcomes(cut_and_append)
    assert {PAGE_A, PAGE_A + bytes(PAGE_SIZE), PAGE_A + PAGE_B, PAGE_A * 3} <= set(found)
    for content in found:
        assert content is not None
        if len(content) < 3 * PAGE_SIZE:
            assert content.startswith(PAGE_A)
            assert b"a" not in content[PAGE_SIZE:]


def test_zeros_written_where_there_are_zeros_store_nothing() -> None:
    """Preallocating 8 MiB keeps no page in memory, and its size is durable like any other."""
    disk = new_disk()
    file = disk.create("journal")
    file.write_at(0, [bytes(1 << 20)] * 8)
    assert not file._inode.cache
    file.write_at(PAGE_SIZE, [b"record"])
    file.sync()
    disk.sync_names()
    assert len(file._inode.disk) == 1
    content = disk.crash().content("journal")
    assert len(content) == 8 << 20
    assert content.strip(b"\0") == b"record"


def test_zeros_written_over_data_are_writes_like_any_other() -> None:
    """A page zeroed without a sync may come back."""
    found = outcomes(lambda disk: synced(disk, "f", PAGE_A * 2).write_at(0, [bytes(2 * PAGE_SIZE)]))
    assert {PAGE_A * 2, bytes(2 * PAGE_SIZE), PAGE_A + bytes(PAGE_SIZE)} <= set(found)


# -- names -------------------------------------------------------------------------------------------------------


def test_a_synced_file_whose_name_was_not_synced_may_be_gone() -> None:
    """Syncing a file says nothing of its name."""

    def forget_the_directory(disk: SimulatedDisk) -> None:
        file = disk.create("f")
        file.write_at(0, [PAGE_A])
        file.sync()

    assert set(outcomes(forget_the_directory)) == {None, PAGE_A}


def test_a_synced_name_says_nothing_of_the_content() -> None:
    """Syncing names leaves content that was not synced to chance: the file may be empty."""

    def forget_the_file(disk: SimulatedDisk) -> None:
        disk.create("f").write_at(0, [PAGE_A])
        disk.sync_names()

    assert {b"", bytes(PAGE_SIZE), PAGE_A} <= set(outcomes(forget_the_file))


def test_a_rename_is_atomic() -> None:
    """A file replaced by rename is the old one or the new one after a cut, never missing or mixed."""

    def replace(disk: SimulatedDisk) -> None:
        synced(disk, "f", PAGE_A)
        file = disk.create("f.new")
        file.write_at(0, [PAGE_B])
        file.sync()
        disk.rename("f.new", "f")

    assert set(outcomes(replace)) == {PAGE_A, PAGE_B}
    assert set(outcomes(replace, "f.new")) == {None, PAGE_B}


def test_renaming_a_file_that_was_not_synced_may_leave_an_empty_one() -> None:
    """Replace by rename without a sync of the new content may lose the old and the new one."""

    def replace(disk: SimulatedDisk) -> None:
        synced(disk, "f", PAGE_A)
        disk.create("f.new").write_at(0, [PAGE_B])
        disk.rename("f.new", "f")
        disk.sync_names()

    found = outcomes(replace)
    assert b"" in found
    assert PAGE_A not in found


def test_an_unlinked_name_may_come_back() -> None:
    """A removal is durable only after `sync_names`."""

    def unlink(disk: SimulatedDisk) -> None:
        synced(disk, "f", PAGE_A)
        disk.unlink("f")

    def unlink_and_sync(disk: SimulatedDisk) -> None:
        unlink(disk)
        disk.sync_names()

    assert set(outcomes(unlink)) == {None, PAGE_A}
    assert set(outcomes(unlink_and_sync)) == {None}


def test_a_name_goes_through_its_states_in_order() -> None:
    """A name created after a rename took the old file away is new only where that rename survived."""
    for seed in SEEDS:
        disk = new_disk(seed)
        synced(disk, "f", PAGE_A)
        disk.rename("f", "g")
        disk.create("f")
        disk = disk.crash()
        assert {name: disk.content(name) for name in disk.sizes()} in (
            {"f": PAGE_A},
            {"g": PAGE_A},
            {"f": b"", "g": PAGE_A},
        )


def test_operations_on_different_names_survive_in_any_mixture() -> None:
    """Of two files created one after the other, either may be there without the other."""
    left = set()
    for seed in SEEDS:
        disk = new_disk(seed)
        disk.create("f")
        disk.create("g")
        left.add(tuple(disk.crash().sizes()))
    assert left == {(), ("f",), ("g",), ("f", "g")}


# -- failures ----------------------------------------------------------------------------------------------------


def call(disk: SimulatedDisk, file: File, operation: OperationName) -> object:
    """Do one operation on the file `f`."""
    actions: dict[OperationName, Callable[[], object]] = {
        "open": lambda: disk.open("f"),
        "create": lambda: disk.create("g"),
        "read": lambda: file.read_at(0, 10),
        "write": lambda: file.write_at(0, [PAGE_B]),
        "truncate": lambda: file.truncate(10),
        "sync": file.sync,
        "rename": lambda: disk.rename("f", "g"),
        "unlink": lambda: disk.unlink("f"),
        "sync_names": disk.sync_names,
    }
    return actions[operation]()


@pytest.mark.parametrize("operation", ["open", "create", "read", "write", "truncate", "rename", "unlink"])
def test_an_ordered_failure_strikes_once_and_changes_nothing(operation: OperationName) -> None:
    """The call raises OSError with the errno ordered, nothing has happened, and the same call works afterwards."""
    disk = new_disk()
    file = synced(disk, "f", PAGE_A)
    disk.fail(operation, 1, errno.EIO)
    before = (disk.sizes(), disk.content("f"))
    with pytest.raises(OSError) as raised:
        call(disk, file, operation)
    assert raised.value.errno == errno.EIO
    assert (disk.sizes(), disk.content("f")) == before
    call(disk, file, operation)


def test_the_nth_call_on_matching_names_fails_and_as_many_more_as_ordered() -> None:
    """Calls are counted from the order on, and only on files whose names match its pattern."""
    disk = new_disk()
    log, journal = disk.create("t.log"), disk.create("journal.1")
    disk.fail("write", 2, errno.EIO, count=2, only="*.log")
    failed = []
    for _ in range(5):
        journal.write_at(0, [b"x"])
        try:
            log.write_at(0, [b"x"])
            failed.append(False)
        except OSError:
            failed.append(True)
    assert failed == [False, True, True, False, False]


def test_a_failure_that_makes_no_sense_is_refused() -> None:
    """Only a write or a sync can fail in part, and calls are counted from 1."""
    disk = new_disk()
    with pytest.raises(ValueError, match="as a whole"):
        disk.fail("rename", 1, errno.EIO, partial=True)
    with pytest.raises(ValueError, match="from 1"):
        disk.fail("write", 0, errno.EIO)


def test_a_partial_write_leaves_a_part_of_its_bytes() -> None:
    """A write that fails in part has written a prefix, of any length but its own: who has written all does not fail."""
    lengths = set()
    for seed in SEEDS:
        disk = new_disk(seed)
        file = disk.create("f")
        disk.fail("write", 1, errno.ENOSPC, partial=True)
        with pytest.raises(OSError) as raised:
            file.write_at(0, [b"01234", b"56789"])
        assert raised.value.errno == errno.ENOSPC
        assert b"0123456789".startswith(disk.content("f"))
        lengths.add(file.size())
    assert lengths == set(range(10))


def test_a_failed_sync_loses_its_pages_though_they_stay_visible() -> None:
    """After a failed sync the next one succeeds and saves nothing, while reads still show the lost bytes."""
    disk = new_disk()
    file = synced(disk, "f", PAGE_A)
    file.write_at(0, [PAGE_B])
    disk.fail("sync", 1, errno.EIO)
    with pytest.raises(SyncFailed, match="fdatasync of f failed"):
        file.sync()
    file.sync()
    assert disk.content("f") == PAGE_B
    assert disk.crash().content("f") == PAGE_A


def test_forgetting_the_cache_shows_what_is_on_the_disk() -> None:
    """`forget_cached` drops clean pages, as those of a failed sync are, and keeps dirty ones."""
    disk = new_disk()
    file = synced(disk, "f", PAGE_A * 2)
    file.write_at(0, [PAGE_B])
    disk.fail("sync", 1, errno.EIO)
    with pytest.raises(SyncFailed):
        file.sync()
    file.write_at(PAGE_SIZE, [PAGE_B])
    assert disk.content("f") == PAGE_B * 2
    file.forget_cached()
    assert disk.content("f") == PAGE_A + PAGE_B


def test_a_page_written_again_after_a_failed_sync_is_dirty_again() -> None:
    """A failed sync makes pages clean, not read-only: what is written to them later is saved by a later sync."""
    disk = new_disk()
    file = synced(disk, "f", PAGE_A)
    file.write_at(0, [b"b"])
    disk.fail("sync", 1, errno.EIO)
    with pytest.raises(SyncFailed):
        file.sync()
    file.write_at(1, [b"c"])
    file.sync()
    assert disk.crash().content("f") == b"bc" + PAGE_A[2:]


def test_the_size_outlives_a_failed_sync_and_its_bytes_do_not() -> None:
    """Growth after a failed sync and one that seems to work leaves a tail full of zeros."""
    disk = new_disk()
    file = synced(disk, "f", PAGE_A)
    file.write_at(PAGE_SIZE, [PAGE_B])
    disk.fail("sync", 1, errno.EIO)
    with pytest.raises(SyncFailed):
        file.sync()
    file.sync()
    assert disk.crash().content("f") == PAGE_A + bytes(PAGE_SIZE)


def test_a_partly_failed_sync_saves_some_pages() -> None:
    """With `partial` each page of a failed sync reached the disk or not."""
    found = set()
    for seed in SEEDS:
        disk = new_disk(seed)
        file = synced(disk, "f", PAGE_A * 2)
        file.write_at(0, [PAGE_B * 2])
        disk.fail("sync", 1, errno.EIO, partial=True)
        with pytest.raises(SyncFailed):
            file.sync()
        found.add(disk.crash().content("f"))
    assert found == {PAGE_A * 2, PAGE_A + PAGE_B, PAGE_B + PAGE_A, PAGE_B * 2}


def test_a_failed_sync_of_names_loses_what_was_pending() -> None:
    """Names stay visible after a failed `sync_names`, the next one saves none of them; other names go on working."""
    disk = new_disk()
    disk.create("f")
    disk.fail("sync_names", 1, errno.EIO)
    with pytest.raises(SyncFailed, match="fsync of the directory failed"):
        disk.sync_names()
    disk.create("g")
    disk.rename("f", "h")
    disk.sync_names()
    assert set(disk.sizes()) == {"g", "h"}
    assert set(disk.crash().sizes()) == {"g"}


def test_a_full_disk_takes_what_fits_and_works_again_once_there_is_room() -> None:
    """A write beyond the capacity leaves a part and raises ENOSPC; overwriting needs no room; freeing gives it back."""
    disk = SimulatedDisk(Random(1), capacity=10)
    file, other = disk.create("f"), disk.create("g")
    other.write_at(0, [b"1234"])
    with pytest.raises(OSError) as raised:
        file.write_at(0, [b"abcdefgh"])
    assert raised.value.errno == errno.ENOSPC
    assert disk.content("f") == b"abcdef"
    file.write_at(0, [b"ABCDEF"])
    with pytest.raises(OSError):
        file.truncate(7)
    file.truncate(5)
    file.write_at(5, [b"F"])
    disk.unlink("g")
    file.write_at(6, [b"GHIJ"])
    assert disk.content("f") == b"ABCDEFGHIJ"
    disk.capacity = None
    file.write_at(10, [b"K"])


def test_a_write_beyond_the_end_of_a_full_disk_leaves_the_file_alone() -> None:
    """Where not even the start of a write fits, nothing is written."""
    disk = SimulatedDisk(Random(1), capacity=10)
    file = disk.create("f")
    with pytest.raises(OSError):
        file.write_at(10, [b"x"])
    assert disk.sizes() == {"f": 0}


# -- cuts --------------------------------------------------------------------------------------------------------


def test_after_a_cut_everything_raises_until_the_disk_is_started_again() -> None:
    """The nth change raises PowerCut, so does every later call, and the old files are dead after `crash` as well."""
    disk = new_disk()
    file = synced(disk, "f", PAGE_A)
    disk.cut_after(2)
    file.write_at(0, [PAGE_A])
    with pytest.raises(PowerCut):
        file.sync()
    with pytest.raises(PowerCut):
        file.read_at(0, 1)
    revived = disk.crash()
    for attempt in (file.size, lambda: file.read_at(0, 1), file.sync, disk.sizes, disk.sync_names, disk.kill):
        with pytest.raises(PowerCut):
            attempt()
    file.close()
    assert revived.open("f").read_at(0, 1) == b"a"


def test_reads_are_no_changes() -> None:
    """Only what changes the disk, or what of it is durable, counts for a cut."""
    disk = new_disk()
    file = synced(disk, "f", PAGE_A)
    assert disk.operations == 4  # create, write, sync, sync_names
    disk.cut_after(1)
    file.read_at(0, 1)
    file.read_cached_at(0, 1)
    disk.open("f")
    assert disk.operations == 4
    with pytest.raises(PowerCut):
        file.truncate(0)


@pytest.mark.parametrize("operation", ["create", "write", "truncate", "sync", "rename", "unlink", "sync_names"])
def test_a_cut_may_come_before_or_after_the_effect(operation: OperationName) -> None:
    """An operation interrupted by a cut may have happened or not."""
    seen: set[str] = set()
    for seed in SEEDS:
        disk = new_disk(seed)
        file = synced(disk, "f", PAGE_A)
        file.write_at(0, [PAGE_B])
        disk.create("pending")
        disk.cut_after(1)
        with pytest.raises(PowerCut):
            call(disk, file, operation)
        disk = disk.crash()
        seen.add(repr({name: disk.content(name) for name in disk.sizes()}))
    assert len(seen) > 1


def test_a_sync_interrupted_by_a_cut_may_have_been_carried_out() -> None:
    """A commit can be whole on the disk although its sync never returned."""
    kept = 0
    for seed in SEEDS:
        disk = new_disk(seed)
        file = synced(disk, "f", PAGE_A * 16)
        file.write_at(0, [PAGE_B * 16])
        disk.cut_after(1)
        with pytest.raises(PowerCut):
            file.sync()
        kept += disk.crash().content("f") == PAGE_B * 16
    assert len(SEEDS) / 2 < kept < len(SEEDS)


def test_a_write_interrupted_by_a_cut_may_be_there_in_part() -> None:
    """Of a write within a page any number of bytes may have come to be written."""
    found = set()
    for seed in SEEDS:
        disk = new_disk(seed)
        file = synced(disk, "f", b"....")
        disk.cut_after(1)
        with pytest.raises(PowerCut):
            file.write_at(0, [b"1234"])
        found.add(disk.crash().content("f"))
    assert found == {b"....", b"1...", b"12..", b"123.", b"1234"}


def test_one_cut_can_be_looked_at_many_times() -> None:
    """`crash` called again gives another outcome; none of them touches the others."""
    disk = new_disk()
    synced(disk, "f", PAGE_A).write_at(0, [PAGE_B])
    revived = [disk.crash() for _ in range(50)]
    assert {found.content("f") for found in revived} >= {PAGE_A, PAGE_B}
    before = revived[1].content("f")
    file = revived[0].open("f")
    file.write_at(0, [b"c" * PAGE_SIZE])
    file.sync()
    assert revived[1].content("f") == before


def test_a_killed_process_loses_nothing_and_syncs_nothing() -> None:
    """After `kill` the next process sees all that was written, and a power cut may still take it."""
    contents = set()
    for seed in SEEDS:
        disk = new_disk(seed)
        old = disk.create("f")
        old.write_at(0, [PAGE_B])
        disk = disk.kill()
        assert disk.content("f") == PAGE_B
        with pytest.raises(PowerCut):
            old.read_at(0, 1)
        disk = disk.crash()
        contents.add(disk.content("f") if disk.sizes() else None)
    assert {None, b"", PAGE_B} <= contents


def test_a_process_killed_within_a_call_leaves_what_it_had_done() -> None:
    """`kill_after` stops a process before, within or behind a write; the machine goes on with what there is."""
    found = set()
    for seed in SEEDS:
        disk = new_disk(seed)
        file = synced(disk, "f", b"....")
        disk.kill_after(1)
        with pytest.raises(Killed):
            file.write_at(0, [b"1234"])
        with pytest.raises(Killed):
            disk.sync_names()
        found.add(disk.kill().content("f"))
    assert found == {b"....", b"1...", b"12..", b"123.", b"1234"}


# -- other -------------------------------------------------------------------------------------------------------


def test_a_flipped_bit_changes_what_is_read_and_what_is_durable() -> None:
    """Rot shows at once and after a cut, in written pages as well as in zeros nobody wrote."""
    disk = new_disk()
    file = synced(disk, "f", b"\x00\x00")
    file.truncate(2 * PAGE_SIZE)
    file.sync()
    disk.flip("f", 1, 7)
    disk.flip("f", PAGE_SIZE, 0)
    expected = (b"\x00\x80".ljust(PAGE_SIZE, b"\0") + b"\x01").ljust(2 * PAGE_SIZE, b"\0")
    assert file.read_at(0, 2 * PAGE_SIZE) == expected
    assert disk.crash().content("f") == expected


def test_a_bit_can_flip_in_bytes_that_are_not_synced_yet() -> None:
    """Rot in a dirty page, or in unsynced zeros, is what a later sync saves."""
    disk = new_disk()
    file = synced(disk, "f", PAGE_A)
    file.write_at(0, [b"b"])
    file.truncate(2 * PAGE_SIZE)
    disk.flip("f", 0, 0)
    disk.flip("f", PAGE_SIZE, 0)
    file.sync()
    expected = b"c" + PAGE_A[1:] + b"\x01" + bytes(PAGE_SIZE - 1)
    assert disk.content("f") == expected
    assert disk.crash().content("f") == expected


def test_a_bit_flips_under_a_dirty_page_too() -> None:
    """Rot in a page with unsynced bytes also shows where those bytes are lost."""
    disk = new_disk()
    file = synced(disk, "f", PAGE_A)
    file.write_at(0, [PAGE_B])
    disk.flip("f", 0, 0)
    disk.fail("sync", 1, errno.EIO)
    with pytest.raises(SyncFailed):
        file.sync()
    assert disk.content("f") == b"c" + PAGE_B[1:]
    assert disk.crash().content("f") == b"`" + PAGE_A[1:]


def test_cached_reads_miss_now_and_then_and_alter_no_cut() -> None:
    """`read_cached_at` answers None at the disk's rate, and whether one reads makes no difference to a cut."""
    results = []
    for reads in (0, 100):
        disk = SimulatedDisk(Random(7), cache_miss_rate=0.5)
        file = synced(disk, "f", PAGE_A * 8)
        file.write_at(0, [PAGE_B * 8])
        found = {file.read_cached_at(0, 1) for _ in range(reads)}
        assert found == ({b"b", None} if reads else set())
        results.append(disk.crash().content("f"))
    assert results[0] == results[1]


def test_counters_and_trace_tell_what_was_done() -> None:
    """Syncs are counted by file name, calls by operation, and the story names each change, fault and cut."""
    disk = new_disk()
    file = synced(disk, "f", PAGE_A)
    file.sync()
    disk.rename("f", "g")
    disk.fail("write", 1, errno.EIO)
    with pytest.raises(OSError):
        file.write_at(8, [b"xy"])
    disk.crash()
    assert disk.syncs == {"f": 2}
    assert disk.calls["sync_names"] == 1
    assert [line.split(maxsplit=1)[1].rstrip() for line in disk.story().splitlines()][-5:] == [
        "sync f",
        "rename f g",
        "write f [8, 10)",
        "fails: write f Input/output error",
        "--- power cut",
    ]


# -- any sequence of calls ---------------------------------------------------------------------------------------


class History:
    """Random calls on a few files, beside plain byte strings: what is visible, and what was since the last sync."""

    def __init__(self, seed: int) -> None:
        self.rng = Random(seed)
        self.disk = SimulatedDisk(Random(seed + 1), trace=[])
        self.visible = dict.fromkeys("fgh", b"")
        self.states = {name: [b""] for name in self.visible}
        for name in self.visible:
            synced(self.disk, name, b"")

    def step(self, name: str) -> None:
        """One random write, truncation or sync."""
        rng, file, old = self.rng, self.disk.open(name), self.visible[name]
        action = rng.random()
        if action < 0.65:
            position = rng.choice((rng.randint(0, len(old)), len(old), rng.randint(0, 5 * PAGE_SIZE)))
            size = rng.choice((1, 100, SECTOR_SIZE, PAGE_SIZE, 2 * PAGE_SIZE + 7))
            data = bytes(size) if rng.random() < 0.3 else rng.randbytes(size)
            file.write_at(position, [data[: size // 2], data[size // 2 :]])
            new = old[:position].ljust(position, b"\0") + data + old[position + size :]
        elif action < 0.85:
            size = rng.randint(0, 6 * PAGE_SIZE)
            file.truncate(size)
            new = old[:size].ljust(size, b"\0")
        else:
            file.sync()
            new, self.states[name] = old, []
        self.visible[name] = new
        self.states[name].append(new)

    def check_left(self, name: str, left: bytes) -> None:
        """Each sector that a cut left must be one that the file had since its last sync, or the beginning of one with
        zeros behind it (where the file ended then).
        """
        assert len(left) <= max(map(len, self.states[name]))
        for start in range(0, len(left), SECTOR_SIZE):
            end = start + SECTOR_SIZE
            sector = left[start:end].rstrip(b"\0")
            assert any(state[start:end].startswith(sector) for state in self.states[name]), (name, start)


def found_after(seed: int) -> tuple[str, dict[str, bytes]]:
    """The story of a random history, and what a cut left of it."""
    history = History(seed)
    for _ in range(60):
        history.step(history.rng.choice("fgh"))
    disk = history.disk.crash()
    return disk.story(), {name: disk.content(name) for name in disk.sizes()}


@pytest.mark.parametrize("seed", range(20))
def test_reads_always_show_the_last_write(seed: int) -> None:
    """Before a cut any sequence of calls reads back as it would from a plain byte string."""
    history = History(seed)
    for _ in range(60):
        name = history.rng.choice("fgh")
        history.step(name)
        expected = history.visible[name]
        position, size = history.rng.randint(0, 6 * PAGE_SIZE), history.rng.randint(0, 2 * PAGE_SIZE)
        file = history.disk.open(name)
        assert history.disk.content(name) == expected, history.disk.story()
        assert file.read_at(position, size) == expected[position : position + size], history.disk.story()
        assert file.size() == len(expected)


def test_a_cut_leaves_nothing_that_was_never_there() -> None:
    """At any moment, whatever a cut leaves of a file is made of sectors the file had since it was last synced."""
    for seed in range(300):
        history = History(seed)
        for _ in range(history.rng.randint(1, 40)):
            history.step(history.rng.choice("fgh"))
        for _ in range(4):
            left = history.disk.crash()
            for name in history.visible:
                content = left.content(name)
                history.check_left(name, content)
                left.open(name).truncate(len(content) + PAGE_SIZE)
                assert left.content(name) == content + bytes(PAGE_SIZE)


@pytest.mark.parametrize("seed", range(5))
def test_the_same_seed_and_calls_give_the_same_disk(seed: int) -> None:
    """Nothing but the seed decides what happens."""
    assert found_after(seed) == found_after(seed)
    assert found_after(seed) != found_after(seed + 1)
