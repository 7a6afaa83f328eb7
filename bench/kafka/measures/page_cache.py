"""What the machine takes for writing into the page cache, with no broker around it: every broker that stores pays it.

In a virtual machine that gives free memory back, the first use of each page costs much more than the copy: on the
machine of the published figures 0.2 CPU seconds a gigabyte where the memory was in use just before, and up to 2 where
it was not. CPU figures of brokers are to be seen against this one, taken a moment before theirs.
"""

from __future__ import annotations

import os
import resource
from collections.abc import Mapping
from pathlib import Path

_SIZE = 256 << 20
_PIECE = bytes(1 << 20)


def measure(directory: Path) -> Mapping[str, float]:
    """CPU seconds a gigabyte. The file is gone when it returns."""
    path = directory / "page-cache"
    try:
        with path.open("wb", buffering=0) as file:
            cpu_s = _cpu_s()
            for _ in range(_SIZE // len(_PIECE)):
                os.write(file.fileno(), _PIECE)
            cpu_s = _cpu_s() - cpu_s
    finally:
        path.unlink(missing_ok=True)
    return {"page-cache-cpu": cpu_s / (_SIZE / 1e9)}


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime
