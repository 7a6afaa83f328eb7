"""The log: what can be read of it, what is checked, and how it goes from segment to segment."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from dataclasses import replace
from random import Random

import pytest
from tests.simulation.audit import check_chunk, read
from tests.simulation.machine import LIMITS, Machine

from logmq.errors import Damaged, OffsetOutOfRange
from logmq.model import Bounds, TopicPartition
from logmq.storage.engine import Chunk
from logmq.storage.local import retention
from logmq.storage.local.index import IndexDamaged
from logmq.storage.local.log import Log

A = TopicPartition("a", 0)


@pytest.fixture(autouse=True)
def small_limits() -> Iterator[None]:
    with LIMITS.in_force():
        yield


@pytest.fixture
def machine() -> Machine:
    return Machine(A)


def log_of(machine: Machine) -> Log:
    return machine.session.logs[A]


def filled(machine: Machine, count: int = 30) -> Log:
    """A log of several segments: frames of 1,000 bytes, one a commit."""
    for number in range(count):
        machine.put(A, bytes([number]) * 996)
    return log_of(machine)


def read_all(log: Log, offset: int, size_max: int) -> Iterator[Chunk]:
    while offset < log.committed.offset:
        chunk = read(log, offset, size_max, Random(offset))
        yield chunk
        offset = chunk.next_offset


# -- reading -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("checkpointed", [False, True])
def test_a_read_begins_with_the_first_record_at_or_after_any_offset(machine: Machine, checkpointed: bool) -> None:
    """On a frame it is that one, inside it the next; also where that lies in the next segment or interval."""
    machine.put(A, b"", b"x", b"yy" * 600, b"")
    for size in (2_500, 900, 90, 4_000, 3_000, 0, 7):
        machine.put(A, Random(size).randbytes(size))
    if checkpointed:
        machine.session.checkpoint()
    log = log_of(machine)
    stream = machine.ledger.streams[A]
    for offset in [*range(0, log.committed.offset + 1, 7), *stream.starts]:
        for size_max in (1, 2_000):
            check_chunk(read(log, offset, size_max, Random(offset)), offset, log, stream)


@pytest.mark.parametrize("size_max", [1, 999, 5_000, 1 << 20])
def test_chunks_are_about_as_large_as_asked_for(machine: Machine, size_max: int) -> None:
    """At least one whole frame, at most an index interval more than `size_max`, and none reaches over a segment."""
    log = filled(machine)
    chunks = list(read_all(log, 0, size_max))
    assert b"".join(chunk.data for chunk in chunks) == bytes(machine.ledger.streams[A].data)
    assert all(chunk.data for chunk in chunks)
    assert max(len(chunk.data) for chunk in chunks) <= max(1_000, size_max) + 1_000


def test_a_frame_larger_than_asked_for_comes_whole(machine: Machine) -> None:
    """A reader must get on, whatever its buffer."""
    machine.put(A, bytes(8_000))
    assert len(read(log_of(machine), 0, 1, Random(1)).data) == 8_004


def test_behind_the_end_there_is_nothing_yet(machine: Machine) -> None:
    """An empty chunk at the high watermark, for whatever offset."""
    log = filled(machine, 2)
    for offset in (2_000, 2_001, 10**12):
        assert log.read(offset, 100, may_wait=True) == Chunk(2_000, 2_000, b"")


def test_before_the_log_start_is_an_error_that_names_the_range(machine: Machine) -> None:
    """The offset was trimmed away."""
    log = filled(machine, 5)
    machine.session.trim(A, 3_000)
    with pytest.raises(OffsetOutOfRange) as raised:
        log.read(2_999, 100, may_wait=True)
    assert (raised.value.log_start_offset, raised.value.high_watermark) == (3_000, 5_000)
    assert log.bounds() == Bounds(3_000, 5_000, 5_000, 0)


def test_a_trim_into_a_frame_serves_from_the_next_one(machine: Machine) -> None:
    """Any offset may be the log start."""
    log = filled(machine, 5)
    machine.session.trim(A, 2_500)
    chunk = read(log, 2_500, 1, Random(1))
    assert chunk.first_offset == 3_000


def test_a_read_that_may_not_wait_answers_none(machine: Machine) -> None:
    """Where the page cache has not got the bytes."""
    log = filled(machine, 2)
    machine.disk.cache_miss_rate = 1.0
    assert log.read(0, 100, may_wait=False) is None
    assert log.read(0, 100, may_wait=True) is not None


def test_an_error_of_the_disk_is_passed_on(machine: Machine) -> None:
    """Nothing is served, and the next read may work."""
    log = filled(machine, 2)
    machine.disk.fail("read", 1, errno.EIO, only="*.log")
    with pytest.raises(OSError):
        log.read(0, 100, may_wait=True)
    assert read(log, 0, 100, Random(1)).data


# -- damage ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("checkpointed", [False, True])
def test_damage_is_pinned_down_to_an_interval(machine: Machine, checkpointed: bool) -> None:
    """The range that cannot be served is named; what lies before and behind it is served, however much is asked for."""
    log = filled(machine, 8)
    if checkpointed:
        machine.session.checkpoint()
    machine.disk.flip("a.log", 3_700, 5)
    assert read(log, 0, 1 << 20, Random(1)).next_offset == 3_000
    for offset in (2_001, 3_000):
        with pytest.raises(Damaged) as raised:
            log.read(offset, 1 << 20, may_wait=True)
        assert (raised.value.first_offset, raised.value.next_offset) == (3_000, 4_000)
    assert read(log, 4_000, 1 << 20, Random(1)).next_offset == 8_000


def test_damage_behind_the_last_boundary_is_noticed(machine: Machine) -> None:
    """The bytes since the last index entry have a checksum too, in memory."""
    machine.put(A, b"a" * 100)
    machine.disk.flip("a.log", 50, 0)
    with pytest.raises(Damaged):
        log_of(machine).read(0, 100, may_wait=True)


def test_bytes_that_are_gone_are_damage(machine: Machine) -> None:
    """A file that has become shorter is no end of file."""
    log = filled(machine, 4)
    machine.disk.open("a.log").truncate(2_500)
    assert read(log, 0, 1 << 20, Random(1)).next_offset == 2_000
    for offset, next_offset in ((2_000, 3_000), (3_000, 4_000)):
        with pytest.raises(Damaged) as raised:
            log.read(offset, 1 << 20, may_wait=True)
        assert raised.value.next_offset == next_offset


def test_a_damaged_index_is_told_from_a_damaged_log(machine: Machine) -> None:
    """It can be made anew; nothing is served by it meanwhile."""
    log = filled(machine, 8)
    machine.session.checkpoint()
    machine.disk.flip("a.index", 32 * 3 + 2, 0)
    with pytest.raises(IndexDamaged):
        for _ in read_all(log, 0, 1):
            pass


# -- segments ----------------------------------------------------------------------------------------------------


def test_segments_are_named_after_the_offset_at_which_they_begin(machine: Machine) -> None:
    """And are at most as large as the topic's setting."""
    log = filled(machine)
    assert [segment.base_offset for segment in log.segments] == [0, 10_000, 20_000]
    assert {machine.disk.sizes()[segment.name] for segment in log.segments} == {10_000}
    assert log.size() == 30_000


