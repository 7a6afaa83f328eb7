"""The floor under every durable broker on this disk: one frame written, one fdatasync, over and over.

The file is preallocated and full of zeros, so that a sync has no metadata to write. A broker that answers one client at
a time cannot be faster than this, however little it does besides.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from pathlib import Path

from logmq.client.load.histogram import Histogram
from logmq.client.load.result import Result
from logmq.client.load.text import payload

NAME = "bare loop"
_FILE_SIZE = 64 << 20
_HEADER_SIZE = 4


def measure(directory: Path, size: int, duration_s: float, warmup_s: float) -> Result:
    """Write frames of `size` bytes of payload into a file in `directory`, each one synced."""
    frame = size.to_bytes(_HEADER_SIZE, "big") + payload(size)
    path = directory / "floor"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        os.pwrite(descriptor, bytes(_FILE_SIZE), 0)
        os.fsync(descriptor)
        _loop(descriptor, frame, warmup_s)
        return _loop(descriptor, frame, duration_s)
    finally:
        os.close(descriptor)
        path.unlink()


def _loop(descriptor: int, frame: bytes, duration_s: float) -> Result:
    latency = Histogram()
    count = 0
    start_ns = before_ns = time.monotonic_ns()
    cpu_s = time.process_time()
    while before_ns < start_ns + duration_s * 1e9:
        os.pwrite(descriptor, frame, count * len(frame) % (_FILE_SIZE - len(frame)))
        os.fdatasync(descriptor)
        now_ns = time.monotonic_ns()
        latency.record(now_ns - before_ns)
        before_ns = now_ns
        count += 1
    seconds = (before_ns - start_ns) / 1e9
    cpu_s = time.process_time() - cpu_s
    return Result(
        name=NAME,
        message_count=count,
        message_count_total=count,
        message_size=len(frame) - _HEADER_SIZE,
        seconds=seconds,
        latency=latency,
        errors=Counter(),
        unanswered=0,
        cpu_s=cpu_s,
        processes=1,
        per_second=(),
    )
