"""Errors at the Nth call: each operation of the file layer fails once, wherever it is called.

After an error that ends the store (a failed sync, or what `Commits.write` does not understand) the process is started
again, once with the page cache as it is and once without; after any other error it goes on.
"""

from __future__ import annotations

import errno
from contextlib import suppress
from copy import deepcopy
from random import Random

import pytest
from tests.simulation.audit import audit
from tests.simulation.disk import SimulatedDisk
from tests.simulation.faults import OperationName
from tests.simulation.ledger import Ledger, demand
from tests.simulation.seeds import told
from tests.simulation.session import Session
from tests.simulation.small_limits import SmallLimits
from tests.simulation.workload import Workload

from logmq.storage.local.files import SyncFailed

LIMITS = SmallLimits(
    segment_size=9_000,
    index_interval=1_000,
    span_size_min=2_500,
    inline_size_max=9_000,
    journal_file_size=20_000,
    open_files_max=4,
)
_STEPS = 18


class Life:
    """A data directory with something to recover, and one process on it in which one call fails."""

    def __init__(self, seed: int) -> None:
        self.rng = Random(seed)
        self.workload = Workload(self.rng, LIMITS)
        self.ledger = Ledger()
        self.trace: list[str] = []
        self.disk = SimulatedDisk(Random(seed + 1), trace=self.trace)
        session = Session(self.disk, self.workload.specs, self.ledger, self.rng)
        for _ in range(10):
            self.workload.step(session)
        self.disk = self.disk.crash()

    def run(self) -> bool:
        """Recover, take some steps and stop; whether the process got to its end."""
        try:
            session = self._open(self.disk, self.ledger)
        except (OSError, SyncFailed):
            return False
        self.ledger.reopened(session.logs, nothing_lost=False)
        try:
            for step in range(_STEPS):
                self._step(session)
                if step == _STEPS // 2:
                    self._trim(session)
            session.close()
        except SyncFailed:
            return False
        except OSError:
            return not session.stopped
        return not session.stopped

    def _open(self, disk: SimulatedDisk, ledger: Ledger) -> Session:
        workload = deepcopy(self.workload)  # the drops are carried out on one of several disks
        workload.finish_drops(disk)
        return Session(disk, workload.specs, ledger, self.rng)

    def _step(self, session: Session) -> None:
        """What ends a commit ends the store; what ends anything else is answered to the caller."""
        try:
            self.workload.step(session)
        except OSError:
            if session.stopped:
                raise

    def _trim(self, session: Session) -> None:
        """Delete the segments of the longest log, but for the last one."""
        while session.checkpoint_under_way:
            session.advance_checkpoint()
        log = max(session.logs.values(), key=lambda log: len(log.segments))
        with suppress(OSError):
            session.trim(log.spec.partition, log.segments[-1].base_offset)

    def check(self, disk: SimulatedDisk, ledger: Ledger, *, nothing_lost: bool) -> None:
        """Recover, audit, and find that the next appends work and survive."""
        session = self._open(disk, ledger)
        ledger.reopened(session.logs, nothing_lost=nothing_lost)
        audit(disk, session.logs, ledger, self.rng)
        for _ in range(5):
            session.commit(self.workload.calls(session))
        disk = disk.crash()
        session = self._open(disk, ledger)
        ledger.reopened(session.logs, nothing_lost=False)
        audit(disk, session.logs, ledger, self.rng)

    def check_all(self, *, with_page_cache: bool, nothing_lost: bool) -> None:
        """Check what a power cut leaves, and what the end of the process leaves."""
        self.check(self.disk.kill().crash(), deepcopy(self.ledger), nothing_lost=False)
        if with_page_cache:
            self.check(self.disk.kill(), self.ledger, nothing_lost=nothing_lost)


def calls_of(operation: OperationName, seed: int) -> int:
    """How often the operation is called when nothing fails."""
    life = Life(seed)
    assert life.run()
    return life.disk.calls[operation]


def fail_each(operation: OperationName, error: int, seed: int, *, partial: bool = False) -> list[bool]:
    """Let each call fail in turn; returns for each whether the process got to its end all the same."""
    survived = []
    with LIMITS.in_force():
        for nth in range(1, calls_of(operation, seed) + 1):
            life = Life(seed)
            with told(seed, life.trace):
                life.disk.fail(operation, nth, error, partial=partial)
                survived.append(life.run())
                sync_failed = operation in {"sync", "sync_names"}
                demand(not (sync_failed and survived[-1]), "went on after a failed sync")
                # A kernel that could not write a directory takes no more writes to that file system: names that were
                # lost are not seen again until the machine has been started anew.
                life.check_all(with_page_cache=operation != "sync_names", nothing_lost=not sync_failed)
    return survived


EIO: list[OperationName] = ["open", "read", "create", "write", "truncate", "rename", "unlink"]


@pytest.mark.parametrize("operation", EIO)
def test_nothing_acknowledged_is_lost_when_a_call_fails_with_eio(operation: OperationName) -> None:
    """G1: whichever call fails, what was synced is there for the next process, and nothing that was not sent."""
    assert fail_each(operation, errno.EIO, seed=6)


def test_half_a_write_that_fails_leaves_nothing_behind() -> None:
    """G2: a write that fails in the middle leaves no byte of it to be served."""
    assert fail_each("write", errno.EIO, seed=10, partial=True)


@pytest.mark.parametrize("operation", ["write", "create", "truncate"])
def test_no_room_fails_appends_and_stops_nothing(operation: OperationName) -> None:
    """A call that finds no room is answered with an error once the store runs, and the store goes on."""
    check_that_only_recovery_gives_up(operation, seed=14)


def check_that_only_recovery_gives_up(operation: OperationName, seed: int) -> None:
    survived = fail_each(operation, errno.ENOSPC, seed, partial=operation == "write")
    assert all(survived[survived.index(True) :]), survived


@pytest.mark.parametrize(("operation", "partial"), [("sync", False), ("sync", True), ("sync_names", False)])
def test_a_failed_sync_is_final(operation: OperationName, partial: bool) -> None:
    """G4: a failed sync ends the store, whatever it was of; nothing is acknowledged after it, and what was is there."""
    survived = fail_each(operation, errno.EIO, seed=18, partial=partial)
    assert survived
    assert not any(survived)


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", range(100, 130))
def test_each_call_of_many_lives(seed: int) -> None:
    """The same for other workloads."""
    for operation in EIO:
        fail_each(operation, errno.EIO, seed)
    fail_each("write", errno.EIO, seed, partial=True)
    check_that_only_recovery_gives_up("write", seed)
    check_that_only_recovery_gives_up("create", seed)
    for operation in ("sync", "sync_names"):
        assert not any(fail_each(operation, errno.EIO, seed, partial=operation == "sync"))
