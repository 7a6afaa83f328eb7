"""A file system of a few megabytes in memory, really full when it is full."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest


def _mount(directory: Path, size: int) -> list[str]:
    return ["mount", "-t", "tmpfs", "-o", f"size={size}", "logmq-test", str(directory)]


@cache
def why_not() -> str:
    """Why no file system can be mounted here; empty if one can."""
    if os.geteuid() != 0:
        return "only root can mount a file system"
    if shutil.which("mount") is None:
        return "mount is not installed"
    with TemporaryDirectory() as directory:
        done = subprocess.run(_mount(Path(directory), 1 << 20), capture_output=True, text=True, check=False)
        if done.returncode != 0:
            return f"no file system may be mounted here: {done.stderr.strip()}"
        subprocess.run(["umount", directory], check=True)
    return ""


needs_mount = pytest.mark.skipif(bool(why_not()), reason=why_not() or "mounting works")


@contextmanager
def small_disk(directory: Path, size: int) -> Iterator[Path]:
    """Mount a tmpfs of `size` bytes at `directory`, which is made."""
    directory.mkdir()
    subprocess.run(_mount(directory, size), check=True)
    try:
        yield directory
    finally:
        subprocess.run(["umount", "--lazy", str(directory)], check=True)


def fill(path: Path) -> int:
    """Write a file until the disk is full to the last page; returns its size."""
    with path.open("wb", buffering=0) as file:
        for block in (1 << 20, 4096):
            try:
                while True:
                    file.write(bytes(block))
            except OSError:
                pass
        return file.tell()
