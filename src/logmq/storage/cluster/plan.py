"""What the next commits will make of the lanes: offsets and sequences given out before anything is stored.

    appends -> Plan.batch -> an object and, for each lane in it, a section -> committed in the order of the batches

The plan runs ahead of the lanes by the batches that are under way. It never takes anything back: a batch is tried until
it is committed, and a leader that can no longer commit is no leader any more and forgets its plan.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from crc32c import crc32c

from logmq.errors import LogMQError
from logmq.limits import CLUSTER_EXTENT_SIZE_MAX
from logmq.model import Format
from logmq.records.codec import CODECS
from logmq.storage.calls import PendingCall
from logmq.storage.cluster.formats import (
    LANE_COUNT,
    Piece,
    ProducerMark,
    Section,
    encode_object,
    lane_of,
)
from logmq.storage.cluster.partitions import Partitions
from logmq.storage.engine import Append, Appended, AppendResult
from logmq.storage.producers import Producers


@dataclass(slots=True)
class Batch:
    """Appends and changes that are committed together."""

    name: str
    data: bytes
    """The object; empty if there is nothing to store."""
    body: int
    """Where the object's body begins."""
    sections: list[Section]
    calls: list[PendingCall]
    results: list[list[AppendResult]]
    changes: list[asyncio.Future[None]]
    """Of trims and drops."""
    judged: set[int]
    """Lanes of which a producer is told that it may not go on: that must be true of the leader's lane."""
    put: asyncio.Task[None] | None = None
    began: float = 0.0
    record_count: int = 0
    record_size: int = 0


@dataclass(slots=True)
class _Written:
    """What a batch appends to one log."""

    first_offset: int
    next_offset: int
    data: list[bytes] = field(default_factory=list)
    cuts: list[int] = field(default_factory=list)
    """The offsets at which the pieces in `data` begin."""
    timestamps_ms: list[int] = field(default_factory=list)
    """The latest time of any record of the log, up to each."""
    record_count: int = 0


