"""The journal: its bytes, the decoding of any bytes, and the use of its files."""

from __future__ import annotations

import errno
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.simulation.disk import SimulatedDisk

from logmq.storage.local.files import SyncFailed
from logmq.storage.local.journal import (
    HEADER_SIZE,
    FileHeader,
    Journal,
    Kind,
    Part,
    Record,
    create_journal_file,
    decode_header,
    decode_record,
    encode_header,
    encode_record,
    find_record,
    mend_header,
)

U64 = st.integers(0, 2**64 - 1)
U32 = st.integers(0, 2**32 - 1)
parts = st.builds(Part, U64, U64, U64, U64, U64, U64, U32, st.sampled_from(Kind))
SIZE = 4_096


def record_bytes(salt: int, commit: int, made: list[Part], data: bytes = b"") -> bytes:
    return encode_record(salt, commit, commit - 1, 5, made, len(data)) + data


def new_journal(disk: SimulatedDisk, count: int = 1, last_commit: int = 0) -> Journal:
    journal = Journal([create_journal_file(disk, number, SIZE) for number in range(1, count + 1)], last_commit)
    journal.begin()
    return journal


def records_in(content: bytes) -> list[Record]:
    header = decode_header(content)
    found, position = [], HEADER_SIZE
    while header is not None and (record := decode_record(content, position, header.salt)) is not None:
        found.append(record)
        position = record.end
    return found


@pytest.fixture
def disk() -> SimulatedDisk:
    return SimulatedDisk(Random(1))


# -- bytes -------------------------------------------------------------------------------------------------------


@given(U64, U64)
def test_a_file_header_comes_back(salt: int, first_commit: int) -> None:
    """32 bytes, decoded to what was encoded."""
    data = encode_header(FileHeader(salt, first_commit))
    assert len(data) == HEADER_SIZE == 32
    assert decode_header(data) == FileHeader(salt, first_commit)
    assert decode_header(data[:31]) is None


