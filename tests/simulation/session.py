"""One process's life: the synchronous core of the engine, opened on a simulated disk, and the ledger kept beside it."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Literal

from tests.simulation.audit import check_chunk, read
from tests.simulation.disk import SimulatedDisk
from tests.simulation.ledger import Ledger, Stream, Violation
from tests.simulation.stepping_clock import SteppingClock

from logmq.errors import LogMQError
from logmq.model import TopicPartition
from logmq.storage.calls import Call
from logmq.storage.engine import LogSpec
from logmq.storage.local.checkpointer import Plan
from logmq.storage.local.commit import Commits
from logmq.storage.local.index import Entry
from logmq.storage.local.journal import create_journal_file
from logmq.storage.local.log import Log, LogState, create_segment
from logmq.storage.local.recovery import recover
from logmq.storage.local.repair import is_damaged, repair_index

SyncMode = Literal["always", "interval", "never"]


class Session:
    """Does what the store's commit thread does, one step at a time."""

    def __init__(
        self, disk: SimulatedDisk, specs: Sequence[LogSpec], ledger: Ledger, rng: Random, mode: SyncMode = "always"
    ) -> None:
        """Recover the disk. Raises: as `recover`."""
        self.disk = disk
        self.ledger = ledger
        self.rng = rng
        self.mode = mode
        clock = SteppingClock(Random(rng.getrandbits(32)))
        recovered = recover(disk, specs, clock)
        self.report = recovered.report
        self.logs = recovered.logs
        self.journal = recovered.journal
        self.checkpointer = recovered.checkpointer
        self.commits = Commits(recovered.logs, recovered.journal, recovered.checkpointer, clock)
        self._opened = recovered.opened
        self._plan: Plan | None = None
        self.reads_along = True
        """Whether commits are mixed with reads."""
        self.stopped = False
        """Whether the store would have stopped: an error came where nobody can go on."""

    def commit(self, calls: Sequence[Call]) -> None:
        """Write a commit; sync or publish it as the mode says. Raises: as `Commits.write` and `Commits.sync`."""
        self._write_plan_if_waited_for(calls)
        self.ledger.propose(calls)
        try:
            self.commits.write(calls)
        except OSError:
            self.stopped = True
            raise
        self.ledger.settle(calls)
        if self.reads_along and self.rng.random() < 0.2:
            self.read_somewhere()
        if self.mode == "always":
            self.sync()
        elif self.mode == "never":
            self.commits.publish()

    def _write_plan_if_waited_for(self, calls: Sequence[Call]) -> None:
        """Let the checkpoint under way be written if the commit would wait for it: there is no other thread here."""
        if self._plan is None or self._plan.written.is_set() or self.journal.free:
            return
        size = sum(len(append.data) for call in calls for append in call.appends)
        if not self.journal.has_room(sum(len(call.appends) for call in calls), size):
            self.checkpointer.write(self._plan)

    def forget_open_files(self) -> None:
        """Let go of all files, as if many others had been opened since."""
        for name in self.disk.sizes():
            self._opened.forget(name)

    def sync(self) -> None:
        """Make durable what was written. Raises: SyncFailed."""
        self.commits.sync()
        self.ledger.synced()

    def read_somewhere(self) -> None:
        """Read from a random offset of a random log, and hold that against the ledger."""
        log = self.rng.choice(list(self.logs.values()))
        stream = self.ledger.streams.get(log.spec.partition, Stream())
        offset = self.rng.randint(log.log_start_offset, log.committed.offset)
        try:
            chunk = read(log, offset, self.rng.choice((1, 1_000, 1 << 20)), self.rng)
        except LogMQError as error:
            raise Violation(f"{log.spec.partition} cannot be read: {error!r}") from error
        check_chunk(chunk, offset, log, stream)
        if self.mode != "never":
            self.ledger.read(log.spec.partition, chunk.next_offset)

    def repair_indexes(self, log: Log) -> None:
        """Rebuild the log's damaged indexes, as the store does when a read comes upon one."""
        self.commits.sync()
        log.tail.close(log.last_append_ms)
        log.publish()
        ends = [*(segment.base_offset for segment in log.segments[1:]), log.tail.offset]
        for segment, end in zip(log.segments, ends, strict=True):
            if is_damaged(segment, end):
                size = log.tail.position if segment is log.segments[-1] else segment.file.size()
                repair_index(segment, log.codec, Entry(end, size, log.last_append_ms, 0))
                log.dirty.setdefault(segment, segment.file)

    def trim(self, partition: TopicPartition, offset: int) -> None:
        """Let a log begin at `offset` and delete the segments before it. Raises: OSError, SyncFailed."""
        log = self.logs[partition]
        offset = min(offset, log.committed.offset)
        if offset <= log.log_start_offset or self._plan is not None:
            return  # the store lets no log be trimmed while a checkpoint is under way
        self._write_plan_if_waited_for(())
        self.ledger.propose_trim(partition, offset)
        try:
            self.commits.trim(log, offset)
        except OSError:
            self.ledger.reject()
            raise
        self.ledger.accept()
        self.sync()
        gone = log.trim(offset)
        for segment in gone:
            for name in (segment.name, segment.index.name):
                self._opened.forget(name)
                self.disk.unlink(name)
        if gone:
            self.disk.sync_names()

    def advance_checkpoint(self) -> None:
        """The next step of a checkpoint: begin, write or finish it. Raises: OSError, SyncFailed."""
        if self._plan is None:
            self.sync()
            self._plan = self.checkpointer.begin()
        elif not self._plan.written.is_set():
            self.checkpointer.write(self._plan)
        else:
            plan, self._plan = self._plan, None
            self.checkpointer.finish(plan)

    @property
    def checkpoint_under_way(self) -> bool:
        """Whether `advance_checkpoint` has more to do."""
        return self._plan is not None

    def checkpoint(self) -> None:
        """A whole checkpoint. Raises: OSError, SyncFailed."""
        while self._plan is not None:
            self.advance_checkpoint()
        self.sync()
        self.checkpointer.run()

    def add_journal_file(self, size: int) -> None:
        """Make another journal file. Raises: OSError, SyncFailed."""
        self.journal.free.append(create_journal_file(self.disk, self.journal.next_number, size))

    def create(self, spec: LogSpec) -> None:
        """Create a log. Raises: OSError, SyncFailed."""
        segment = create_segment(self._opened, spec, 0)
        self.disk.sync_names()
        log = Log(self.disk, self._opened, spec, LogState((segment,), 0, segment.origin()))
        self.logs[spec.partition] = log

    def expire(self, partition: TopicPartition) -> None:
        """Close the last segment and trim all of the log away, as retention does. Raises: OSError, SyncFailed."""
        log = self.logs[partition]
        if log.tail.position and self._plan is None:
            self.sync()
            log.roll(log.last_append_ms)
            log.publish()
            self.trim(partition, log.committed.offset)

    def drop(self, partition: TopicPartition) -> None:
        """Delete a log with its files. Raises: OSError, SyncFailed."""
        log = self.logs.pop(partition)
        log.dirty.clear()
        for segment in log.segments:
            for name in (segment.name, segment.index.name):
                self._opened.forget(name)
                self.disk.unlink(name)
        self.disk.sync_names()

    def close(self) -> None:
        """A clean stop. Raises: OSError, SyncFailed."""
        while self._plan is not None:
            self.advance_checkpoint()
        self.sync()
        if self.checkpointer.due:
            self.checkpointer.run()
