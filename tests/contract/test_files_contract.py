"""What any `Files` does while the power stays on: the same scenarios for a real directory and the simulated disk."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import pytest
from tests.simulation.disk import SimulatedDisk

from logmq.storage.local.files import Directory, File, Files


@pytest.fixture(params=["directory", "simulated"])
def files(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Files]:
    """An empty directory."""
    made = Directory(tmp_path / "data") if request.param == "directory" else SimulatedDisk(Random(1))
    yield made
    made.close()


def test_a_created_file_is_empty_and_listed(files: Files) -> None:
    """`create` makes an empty file, and `sizes` names it."""
    file = files.create("t.log")
    assert file.name == "t.log"
    assert file.size() == 0
    assert file.read_at(0, 10) == b""
    assert files.sizes() == {"t.log": 0}


def test_create_opens_a_file_that_exists_as_it_is(files: Files) -> None:
    """`create` never empties a file."""
    files.create("f").write_at(0, [b"abc"])
    assert files.create("f").read_at(0, 10) == b"abc"


def test_a_missing_file_cannot_be_opened(files: Files) -> None:
    """`open` raises FileNotFoundError and creates nothing."""
    with pytest.raises(FileNotFoundError):
        files.open("f")
    assert files.sizes() == {}


def test_written_buffers_lie_one_after_the_other(files: Files) -> None:
    """All buffers of a write follow each other from its position on, however many they are."""
    file = files.create("f")
    file.write_at(0, [b"ab", b"", b"cd"])
    file.write_at(3, [b"DE", b"F"])
    file.write_at(6, [b"%04d" % number for number in range(3000)])
    assert file.read_at(0, 10) == b"abcDEF0000"
    assert file.read_at(6 + 4 * 2999, 100) == b"2999"
    assert files.sizes() == {"f": 6 + 4 * 3000}


def test_writing_nothing_changes_nothing(files: Files) -> None:
    """Neither no buffers nor empty ones make a file longer."""
    file = files.create("f")
    file.write_at(100, [])
    file.write_at(100, [b""])
    assert file.size() == 0


def test_a_gap_reads_as_zeros(files: Files) -> None:
    """What lies between the old end and a later write is full of zeros."""
    file = files.create("f")
    file.write_at(10_000, [b"x"])
    assert file.read_at(0, 20_000) == bytes(10_000) + b"x"


def test_reads_end_with_the_file(files: Files) -> None:
    """A read gives what there is from its position on, nothing beyond the end."""
    file = files.create("f")
    content = Random(2).randbytes(20_000)
    file.write_at(0, [content])
    for position, size in ((0, 20_000), (0, 4096), (4095, 2), (4096, 4097), (19_999, 10), (20_000, 1), (90_000, 1)):
        assert file.read_at(position, size) == content[position : position + size]
    assert file.read_at(5, 0) == b""


def test_a_cached_read_is_the_same_or_none(files: Files) -> None:
    """`read_cached_at` answers as `read_at` does or not at all."""
    file = files.create("f")
    content = Random(3).randbytes(20_000)
    file.write_at(0, [content])
    for position in range(0, 24_000, 1000):
        assert file.read_cached_at(position, 3000) in {None, content[position : position + 3000]}


def test_cached_reads_are_kept(files: Files) -> None:
    """What one read gave does not change with the next one, shorter or longer."""
    file = files.create("a.log")
    content = bytes(range(256)) * 64
    file.write_at(0, [content])
    found = [
        (position, size, file.read_cached_at(position, size)) for position, size in ((0, 9000), (7, 50), (1, 9999))
    ]
    assert all(data in {None, content[position : position + size]} for position, size, data in found)


def test_a_truncated_file_has_lost_its_end_for_good(files: Files) -> None:
    """Cut and extended again, a file reads zeros where its old bytes were."""
    file = files.create("f")
    file.write_at(0, [b"a" * 10_000])
    file.sync()
    file.truncate(5000)
    assert file.size() == 5000
    assert file.read_at(4999, 10) == b"a"
    file.truncate(9000)
    file.write_at(9000, [b"b"])
    assert file.read_at(4999, 9000) == b"a" + bytes(4000) + b"b"


def test_syncing_and_forgetting_change_nothing_to_be_seen(files: Files) -> None:
    """Content and names read the same after a sync, and after the cache was dropped."""
    file = files.create("f")
    file.write_at(0, [b"abc"])
    file.forget_cached()
    assert file.read_at(0, 3) == b"abc"
    file.sync()
    files.sync_names()
    file.forget_cached()
    assert file.read_at(0, 3) == b"abc"
    assert files.sizes() == {"f": 3}


def test_handles_of_one_file_see_each_other(files: Files) -> None:
    """What is written through one handle is read through any other."""
    first, second = files.create("f"), files.open("f")
    first.write_at(0, [b"abc"])
    second.write_at(1, [b"B"])
    assert first.read_at(0, 3) == second.read_at(0, 3) == b"aBc"
    second.truncate(1)
    assert first.size() == 1


def test_a_rename_replaces_the_file_that_had_the_name(files: Files) -> None:
    """After a rename the new name is the renamed file, the old name is gone; open handles keep their files."""
    old, new = files.create("f"), files.create("f.new")
    old.write_at(0, [b"old"])
    new.write_at(0, [b"newer"])
    files.rename("f.new", "f")
    assert files.sizes() == {"f": 5}
    assert files.open("f").read_at(0, 10) == b"newer"
    assert old.read_at(0, 10) == b"old"
    new.write_at(0, [b"N"])
    assert files.open("f").read_at(0, 10) == b"Newer"


def test_renaming_a_file_to_its_own_name_changes_nothing(files: Files) -> None:
    """A rename to the same name is no loss."""
    files.create("f").write_at(0, [b"abc"])
    files.rename("f", "f")
    assert files.sizes() == {"f": 3}


def test_a_missing_file_cannot_be_renamed(files: Files) -> None:
    """`rename` raises FileNotFoundError and leaves the other file alone."""
    files.create("g")
    with pytest.raises(FileNotFoundError):
        files.rename("f", "g")
    assert files.sizes() == {"g": 0}


def test_an_unlinked_file_lives_on_in_its_handles(files: Files) -> None:
    """After `unlink` the name is free, and whoever has the file open goes on reading and writing it."""
    file = files.create("f")
    file.write_at(0, [b"abc"])
    files.unlink("f")
    assert files.sizes() == {}
    file.write_at(3, [b"d"])
    file.sync()
    assert file.read_at(0, 10) == b"abcd"
    assert files.create("f").size() == 0


def test_unlinking_a_missing_name_is_no_error(files: Files) -> None:
    """`unlink` removes a name if it is there."""
    files.unlink("f")
    assert files.sizes() == {}


def test_names_reach_the_limit_of_the_file_system_and_no_further(files: Files) -> None:
    """A name of 255 bytes works, one of 256 raises ENAMETOOLONG."""
    files.create("n" * 255).close()
    assert files.sizes() == {"n" * 255: 0}
    attempts: list[Callable[[str], object]] = [files.create, files.open, lambda name: files.rename("n" * 255, name)]
    for attempt in attempts:
        with pytest.raises(OSError) as raised:
            attempt("n" * 256)
        assert raised.value.errno == errno.ENAMETOOLONG


def test_a_closed_file_cannot_be_used(files: Files) -> None:
    """Reading and writing it raises EBADF, closing it again is no error; other handles of the file go on working."""
    file, other = files.create("f"), files.open("f")
    file.close()
    file.close()
    attempts: list[Callable[[File], object]] = [
        lambda file: file.size(),
        lambda file: file.read_at(0, 1),
        lambda file: file.read_cached_at(0, 1),
        lambda file: file.write_at(0, [b"x"]),
        lambda file: file.truncate(0),
        lambda file: file.forget_cached(),
    ]
    for attempt in attempts:
        with pytest.raises(OSError) as raised:
            attempt(file)
        assert raised.value.errno == errno.EBADF
        attempt(other)


@pytest.mark.parametrize("seed", range(10))
def test_both_agree_on_any_sequence_of_calls(tmp_path: Path, seed: int) -> None:
    """The same random calls on a directory and on a simulated disk leave the same names and bytes."""
    rng, trace = Random(seed), [f"seed {seed}"]
    directory, disk = Directory(tmp_path / "data"), SimulatedDisk(Random(seed), trace=trace)
    for _ in range(150):
        name, other = rng.choice("fgh"), rng.choice("fgh")
        position, data = rng.randint(0, 20_000), rng.choice((bytes, rng.randbytes))(rng.randint(0, 9000))
        action = rng.choice(_ACTIONS)
        outcomes = [_outcome(action, files, name, other, position, data) for files in (directory, disk)]
        assert outcomes[0] == outcomes[1], "\n".join(trace)
        assert directory.sizes() == disk.sizes(), "\n".join(trace)
    for name, size in directory.sizes().items():
        assert directory.open(name).read_at(0, size) == disk.content(name), "\n".join(trace)
    directory.close()


Action = Callable[[Files, str, str, int, bytes], object]
_ACTIONS: list[Action] = [
    lambda files, name, other, position, data: files.create(name).write_at(position, [data]),
    lambda files, name, other, position, data: files.open(name).write_at(position, [data]),
    lambda files, name, other, position, data: files.open(name).read_at(position, len(data)),
    lambda files, name, other, position, data: files.open(name).truncate(position),
    lambda files, name, other, position, data: files.open(name).sync(),
    lambda files, name, other, position, data: files.open(name).forget_cached(),
    lambda files, name, other, position, data: files.rename(name, other),
    lambda files, name, other, position, data: files.unlink(name),
    lambda files, name, other, position, data: files.sync_names(),
]


def _outcome(action: Action, files: Files, name: str, other: str, position: int, data: bytes) -> object:
    try:
        return action(files, name, other, position, data)
    except OSError as error:
        return error.errno
