"""Times and sizes: which texts are read, and that what is shown reads back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logmq.config import parse_duration, parse_size, show_duration, show_size


@pytest.mark.parametrize(
    ("text", "duration_ms"),
    [
        ("0", 0),
        ("250", 250),
        ("100ms", 100),
        ("30s", 30_000),
        ("1.5s", 1500),
        ("10m", 600_000),
        ("10min", 600_000),
        ("12h", 43_200_000),
        ("7d", 604_800_000),
        ("7 d", 604_800_000),
        ("7D", 604_800_000),
    ],
)
def test_a_duration_takes_a_unit_or_counts_milliseconds(text: str, duration_ms: int) -> None:
    """A time may be written with any of the documented units; a plain number is milliseconds."""
    assert parse_duration(text) == duration_ms


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0", 0),
        ("4096", 4096),
        ("1KB", 1000),
        ("1KiB", 1024),
        ("64MB", 64_000_000),
        ("64MiB", 67_108_864),
        ("1GiB", 1 << 30),
        ("1.5gib", 3 << 29),
        ("2TB", 2 * 10**12),
        ("5 b", 5),
    ],
)
def test_a_size_takes_a_unit_or_counts_bytes(text: str, size: int) -> None:
    """KiB and its kin count in 1024s, KB and its kin in 1000s; a plain number is bytes."""
    assert parse_size(text) == size


@pytest.mark.parametrize(
    "text", ["", " ", "x", "ms", "1 week", "1e3", "0x10", "1.0001s", "--1", "1_000", "٣", "9" * 30, "1s\n"]
)
def test_what_is_not_a_quantity_is_refused(text: str) -> None:
    """Nothing is guessed: other spellings of numbers, unknown units and fractions of a millisecond are errors."""
    with pytest.raises(ValueError):
        parse_duration(text)


@given(st.integers(min_value=0, max_value=(1 << 63) - 1))
def test_a_shown_quantity_reads_back_exactly(quantity: int) -> None:
    """What is printed for a time or size can be written into a file again without a change."""
    assert parse_duration(show_duration(quantity)) == quantity
    assert parse_size(show_size(quantity)) == quantity
