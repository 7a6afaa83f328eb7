"""Cutting the stream into requests: any split gives the same ones, and nothing that cannot be is waited for."""

from __future__ import annotations

import random
import struct
import tracemalloc
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.protocols.kafka.kafka_session import encode_request, framed

from logmq.protocols.kafka.framing import PLAIN_REQUEST_SIZE_MAX, BadFrame, Frames, parse

SIZE_MAX = 1 << 20
PRODUCE, METADATA = 0, 3


def request(key: int, version: int, body: bytes, client_id: bytes = b"c") -> bytes:
    return framed(struct.pack(">hhih", key, version, 7, len(client_id)) + client_id + body)


@given(
    bodies=st.lists(st.binary(max_size=9000), max_size=8),
    cuts=st.lists(st.integers(0, 1 << 20), max_size=30),
)
def test_any_split_gives_the_same_requests(bodies: list[bytes], cuts: list[int]) -> None:
    """However the stream is cut into chunks, the requests are those that were sent, in their order."""
    stream = b"".join([request(METADATA, 4, body) for body in bodies])
    places = sorted({cut % (len(stream) + 1) for cut in cuts} | {0, len(stream)})
    frames = Frames(SIZE_MAX)
    found = [frame for start, stop in pairwise(places) for frame in frames.feed(stream[start:stop])]
    assert [frame.data[frame.position :] for frame in found] == bodies
    assert all((frame.key, frame.version, frame.correlation_id, frame.client_id) == (3, 4, 7, "c") for frame in found)
    assert frames.is_empty


def test_byte_by_byte() -> None:
    """A request of a megabyte that comes byte by byte costs about as much memory as it has bytes."""
    stream = request(PRODUCE, 3, bytes(500_000)) + request(METADATA, 0, b"xyz")
    frames = Frames(SIZE_MAX)
    found = []
    tracemalloc.start()
    for position in range(len(stream)):
        found += frames.feed(stream[position : position + 1])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [len(frame.data) for frame in found] == [len(stream) - 18, 18]
    assert peak < 3_000_000


def test_a_whole_request_is_not_copied() -> None:
    """What comes in one chunk is given out as that very object; in many chunks, it is joined once."""
    whole = request(PRODUCE, 3, bytes(100_000))
    (frame,) = Frames(SIZE_MAX).feed(whole)
    assert frame.data is whole


@pytest.mark.parametrize("size", [-1, -(1 << 31), 0, 9, SIZE_MAX + 1, (1 << 31) - 1])
@pytest.mark.parametrize("behind", [b"", b"\x00\x00", b"\x00" * 40])
def test_impossible_sizes_are_refused_at_once(size: int, behind: bytes) -> None:
    """A size that is negative, too small or too large is refused as soon as it is there, at any split."""
    data = struct.pack(">i", size) + behind
    with pytest.raises(BadFrame):
        Frames(SIZE_MAX).feed(data)
    frames = Frames(SIZE_MAX)
    with pytest.raises(BadFrame):
        for position in range(len(data)):
            frames.feed(data[position : position + 1])


def test_only_produce_may_be_large() -> None:
    """A request with a size that only records need is refused with its first bytes unless it is a Produce."""
    head = struct.Struct(">ih")
    frames = Frames(64 << 20)
    assert frames.feed(head.pack(PLAIN_REQUEST_SIZE_MAX + 1, PRODUCE)) == []
    assert Frames(64 << 20).feed(head.pack(PLAIN_REQUEST_SIZE_MAX, METADATA)) == []
    with pytest.raises(BadFrame, match="bytes cannot be"):
        Frames(64 << 20).feed(head.pack(PLAIN_REQUEST_SIZE_MAX + 1, METADATA))


def tagged(count: bytes, *fields: bytes) -> bytes:
    return request(METADATA, 12, count + b"".join(fields))


@pytest.mark.parametrize(
    "data",
    [
        tagged(b"\x01"),
        tagged(b"\x01", b"\x00\x05abc"),
        tagged(b"\xff\xff\xff\xff\x0f"),
        tagged(b"\xff\xff\xff\xff\xff\xff\x01"),
        tagged(b"\x01", b"\x00\xff\xff\xff\xff\x0f"),
        request(METADATA, 12, b""),
        framed(struct.pack(">hhih", 3, 4, 1, 200)),
    ],
    ids=["none", "beyond", "many", "long count", "large", "cut off", "client id"],
)
def test_headers_are_bounded(data: bytes) -> None:
    """Tagged fields and the client id must lie within the request; their numbers are checked before anything else."""
    with pytest.raises(BadFrame):
        Frames(SIZE_MAX).feed(data)


def test_tagged_fields_are_passed_over() -> None:
    """Tagged fields that nobody knows are no error."""
    frame = parse(tagged(b"\x02", b"\x00\x03abc", b"\x07\x00", b"body"))
    assert frame.data[frame.position :] == b"body"


def test_null_and_strange_client_ids() -> None:
    """A client id may be null, and need not be text."""
    assert parse(framed(struct.pack(">hhih", 3, 4, 1, -1))).client_id == ""
    assert parse(request(3, 4, b"", b"\xff\xfe")).client_id == "\ufffd\ufffd"


def test_noise() -> None:
    """10,000 random streams give requests or BadFrame, nothing else."""
    generator = random.Random(20_240)
    good = encode_request("metadata", 4, {"topics": (), "allow_auto_topic_creation": False})
    for _ in range(10_000):
        data = bytearray(good * generator.randrange(1, 3))
        for _ in range(generator.randrange(1, 5)):
            data[generator.randrange(len(data))] = generator.randrange(256)
        frames = Frames(SIZE_MAX)
        cut = generator.randrange(len(data))
        try:
            found = frames.feed(bytes(data[:cut])) + frames.feed(bytes(data[cut:]))
        except BadFrame:
            continue
        assert all(frame.position <= len(frame.data) for frame in found)
