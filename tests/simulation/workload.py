"""A random workload: what clients and maintenance do to a session, drawn from a seed."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from tests.simulation.disk import SimulatedDisk
from tests.simulation.session import Session
from tests.simulation.small_limits import SmallLimits

from logmq.model import Format, TopicPartition, TopicSettings
from logmq.records import frames
from logmq.storage.calls import Call
from logmq.storage.engine import Append, LogSpec
from logmq.storage.local.journal import HEADER_SIZE, Kind, Part, decode_header, encode_record
from logmq.storage.local.names import parse_journal, parse_segment, stored_partition

_JOURNAL_FILES_MAX = 4


def make_spec(partition: TopicPartition, log_id: int, segment_size: int) -> LogSpec:
    """A partition of the plain format without retention."""
    return LogSpec(partition, log_id, Format.PLAIN, TopicSettings(None, None, segment_size, 1 << 20))


def make_append(partition: TopicPartition, payloads: Sequence[bytes]) -> Append:
    """Payloads framed for one partition."""
    data, starts = frames.encode(payloads)
    return Append(partition, data, starts, starts, len(data))


class Workload:
    """Specs of some partitions, and random steps on a session of them."""

    def __init__(self, rng: Random, limits: SmallLimits, *, hostile: bool = False) -> None:
        """With `hostile` most payloads are made to be taken for records of the journal."""
        self.rng = rng
        self.limits = limits
        self._forgery_rate = 0.6 if hostile else 0.04
        self.specs: list[LogSpec] = []
        self.dropping: list[TopicPartition] = []
        """Partitions that are dropped and may have files still."""
        self._next_id = 1
        self._dropped: list[TopicPartition] = []
        self._seen_salts: list[int] = []
        self._old_salts = [0]
        for _ in range(rng.randint(1, 4)):
            self.new_spec()

    def new_spec(self) -> LogSpec:
        """Another partition, as Meta would enter it before any file exists; now and then one that was dropped."""
        number = self._next_id - 1
        partition = self._dropped.pop() if self._dropped else TopicPartition("ab"[number % 2], number // 2)
        spec = make_spec(partition, self._next_id, self.limits.segment_size)
        self._next_id += 1
        self.specs.append(spec)
        return spec

    def finish_drops(self, disk: SimulatedDisk) -> None:
        """Carry out drops that a crash cut off, as the server does before it opens the store."""
        for partition in list(self.dropping):
            for name in disk.sizes():
                parsed = parse_segment(name)
                if parsed is not None and parsed.stored == stored_partition(partition):
                    disk.unlink(name)
            disk.sync_names()
            self._finish_drop(partition)

    def _finish_drop(self, partition: TopicPartition) -> None:
        self.dropping.remove(partition)
        self._dropped.append(partition)

    def look_at_salts(self, disk: SimulatedDisk) -> None:
        """Learn the salts of a disk about to be opened: those that were there and are gone can be forged."""
        names = [name for name in disk.sizes() if parse_journal(name) is not None]
        headers = [decode_header(disk.content(name)[:HEADER_SIZE]) for name in names]
        salts = [header.salt for header in headers if header is not None]
        self._old_salts = [0, *(salt for salt in self._seen_salts if salt not in salts)]
        self._seen_salts += salts

    def step(self, session: Session) -> None:
        """One random step. Raises: whatever the disk was told to do."""
        kind = self.rng.random() if session.logs else 1.0
        if kind < 0.70:
            session.commit(self.calls(session))
        elif kind < 0.78:
            session.read_somewhere()
        elif kind < 0.83:
            session.sync()
        elif kind < 0.92:
            session.advance_checkpoint()
        elif kind < 0.95:
            self._trim(session)
        elif kind < 0.96:
            session.expire(self.rng.choice(list(session.logs)))
        elif kind < 0.98:
            if session.journal.file_count < _JOURNAL_FILES_MAX:
                session.add_journal_file(self.limits.journal_file_size * self.rng.randint(1, 2))
        elif len(session.logs) < 2 or (len(self.specs) < 6 and self.rng.random() < 0.5):
            session.create(self.new_spec())
        elif not session.checkpoint_under_way:
            self._drop(session)

    def calls(self, session: Session) -> list[Call]:
        """One to four calls, for one commit."""
        if self.rng.random() < 0.1:
            return [Call([self._append(session) for _ in range(2)], atomic=True)]
        return [Call([self._append(session) for _ in range(self.rng.choice((1, 1, 2)))]) for _ in range(self._few())]

    def _few(self) -> int:
        return self.rng.choice((1, 1, 1, 2, 4))

    def _append(self, session: Session) -> Append:
        return make_append(self.rng.choice(list(session.logs)), self._payloads(session))

    def _payloads(self, session: Session) -> list[bytes]:
        """Bytes that cannot be taken for others, mostly; all of one size, all zeros or hostile now and then."""
        rng = self.rng
        if rng.random() < self._forgery_rate:
            return [self._forgery(session)]
        kind = rng.random()
        if kind < 0.4:
            size = rng.choice((0, 1, 8, 100, 100, 100))
            return [rng.randbytes(size) for _ in range(rng.choice((1, 5, 40)))]
        if kind < 0.85:
            return [rng.randbytes(rng.choice((0, 3, 30, 300, rng.randint(0, 3_000)))) for _ in range(self._few())]
        if kind < 0.95:
            return [rng.randbytes(rng.randint(0, 8_000))]
        return [bytes(rng.randint(0, 2_000))]

    def _forgery(self, session: Session) -> bytes:
        """What looks like the journal's next records, made by someone who knows the salts that were."""
        log = self.rng.choice(list(session.logs.values()))
        end, base = log.tail.offset, log.tail.index.base_offset
        part = Part(log.spec.log_id, base, end - base, end, 10_000, 10_000, 0, Kind.SPAN)
        next_commit = session.journal.commit + self.rng.randint(1, 3)
        record = encode_record(self.rng.choice(self._old_salts), next_commit, next_commit - 1, 1, [part], 0)
        # At each alignment once, and far enough into the commit that its own head may be lost without it.
        return bytes(self.rng.randint(0, 4_000)) + b"".join(record + bytes(9 - len(record) % 8) for _ in range(8))

    def _drop(self, session: Session) -> None:
        partition = self.rng.choice(list(session.logs))
        self.specs = [spec for spec in self.specs if spec.partition != partition]
        self.dropping.append(partition)
        session.ledger.forget(partition)
        session.drop(partition)
        self._finish_drop(partition)

    def _trim(self, session: Session) -> None:
        partition, log = self.rng.choice(list(session.logs.items()))
        starts = session.ledger.streams[partition].starts if partition in session.ledger.streams else []
        offset = self.rng.choice((*starts, log.committed.offset)) if self.rng.random() < 0.5 else 0
        offset = offset or self.rng.randint(0, log.committed.offset)
        session.trim(partition, offset)
