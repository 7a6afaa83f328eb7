"""Offsets and cursors as clients of Durable Streams see them: opaque to them, in the order of their texts.

    0000000000000000_0000000000000042       the offset of the record that comes next; the first part is kept for later

A cursor counts intervals of 20 seconds. Clients send it back, so that a cache in between does not hand out the same
answer to a long poll for ever.
"""

from __future__ import annotations

import re

from logmq.protocols.http.problems import InvalidInput

START = "-1"
NOW = "now"
_OFFSET = re.compile(r"0{16}_(\d{16})")
_FIRST_PART = "0" * 16

_CURSOR_EPOCH_MS = 1_728_432_000_000
"""9 October 2024."""
_CURSOR_INTERVAL_MS = 20_000
_CURSOR = re.compile(r"\d{1,15}")


def offset_text(offset: int) -> str:
    """The offset as clients get it."""
    return f"{_FIRST_PART}_{offset:016d}"


def parse_offset(text: str) -> int:
    """The offset that a client got earlier. Raises: InvalidInput."""
    match = _OFFSET.fullmatch(text)
    if match is None or not text.isascii():
        raise InvalidInput("this is no offset of this broker; send back one that it gave, or -1, or now", "offset")
    return int(match[1])


def next_cursor(given: str | None, now_ms: int, jitter: int) -> str:
    """The cursor of now, which is beyond the one given: `jitter` intervals, at least one, where time is not."""
    current = (now_ms - _CURSOR_EPOCH_MS) // _CURSOR_INTERVAL_MS
    if given is not None and _CURSOR.fullmatch(given) and int(given) >= current:
        return str(int(given) + jitter)
    return str(current)
