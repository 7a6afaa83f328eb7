"""Record batches: what is checked before one is stored, what a broker changes, and the records inside."""

from __future__ import annotations

import random
import struct
from contextlib import suppress

import pytest
from crc32c import crc32c
from hypothesis import given
from hypothesis import strategies as st

from logmq.errors import LogMQError
from logmq.records import batches
from logmq.records.batches import Compression, CorruptBatch, InvalidBatch, UnsupportedMagic
from logmq.records.records import MalformedRecord, Record, batch_of, decode, encode, encode_values, values, varint

SIZE_MAX = 1 << 20
_TIMES = st.integers(-(1 << 40), 1 << 40)
_FIELDS = st.none() | st.binary(max_size=200)


@st.composite
def record_lists(draw: st.DrawFn) -> list[Record]:
    """Records with consecutive offsets."""
    first = draw(st.integers(0, 1 << 60))
    headers = st.lists(st.tuples(st.text(max_size=8), _FIELDS), max_size=3)
    fields = draw(st.lists(st.tuples(_TIMES, _FIELDS, _FIELDS, headers), min_size=1, max_size=12))
    return [
        Record(first + number, time, key, value, tuple(each)) for number, (time, key, value, each) in enumerate(fields)
    ]


@given(records=record_lists(), compression=st.sampled_from(Compression))
def test_records_come_back(records: list[Record], compression: Compression) -> None:
    """What is encoded is decoded, in every codec, and passes every check."""
    data = encode(records, compression)
    ((position, header),) = batches.check(data)
    assert position == 0
    assert (header.size, header.record_count, header.next_offset) == (len(data), len(records), records[-1].offset + 1)
    assert header.max_timestamp_ms == max(record.timestamp_ms for record in records)
    assert list(decode(data, SIZE_MAX)) == records
    assert values(data, SIZE_MAX) == [record.value for record in records]


@given(payloads=st.lists(st.binary(max_size=300), min_size=1, max_size=50), first=st.integers(0, 1 << 50))
def test_values_in_bulk_are_the_same(payloads: list[bytes], first: int) -> None:
    """The bulk encoder of values makes the very bytes that the encoder of records makes."""
    records = [Record(first + number, 7, None, payload) for number, payload in enumerate(payloads)]
    made = batch_of(
        body=encode_values(payloads, range(len(payloads))),
        base_offset=first,
        last_offset_delta=len(payloads) - 1,
        record_count=len(payloads),
        base_timestamp_ms=7,
        max_timestamp_ms=7,
    )
    assert made == encode(records)


@given(lists=st.lists(record_lists(), min_size=1, max_size=5), offset=st.integers(0, 1 << 60), epoch=st.integers(0, 99))
def test_placing_changes_offset_and_epoch_only(lists: list[list[Record]], offset: int, epoch: int) -> None:
    """Placed batches follow each other from the given offset on; their checksums still hold."""
    made = [encode(records) for records in lists]
    data = b"".join(made)
    starts = [position for position, _ in batches.check(data)]
    placed = batches.place(data, starts, offset, epoch)
    expected = offset
    for (position, header), original, records in zip(batches.check(placed), made, lists, strict=True):
        assert (header.base_offset, header.leader_epoch) == (expected, epoch)
        assert placed[position + 16 : position + header.size] == original[16:]
        expected += len(records)
    buffer = bytearray(data)
    batches.place(memoryview(buffer), starts, offset, epoch)
    assert buffer == placed, "in a buffer that can be written to it is done there"


def test_append_time() -> None:
    """With the broker's time all records have it, and the checksum is right."""
    data = encode([Record(0, 1, None, b"a"), Record(1, 2, None, b"b")]) * 2
    starts = [position for position, _ in batches.check(data)]
    stamped = batches.with_append_time(data, starts, 99)
    assert len(batches.check(stamped)) == 2
    assert [record.timestamp_ms for record in decode(stamped, SIZE_MAX)] == [99, 99]


def test_a_known_batch() -> None:
    """The bytes are Kafka's: a batch written down by hand, byte for byte."""
    data = encode([Record(5, 1000, b"k", b"v", (("h", None),))])
    body = bytes.fromhex("16 00 00 00 02 6b 02 76 02 02 68 01".replace(" ", ""))
    head = struct.pack(">hiqqqhii", 0, 0, 1000, 1000, -1, -1, -1, 1)
    assert data == struct.pack(">qiibI", 5, 49 + len(body), 0, 2, crc32c(head + body)) + head + body


