"""The disk fills up and is given room again, with power cuts in between."""

from __future__ import annotations

from contextlib import suppress
from random import Random

import pytest
from tests.simulation.audit import audit
from tests.simulation.disk import SimulatedDisk
from tests.simulation.ledger import Ledger, demand
from tests.simulation.seeds import seeds, told
from tests.simulation.session import Session
from tests.simulation.small_limits import SmallLimits
from tests.simulation.workload import Workload, make_append

from logmq.errors import DiskFull
from logmq.storage.calls import Call


class Shortage:
    """A data directory on a disk that is short of room time and again."""

    def __init__(self, seed: int) -> None:
        self.rng = Random(seed)
        self.limits = SmallLimits.drawn(self.rng)
        self.workload = Workload(self.rng, self.limits)
        self.ledger = Ledger()
        self.trace: list[str] = []
        self.disk = SimulatedDisk(Random(seed + 1), trace=self.trace)
        self.refused = 0

    def run(self) -> int:
        """Three lives; returns how many appends found no room. Raises: Violation."""
        with self.limits.in_force():
            for _ in range(3):
                session = self._open()
                self.disk.capacity = sum(self.disk.sizes().values()) + self.rng.randint(0, 15_000)
                self._live(session)
                session.read_somewhere()
                self.disk.capacity = None
                self._live(session, refused_max=0)
                self.disk.capacity = sum(self.disk.sizes().values()) + self.rng.randint(0, 4_000)
                self._live(session)
                self.disk = self.disk.crash() if self.rng.random() < 0.7 else self.disk.kill()
            self._open()
        return self.refused

    def _open(self) -> Session:
        """Recover, without more room if it can be done."""
        self.workload.finish_drops(self.disk)
        try:
            session = Session(self.disk, self.workload.specs, self.ledger, self.rng)
        except OSError:
            self.disk = self.disk.kill()
            self.disk.capacity = None
            session = Session(self.disk, self.workload.specs, self.ledger, self.rng)
        self.ledger.reopened(session.logs, nothing_lost=False)
        audit(self.disk, session.logs, self.ledger, self.rng)
        return session

    def _live(self, session: Session, refused_max: int = 1_000) -> None:
        refused = 0
        for _ in range(15):
            calls = self.workload.calls(session)
            session.commit(calls)
            self._check_cut(session)
            refused += sum(isinstance(result, DiskFull) for call in calls for result in call.results)
            with suppress(OSError):
                self.workload.step(session)
            demand(not session.stopped, "a full disk stopped the store")
        demand(refused <= refused_max, refused, "appends were refused though there was room")
        self.refused += refused

    def _check_cut(self, session: Session) -> None:
        """Nothing stands behind the end of a log."""
        sizes = self.disk.sizes()
        for log in session.logs.values():
            demand(sizes[log.segments[-1].name] == log.tail.position, log.spec.partition, "was not cut at its end")


def run(seed: int) -> int:
    shortage = Shortage(seed)
    with told(seed, shortage.trace):
        return shortage.run()


@pytest.mark.parametrize("seed", seeds(20))
def test_a_full_disk_refuses_appends_and_loses_nothing(seed: int) -> None:
    """G1: without room appends fail, their bytes are cut off again, reads go on; with room all works again, without a
    restart; and whenever the power goes, what was acknowledged is there."""
    run(seed)


def test_appends_are_refused_in_these_campaigns() -> None:
    """The room runs out indeed."""
    assert sum(run(seed) for seed in range(5)) > 50


def test_an_atomic_call_that_finds_no_room_leaves_nothing_anywhere() -> None:
    """With `atomic` one append that does not fit undoes the others."""
    limits = SmallLimits.drawn(Random(0))
    with limits.in_force():
        shortage = Shortage(3)
        session = Session(shortage.disk, shortage.workload.specs, shortage.ledger, shortage.rng)
        while len(session.logs) < 2:
            session.create(shortage.workload.new_spec())
        first, second = list(session.logs)[:2]
        shortage.disk.capacity = sum(shortage.disk.sizes().values()) + 200
        call = Call([make_append(first, [bytes(100)]), make_append(second, [bytes(150)])], atomic=True)
        session.commit([call])
        assert [type(result) for result in call.results] == [DiskFull, DiskFull]
        assert {log.committed.offset for log in session.logs.values()} == {0}
