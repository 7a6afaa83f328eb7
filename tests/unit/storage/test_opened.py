"""Open files: at most so many, those longest unused go first."""

from __future__ import annotations

import errno
from random import Random

import pytest
from tests.simulation.disk import SimulatedDisk

from logmq.storage.local.opened import OpenFiles


@pytest.fixture
def disk() -> SimulatedDisk:
    disk = SimulatedDisk(Random(1))
    for name in "abcd":
        disk.create(name).write_at(0, [name.encode()])
    return disk


def test_a_file_is_opened_once(disk: SimulatedDisk) -> None:
    """While it is known it is not opened again."""
    opened = OpenFiles(disk, 10)
    assert opened.get("a") is opened.get("a")
    assert disk.calls["open"] == 1


def test_the_longest_unused_is_forgotten(disk: SimulatedDisk) -> None:
    """Beyond the limit, in order of use rather than of opening; whoever still has it can go on reading."""
    opened = OpenFiles(disk, 2)
    first = opened.get("a")
    opened.get("b")
    opened.get("a")
    opened.get("c")
    assert len(opened) == 2
    assert opened.get("a") is first
    b = opened.get("b")
    opened.get("c")
    opened.get("d")
    assert b.read_at(0, 1) == b"b"
    assert disk.calls["open"] == 6


def test_a_created_file_need_not_be_opened(disk: SimulatedDisk) -> None:
    """`create` takes it in as it is."""
    opened = OpenFiles(disk, 2)
    file = opened.create("e")
    assert opened.get("e") is file
    assert disk.calls["open"] == 0


def test_adding_files_keeps_the_limit(disk: SimulatedDisk) -> None:
    """Many new segments do not pile up open files."""
    opened = OpenFiles(disk, 2)
    for number in range(10):
        opened.create(f"new{number}")
    assert len(opened) <= 2


def test_a_forgotten_file_is_opened_anew(disk: SimulatedDisk) -> None:
    """After `forget` the name may stand for another file."""
    opened = OpenFiles(disk, 10)
    opened.get("a")
    opened.forget("a")
    opened.forget("a")
    disk.unlink("a")
    with pytest.raises(FileNotFoundError):
        opened.get("a")


def test_an_error_leaves_nothing_behind(disk: SimulatedDisk) -> None:
    """What could not be opened is tried again the next time."""
    opened = OpenFiles(disk, 10)
    disk.fail("open", 1, errno.EIO)
    with pytest.raises(OSError):
        opened.get("a")
    assert opened.get("a").read_at(0, 1) == b"a"


@pytest.mark.parametrize("error", [errno.EMFILE, errno.ENFILE])
def test_without_descriptors_all_unused_files_are_let_go(disk: SimulatedDisk, error: int) -> None:
    """Clients may hold all others; what is in use stays open with those who use it."""
    opened = OpenFiles(disk, 10)
    a = opened.get("a")
    disk.fail("open", 1, error)
    assert opened.get("b").read_at(0, 1) == b"b"
    assert len(opened) == 1
    assert a.read_at(0, 1) == b"a"
    disk.fail("create", 1, error)
    opened.create("new")
    assert len(opened) == 1
