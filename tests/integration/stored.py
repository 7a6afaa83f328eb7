"""The files of a data directory as anybody can read them: frames of a 4-byte big-endian length and the payload.

Written against the specification and not with `logmq.records`, so that a mistake there is seen here.
"""

from __future__ import annotations

import struct
from pathlib import Path

_LENGTH = struct.Struct(">I")


def log_bytes(data_dir: Path, topic: str, start: int = 0) -> bytes:
    """The bytes of partition 0 of a topic from `start` on, its segments one after the other.

    Raises: AssertionError when a segment does not begin where its name says.
    """
    parts = []
    end = 0
    for path in segment_paths(data_dir, topic):
        base, size = int(path.stem.partition("+")[2] or 0), path.stat().st_size
        assert base == end, f"{path.name} begins at {base}, the segments before it end at {end}"
        end += size
        if end > start:
            parts.append(path.read_bytes()[max(0, start - base) :])
    return b"".join(parts)


def segment_paths(data_dir: Path, topic: str) -> list[Path]:
    """The files of partition 0 of a topic, in order."""
    return [data_dir / f"{topic}.log", *sorted(data_dir.glob(f"{topic}+*.log"))]


def frames_of(data: bytes, base: int = 0) -> list[tuple[int, bytes]]:
    """Offset and payload of each frame in `data`, which begins at offset `base`.

    Raises: AssertionError where the bytes are not whole frames.
    """
    frames = []
    position = 0
    while position < len(data):
        start = position + _LENGTH.size
        assert start <= len(data), f"half a length at {base + position}, the end is {base + len(data)}"
        end = start + _LENGTH.unpack_from(data, position)[0]
        assert end <= len(data), f"half a message at {base + position}: to {base + end}, the end is {base + len(data)}"
        frames.append((base + position, data[start:end]))
        position = end
    return frames
