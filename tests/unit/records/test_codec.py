"""The codec of the plain format: offsets are positions."""

from __future__ import annotations

from logmq.model import Format
from logmq.records import frames
from logmq.records.codec import CODECS, Boundaries

PLAIN = CODECS[Format.PLAIN]


def test_plain_frames_are_stored_as_they_come() -> None:
    """A frame does not know its offset, so that nothing is written into it."""
    data, starts = frames.encode([b"a", b"bc"])
    assert PLAIN.place(data, starts, 1_000) is data


def test_boundaries_are_the_same_in_bytes_and_in_offsets() -> None:
    """Each frame's offset is its position, and a cut frame counts for neither."""
    data, _ = frames.encode([b"a", b"bc"])
    assert PLAIN.walk(data + b"\0\0") == Boundaries([0, 5], [0, 5], 11, 11)


def test_seek_moves_by_whole_frames() -> None:
    """An offset inside a frame leads to the next one, in bytes and in offsets."""
    data, _ = frames.encode([b"a", b"bc"])
    assert [PLAIN.seek(data, count) for count in (0, 1, 5, 6, 11, 99)] == [(0, 0), (5, 5), (5, 5), (11, 11)] + [
        (11, 11)
    ] * 2
