"""Group commit: what becomes of calls, and when it can be read."""

from __future__ import annotations

import errno
from collections.abc import Iterator

import pytest
from tests.simulation.machine import LIMITS, Machine
from tests.simulation.workload import make_append

from logmq.errors import DiskFull, UnknownPartition
from logmq.model import TopicPartition
from logmq.storage.calls import Call
from logmq.storage.engine import Appended
from logmq.storage.local.journal import HEADER_SIZE, Kind, decode_header, decode_record

A, B = TopicPartition("a", 0), TopicPartition("b", 0)


@pytest.fixture(autouse=True)
def small_limits() -> Iterator[None]:
    with LIMITS.in_force():
        yield


@pytest.fixture
def machine() -> Machine:
    return Machine(A, B)


def last_kinds(machine: Machine) -> list[Kind]:
    """The kinds of the parts of the journal's last record."""
    content = machine.disk.content("journal.1")
    header = decode_header(content)
    assert header is not None
    position, kinds = HEADER_SIZE, []
    while (record := decode_record(content, position, header.salt)) is not None:
        kinds = [part.kind for part in record.parts]
        position = record.end
    return kinds


def test_each_append_gets_its_own_offsets(machine: Machine) -> None:
    """In call order, partition by partition, whatever calls were taken together."""
    calls = [
        Call([make_append(A, [b"one"]), make_append(B, [b"x", b"y"])]),
        Call([make_append(A, [b"two"]), make_append(A, [b"three"])]),
    ]
    machine.session.commit(calls)
    offsets = [[(result.first_offset, result.next_offset) for result in call.results] for call in calls]  # type: ignore[union-attr]
    assert offsets == [[(0, 7), (0, 10)], [(7, 14), (14, 23)]]


def test_one_commit_is_one_sync(machine: Machine) -> None:
    """Whatever the number of partitions and calls."""
    before = machine.disk.calls["sync"]
    machine.session.commit([Call([make_append(A, [b"x"]), make_append(B, [b"y"])]) for _ in range(5)])
    assert machine.disk.calls["sync"] - before == 1


def test_nothing_can_be_read_before_the_sync(machine: Machine) -> None:
    """What could still vanish is not served; afterwards all of it is."""
    log = machine.session.logs[A]
    machine.session.commits.write([Call([make_append(A, [b"one"])])])
    chunk = log.read(0, 100, may_wait=True)
    assert chunk is not None
    assert (chunk.data, log.bounds().high_watermark) == (b"", 0)
    machine.session.commits.sync()
    chunk = log.read(0, 100, may_wait=True)
    assert chunk is not None
    assert (chunk.data, log.bounds().high_watermark) == (b"\0\0\0\3one", 7)


def test_an_unknown_partition_fails_alone(machine: Machine) -> None:
    """It was dropped meanwhile; the other appends of the commit are stored."""
    call = Call([make_append(TopicPartition("gone", 0), [b"x"]), make_append(A, [b"y"])])
    machine.session.commits.write([call])
    assert isinstance(call.results[0], UnknownPartition)
    assert call.results[1] == Appended(0, 5, call.results[1].timestamp_ms)  # type: ignore[union-attr]


def test_with_atomic_an_unknown_partition_fails_all(machine: Machine) -> None:
    """All or nothing."""
    call = Call([make_append(A, [b"y"]), make_append(TopicPartition("gone", 0), [b"x"])], atomic=True)
    machine.session.commits.write([call])
    assert [type(result) for result in call.results] == [UnknownPartition] * 2
    assert machine.disk.sizes()["a.log"] == 0
    machine.put(A, b"next")
    machine.restart()


def test_large_parts_are_synced_in_their_own_file(machine: Machine) -> None:
    """Small ones go into the journal; what makes its record too large does not."""
    machine.put(A, bytes(3_000))
    assert last_kinds(machine) == [Kind.INLINE]
    before = machine.disk.syncs["a.log"]
    machine.put(A, bytes(5_000))
    assert last_kinds(machine) == [Kind.SPAN]
    assert machine.disk.syncs["a.log"] == before + 1