def test_a_commit_larger_than_a_segment_has_one_of_its_own(machine: Machine) -> None:
    """Appends are not torn apart."""
    machine.put(A, b"small")
    machine.put(A, *[bytes(4_996)] * 5)
    machine.put(A, b"small")
    assert [segment.base_offset for segment in log_of(machine).segments] == [0, 9, 25_009]


def test_the_names_of_a_new_segment_are_durable_before_its_bytes_are(machine: Machine) -> None:
    """A commit that is durable must not vanish with its file."""
    filled(machine, 10)
    names = set(machine.disk.sizes())
    log_of(machine).roll(5)
    assert set(machine.disk.crash().sizes()) - names == {"a+00000000000000010000.log", "a+00000000000000010000.index"}


def test_a_roll_that_fails_leaves_no_segment_behind(machine: Machine) -> None:
    """Nobody goes on in it, and the next start would take it for the one that follows."""
    machine.put(A, bytes(3_000))
    machine.session.checkpoint()
    log = log_of(machine)
    for fault in ("open", "create"):
        machine.session.forget_open_files()
        machine.disk.fail(fault, 1, errno.EIO, only="*.log")
        with pytest.raises(OSError):
            log.roll(5)
    machine.put(A, bytes(3_000))
    machine.put(A, bytes(3_900), bytes(3_900))
    machine.session.checkpoint()
    machine.restart()
    assert [segment.base_offset for segment in log_of(machine).segments] == [0, 6_008]


