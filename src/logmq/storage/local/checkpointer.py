"""Checkpoints: sync the logs' own files and write their indexes, so that journal files can be used again.

A checkpoint has three steps, so that the slow one need not hold up commits: `begin` and `finish` belong to the
committing thread, `write` to any.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Executor
from dataclasses import dataclass, field

from logmq.clock import Clock
from logmq.model import TopicPartition
from logmq.storage.local import checkpoint
from logmq.storage.local.checkpoint import Checkpoint, LogCheckpoint
from logmq.storage.local.files import File, Files, SyncFailed
from logmq.storage.local.journal import Journal
from logmq.storage.local.log import Log
from logmq.storage.local.segment import Segment


@dataclass(slots=True)
class DirtySegment:
    """A segment whose file and first `entry_count` index entries a checkpoint makes durable."""

    log: Log
    segment: Segment
    file: File
    entry_count: int


@dataclass(slots=True)
class Plan:
    """A checkpoint under way."""

    checkpoint: Checkpoint
    dirty: list[DirtySegment]
    written: threading.Event = field(default_factory=threading.Event)
    error: BaseException | None = None


class Checkpointer:
    """Makes checkpoints of a set of logs. At most one is under way."""

    def __init__(
        self,
        files: Files,
        logs: dict[TopicPartition, Log],
        journal: Journal,
        clock: Clock,
        executor: Executor | None = None,
    ) -> None:
        """`executor` syncs several files at once; without one they are synced one after the other."""
        self._files = files
        self._logs = logs
        self._journal = journal
        self._clock = clock
        self._executor = executor
        self._running: Plan | None = None
        self.last_commit = journal.commit

    @property
    def due(self) -> bool:
        """Whether there is anything that the last checkpoint does not cover."""
        return self._journal.commit > self.last_commit or any(log.dirty for log in self._logs.values())

    def begin(self) -> Plan:
        """Note where all logs end. Call it between commits, with nothing unsynced."""
        assert self._running is None
        dirty: list[DirtySegment] = []
        states: dict[int, LogCheckpoint] = {}
        for log in list(self._logs.values()):
            if log.dirty:
                log.tail.close(log.last_append_ms)
                log.publish()
                dirty += [DirtySegment(log, segment, file, len(segment.index)) for segment, file in log.dirty.items()]
                log.dirty = {}
            end = log.committed
            states[log.spec.log_id] = LogCheckpoint(
                *(log.log_start_offset, end.base_offset, end.offset, end.position, log.last_append_ms),
                log.producers.rows(),
            )
        self._running = Plan(Checkpoint(self._journal.commit, self._clock.now_ms(), states), dirty)
        return self._running

    def write(self, plan: Plan) -> None:
        """Sync what is dirty, then replace the checkpoint file. Errors are kept in the plan for `finish`."""
        try:
            self._each(_write_segment, plan.dirty)
            checkpoint.write(self._files, plan.checkpoint)
        except BaseException as error:
            plan.error = error
        finally:
            plan.written.set()

    def finish(self, plan: Plan) -> None:
        """Take note of a written checkpoint and free journal files.

        Raises: what went wrong in `write`. OSError: the old checkpoint stands, another can be made later.
        SyncFailed: final.
        """
        if self._running is not plan:
            return  # the committing thread could not wait and has finished it already
        self._running = None
        if plan.error is not None:
            for one in plan.dirty:
                one.log.dirty.setdefault(one.segment, one.file)
            raise plan.error
        for one in plan.dirty:
            one.segment.index.written(one.entry_count)
        self.last_commit = plan.checkpoint.commit
        self._journal.release(self.last_commit)

    def check(self) -> None:
        """Raise SyncFailed if the checkpoint under way has met it: what a commit wrote meanwhile may be lost."""
        if self._running is not None and isinstance(self._running.error, SyncFailed):
            raise self._running.error

    def settle(self) -> None:
        """Wait for a checkpoint under way and finish it."""
        if self._running is not None:
            self._running.written.wait()
            self.finish(self._running)

    def run(self) -> None:
        """A whole checkpoint here and now. Raises: as `finish`."""
        self.settle()
        plan = self.begin()
        self.write(plan)
        self.finish(plan)

    def _each(self, function: Callable[[DirtySegment], None], dirty: Iterable[DirtySegment]) -> None:
        results = map(function, dirty) if self._executor is None else self._executor.map(function, dirty)
        for _ in results:
            pass


def _write_segment(one: DirtySegment) -> None:
    one.file.sync()
    one.segment.index.write(one.entry_count)
