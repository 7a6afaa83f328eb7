"""The frames of the `plain` format: pure functions between payloads and bytes.

    +----------------------------+---------------------+
    | length, 4 bytes big-endian | payload             |     one frame; the next one follows at once
    +----------------------------+---------------------+

    00 00 00 0B 68 65 6C 6C 6F 2D 77 6F 72 6C 64              the frame of `hello-world`

A frame has no header, no padding and no checksum: index and journal hold the checksums of whole ranges.
All functions work on many frames at once, since a call a frame costs more than the frame.
"""

from __future__ import annotations

import struct
from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate

HEADER_SIZE = 4

_HEADER = struct.Struct(">I")
_HEADERS = [_HEADER.pack(size) for size in range(4096)]


def encode(payloads: Sequence[bytes]) -> tuple[bytes, Sequence[int]]:
    """Frame payloads; returns the bytes and the positions at which the frames start (a `range` if equally spaced)."""
    if len(payloads) == 1:
        payload = payloads[0]
        return _HEADER.pack(len(payload)) + payload, _FIRST
    sizes = list(map(len, payloads))
    size = sizes[0]
    if sizes.count(size) == len(sizes):
        header = _HEADER.pack(size)
        step = HEADER_SIZE + size
        return header + header.join(payloads), range(0, step * len(sizes), step)
    pieces: list[bytes] = [b""] * (2 * len(sizes))
    pieces[::2] = _headers(sizes)
    pieces[1::2] = payloads
    starts = list(accumulate([HEADER_SIZE + size for size in sizes], initial=0))
    starts.pop()
    return b"".join(pieces), starts


_FIRST = range(1)


def _headers(sizes: list[int]) -> list[bytes]:
    try:
        return list(map(_HEADERS.__getitem__, sizes))
    except IndexError:
        return list(map(_HEADER.pack, sizes))


def walk(data: bytes, position: int = 0, count_max: int | None = None) -> tuple[Sequence[int], int]:
    """Find the whole frames in `data` from `position` on.

    Returns the positions at which they start and the position behind the last one. A frame that is cut off at the
    end of `data` is left out.
    """
    starts: list[int] = []
    end = len(data)
    limit = end if count_max is None else count_max
    unpack = _HEADER.unpack_from
    while position + HEADER_SIZE <= end and len(starts) < limit:
        step = HEADER_SIZE + unpack(data, position)[0]
        if position + step > end:
            break
        count = _equal_run(data, position, step, min((end - position) // step, limit - len(starts)))
        starts.extend(range(position, position + count * step, step))
        position += count * step
    return starts, position


def _equal_run(data: bytes, position: int, step: int, count_max: int) -> int:
    """How many frames from `position` on have the same length: compares whole strides of header bytes at once.

    A header found one step behind a frame of that step is a true header, so equal strides prove a run.
    """
    run, probe = 1, 8
    while run < count_max:
        count = min(probe, count_max - run)
        start = position + run * step
        stop = start + count * step
        if any(
            data[start + i : stop + i : step] != data[position + i : position + i + 1] * count
            for i in range(HEADER_SIZE)
        ):
            if count == 1 or probe == 1:
                return run
            probe = count // 4 or 1
            continue
        run += count
        probe = count * 4
    return run


def payloads(data: bytes, starts: Sequence[int], end: int) -> list[bytes]:
    """Cut out the payloads of the frames that start at `starts`, the last one ending at `end`."""
    if not starts:
        return []
    ends = [*starts[1:], end]
    return [data[start + HEADER_SIZE : stop] for start, stop in zip(starts, ends, strict=True)]


def seek(data: bytes, position: int) -> int:
    """The start of the first frame at or after `position`, given that one starts at 0; `len(data)` if there is none."""
    starts, end = walk(data[: position + HEADER_SIZE] if False else data)
    index = bisect_left(starts, position)
    return starts[index] if index < len(starts) else end
