"""Any sequence of calls, shrunk to the shortest that breaks a promise: the core against its plain model."""

from __future__ import annotations

from contextlib import ExitStack
from random import Random

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from tests.simulation.audit import audit, check_chunk, read
from tests.simulation.disk import SimulatedDisk
from tests.simulation.ledger import Ledger, Stream
from tests.simulation.machine import LIMITS
from tests.simulation.session import Session, SyncMode
from tests.simulation.workload import make_append, make_spec

from logmq.errors import OffsetOutOfRange
from logmq.model import TopicPartition
from logmq.storage.calls import Call
from logmq.storage.engine import Append

PARTITIONS = [TopicPartition("a", 0), TopicPartition("a", 1), TopicPartition("b", 0)]
MODES: list[SyncMode] = ["always", "interval", "never"]

partitions = st.sampled_from(PARTITIONS)
payloads = st.lists(st.integers(0, 6_000).map(lambda size: Random(size).randbytes(size)), min_size=1, max_size=4)
appends = st.builds(make_append, partitions, payloads)


class Core(RuleBasedStateMachine):
    """Appends, reads, trims and checkpoints of three partitions, between kills and power cuts."""

    def __init__(self) -> None:
        super().__init__()
        self.rng = Random(1)
        self.ledger = Ledger()
        self.specs = [
            make_spec(partition, number, LIMITS.segment_size) for number, partition in enumerate(PARTITIONS, 1)
        ]
        self._limits = ExitStack()
        self._limits.enter_context(LIMITS.in_force())

    def teardown(self) -> None:
        self._limits.close()

    def _open(self, disk: SimulatedDisk, mode: SyncMode, *, nothing_lost: bool = False) -> None:
        self.disk = disk
        self.session = Session(disk, self.specs, self.ledger, self.rng, mode)
        self.session.reads_along = False
        self.ledger.reopened(self.session.logs, nothing_lost=nothing_lost)
        audit(disk, self.session.logs, self.ledger, self.rng)

    @initialize(seed=st.integers(0, 1 << 32), mode=st.sampled_from(MODES))
    def start(self, seed: int, mode: SyncMode) -> None:
        self._open(SimulatedDisk(Random(seed)), mode)

    @rule(calls=st.lists(st.lists(appends, min_size=1, max_size=3), min_size=1, max_size=2))
    def commit(self, calls: list[list[Append]]) -> None:
        """Several calls of several appends, in one commit."""
        self.session.commit([Call(call) for call in calls])

    @rule(partition=partitions, share=st.floats(0, 1.1), size_max=st.sampled_from((1, 1_000, 100_000)))
    def read(self, partition: TopicPartition, share: float, size_max: int) -> None:
        """The first records at or after any offset, also before the beginning and behind the end."""
        log = self.session.logs[partition]
        offset = int(share * log.committed.offset)
        if offset < min(log.log_start_offset, log.committed.offset):
            with pytest.raises(OffsetOutOfRange):
                read(log, offset, size_max, self.rng)
        else:
            chunk = read(log, offset, size_max, self.rng)
            stream = self.ledger.streams.get(partition, Stream())
            check_chunk(chunk, min(offset, log.committed.offset), log, stream)
            if self.session.mode != "never":
                self.ledger.read(partition, chunk.next_offset)

    @rule()
    def sync(self) -> None:
        self.session.sync()

    @rule(partition=partitions, share=st.floats(0, 1))
    def trim(self, partition: TopicPartition, share: float) -> None:
        self.session.trim(partition, int(share * self.session.logs[partition].committed.offset))

    @rule()
    def advance_checkpoint(self) -> None:
        self.session.advance_checkpoint()

    @rule()
    @precondition(lambda self: self.session.journal.file_count < 3)
    def add_journal_file(self) -> None:
        self.session.add_journal_file(LIMITS.journal_file_size)

    @rule(mode=st.sampled_from(MODES))
    def kill(self, mode: SyncMode) -> None:
        """Another process takes over with the page cache as it is."""
        self._open(self.disk.kill(), mode, nothing_lost=True)

    @rule(mode=st.sampled_from(MODES))
    def cut_power(self, mode: SyncMode) -> None:
        """Another process takes over with what was durable, and whatever else the cut left."""
        self._open(self.disk.crash(), mode)

    @invariant()
    def ends_agree(self) -> None:
        """Readers see no more than was written, and all of it once it is synced."""
        if hasattr(self, "session"):
            for partition, log in self.session.logs.items():
                written = self.ledger.states[-1].ends.get(partition, 0)
                assert log.committed.offset <= written
                assert log.committed.offset == written or len(self.ledger.states) > 1


def run(examples: int, steps: int, *, derandomize: bool) -> None:
    checks = [HealthCheck.too_slow, HealthCheck.data_too_large]
    run_state_machine_as_test(
        Core,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            derandomize=derandomize,
            suppress_health_check=checks,
        ),
    )


def test_no_sequence_of_calls_breaks_a_promise() -> None:
    """Whatever is called in whatever order, the core answers as the model does."""
    run(60, 25, derandomize=True)


@pytest.mark.long
@pytest.mark.timeout(1200)
def test_no_sequence_of_many_breaks_a_promise() -> None:
    """The same for other sequences each time; the shortest that fails is printed."""
    run(3_000, 50, derandomize=False)
