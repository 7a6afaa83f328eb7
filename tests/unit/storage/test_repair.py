"""Making an index anew from its log."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

import pytest
from crc32c import crc32c
from hypothesis import given
from hypothesis import strategies as st
from tests.simulation.disk import SimulatedDisk
from tests.simulation.machine import LIMITS

from logmq.model import Format, TopicPartition
from logmq.records import frames
from logmq.records.codec import CODECS
from logmq.storage.local.index import Entry
from logmq.storage.local.opened import OpenFiles
from logmq.storage.local.repair import is_damaged, repair_index
from logmq.storage.local.segment import Segment
from logmq.storage.local.tail import Tail

A = TopicPartition("a", 0)
BASE = 7_000
CODEC = CODECS[Format.PLAIN]


@pytest.fixture(autouse=True)
def small_limits() -> Iterator[None]:
    with LIMITS.in_force():
        yield


class Fixture:
    """A segment of frames with a whole index in its file, which tests then spoil."""

    def __init__(self, sizes: list[int]) -> None:
        self.disk = SimulatedDisk(Random(1))
        opened = OpenFiles(self.disk, 10)
        self.segment = Segment(opened, A, BASE, 0)
        for name in (self.segment.index.name, self.segment.name):
            opened.create(name)
        self.data, starts = frames.encode([Random(size).randbytes(size) for size in sizes])
        self.segment.file.write_at(0, [self.data])
        tail = Tail(self.segment.index, self.segment.origin())
        tail.add(self.data, starts, starts, len(self.data), 50)
        tail.close(50)
        self.end = tail.index[len(tail.index) - 1]
        self.entries = self.segment.index.slice(0, 10_000)
        self.segment.index.write(len(self.entries))
        self.segment.index.written(len(self.entries))

    def spoil(self, *entries: int) -> None:
        """Flip a bit in these entries of the file."""
        for number in entries:
            self.disk.flip(self.segment.index.name, 32 + 32 * number + 9, 1)

    def repair(self) -> int:
        return repair_index(self.segment, CODEC, self.end)

    def check(self) -> None:
        """Each entry is where a frame ends, and has the checksum of what lies before it."""
        found = self.segment.index.slice(0, 10_000)
        ends = {*frames.walk(self.data)[0], len(self.data)}
        before = 0
        for entry in found:
            assert entry.position in ends
            assert entry.offset == BASE + entry.position
            assert entry.crc == crc32c(self.data[before : entry.position])
            before = entry.position
        assert before == len(self.data)


sizes = st.lists(st.integers(0, 1_500), min_size=1, max_size=30)


@given(sizes)
def test_a_whole_index_stays_as_it_is(made: list[int]) -> None:
    """Nothing is scanned, and no checksum that is still good is given up."""
    fixture = Fixture(made)
    assert not is_damaged(fixture.segment, fixture.end.offset)
    assert fixture.repair() == 0
    assert fixture.segment.index.slice(0, 10_000) == fixture.entries


@given(sizes, st.data())
def test_damaged_entries_are_found_again(made: list[int], data: st.DataObject) -> None:
    """Whichever they are; only the stretches around them are scanned."""
    fixture = Fixture(made)
    spoiled = data.draw(st.sets(st.integers(0, len(fixture.entries) - 1), min_size=1))
    fixture.spoil(*spoiled)
    assert is_damaged(fixture.segment, fixture.end.offset)
    scanned = fixture.repair()
    assert not is_damaged(fixture.segment, fixture.end.offset)
    fixture.check()
    positions = [0, *(entry.position for entry in fixture.entries)]
    stretches = {number for one in spoiled for number in (one, one + 1) if number < len(fixture.entries)}
    assert scanned == sum(positions[number + 1] - positions[number] for number in stretches)


@given(sizes, st.integers(0, 600))
def test_a_lost_index_is_made_anew(made: list[int], left: int) -> None:
    """From the log alone, also where some bytes of it are left."""
    fixture = Fixture(made)
    file = fixture.disk.open(fixture.segment.index.name)
    file.truncate(min(left, file.size()))
    fixture.repair()
    fixture.check()


@given(sizes, st.data())
def test_good_entries_keep_damage_in_the_log_noticed(made: list[int], data: st.DataObject) -> None:
    """The bytes between two good entries are not believed anew."""
    fixture = Fixture(made)
    number = data.draw(st.integers(0, len(fixture.entries) - 1))
    begin = fixture.entries[number - 1].position if number else 0
    fixture.disk.flip(fixture.segment.name, data.draw(st.integers(begin, fixture.entries[number].position - 1)), 0)
    fixture.repair()
    assert fixture.segment.index.slice(0, 10_000) == fixture.entries


def test_bytes_that_do_not_parse_are_entered_as_damaged() -> None:
    """They never pass a check; what lies behind the next good entry does."""
    fixture = Fixture([500] * 10)
    fixture.spoil(1)
    position = fixture.entries[1].position - 504
    fixture.segment.file.write_at(position, [b"\xff" * 4])
    fixture.repair()
    found = fixture.segment.index.slice(0, 10_000)
    assert [entry for entry in found if entry.position <= fixture.entries[0].position] == fixture.entries[:1]
    assert found[-len(fixture.entries) + 3 :] == fixture.entries[3:]
    content = fixture.disk.content(fixture.segment.name)
    damaged = [
        (before.position, entry.position)
        for before, entry in zip([Entry(BASE, 0, 0, 0), *found], found, strict=False)
        if crc32c(content[before.position : entry.position]) != entry.crc
    ]
    assert damaged == [(position, fixture.entries[2].position)]


def test_bytes_that_are_gone_are_entered_as_damaged() -> None:
    """A log that has become shorter than its end still has that end."""
    fixture = Fixture([500] * 10)
    fixture.segment.file.truncate(2_100)
    fixture.disk.open(fixture.segment.index.name).truncate(0)
    fixture.repair()
    last = fixture.segment.index[len(fixture.segment.index) - 1]
    assert (last.offset, last.position) == (fixture.end.offset, fixture.end.position)
    assert last.crc != crc32c(b"")


def test_repaired_entries_have_the_time_of_the_next_good_one() -> None:
    """A time that is too late hides nothing from a search."""
    fixture = Fixture([400] * 20)
    fixture.spoil(*range(len(fixture.entries) - 1))
    fixture.repair()
    assert {entry.timestamp_ms for entry in fixture.segment.index.slice(0, 99)} == {50}
