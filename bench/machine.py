"""What a figure depends on: the machine, the file system, the versions, the commit."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).resolve().parent.parent
_BUSY_MAX = 0.1
_MEMORY_ONLY = {"tmpfs", "ramfs"}


def facts(directory: Path) -> dict[str, Any]:
    """The machine as far as it matters; `directory` is where the data will lie. No names, no paths."""
    return {
        "date": datetime.now().astimezone().isoformat(timespec="seconds"),
        "commit": commit(),
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "kernel": f"{platform.system()} {platform.release()}",
        "file_system": file_system(directory),
        "python": platform.python_version(),
        "busy_before": round(busy(), 2),
    }


def commit() -> str:
    """The short commit, with `+` when the package differs from it."""
    short = _git("rev-parse", "--short", "HEAD")
    return f"{short}+" if _git("status", "--porcelain", "--", "src") else short


def _git(*words: str) -> str:
    done = subprocess.run(["git", *words], cwd=_ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip() or ("unknown" if done.returncode else "")


def _cpu() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return platform.machine()


def busy(seconds: float = 1.0) -> float:
    """The part of all cores' time that was not idle just now; above a few percent somebody else disturbs."""
    before = _cpu_times()
    time.sleep(seconds)
    spent = [now - then for then, now in zip(before, _cpu_times(), strict=True)]
    idle = spent[3] + spent[4]
    return 1 - idle / max(sum(spent), 1)


def _cpu_times() -> list[int]:
    """user, nice, system, idle, iowait, irq, softirq, steal (man 5 proc_stat)."""
    return [int(word) for word in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]


def file_system(directory: Path) -> str:
    """The type of the file system that holds `directory`."""
    device = directory.stat().st_dev
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        head, _, tail = line.partition(" - ")
        if head.split()[2] == f"{os.major(device)}:{os.minor(device)}":
            return tail.split()[0]
    return "unknown"


def warn_if_busy(machine: dict[str, Any]) -> None:
    """Say on standard error that the figures will be worth little."""
    if machine["busy_before"] > _BUSY_MAX:
        print(f"the machine is {machine['busy_before']:.0%} busy with something else", file=sys.stderr)


def check_real_disk(directory: Path) -> None:
    """Refuse to measure durability where there is none. Raises: SystemExit."""
    kind = file_system(directory)
    if kind in _MEMORY_ONLY:
        raise SystemExit(f"the data directory lies on {kind}, where a sync costs nothing: choose another --directory")
