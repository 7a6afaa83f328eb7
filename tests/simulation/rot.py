"""One flipped bit in a data directory at rest, and what may come of it.

Everything was acknowledged and synced before. Afterwards each record is served as it was sent, or reading says for
which range it cannot be; what is gone for good is named in the report of recovery. That may be the last commit, whose
journal record or span cannot be told from a torn one, or what a power cut took from a log and rot from the journal.
Where the bit was in an index or the checkpoint nothing may be lost at all.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random
from typing import Literal

from tests.simulation.audit import check_chunk, read
from tests.simulation.disk import SimulatedDisk
from tests.simulation.ledger import Ledger, State, Stream, demand
from tests.simulation.seeds import told
from tests.simulation.session import Session
from tests.simulation.small_limits import SmallLimits
from tests.simulation.workload import Workload

from logmq.errors import Damaged
from logmq.model import TopicPartition
from logmq.storage.local.index import IndexDamaged
from logmq.storage.local.log import Log
from logmq.storage.local.names import CHECKPOINT, parse_journal, parse_segment

End = Literal["closed", "killed", "cut"]
_KINDS = ("log", "index", "journal", "checkpoint")
_FRAME_SIZE_MAX = 8_100


@dataclass(frozen=True, slots=True)
class Flip:
    """Where a bit was turned over."""

    name: str
    kind: str
    position: int
    bit: int


@dataclass(slots=True)
class Outcome:
    """What became of it: whether anything was noticed, and what cannot be served."""

    flip: Flip
    end: End
    noticed: bool = False
    lost_bytes: int = 0
    ranges: list[tuple[TopicPartition, int, int]] = field(default_factory=list)
    first: Outcome | None = None
    """What was found when the directory was opened for the first time."""


class Rot:
    """A data directory drawn from a seed, with one bit flipped."""

    def __init__(self, seed: int) -> None:
        self.rng = Random(seed)
        self.limits = SmallLimits.drawn(self.rng)
        self.workload = Workload(self.rng, self.limits)
        self.ledger = Ledger()
        self.trace: list[str] = []
        self.disk = SimulatedDisk(Random(seed + 1), trace=self.trace)
        self.before_last = self.ledger.states[-1]
        """Where the logs were before the last commit, the only one that may be undone: it may as well be torn."""

    def run(self) -> Outcome:
        """Fill the directory, flip a bit, recover, read all, append, and read all again. Raises: Violation."""
        with self.limits.in_force():
            end = self._fill()
            flip = self._flip()
            outcome = Outcome(flip, end)
            session = self._open(outcome)
            self._read_all(session, outcome)
            harmless = flip.kind in {"index", "checkpoint"}
            demand(not (harmless and (outcome.ranges or outcome.lost_bytes)), "lost for no reason:", outcome)
            before = {name: self.disk.content(name) for name in self.disk.sizes() if name.endswith(".log")}
            session.reads_along = False
            for _ in range(10):
                session.commit(self.workload.calls(session))
            self._check_kept(before)
            self.disk = self.disk.crash() if self.rng.random() < 0.5 else self.disk.kill()
            again = Outcome(flip, end, first=outcome)
            session = Session(self.disk, self.workload.specs, self.ledger, self.rng)
            self.ledger.reopened(session.logs, nothing_lost=False)
            self._read_all(session, again)
            demand(
                set(again.ranges) <= set(outcome.ranges), "what could be read is gone:", again.ranges, outcome.ranges
            )
        return outcome

    def _fill(self) -> End:
        session = Session(self.disk, self.workload.specs, self.ledger, self.rng)
        for _ in range(self.rng.randint(5, 50)):
            before, commit = self.ledger.states[-1], session.journal.commit
            self.workload.step(session)
            if session.journal.commit > commit:
                self.before_last = before
        end: End = self.rng.choice(("closed", "killed", "cut"))
        if end == "closed":
            session.close()
        self.disk = self.disk.crash() if end == "cut" else self.disk.kill()
        return end

    def _flip(self) -> Flip:
        kind = self.rng.choice(_KINDS)
        sizes = {name: size for name, size in self.disk.sizes().items() if size and _kind(name) == kind}
        if not sizes:
            kind = "checkpoint"
            sizes = {CHECKPOINT: self.disk.sizes()[CHECKPOINT]}
        name = self.rng.choice(list(sizes))
        used = len(self.disk.content(name).rstrip(b"\0")) or 1
        flip = Flip(name, kind, self.rng.randrange(min(used + 8, sizes[name])), self.rng.randrange(8))
        if kind == "journal" and self.rng.random() < 0.2:
            flip = Flip(name, kind, self.rng.randrange(32), self.rng.randrange(8))
        self.disk.flip(flip.name, flip.position, flip.bit)
        return flip

    def _open(self, outcome: Outcome) -> Session:
        """Recover; what is gone must be named, and be no more than the last commit."""
        session = Session(self.disk, self.workload.specs, Ledger(), self.rng)
        report = session.report
        outcome.noticed = not report.clean
        ends: dict[TopicPartition, int] = {}
        for partition, log in session.logs.items():
            stream = self.ledger.streams.setdefault(partition, Stream())
            log_start = self.ledger.states[-1].log_starts.get(partition, 0)
            demand(log.log_start_offset <= log_start, partition, "begins too late")
            least = 0 if report.checkpoint_damaged else self.before_last.log_starts.get(partition, 0)
            least = 0 if report.missing_commits else least
            demand(log.log_start_offset >= least, partition, "begins too early")
            ends[partition] = end = log.committed.offset
            demand(end <= len(stream.data), partition, "ends behind what was sent")
            if end < len(stream.data):
                last = end >= self.before_last.ends.get(partition, 0) and outcome.end != "closed"
                # What a power cut took from a log, and rot from the journal, is nowhere. Not even a trace need be left
                # of the last commit.
                gone = outcome.end == "cut" and (last or bool(report.missing_commits))
                demand(last or gone, partition, "lost more than the last commit:", end, len(stream.data))
                demand(bool(report.cut_bytes) or gone, partition, "lost its end, and nobody says so")
                outcome.lost_bytes += len(stream.data) - end
            stream.cut(end)
        starts = {partition: log.log_start_offset for partition, log in session.logs.items()}
        self.ledger.states = [State(ends, starts)]
        self.ledger.read_ends.clear()
        session.ledger = self.ledger
        return session

    def _read_all(self, session: Session, outcome: Outcome) -> None:
        for log in session.logs.values():
            offset = log.log_start_offset
            while offset < log.committed.offset:
                offset = self._read(session, log, offset, outcome)

    def _read(self, session: Session, log: Log, offset: int, outcome: Outcome) -> int:
        """Read once; returns where to go on."""
        try:
            chunk = read(log, offset, self.rng.choice((1, 3_000)), self.rng)
        except IndexDamaged:
            outcome.noticed = True
            session.repair_indexes(log)
            return self._read(session, log, offset, outcome)
        except Damaged as error:
            outcome.noticed = True
            wanted = self.ledger.streams[log.spec.partition].first_at_or_after(offset)
            demand(error.first_offset <= wanted and offset < error.next_offset, "damage elsewhere:", error, wanted)
            if outcome.first is None:
                self._check_damage(session, log, error, outcome)
            outcome.ranges.append((log.spec.partition, error.first_offset, error.next_offset))
            return error.next_offset
        check_chunk(chunk, offset, log, self.ledger.streams[log.spec.partition])
        return chunk.next_offset

    def _check_damage(self, session: Session, log: Log, error: Damaged, outcome: Outcome) -> None:
        """Damage must be where the bit is, or where recovery said that it is."""
        flip = outcome.flip
        named = any(
            one.partition == log.spec.partition
            and one.first_offset < error.next_offset
            and error.first_offset < one.next_offset
            for one in session.report.damaged
        )
        parsed = parse_segment(flip.name)
        here = (
            parsed is not None
            and flip.kind == "log"
            and error.first_offset <= parsed.base_offset + flip.position < error.next_offset
        )
        size_max = self.limits.index_interval + _FRAME_SIZE_MAX
        demand(named or error.next_offset - error.first_offset <= size_max, "one bit damages too much:", error)
        demand(here or named, "nobody knows why this is damaged:", error)

    def _check_kept(self, before: dict[str, bytes]) -> None:
        """Nothing that stood in the logs may have been overwritten."""
        for name, content in before.items():
            if name in self.disk.sizes():
                demand(self.disk.content(name)[: len(content)] == content, name, "was overwritten")


def _kind(name: str) -> str | None:
    parsed = parse_segment(name)
    if parsed is not None:
        return parsed.kind
    if parse_journal(name) is not None:
        return "journal"
    return "checkpoint" if name == CHECKPOINT else None


def run(seed: int) -> Outcome:
    """One flip. Raises: Violation, with the seed and the disk's story."""
    rot = Rot(seed)
    with told(seed, rot.trace):
        return rot.run()