class Plan:
    """The lanes as they will be once all batches are committed."""

    def __init__(self, partitions: Partitions, objects: Sequence[str | None]) -> None:
        """`objects` are those of each lane's last commit."""
        logs = {log_id: log for lane in partitions.lanes for log_id, log in lane.logs.items()}
        self._partitions = partitions
        self._numbers = [lane.number for lane in partitions.lanes]
        self._objects = list(objects)
        self._next_offsets = {log_id: log.next_offset for log_id, log in logs.items()}
        self._producers = {log_id: _copy(log.producers) for log_id, log in logs.items() if len(log.producers)}
        self._latest_ms = {log_id: log.last_append_ms for log_id, log in logs.items()}
        """Of each log the latest time of any record. Never goes back, so that logs can be searched by it."""
        self._now_ms = 0

    def batch(
        self,
        calls: list[PendingCall],
        trims: Mapping[int, int],
        drops: Iterable[int],
        changes: list[asyncio.Future[None]],
        name: str,
        now_ms: int,
    ) -> Batch:
        """Give everything its place. Trims and drops are by log id."""
        self._now_ms = max(self._now_ms, now_ms)
        sections: dict[int, Section] = {}
        written: dict[int, _Written] = {}
        judged: set[int] = set()
        results = [self._place_call(call, sections, written, judged) for call in calls]
        for log_id, offset in trims.items():
            self._section(sections, log_id).trims[log_id] = offset
        for log_id in drops:
            if self._next_offsets.pop(log_id, None) is not None:
                self._section(sections, log_id).drops.append(log_id)
            self._producers.pop(log_id, None)
            self._latest_ms.pop(log_id, None)
        body = self._lay_out(sections, written)
        data, start = encode_object(list(sections.values()), body) if sections else (b"", 0)
        for section in sections.values():
            self._numbers[section.lane] = section.number
            self._objects[section.lane] = name
        batch = Batch(name, data, start, list(sections.values()), calls, results, changes, judged)
        batch.record_count = sum([one.record_count for one in written.values()])
        batch.record_size = sum([len(one) for one in body])
        return batch

    def _section(self, sections: dict[int, Section], log_id: int) -> Section:
        lane = lane_of(log_id)
        if lane not in sections:
            sections[lane] = Section(lane, self._numbers[lane] + 1, self._objects[lane], [], [], {}, [])
        return sections[lane]

    def _place_call(
        self, call: PendingCall, sections: dict[int, Section], written: dict[int, _Written], judged: set[int]
    ) -> list[AppendResult]:
        refusal = self._refusal(call, judged) if call.atomic else None
        if refusal is not None:
            return [refusal] * len(call.appends)
        return [self._place(append, sections, written, judged) for append in call.appends]

    def _refusal(self, call: PendingCall, judged: set[int]) -> LogMQError | None:
        """Why one of the appends cannot be stored, so that none is."""
        for append in call.appends:
            spec = self._partitions.get(append.partition)
            if spec is None:
                return self._partitions.unknown(append.partition)
            known = self._producers.get(spec.log_id)
            if append.producer is not None and known is not None:
                verdict = known.judge(append.producer)
                if isinstance(verdict, LogMQError):
                    judged.add(lane_of(spec.log_id))
                    return verdict
        return None

    def _place(
        self, append: Append, sections: dict[int, Section], written: dict[int, _Written], judged: set[int]
    ) -> AppendResult:
        spec = self._partitions.get(append.partition)
        if spec is None:
            return self._partitions.unknown(append.partition)
        log_id = spec.log_id
        first = self._next_offsets.get(log_id, 0)
        appended = Appended(first, first + append.offset_count, self._now_ms)
        if append.producer is not None:
            verdict = self._judge(log_id, append, appended)
            if verdict is not None:
                judged.add(lane_of(log_id))
                return verdict
            self._section(sections, log_id).marks.append(ProducerMark(log_id, *append.producer, *appended))
        self._section(sections, log_id)
        piece = written.setdefault(log_id, _Written(first, first))
        data = CODECS[spec.format].place(append.data, append.starts, first)
        piece.data.append(data if isinstance(data, bytes) else bytes(data))
        piece.cuts.append(first)
        own_ms = self._now_ms if append.timestamp_ms is None else append.timestamp_ms
        self._latest_ms[log_id] = max(own_ms, self._latest_ms.get(log_id, 0))
        piece.timestamps_ms.append(self._latest_ms[log_id])
        piece.record_count += len(append.starts) if spec.format is Format.PLAIN else append.offset_count
        piece.next_offset = self._next_offsets[log_id] = appended.next_offset
        return appended

    def _judge(self, log_id: int, append: Append, appended: Appended) -> Appended | LogMQError | None:
        assert append.producer is not None
        producers = self._producers.setdefault(log_id, Producers())
        judged = producers.judge(append.producer)
        if judged is None:
            producers.add(append.producer, appended)
        return judged

    def _lay_out(self, sections: dict[int, Section], written: Mapping[int, _Written]) -> list[bytes]:
        """The records of each log together, in extents of a size that is read at once; returns the body."""
        body: list[bytes] = []
        position = 0
        for log_id, one in written.items():
            for data, first, following, timestamp_ms in _extents(one):
                piece = Piece(log_id, first, following, position, len(data), crc32c(data), timestamp_ms)
                sections[lane_of(log_id)].pieces.append(piece)
                body.append(data)
                position += len(data)
        return body

    def expire_producers(self, before_ms: int) -> None:
        """Forget producers not heard of since `before_ms`."""
        for producers in self._producers.values():
            producers.expire(before_ms)


def _extents(written: _Written) -> list[tuple[bytes, int, int, int]]:
    """Data, first and next offset, and time of each extent: appends are joined up to CLUSTER_EXTENT_SIZE_MAX."""
    extents: list[tuple[bytes, int, int, int]] = []
    begin = size = 0
    ends = [*written.cuts[1:], written.next_offset]
    for number, data in enumerate(written.data):
        size += len(data)
        if size >= CLUSTER_EXTENT_SIZE_MAX or number == len(ends) - 1:
            joined = b"".join(written.data[begin : number + 1])
            extents.append((joined, written.cuts[begin], ends[number], written.timestamps_ms[number]))
            begin, size = number + 1, 0
    return extents


def _copy(producers: Producers) -> Producers:
    copy = Producers()
    copy.load(producers.rows())
    return copy


assert LANE_COUNT <= 127, "etcd takes at most 128 operations a transaction, one of them for the broker's own key"