def test_a_trim_that_fails_can_be_made_up_for(machine: Machine) -> None:
    """The log begins later all the same; its segments go with the next trim."""
    log = filled(machine, 25)
    machine.session.forget_open_files()
    machine.disk.fail("open", 1, errno.EIO, only="*.log")
    with pytest.raises(OSError):
        log.trim(10_000)
    assert log.log_start_offset == 10_000
    assert [segment.base_offset for segment in log.trim(12_000)] == [0]
    assert log.size() == 15_000


def test_trim_gives_back_whole_segments(machine: Machine) -> None:
    """Those that end at or before the log start; the last one always stays. It never moves back."""
    log = filled(machine, 25)
    assert [segment.base_offset for segment in log.trim(9_999)] == []
    assert [segment.base_offset for segment in log.trim(10_000)] == [0]
    assert log.size() == 15_000
    assert log.trim(5_000) == []
    assert log.log_start_offset == 10_000
    assert [segment.base_offset for segment in log.trim(25_000)] == [10_000]
    assert log.size() == 5_000


# -- time --------------------------------------------------------------------------------------------------------


def first_offset_as_late(stamps: list[tuple[int, int]], timestamp_ms: int, end: int) -> int:
    return min([offset for offset, stamp in stamps if stamp >= timestamp_ms], default=end)


@pytest.mark.parametrize("checkpoint_every", [0, 3, 7])
def test_a_time_leads_to_an_offset_not_too_late_and_not_much_too_early(machine: Machine, checkpoint_every: int) -> None:
    """Everything as late as asked for is at or behind the offset; before it is at most an interval and a frame more."""
    stamps: list[tuple[int, int]] = []
    for number in range(60):
        (result,) = machine.put(A, bytes(Random(number).randint(0, 900))).results
        stamps.append((result.first_offset, result.timestamp_ms))  # type: ignore[union-attr]
        if checkpoint_every and number % checkpoint_every == 0:
            machine.session.checkpoint()
    log = log_of(machine)
    end = log.committed.offset
    for wanted in {stamp + delta for _, stamp in stamps for delta in (-1, 0, 1)}:
        exact = first_offset_as_late(stamps, wanted, end)
        found = log.find_timestamp(wanted)
        assert exact - 2_000 <= found <= exact
    assert log.find_timestamp(stamps[-1][1] + 1) == end
    assert log.find_timestamp(0) == 0


def test_a_time_before_the_log_start_leads_to_the_log_start(machine: Machine) -> None:
    """What was trimmed is not found."""
    filled(machine, 25)
    machine.session.trim(A, 12_345)
    assert log_of(machine).find_timestamp(0) == 12_345


def test_an_empty_log_has_no_times(machine: Machine) -> None:
    """Any time leads to its end."""
    assert log_of(machine).find_timestamp(5) == 0


@pytest.mark.parametrize("name", ["a.index", "a+00000000000000010000.index"])
def test_a_rebuilt_index_finds_no_time_too_late(machine: Machine, name: str) -> None:
    """Recovery that makes an index anew does not know when its records were committed; it must not hide any."""
    stamps: list[tuple[int, int]] = []
    for _ in range(15):
        (result,) = machine.put(A, bytes(996)).results
        stamps.append((result.first_offset, result.timestamp_ms))  # type: ignore[union-attr]
    machine.session.checkpoint()
    machine.disk.open(name).truncate(0)
    machine.restart()
    log = log_of(machine)
    for _, stamp in stamps:
        assert log.find_timestamp(stamp) <= first_offset_as_late(stamps, stamp, 15_000)
    log.spec = replace(log.spec, settings=replace(log.spec.settings, retention_ms=100_000))
    assert retention.first_kept_offset(log, stamps[-1][1]) == 0, "and let none expire too early"
