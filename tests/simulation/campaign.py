"""The crash campaign: lives and deaths of one data directory, one after the other, all drawn from a seed."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from copy import deepcopy
from dataclasses import dataclass, field
from itertools import pairwise
from random import Random

from tests.simulation.audit import audit
from tests.simulation.disk import PowerCut, SimulatedDisk
from tests.simulation.ledger import Ledger, demand
from tests.simulation.seeds import told
from tests.simulation.session import Session, SyncMode
from tests.simulation.small_limits import SmallLimits
from tests.simulation.workload import Workload

from logmq.storage.local.recovery import Report

ROUNDS = 5
_CHANGES_MAX = 120


@dataclass(slots=True)
class Tally:
    """What a campaign went through."""

    cuts: int = 0
    kills: int = 0
    reached: Counter[str] = field(default_factory=Counter)
    """How often the campaign came to where things go wrong."""

    def add(self, other: Tally) -> None:
        """Count another campaign in."""
        self.cuts += other.cuts
        self.kills += other.kills
        self.reached += other.reached


class Campaign:
    """One data directory through several lives."""

    def __init__(self, seed: int, *, hostile: bool = False) -> None:
        self.rng = Random(seed)
        self.trace: list[str] = []
        self.limits = SmallLimits.drawn(self.rng)
        self.workload = Workload(self.rng, self.limits, hostile=hostile)
        self.ledger = Ledger()
        self.disk = SimulatedDisk(Random(self.rng.getrandbits(64)), trace=self.trace)
        self.tally = Tally()

    def run(self) -> Tally:
        """All lives; each is audited from the next. Raises: Violation."""
        with self.limits.in_force():
            killed = False
            for _ in range(ROUNDS):
                session = self._open(killed=killed)
                killed = self.rng.random() < 0.2
                self._live(session, killed=killed)
                self.disk = self._die(killed=killed)
            self._open(killed=killed)
        self._count_in_trace()
        return self.tally

    def is_cut_at(self, change: int, outcomes: int) -> bool:
        """Take some steps and a checkpoint; audit what a cut at this change leaves. False if it never comes."""
        with self.limits.in_force():
            session = self._open(killed=False)
            self.disk.cut_after(change)
            try:
                for _ in range(8):
                    self.workload.step(session)
                session.checkpoint()
                session.commit(self.workload.calls(session))
            except PowerCut:
                for left in [self.disk.crash() for _ in range(outcomes)]:
                    self._look_at(left)
                return True
        return False

    def _look_at(self, disk: SimulatedDisk) -> None:
        ledger = deepcopy(self.ledger)
        session = Session(disk, self.workload.specs, ledger, self.rng)
        ledger.reopened(session.logs, nothing_lost=False)
        audit(disk, session.logs, ledger, self.rng)
        self._count_report(session.report)

    def _die(self, *, killed: bool) -> SimulatedDisk:
        if not killed:
            self.tally.cuts += 1
            return self.disk.crash()
        self.tally.kills += 1
        return self.disk.kill()

    def _open(self, *, killed: bool) -> Session:
        """Recover, now and then after recovery was cut off itself, and audit what has come of it."""
        while self.rng.random() < 0.25:
            self.workload.look_at_salts(self.disk)
            self.disk.cut_after(self.rng.randint(1, 20))
            with suppress(PowerCut):
                self.workload.finish_drops(self.disk)
                Session(self.disk, self.workload.specs, Ledger(), self.rng)
            self.disk = self._die(killed=False)
            self.tally.reached["recoveries cut off"] += 1
            killed = False
        self.workload.look_at_salts(self.disk)
        self.workload.finish_drops(self.disk)
        mode: SyncMode = self.rng.choice(("always", "always", "interval", "never"))
        session = Session(self.disk, self.workload.specs, self.ledger, self.rng, mode)
        self.ledger.reopened(session.logs, nothing_lost=killed)
        audit(self.disk, session.logs, self.ledger, self.rng)
        self._count_report(session.report)
        return session

    def _count_report(self, report: Report) -> None:
        rotten = report.missing_commits or report.damaged or report.checkpoint_damaged
        demand(not rotten, "nothing is rotten, but", report)
        self.tally.reached["commits replayed"] += report.replayed_commits
        self.tally.reached["commits undone"] += report.undone_commits
        self.tally.reached["files cut"] += len(report.cut_bytes)

    def _count_in_trace(self) -> None:
        changes = [line.split()[1:] for line in self.trace]
        self.tally.reached["segments begun"] = sum(words[0] == "create" and "+" in words[1] for words in changes)
        self.tally.reached["checkpoints"] = sum(words[0] == "rename" for words in changes)
        self.tally.reached["segments deleted"] = sum(words[0] == "unlink" for words in changes)
        self.tally.reached["spans"] = sum(
            first[0] == "sync" and first[1].endswith(".log") and then[:2] == ["sync", "journal.1"]
            for first, then in pairwise(changes)
        )
        self.tally.reached["other journal files"] = sum(
            words[:3] in (["write", f"journal.{number}", "[0,"] for number in range(2, 9)) for words in changes
        )

    def _live(self, session: Session, *, killed: bool) -> None:
        end_after = self.disk.kill_after if killed else self.disk.cut_after
        end_after(self.rng.randint(1, _CHANGES_MAX))
        with suppress(PowerCut):
            for _ in range(self.rng.randint(0, 60)):
                self.workload.step(session)


def run(seed: int, *, hostile: bool = False) -> Tally:
    """Run the campaign of one seed. Raises: Violation, with the seed and the disk's story."""
    campaign = Campaign(seed, hostile=hostile)
    with told(seed, campaign.trace):
        return campaign.run()


def sweep(seed: int, outcomes: int = 3) -> int:
    """Cut the power at each change of one short life, and look at several ways in which it could have gone.

    Returns the number of cuts. Raises: Violation, with the seed and the disk's story.
    """
    cuts = 0
    while True:
        campaign = Campaign(seed)
        with told(seed, campaign.trace):
            if not campaign.is_cut_at(cuts + 1, outcomes):
                return cuts * outcomes
        cuts += 1