def test_a_record_is_never_larger_than_the_journal_takes() -> None:
    """With many parts those that go beyond INLINE_SIZE_MAX become spans."""
    partitions = [TopicPartition("t", index) for index in range(8)]
    machine = Machine(*partitions)
    machine.session.commit([Call([make_append(partition, [bytes(3_500)]) for partition in partitions])])
    assert last_kinds(machine) == [Kind.INLINE] * 5 + [Kind.SPAN] * 3
    machine.start(machine.disk.crash())


def test_timestamps_never_go_back(machine: Machine) -> None:
    """The clock does, one time in twenty."""
    stamps = []
    for _ in range(200):
        (result,) = machine.put(A, b"x").results
        assert isinstance(result, Appended)
        stamps.append(result.timestamp_ms)
    assert stamps == sorted(stamps)
    machine.restart()
    (result,) = machine.put(A, b"x").results
    assert isinstance(result, Appended)
    assert result.timestamp_ms >= stamps[-1]


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_without_room_one_log_fails_and_the_others_do_not(machine: Machine, error: int) -> None:
    """Its bytes are cut off again, and the next append takes their place."""
    machine.put(A, b"before")
    machine.disk.fail("write", 1, error, only="a.log", partial=True)
    call = Call([make_append(A, [b"fails"]), make_append(B, [b"works"])])
    machine.session.commit([call])
    assert [type(result) for result in call.results] == [DiskFull, Appended]
    assert machine.disk.sizes()["a.log"] == 10
    (result,) = machine.put(A, b"after").results
    assert isinstance(result, Appended)
    assert result.first_offset == 10
    machine.start(machine.disk.crash())


def test_without_room_in_the_journal_all_fail(machine: Machine) -> None:
    """No log keeps what the journal does not know of."""
    machine.disk.fail("write", 1, errno.ENOSPC, only="journal.*")
    call = Call([make_append(A, [b"x"]), make_append(B, [b"y"])])
    machine.session.commit([call])
    assert [type(result) for result in call.results] == [DiskFull] * 2
    assert {machine.disk.sizes()[name] for name in ("a.log", "b.log")} == {0}
    machine.put(B, b"z")
    machine.restart()


def test_other_errors_are_not_understood(machine: Machine) -> None:
    """An I/O error ends the store: it is raised, and nobody is answered."""
    machine.disk.fail("write", 1, errno.EIO, only="a.log")
    call = Call([make_append(A, [b"x"])])
    with pytest.raises(OSError):
        machine.session.commits.write([call])
    assert not any(isinstance(result, Appended) for result in call.results)


def test_a_full_journal_goes_on_in_a_free_file(machine: Machine) -> None:
    """And without one, after a checkpoint here and now, in the same one again."""
    for expected in ("journal.1", "journal.1", "journal.2"):
        if expected == "journal.2":
            machine.session.add_journal_file(30_000)
        commits = machine.session.checkpointer.last_commit
        while machine.session.journal.has_room(1, 3_900):
            machine.put(A, bytes(3_900))
        machine.put(A, bytes(3_900))
        assert machine.session.journal._active.file.name == expected
        assert (machine.session.checkpointer.last_commit > commits) == (expected == "journal.1")
    machine.restart()


def test_statistics_count_what_was_done(machine: Machine) -> None:
    """Commits, syncs, and where the bytes went."""
    machine.put(A, bytes(96))
    machine.put(A, bytes(4_996))
    metrics = machine.session.commits.metrics
    assert (metrics.commits, metrics.appends, metrics.records) == (2, 2, 2)
    assert metrics.sync_seconds.count == 2
    assert (metrics.inline_bytes, metrics.span_bytes) == (100, 5_000)
