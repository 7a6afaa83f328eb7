"""The checkpoint file: its bytes, and its replacement as a whole."""

from __future__ import annotations

import errno
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.simulation.disk import PowerCut, SimulatedDisk

from logmq.storage.engine import Appended
from logmq.storage.local import checkpoint
from logmq.storage.local.checkpoint import EMPTY, Checkpoint, LogCheckpoint
from logmq.storage.local.names import CHECKPOINT, CHECKPOINT_NEW
from logmq.storage.producers import Remembered

U64 = st.integers(0, 2**64 - 1)
I32 = st.integers(0, 2**31 - 1)
BATCHES = st.builds(Remembered, I32, I32, st.builds(Appended, U64, U64, U64))
PRODUCERS = st.tuples(st.integers(0, 2**63 - 1), st.integers(0, 2**15 - 1), st.lists(BATCHES, max_size=5).map(tuple))
checkpoints = st.builds(
    Checkpoint,
    U64,
    U64,
    st.dictionaries(
        U64, st.builds(LogCheckpoint, U64, U64, U64, U64, U64, st.lists(PRODUCERS, max_size=3).map(tuple)), max_size=5
    ),
)
OLD = Checkpoint(1, 2, {3: LogCheckpoint(4, 5, 6, 7, 8)})
NEW = Checkpoint(10, 20, {3: LogCheckpoint(40, 50, 60, 70, 80), 4: LogCheckpoint(0, 0, 0, 0, 0)})


@given(checkpoints)
def test_a_checkpoint_comes_back(made: Checkpoint) -> None:
    """Decoding is the inverse of encoding."""
    assert checkpoint.decode(checkpoint.encode(made)) == made


@given(checkpoints, st.data())
def test_a_flipped_bit_is_noticed(made: Checkpoint, data: st.DataObject) -> None:
    """Wherever it is."""
    encoded = bytearray(checkpoint.encode(made))
    bit = data.draw(st.integers(0, 8 * len(encoded) - 1))
    encoded[bit // 8] ^= 1 << bit % 8
    assert checkpoint.decode(bytes(encoded)) is None


@given(st.binary(max_size=200))
def test_decoding_takes_any_bytes(data: bytes) -> None:
    """What is no checkpoint is none, whatever it is."""
    assert checkpoint.decode(data) is None


@pytest.mark.parametrize("cut", [1, 4, 48, 90])
def test_a_shortened_file_is_damaged(cut: int) -> None:
    """Half a checkpoint is none."""
    assert checkpoint.decode(checkpoint.encode(NEW)[:-cut]) is None
    assert checkpoint.decode(checkpoint.encode(NEW) + bytes(cut)) is None


def test_there_was_never_one() -> None:
    """An empty directory is told from a damaged checkpoint."""
    disk = SimulatedDisk(Random(1))
    assert checkpoint.read(disk) is EMPTY
    disk.create(CHECKPOINT)
    assert checkpoint.read(disk) is None


def test_a_power_cut_leaves_the_old_or_the_new_one() -> None:
    """At each change of a replacement; once `write` has returned, the new one."""
    for change in range(1, 8):
        for seed in range(30):
            disk = SimulatedDisk(Random(seed))
            checkpoint.write(disk, OLD)
            disk.create(CHECKPOINT_NEW).write_at(0, [bytes(1_000)])
            disk.cut_after(change)
            try:
                checkpoint.write(disk, NEW)
            except PowerCut:
                assert checkpoint.read(disk.crash()) in (OLD, NEW)
            else:
                assert checkpoint.read(disk.crash()) == NEW


@pytest.mark.parametrize("operation", ["create", "truncate", "write", "rename"])
def test_an_error_leaves_the_old_one(operation: str) -> None:
    """A checkpoint that found no room can be made again later."""
    disk = SimulatedDisk(Random(1))
    checkpoint.write(disk, OLD)
    disk.fail(operation, 1, errno.ENOSPC)  # type: ignore[arg-type]
    with pytest.raises(OSError):
        checkpoint.write(disk, NEW)
    assert checkpoint.read(disk.kill()) == OLD
