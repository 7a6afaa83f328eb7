"""The files of a data directory as anybody can read them: frames of a 4-byte big-endian length and the payload.

Written against the specification and not with `logmq.records`, so that a mistake there is seen here.
"""

from __future__ import annotations

import struct
from pathlib import Path

_LENGTH = struct.Struct(">I")


def log_bytes(data_dir: Path, topic: str) -> bytes:
    """All bytes of partition 0 of a topic, its segments one after the other; each must begin where it says."""
    data = b""
    for path in segment_paths(data_dir, topic):
        base = int(path.stem.partition("+")[2] or 0)
        assert base == len(data), f"{path.name} begins at {base}, the segments before it end at {len(data)}"
        data += path.read_bytes()
    return data


def segment_paths(data_dir: Path, topic: str) -> list[Path]:
    """The files of partition 0 of a topic, in order."""
    return [data_dir / f"{topic}.log", *sorted(data_dir.glob(f"{topic}+*.log"))]


def frames_of(data: bytes, start: int = 0) -> list[tuple[int, bytes]]:
    """Offset and payload of each frame from `start` on. Raises: AssertionError where the bytes are not whole frames."""
    frames = []
    position = start
    while position < len(data):
        assert position + _LENGTH.size <= len(data), f"half a length at {position} of {len(data)}"
        (size,) = _LENGTH.unpack_from(data, position)
        end = position + _LENGTH.size + size
        assert end <= len(data), (
            f"half a message at {position}: {size} bytes of which {len(data) - position - 4} are there"
        )
        frames.append((position, data[position + _LENGTH.size : end]))
        position = end
    return frames
