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
_ONE_START = range(1)
_unpack = _HEADER.unpack_from


def encode(payloads: Sequence[bytes]) -> tuple[bytes, Sequence[int]]:
    """Frame payloads; returns the bytes and the positions at which the frames start (a `range` if equally spaced)."""
    if len(payloads) == 1:
        return _HEADER.pack(len(payloads[0])) + payloads[0], _ONE_START
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


def _headers(sizes: list[int]) -> list[bytes]:
    try:
        return list(map(_HEADERS.__getitem__, sizes))
    except IndexError:
        return list(map(_HEADER.pack, sizes))


def walk(data: bytes, position: int = 0, count_max: int | None = None) -> tuple[list[int], int]:
    """Find the whole frames in `data` from `position` on, given that one starts there.

    Returns the positions at which they start and the position behind the last one. A frame that is cut off at the
    end of `data` is left out.
    """
    starts: list[int] = []
    end = len(data)
    limit = end if count_max is None else count_max
    previous = 0
    while position + HEADER_SIZE <= end and len(starts) < limit:
        step = HEADER_SIZE + _unpack(data, position)[0]
        if position + step > end:
            break
        if step == previous:
            count = _equal_run(data, position, step, min((end - position) // step, limit - len(starts)))
            starts.extend(range(position, position + count * step, step))
            position += count * step
        else:
            starts.append(position)
            position += step
        previous = step
    return starts, position


def _equal_run(data: bytes, position: int, step: int, count_max: int) -> int:
    """How many frames from `position` on have the same length, the first one included; compares whole strides.

    The frame at `position` ends one step on, so what stands there is a true header; if it equals the first one,
    the same holds for the next. Equal strides of header bytes therefore prove a run of frames.
    """
    run, probe = 1, 8
    while run < count_max:
        count = min(probe, count_max - run)
        first = position + run * step
        stop = first + count * step
        for i in range(HEADER_SIZE):
            if data[first + i : stop + i : step] != data[position + i : position + i + 1] * count:
                return run
        run += count
        probe *= 4
    return run


def cut(data: bytes, starts: Sequence[int], end: int) -> list[bytes]:
    """Cut out the payloads of the frames that start at `starts`, the last one ending at `end`."""
    ends = [*starts[1:], end]
    return [data[start + HEADER_SIZE : stop] for start, stop in zip(starts, ends, strict=True)] if starts else []


def seek(data: bytes, position: int) -> int:
    """The start of the first frame at or after `position`, given that one starts at 0.

    Where no whole frame starts there: the position behind the last whole frame.
    """
    starts, end = walk(data)
    index = bisect_left(starts, position)
    return starts[index] if index < len(starts) else end
