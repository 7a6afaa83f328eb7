"""Cutting standard input into lines."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logmq.cli.lines import LineCutter


@pytest.mark.parametrize(
    ("data", "lines"),
    [
        (b"", []),
        (b"a", [b"a"]),
        (b"a\n", [b"a"]),
        (b"a\nb", [b"a", b"b"]),
        (b"\n\n", [b"", b""]),
        (b"a\r\nb\r", [b"a\r", b"b\r"]),
        (b"a\x0bb\x0cc\n", [b"a\x0bb\x0cc"]),
    ],
)
def test_a_line_ends_at_a_newline_and_nowhere_else(data: bytes, lines: list[bytes]) -> None:
    """Lines keep every byte but the newline; a last line without one counts, an empty rest does not."""
    cutter = LineCutter()
    assert cutter.feed(data) + cutter.finish() == lines


@given(st.binary(max_size=100), st.lists(st.integers(0, 100), max_size=8))
def test_where_chunks_end_does_not_matter(data: bytes, cuts: list[int]) -> None:
    """Any cut into chunks gives the same lines."""
    data = data.replace(b"a", b"\n")
    whole = LineCutter()
    expected = whole.feed(data) + whole.finish()
    cutter = LineCutter()
    ends = sorted({*(min(cut, len(data)) for cut in cuts), len(data)})
    lines = [line for start, stop in zip([0, *ends], ends, strict=False) for line in cutter.feed(data[start:stop])]
    assert lines + cutter.finish() == expected


def test_lines_are_there_as_soon_as_they_are_complete() -> None:
    """A typed line is not held back by the one being typed."""
    cutter = LineCutter()
    assert cutter.feed(b"one\ntw") == [b"one"]
    assert cutter.feed(b"o\n") == [b"two"]
    assert cutter.finish() == []
