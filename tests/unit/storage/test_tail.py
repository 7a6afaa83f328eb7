"""The tail: boundaries about every INDEX_INTERVAL bytes, each with the checksum of what lies before it."""

from __future__ import annotations

from itertools import pairwise
from random import Random

import pytest
from crc32c import crc32c
from hypothesis import given
from hypothesis import strategies as st
from tests.simulation.disk import SimulatedDisk

from logmq.records import frames
from logmq.storage.local import tail as tails
from logmq.storage.local.index import Entry, Index
from logmq.storage.local.opened import OpenFiles
from logmq.storage.local.tail import Tail

BASE = 5_000
INTERVAL = 100
ORIGIN = Entry(BASE, 0, 0, 0)


@pytest.fixture(autouse=True)
def small_interval(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tails, "INDEX_INTERVAL", INTERVAL)


def new_tail() -> Tail:
    return Tail(Index(OpenFiles(SimulatedDisk(Random(1)), 1), "a.index", BASE, 0), ORIGIN)


def add(tail: Tail, payloads: list[bytes], timestamp_ms: int = 1) -> bytes:
    data, starts = frames.encode(payloads)
    tail.add(data, starts, starts, len(data), timestamp_ms)
    return data


batches = st.lists(st.lists(st.integers(0, 260).map(bytes), min_size=1, max_size=12), max_size=10)


@given(batches)
def test_boundaries_cover_all_bytes_but_the_last_few(appended: list[list[bytes]]) -> None:
    """Each boundary is where a frame ends, an interval or more behind the one before it, but no frame more than that;
    its checksum is that of the bytes between. What follows the last one is in `crc`."""
    tail = new_tail()
    data = b"".join(add(tail, payloads) for payloads in appended)
    ends = {*frames.walk(data)[0], len(data)}
    boundaries = [ORIGIN, *tail.index.slice(0, len(tail.index))]
    for before, entry in pairwise(boundaries):
        assert entry.offset == BASE + entry.position
        assert entry.position in ends
        assert entry.position - before.position >= INTERVAL
        assert max(end for end in ends if end < entry.position) - before.position < INTERVAL
        assert entry.crc == crc32c(data[before.position : entry.position])
    assert (tail.since, tail.position, tail.offset) == (boundaries[-1].position, len(data), BASE + len(data))
    assert tail.position - tail.since < INTERVAL
    assert tail.crc == crc32c(data[tail.since :])


@given(batches)
def test_boundaries_do_not_depend_on_how_bytes_were_grouped(appended: list[list[bytes]]) -> None:
    """One append of many frames gives the boundaries of as many appends of one."""
    together, apart = new_tail(), new_tail()
    for payloads in appended:
        add(together, payloads)
        for payload in payloads:
            add(apart, [payload])
    assert together.index.slice(0, 999) == apart.index.slice(0, 999)
    assert together.end() == apart.end()


def test_a_boundary_has_the_time_of_its_commit() -> None:
    """The one that it fell into, not the one at which the interval began."""
    tail = new_tail()
    add(tail, [bytes(60)], 10)
    add(tail, [bytes(60)], 20)
    add(tail, [bytes(60)], 30)
    assert [entry.timestamp_ms for entry in tail.index.slice(0, 9)] == [20]


def test_close_enters_the_end_once() -> None:
    """Everything is covered then; a second call adds nothing."""
    tail = new_tail()
    data = add(tail, [b"abc"])
    tail.close(7)
    tail.close(8)
    assert tail.index.slice(0, 9) == [Entry(BASE + 7, 7, 7, crc32c(data))]
    assert (tail.since, tail.crc) == (7, 0)


def test_restore_goes_back_to_an_earlier_end() -> None:
    """As if what came since had never been added."""
    tail = new_tail()
    add(tail, [bytes(50)])
    end, count = tail.end(), len(tail.index)
    add(tail, [bytes(500)] * 3)
    tail.restore(end, count)
    assert (tail.end(), len(tail.index)) == (end, count)
    data = add(tail, [bytes(60)])
    assert tail.index[0].crc == crc32c(frames.encode([bytes(50)])[0] + data)


def test_what_is_skipped_never_passes_a_check() -> None:
    """The entry of damaged bytes holds the complement of their checksum."""
    tail = new_tail()
    tail.skip(b"damaged", Entry(BASE + 7, 7, 1, 0))
    assert tail.index[0].crc ^ crc32c(b"damaged") == 0xFFFFFFFF
    assert (tail.offset, tail.position, tail.since) == (BASE + 7, 7, 7)
