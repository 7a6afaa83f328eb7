"""A machine for tests of one case: a data directory, the ledger of what was sent to it, and the process of now."""

from __future__ import annotations

from random import Random

from tests.simulation.audit import audit
from tests.simulation.disk import SimulatedDisk
from tests.simulation.ledger import Ledger
from tests.simulation.session import Session, SyncMode
from tests.simulation.small_limits import SmallLimits
from tests.simulation.workload import make_append, make_spec

from logmq.model import TopicPartition
from logmq.storage.calls import Call

LIMITS = SmallLimits(
    segment_size=10_000,
    index_interval=1_000,
    span_size_min=4_000,
    inline_size_max=20_000,
    journal_file_size=30_000,
    open_files_max=100,
)


class Machine:
    """Partitions of topics with segments of 10,000 bytes. Used while LIMITS are in force."""

    def __init__(self, *partitions: TopicPartition, mode: SyncMode = "always") -> None:
        self.specs = [
            make_spec(partition, number, LIMITS.segment_size) for number, partition in enumerate(partitions, 1)
        ]
        self.ledger = Ledger()
        self.mode: SyncMode = mode
        self.start(SimulatedDisk(Random(1), trace=[]))

    def recover(self, disk: SimulatedDisk) -> None:
        """Start a process, whatever it finds."""
        self.disk = disk
        self.session = Session(disk, self.specs, self.ledger, Random(2), self.mode)

    def start(self, disk: SimulatedDisk) -> None:
        """Start a process, and hold what it finds against the ledger. Raises: Violation."""
        self.recover(disk)
        self.ledger.reopened(self.session.logs, nothing_lost=False)
        audit(disk, self.session.logs, self.ledger, Random(3))

    def restart(self) -> None:
        """Kill the process and start the next one."""
        self.start(self.disk.kill())

    def put(self, partition: TopicPartition, *payloads: bytes) -> Call:
        """Commit one append."""
        call = Call([make_append(partition, payloads)])
        self.session.commit([call])
        return call