GOOD = encode([Record(0, 0, b"key", b"value"), Record(1, 0, None, None)])


def test_every_flipped_bit_is_found() -> None:
    """A flipped bit anywhere but in what the broker itself sets is refused."""
    for bit in range(8 * 8, 8 * len(GOOD)):
        if 12 <= bit // 8 < 16:
            continue
        flipped = bytearray(GOOD)
        flipped[bit // 8] ^= 1 << bit % 8
        with pytest.raises((CorruptBatch, InvalidBatch, UnsupportedMagic)):
            batches.check(bytes(flipped))


def test_every_cut_is_found() -> None:
    """A batch that is cut off anywhere is refused, alone and behind a whole one."""
    for length in range(len(GOOD)):
        with pytest.raises((CorruptBatch, InvalidBatch)):
            batches.check(GOOD[:length])
        if length:
            with pytest.raises(CorruptBatch):
                batches.check(GOOD + GOOD[:length])


@pytest.mark.parametrize("magic", [0, 1])
def test_old_formats_have_their_own_error(magic: int) -> None:
    """Message sets of before Kafka 0.11 are told apart from damage, also when shorter than a header."""
    message = struct.pack(">qiIbb", 0, 14, 0, magic, 0) + struct.pack(">ii", -1, -1)
    for data in (message, message + bytes(60)):
        with pytest.raises(UnsupportedMagic):
            batches.check(data)


def test_whole_batches_are_found() -> None:
    """`headers` gives what is whole and leaves out what is cut off at the end."""
    data = GOOD * 3
    for length in range(len(data) + 1):
        found = [position for position, _ in batches.headers(data[:length])]
        assert found == [number * len(GOOD) for number in range(length // len(GOOD))]


def sealed(body: bytes, count: int) -> bytes:
    """A batch with a right checksum around any body."""
    return batch_of(
        body=body,
        base_offset=0,
        last_offset_delta=count - 1,
        record_count=count,
        base_timestamp_ms=0,
        max_timestamp_ms=0,
    )


LIES = {
    "size beyond the batch": varint(200) + b"\x00" * 20,
    "negative size": varint(-5) + b"\x00" * 20,
    "key beyond the record": varint(10) + b"\x00\x00\x00" + varint(50) + b"\x00" * 20,
    "value beyond the record": varint(10) + b"\x00\x00\x00\x01" + varint(50) + b"\x00" * 20,
    "a number without end": varint(30) + b"\x00" + b"\xff" * 40,
    "size without end": b"\xff" * 40,
    "nothing": b"",
}


@pytest.mark.parametrize("name", LIES)
def test_lies_inside_are_found(name: str) -> None:
    """A batch that is whole but whose records reach beyond each other is an error, never other bytes."""
    data = sealed(LIES[name], 1)
    with pytest.raises(MalformedRecord):
        list(decode(data, SIZE_MAX))
    with pytest.raises(MalformedRecord):
        values(data, SIZE_MAX)


@pytest.mark.parametrize("count", [-1, 100_001, 1 << 30])
def test_header_counts_are_bounded(count: int) -> None:
    """A record that claims a billion headers is refused before they are looked for."""
    content = b"\x00\x00\x00\x01\x01" + varint(count) + b"\x00" * 8
    with pytest.raises(MalformedRecord):
        list(decode(sealed(varint(len(content)) + content, 1), SIZE_MAX))


def test_noise_inside() -> None:
    """20,000 mutated bodies give records or an error of the table, nothing else."""
    generator = random.Random(99)
    bodies = [
        encode([Record(n, n, b"k", b"v" * n, (("h", b"x"),)) for n in range(4)], each)[61:] for each in Compression
    ]
    for number in range(20_000):
        compression = number % len(bodies)
        body = bytearray(bodies[compression])
        for _ in range(generator.randint(1, 3)):
            body[generator.randrange(len(body))] = generator.randrange(256)
        data = batch_of(
            body=bytes(body),
            base_offset=0,
            last_offset_delta=3,
            record_count=4,
            base_timestamp_ms=0,
            max_timestamp_ms=0,
            attributes=compression,
        )
        for read in (decode, values):
            with suppress(LogMQError):
                list(read(data, 100_000))
