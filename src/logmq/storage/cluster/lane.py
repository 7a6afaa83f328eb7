"""A lane as its commits made it: pure state, to which commits are applied one by one, by the leader as by a new one."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field

from logmq.storage.cluster.formats import Extent, LaneSnapshot, LogSnapshot, Piece, ProducerMark, Section
from logmq.storage.engine import Appended, ProducerBatch
from logmq.storage.producers import Producers


@dataclass(slots=True)
class LaneLog:
    """One log: where its records lie, from `start_offset` to `next_offset`."""

    start_offset: int = 0
    next_offset: int = 0
    last_append_ms: int = 0
    extents: list[Extent] = field(default_factory=list)
    producers: Producers = field(default_factory=Producers)
    size: int = 0
    """Bytes of all that is kept."""
    settled: int = 0
    """The extents before this offset stay where they are. Known to the leader that has looked, and not stored."""

    def find(self, offset: int) -> int:
        """The index of the extent with the first record at or after `offset`; how many there are if there is none."""
        return bisect_right(self.extents, offset, key=lambda extent: extent.next_offset)

    def find_timestamp(self, timestamp_ms: int) -> int:
        """The index of the first extent with a record of this time or a later one; how many there are if none has."""
        return bisect_left(self.extents, timestamp_ms, key=lambda extent: extent.timestamp_ms)

    def add(self, extent: Extent) -> None:
        """The log goes on with this extent."""
        assert extent.first_offset == self.next_offset, (extent, self.next_offset)
        self.extents.append(extent)
        self.size += extent.size
        self.next_offset = extent.next_offset
        self.last_append_ms = extent.timestamp_ms

    def trim(self, offset: int) -> None:
        """Forget what is before `offset`."""
        self.start_offset = max(self.start_offset, offset)
        gone = self.find(self.start_offset)
        self.size -= sum([extent.size for extent in self.extents[:gone]])
        del self.extents[:gone]

    def replace(self, run: Sequence[Extent], moved: Sequence[Extent]) -> bool:
        """Put extents with the same records in the place of others, unless the log was trimmed up to there."""
        first = self.find(run[0].first_offset)
        if self.extents[first : first + len(run)] != list(run):
            return False
        self.extents[first : first + len(run)] = moved
        return True


@dataclass(slots=True)
class Lane:
    """All logs of a lane after its commit `number`."""

    lane: int
    number: int = 0
    logs: dict[int, LaneLog] = field(default_factory=dict)

    def apply(self, section: Section, name: str, body: int) -> None:
        """The next commit, which lies in the object `name`, whose body begins at `body`."""
        assert section.number == self.number + 1, (self.lane, self.number, section.number)
        self.number = section.number
        for piece in section.pieces:
            self._append(piece, name, body)
        for mark in section.marks:
            self._remember(mark)
        for log_id, offset in section.trims.items():
            self.logs.setdefault(log_id, LaneLog()).trim(offset)
        for log_id in section.drops:
            self.logs.pop(log_id, None)

    def _append(self, piece: Piece, name: str, body: int) -> None:
        self.logs.setdefault(piece.log_id, LaneLog()).add(
            Extent(
                piece.first_offset, piece.next_offset, name, body + piece.position, piece.size, piece.crc,
                piece.timestamp_ms,
            )
        )  # fmt: skip

    def _remember(self, mark: ProducerMark) -> None:
        batch = ProducerBatch(mark.producer_id, mark.epoch, mark.base_sequence, mark.record_count)
        appended = Appended(mark.first_offset, mark.next_offset, mark.timestamp_ms)
        self.logs[mark.log_id].producers.add(batch, appended)

    def objects(self) -> set[str]:
        """The objects in which the lane's records lie."""
        return {extent.object for log in self.logs.values() for extent in log.extents}

    def snapshot(self) -> LaneSnapshot:
        """The lane for a checkpoint."""
        logs = [
            LogSnapshot(
                log_id, log.start_offset, log.next_offset, log.last_append_ms, list(log.extents),
                [(number, epoch, list(batches)) for number, epoch, batches in log.producers.rows()],
            )
            for log_id, log in self.logs.items()
        ]  # fmt: skip
        return LaneSnapshot(self.lane, self.number, logs)


def lane_from(snapshot: LaneSnapshot) -> Lane:
    """The lane that `Lane.snapshot` described."""
    lane = Lane(snapshot.lane, snapshot.number)
    for one in snapshot.logs:
        size = sum([extent.size for extent in one.extents])
        log = LaneLog(one.start_offset, one.next_offset, one.last_append_ms, list(one.extents), size=size)
        log.producers.load((number, epoch, tuple(batches)) for number, epoch, batches in one.producers)
        lane.logs[one.log_id] = log
    return lane