@given(U64, U64, st.integers(0, 255))
def test_a_flipped_bit_in_a_header_is_noticed_and_mended(salt: int, first_commit: int, bit: int) -> None:
    """Whichever bit it is."""
    data = bytearray(encode_header(FileHeader(salt, first_commit)))
    data[bit // 8] ^= 1 << bit % 8
    assert decode_header(bytes(data)) is None
    assert mend_header(bytes(data)) == FileHeader(salt, first_commit)


@pytest.mark.parametrize("data", [b"", bytes(31), bytes(32), b"\xff" * 32, b"LMQJRNL1" + bytes(24)])
def test_what_is_no_header_is_not_mended_into_one(data: bytes) -> None:
    """Zeros above all: a file that was never begun."""
    assert decode_header(data) is None
    assert mend_header(data) is None


@given(U64, U64, U64, U64, st.lists(parts, max_size=5), st.binary(max_size=50), st.integers(0, 5))
def test_a_record_comes_back(
    salt: int, commit: int, synced: int, timestamp_ms: int, made: list[Part], data: bytes, place: int
) -> None:
    """Decoded at whatever multiple of 8 it stands, with where its bytes are and where the next record begins."""
    position = 8 * place
    content = bytes(position) + encode_record(salt, commit, synced, timestamp_ms, made, len(data)) + data
    record = decode_record(content, position, salt)
    data_position = position + 40 + 56 * len(made)
    end = -(-(data_position + len(data)) // 8) * 8
    assert record == Record(commit, synced, timestamp_ms, tuple(made), position, data_position, end)
    assert content[data_position : data_position + len(data)] == data


@given(st.lists(parts, max_size=3), st.data())
def test_no_flipped_bit_of_head_or_parts_goes_unnoticed(made: list[Part], data: st.DataObject) -> None:
    """The checksum covers all of them; that of each part covers its bytes."""
    content = bytearray(record_bytes(7, 3, made, b"inline"))
    bit = data.draw(st.integers(0, 8 * (40 + 56 * len(made)) - 1))
    content[bit // 8] ^= 1 << bit % 8
    assert decode_record(bytes(content), 0, 7) is None


@given(U64, U64, st.lists(parts, max_size=2))
def test_a_record_counts_only_under_its_own_salt(salt: int, other: int, made: list[Part]) -> None:
    """What an earlier use of the file left, and what a client sent, is no record of this one."""
    content = record_bytes(salt, 1, made)
    assert (decode_record(content, 0, other) is None) == (salt != other)


@given(st.lists(parts, max_size=2), st.integers(1, 200))
def test_a_record_that_is_cut_off_is_none(made: list[Part], cut: int) -> None:
    """Its size must lie within the file."""
    content = record_bytes(7, 1, made, b"data")
    assert decode_record(content[:-cut], 0, 7) is None


@given(st.binary(max_size=300), st.integers(0, 40), st.booleans())
@settings(max_examples=300)
def test_decoding_takes_any_bytes(data: bytes, position: int, begun: bool) -> None:
    """No bytes make it fail, also behind a true beginning of a record."""
    if begun:
        data = record_bytes(7, 1, [])[: len(data) % 40] + data
    decode_header(data)
    mend_header(data)
    decode_record(data, position, 7)
    find_record(data, position, 7)


def test_decoding_takes_many_random_bytes() -> None:
    """A hundred thousand random heads with the right magic are no records. Seed 1."""
    rng = Random(1)
    for _ in range(100_000):
        head = b"LMQR" + rng.randbytes(4) + rng.choice((40, 96, 64, 1 << 31)).to_bytes(4, "little")
        head += rng.choice((0, 1, 2, 1 << 32 - 1)).to_bytes(4, "little") + rng.randbytes(80)
        assert decode_record(head, 0, 7) is None


def test_the_chain_can_be_taken_up_behind_garbage() -> None:
    """The next record stands at a multiple of 8; bytes that only look like one are passed over."""
    record = record_bytes(7, 3, [], b"x")
    content = b"LMQR" + bytes(12) + b"LMQRLMQR" + record_bytes(8, 2, []) + record
    found = find_record(content, 0, 7)
    assert found is not None
    assert (found.commit, found.position) == (3, 64)
    assert find_record(b"x" + content, 0, 7) is None, "not at a multiple of 8"
    assert find_record(content, 65, 7) is None


# -- files -------------------------------------------------------------------------------------------------------


def test_a_new_file_is_durable_with_its_name(disk: SimulatedDisk) -> None:
    """Zeros of the wanted size, also where an earlier attempt left something."""
    disk.create("journal.1").write_at(0, [b"x" * 10_000])
    create_journal_file(disk, 1, SIZE)
    disk = disk.crash()
    assert disk.content("journal.1") == bytes(SIZE)


def test_without_room_nothing_is_left_of_a_new_file(disk: SimulatedDisk) -> None:
    """A half-made journal file would take up what little room there is."""
    disk.capacity = SIZE - 1
    with pytest.raises(OSError) as raised:
        create_journal_file(disk, 1, SIZE)
    assert raised.value.errno == errno.ENOSPC
    assert disk.sizes() == {}


def test_commits_are_numbered_and_carry_what_was_durable(disk: SimulatedDisk) -> None:
    """`synced` is the last commit that a sync had covered when the record was written."""
    journal = new_journal(disk, last_commit=10)
    journal.append(1, [], [])
    journal.append(2, [], [b"abc", b"de"])
    journal.sync()
    journal.append(3, [], [])
    assert [(record.commit, record.synced) for record in records_in(disk.content("journal.1"))] == [
        (11, 10),
        (12, 10),
        (13, 12),
    ]
    assert (journal.commit, journal.synced) == (13, 12)


def test_a_sync_without_commits_costs_nothing(disk: SimulatedDisk) -> None:
    """One sync for any number of commits, none for none."""
    journal = new_journal(disk)
    before = disk.calls["sync"]
    journal.sync()
    journal.append(1, [], [])
    journal.append(2, [], [])
    journal.sync()
    journal.sync()
    assert disk.calls["sync"] - before == 1


def test_a_synced_record_survives_with_the_header(disk: SimulatedDisk) -> None:
    """The header needs no sync of its own: the first record's makes both durable."""
    journal = new_journal(disk)
    journal.append(1, [], [b"data"])
    journal.sync()
    (record,) = records_in(disk.crash().content("journal.1"))
    assert record.commit == 1


def test_each_use_of_a_file_has_another_salt(disk: SimulatedDisk) -> None:
    """What stands behind the last record from an earlier use can never be the next one."""
    journal = new_journal(disk)
    salts = set()
    for _ in range(20):
        header = decode_header(disk.content("journal.1"))
        assert header is not None
        salts.add(header.salt)
        journal.restart()
    assert len(salts) == 20


def test_files_are_used_in_turn(disk: SimulatedDisk) -> None:
    """A full one waits for a checkpoint that covers its last commit; then it is free."""
    journal = new_journal(disk, count=2)
    journal.append(1, [], [])
    assert journal.roll()
    assert journal.synced == 1, "the full file is durable before the next one is begun"
    assert [file.number for file in journal.retired] == [1]
    assert not journal.roll()
    journal.append(1, [], [])
    journal.release(0)
    assert not journal.free
    journal.release(1)
    assert [file.number for file in journal.free] == [1]
    assert (journal.file_count, journal.next_number) == (2, 3)
    assert decode_header(disk.content("journal.2")) == FileHeader(decode_header(disk.content("journal.2")).salt, 2)  # type: ignore[union-attr]


def test_room_is_counted_to_the_last_byte(disk: SimulatedDisk) -> None:
    """A record may end exactly where its file does, and one byte more has no room."""
    journal = new_journal(disk)
    most = SIZE - HEADER_SIZE - 40 - 56
    assert journal.has_room(1, most)
    assert not journal.has_room(1, most + 1)
    journal.append(1, [Part(1, 0, 0, 0, most, most, 0, Kind.INLINE)], [bytes(most)])
    assert disk.sizes() == {"journal.1": SIZE}
    assert not journal.has_room(0, 0)


def test_after_a_failed_append_the_next_one_takes_its_place(disk: SimulatedDisk) -> None:
    """The record that failed counts for nothing, neither now nor after a restart."""
    journal = new_journal(disk)
    journal.append(1, [], [b"first"])
    disk.fail("write", 1, errno.ENOSPC, partial=True)
    with pytest.raises(OSError):
        journal.append(2, [], [bytes(300)])
    assert journal.commit == 1
    assert len(records_in(disk.content("journal.1"))) == 1
    journal.append(3, [], [b"next"])
    assert [record.timestamp_ms for record in records_in(disk.content("journal.1"))] == [1, 3]


@pytest.mark.parametrize("restart", [False, True])
def test_without_its_header_a_file_takes_no_records(disk: SimulatedDisk, restart: bool) -> None:
    """Where the header of the next file, or of the same one anew, cannot be written, there is no room for anything."""
    journal = new_journal(disk, count=1 if restart else 2)
    journal.append(1, [], [])
    disk.fail("write", 1, errno.ENOSPC, partial=True)
    with pytest.raises(OSError):
        journal.restart() if restart else journal.roll()
    assert journal.has_room(0, 0) == (not restart), "the file in use before goes on, but not one with half a header"
    journal.restart() if restart else journal.roll()
    journal.append(2, [], [])
    name = "journal.1" if restart else "journal.2"
    assert [record.commit for record in records_in(disk.content(name))] == [2]


def test_a_failed_sync_is_passed_on(disk: SimulatedDisk) -> None:
    """And the commits do not count as durable."""
    journal = new_journal(disk)
    journal.append(1, [], [])
    disk.fail("sync", 1, errno.EIO)
    with pytest.raises(SyncFailed):
        journal.sync()
    assert journal.synced == 0
