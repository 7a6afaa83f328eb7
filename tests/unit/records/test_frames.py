"""Frames: the specification's own example, and each function against one that takes frames one by one."""

from __future__ import annotations

import struct

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from logmq.records import frames

payload_lists = st.lists(
    st.one_of(st.binary(max_size=12), st.just(b""), st.just(b"x" * 7), st.just(bytes(7)), st.just(b"\0\0\0\7" * 3)),
    max_size=40,
)


def encode_one_by_one(payloads: list[bytes]) -> tuple[bytes, list[int]]:
    data, starts = b"", []
    for payload in payloads:
        starts.append(len(data))
        data += struct.pack(">I", len(payload)) + payload
    return data, starts


def walk_one_by_one(data: bytes, position: int) -> tuple[list[int], int]:
    starts = []
    while position + 4 <= len(data):
        end = position + 4 + int.from_bytes(data[position : position + 4], "big")
        if end > len(data):
            break
        starts.append(position)
        position = end
    return starts, position


def test_the_frame_of_hello_world() -> None:
    """The specification's example: `00 00 00 0B`, then the message."""
    data, starts = frames.encode([b"hello-world"])
    assert data == bytes.fromhex("00 00 00 0B") + b"hello-world"
    assert list(starts) == [0]


def test_frames_lie_back_to_back() -> None:
    """No header, no padding, nothing between: the next frame starts `4 + length` further on."""
    data, starts = frames.encode([b"item-1", b"", b"item-22"])
    assert data == b"\0\0\0\6item-1" + b"\0\0\0\0" + b"\0\0\0\7item-22"
    assert list(starts) == [0, 10, 14]


@given(payload_lists.filter(bool))
@example([b""])
@example([b"", b""])
@example([b"a" * 4_096, b"b"])
@example([b"a" * 4_095, b"b"])
def test_encode_frames_each_payload(payloads: list[bytes]) -> None:
    """All paths (one frame, equal sizes, small and large ones) give the same bytes and starts."""
    data, starts = frames.encode(payloads)
    assert (data, list(starts)) == encode_one_by_one(payloads)


def test_equal_frames_have_their_starts_in_a_range() -> None:
    """A million equal frames need no list of a million starts."""
    _, starts = frames.encode([b"x" * 100] * 1_000)
    assert starts == range(0, 104_000, 104)


@given(payload_lists, st.integers(0, 30), st.integers(0, 200))
def test_walk_finds_whole_frames_and_leaves_out_a_cut_one(payloads: list[bytes], cut: int, skipped: int) -> None:
    """From any frame on, with the end cut off anywhere."""
    data, starts = encode_one_by_one(payloads)
    data = data[: len(data) - cut] if cut else data
    begin = starts[skipped % len(starts)] if starts else 0
    if begin <= len(data):
        assert frames.walk(data, begin) == walk_one_by_one(data, begin)


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(1, 60)), max_size=12), st.binary(max_size=3))
@settings(max_examples=200)
def test_runs_of_equal_frames_are_walked_as_single_ones(runs: list[tuple[int, int]], tail: bytes) -> None:
    """Runs are found by comparing strides of header bytes; the result is that of reading each header."""
    data = b"".join(frames.encode([bytes([size]) * size] * count)[0] for size, count in runs) + tail
    assert frames.walk(data) == walk_one_by_one(data, 0)


@given(st.binary(max_size=80), st.integers(0, 6))
def test_walk_takes_any_bytes(data: bytes, position: int) -> None:
    """Whatever the bytes, it finds what one by one would be found, and reads nothing behind the end."""
    if position <= len(data):
        assert frames.walk(data, position) == walk_one_by_one(data, position)


@given(payload_lists, st.integers(0, 50))
def test_walk_stops_at_a_count(payloads: list[bytes], count_max: int) -> None:
    """With `count_max` it finds the first frames and the position behind them."""
    data, starts = encode_one_by_one(payloads)
    found, end = frames.walk(data, 0, count_max)
    assert found == starts[:count_max]
    assert end == [*starts, len(data)][len(found)]


@given(payload_lists)
def test_cut_is_the_inverse_of_encode(payloads: list[bytes]) -> None:
    """The payloads come back out of their frames."""
    data, starts = encode_one_by_one(payloads)
    assert frames.cut(data, starts, len(data)) == payloads


@given(payload_lists, st.integers(0, 300))
def test_seek_finds_the_first_frame_at_or_after_a_position(payloads: list[bytes], position: int) -> None:
    """Inside a frame it is the next one, behind the last frame the end."""
    data, starts = encode_one_by_one(payloads)
    assert frames.seek(data, position) == min([start for start in starts if start >= position], default=len(data))


@pytest.mark.parametrize("size", [4_095, 4_096, 70_000])
def test_sizes_beyond_the_table_of_headers(size: int) -> None:
    """The table of packed sizes ends at 4,095; what is larger is packed one by one."""
    payloads = [b"a" * size, b"b"]
    assert frames.encode(payloads)[0] == encode_one_by_one(payloads)[0]
