"""The sparse index: its bytes, its look-ups, and what happens to entries until they are durable."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.simulation.disk import SimulatedDisk

from logmq.storage.local.index import (
    Entry,
    Index,
    IndexDamaged,
    decode_entries,
    encode_entry,
    encode_header,
    salvage_entries,
)
from logmq.storage.local.opened import OpenFiles

U64 = st.integers(0, 2**64 - 1)
entries = st.builds(Entry, U64, U64, U64, st.integers(0, 2**32 - 1))


def entry(number: int) -> Entry:
    return Entry(1_000 + 10 * number, 10 * number, 100 * number, number)


def make_index(disk: SimulatedDisk, count: int, stored: int = 0) -> Index:
    """An index of `count` entries, of which the first ones are in the file."""
    disk.create("a.index")
    index = Index(OpenFiles(disk, 10), "a.index", 1_000, 0)
    for number in range(1, count + 1):
        index.append(entry(number))
    if stored:
        index.write(stored)
        index.written(stored)
    return index


@pytest.fixture
def disk() -> SimulatedDisk:
    return SimulatedDisk(Random(1))


def test_header_and_entries_have_32_bytes() -> None:
    """The format, drawn in the module, byte by byte."""
    header = encode_header(5)
    assert len(header) == 32
    assert header[:28] == b"LMQINDEX" + b"\1\0\0\0" + bytes(4) + b"\5" + bytes(7) + bytes(4)
    encoded = encode_entry(Entry(1, 2, 3, 4))
    assert len(encoded) == 32
    assert encoded[:28] == b"".join(number.to_bytes(8, "little") for number in (1, 2, 3)) + b"\4\0\0\0"


@given(st.lists(entries, max_size=20))
def test_entries_come_back(made: list[Entry]) -> None:
    """Decoding is the inverse of encoding."""
    data = b"".join(map(encode_entry, made))
    assert decode_entries(data) == made
    assert salvage_entries(encode_header(0) + data) == made


@given(st.lists(entries, min_size=1, max_size=5), st.data())
def test_a_flipped_bit_is_noticed_and_costs_one_entry(made: list[Entry], data: st.DataObject) -> None:
    """Each entry has its own checksum."""
    encoded = bytearray(b"".join(map(encode_entry, made)))
    bit = data.draw(st.integers(0, 8 * len(encoded) - 1))
    encoded[bit // 8] ^= 1 << bit % 8
    with pytest.raises(IndexDamaged):
        decode_entries(bytes(encoded))
    expected = [None if number == bit // 256 else one for number, one in enumerate(made)]
    assert salvage_entries(encode_header(0) + encoded) == expected


@given(st.binary(max_size=200))
def test_any_bytes_can_be_salvaged(data: bytes) -> None:
    """Whatever stands in the file, each whole 32 bytes behind the header are an entry or None."""
    assert len(salvage_entries(data)) == Index.count_in(len(data))


@pytest.mark.parametrize("stored", [0, 1, 5, 9, 10])
def test_entries_are_read_from_file_and_memory_alike(disk: SimulatedDisk, stored: int) -> None:
    """Wherever the border lies between those in the file and those in memory."""
    index = make_index(disk, 10, stored)
    assert len(index) == 10
    assert [index[number] for number in range(10)] == [entry(number) for number in range(1, 11)]
    for start in range(11):
        for stop in range(start, 13):
            assert index.slice(start, stop) == [entry(number) for number in range(start + 1, min(stop, 10) + 1)]
    assert index.salvage() == index.slice(0, 10)


@pytest.mark.parametrize("stored", [0, 5, 10])
def test_find_counts_entries_at_or_below_an_offset(disk: SimulatedDisk, stored: int) -> None:
    """In whatever order it is asked: the hint of where the last reader ended changes nothing."""
    index = make_index(disk, 10, stored)
    offsets = [*range(995, 1_110)] * 2
    Random(1).shuffle(offsets)
    for offset in offsets:
        index.hint = Random(offset).randint(0, 12)
        assert index.find(offset) == sum(entry(number).offset <= offset for number in range(1, 11))


@pytest.mark.parametrize("stored", [0, 5, 10])
def test_find_timestamp_gives_the_first_entry_as_late(disk: SimulatedDisk, stored: int) -> None:
    """The number of entries that are earlier."""
    index = make_index(disk, 10, stored)
    for timestamp_ms in range(0, 1_101, 25):
        assert index.find_timestamp(timestamp_ms) == sum(100 * number < timestamp_ms for number in range(1, 11))


def test_an_empty_index_finds_nothing(disk: SimulatedDisk) -> None:
    """A segment without boundaries is one interval."""
    index = make_index(disk, 0)
    assert (len(index), index.find(5), index.find_timestamp(5), index.salvage()) == (0, 0, 0, [])


def test_what_is_written_survives_a_power_cut(disk: SimulatedDisk) -> None:
    """Header and entries are durable when `write` returns, and no more of them than asked for."""
    index = make_index(disk, 10)
    disk.sync_names()
    index.write(7)
    content = disk.crash().content("a.index")
    assert content == encode_header(1_000) + b"".join(encode_entry(entry(number)) for number in range(1, 8))


def test_entries_stay_in_memory_until_they_are_known_to_be_written(disk: SimulatedDisk) -> None:
    """`write` alone changes nothing for readers; entries may be appended meanwhile."""
    index = make_index(disk, 3)
    index.write(2)
    index.append(entry(4))
    assert index.slice(0, 9) == [entry(number) for number in range(1, 5)]
    assert disk.calls["read"] == 0
    index.written(2)
    assert index.slice(0, 9) == [entry(number) for number in range(1, 5)]
    assert disk.calls["read"] == 1
    index.write(4)
    index.written(4)
    assert Index(OpenFiles(disk, 1), "a.index", 1_000, 4).slice(0, 4) == [entry(number) for number in range(1, 5)]


@pytest.mark.parametrize("stored", [0, 5, 8])
@pytest.mark.parametrize("count", [0, 3, 5, 8])
def test_cut_forgets_the_last_entries_and_the_next_write_their_bytes(
    disk: SimulatedDisk, stored: int, count: int
) -> None:
    """In the file they stay until then, but are not counted."""
    index = make_index(disk, 8, stored)
    index.cut(count)
    assert index.slice(0, 99) == [entry(number) for number in range(1, count + 1)]
    index.append(entry(99))
    index.write(count + 1)
    assert disk.content("a.index")[32:] == b"".join(
        encode_entry(entry(number)) for number in (*range(1, count + 1), 99)
    )


def test_a_file_that_has_become_shorter_is_damaged(disk: SimulatedDisk) -> None:
    """An index that ends before its entries is rebuilt, not believed."""
    index = make_index(disk, 5, stored=5)
    disk.open("a.index").truncate(100)
    with pytest.raises(IndexDamaged, match=r"a\.index"):
        index.slice(3, 5)
    assert index.slice(0, 2) == [entry(1), entry(2)]
