"""The file layer, where the contract shared with the simulated disk ends."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from logmq.storage.local.files import Directory, SyncFailed


@pytest.fixture
def directory(tmp_path: Path) -> Directory:
    return Directory(tmp_path / "data")


def test_a_failed_sync_of_a_file_is_never_followed_by_one_that_works(
    directory: Directory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel tells of lost pages once. Whoever syncs the same file afterwards must not believe that all is well."""

    def fail(fd: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    file = directory.create("f")
    other = directory.create("g")
    with monkeypatch.context() as patch:
        patch.setattr(os, "fdatasync", fail)
        with pytest.raises(SyncFailed, match="fdatasync of f failed: Input/output error"):
            file.sync()
    with pytest.raises(SyncFailed, match="fdatasync of f failed before"):
        file.sync()
    other.sync()
    directory.close()


def test_short_writes_go_on_where_they_ended(directory: Directory, monkeypatch: pytest.MonkeyPatch) -> None:
    """pwritev and pwrite may take any part of what they are given; the caller sees the whole or an error."""
    file = directory.create("f")
    pwritev, pwrite = os.pwritev, os.pwrite
    monkeypatch.setattr(os, "pwritev", lambda fd, buffers, position: pwritev(fd, [buffers[0][:3]], position))
    monkeypatch.setattr(os, "pwrite", lambda fd, data, position: pwrite(fd, data[:2], position))
    file.write_at(1, [b"hello", b"-", b"world"])
    assert file.read_at(0, 100) == b"\0hello-world"
    monkeypatch.setattr(os, "pwrite", lambda fd, data, position: 0)
    with pytest.raises(OSError, match="took no bytes"):
        file.write_at(0, [b"hello"])
    directory.close()


def test_more_buffers_than_the_kernel_takes_at_once(directory: Directory) -> None:
    """2,000 buffers are written as one."""
    file = directory.create("f")
    file.write_at(0, [bytes([number % 256]) for number in range(2_000)])
    assert file.read_at(0, 5_000) == bytes(number % 256 for number in range(2_000))
    directory.close()
