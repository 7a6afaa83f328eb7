"""Opening a data directory: from the checkpoint follow the journal, then cut each log at its committed end.

  1. Open each log as the checkpoint left it.
  2. Follow the journal: inline bytes are written again, spans are checked. A record that does not check out undoes
     itself and all behind it, if none of them was acknowledged; else it is rot: the bytes stay, their range is
     reported and answered with an error, and what follows is served.
  3. Cut each log at its end, remove files that hold nothing, sync everything, make a checkpoint.

Nothing is served, and nothing appended, before all this is durable. Recovery may be cut off at any moment and begun
again: until the new checkpoint is in place it writes only what the journal still holds.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from concurrent.futures import Executor
from dataclasses import dataclass, field

from crc32c import crc32c

from logmq.clock import Clock
from logmq.limits import JOURNAL_FIRST_FILE_SIZE, OPEN_FILES_MAX
from logmq.model import Format, TopicPartition
from logmq.records import batches
from logmq.storage.engine import Appended, LogSpec, ProducerBatch
from logmq.storage.local import checkpoint
from logmq.storage.local.chain import Chain, ChainedRecord, disown, open_journal_files, read_chain
from logmq.storage.local.checkpoint import LogCheckpoint
from logmq.storage.local.checkpointer import Checkpointer
from logmq.storage.local.files import Files
from logmq.storage.local.index import Entry, Index, IndexDamaged
from logmq.storage.local.journal import Journal, JournalFile, Kind, Part, create_journal_file
from logmq.storage.local.log import Log, LogState, create_segment
from logmq.storage.local.names import SegmentName, index_name, log_name, parse_segment, stored_partition
from logmq.storage.local.opened import OpenFiles
from logmq.storage.local.repair import repair_index, skip_damaged
from logmq.storage.local.segment import Segment
from logmq.storage.local.tail import Tail


@dataclass(slots=True)
class DamagedRange:
    """Offsets of a partition that cannot be served any more."""

    partition: TopicPartition
    first_offset: int
    next_offset: int


@dataclass(slots=True)
class Report:
    """What recovery found and did, for people."""

    new: bool = False
    """Whether the directory held nothing before."""
    checkpoint_damaged: bool = False
    replayed_commits: int = 0
    undone_commits: int = 0
    missing_commits: list[int] = field(default_factory=list)
    cut_bytes: dict[str, int] = field(default_factory=dict)
    damaged: list[DamagedRange] = field(default_factory=list)
    repaired_indexes: list[str] = field(default_factory=list)
    mended_journals: list[str] = field(default_factory=list)
    unknown_files: list[str] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        """Whether the directory was as a clean stop leaves it."""
        return self == Report(new=self.new, unknown_files=self.unknown_files)


@dataclass(slots=True)
class Recovered:
    """An opened data directory, ready for appends."""

    logs: dict[TopicPartition, Log]
    opened: OpenFiles
    journal: Journal
    checkpointer: Checkpointer
    report: Report


def recover(files: Files, specs: Iterable[LogSpec], clock: Clock, executor: Executor | None = None) -> Recovered:
    """Open the directory's logs. Durability: all that is in them survives a power cut when it returns.

    Raises: SyncFailed, OSError.
    """
    return _Recovery(files, specs, clock, executor).run()


class _Recovery:
    def __init__(self, files: Files, specs: Iterable[LogSpec], clock: Clock, executor: Executor | None) -> None:
        self._files = files
        self._clock = clock
        self._executor = executor
        self._opened = OpenFiles(files, OPEN_FILES_MAX)
        self._report = Report()
        self._sizes = files.sizes()
        self._by_id: dict[int, Log] = {}
        self._logs: dict[TopicPartition, Log] = {}
        self._specs = list(specs)
        self._names: dict[TopicPartition, list[SegmentName]] = {}

    def run(self) -> Recovered:
        start = checkpoint.read(self._files)
        self._report.checkpoint_damaged = start is None
        start = start or checkpoint.EMPTY
        self._report.new = start is checkpoint.EMPTY and not self._report.checkpoint_damaged and not self._specs
        journal_files = open_journal_files(self._files)
        chain = read_chain(journal_files, None if self._report.checkpoint_damaged else start.commit)
        self._list_segments()
        trims = _trims(chain)
        for spec in self._specs:
            log = self._open_log(spec, start.logs.get(spec.log_id), trims.get(spec.log_id, 0))
            self._by_id[spec.log_id] = self._logs[spec.partition] = log
        last_commit = self._replay(chain)
        for log in self._logs.values():
            self._delete_unused(log)
            self._cut(log)
            log.publish()
        self._files.sync_names()
        journal = Journal([], last_commit)
        checkpointer = Checkpointer(self._files, self._logs, journal, self._clock, self._executor)
        if not self._report.clean or start is checkpoint.EMPTY:
            checkpointer.run()
        # Only now may journal files be touched: until here recovery would have had to read them again.
        disown(journal_files, last_commit)
        journal.free += self._whole(journal_files)
        journal.begin()
        return Recovered(self._logs, self._opened, journal, checkpointer, self._report)

    def _whole(self, journal_files: list[JournalFile]) -> list[JournalFile]:
        """The journal files, at least one, those made anew whose creation a crash cut off."""
        return [
            journal_file
            if journal_file.size >= JOURNAL_FIRST_FILE_SIZE
            else create_journal_file(self._files, journal_file.number, JOURNAL_FIRST_FILE_SIZE)
            for journal_file in journal_files
        ] or [create_journal_file(self._files, 1, JOURNAL_FIRST_FILE_SIZE)]

    # -- opening ---------------------------------------------------------------------------------------------------

    def _list_segments(self) -> None:
        known = {stored_partition(spec.partition): spec.partition for spec in self._specs}
        for name in sorted(self._sizes):
            parsed = parse_segment(name)
            if parsed is None:
                continue
            partition = known.get(parsed.stored)
            if partition is None:
                self._report.unknown_files.append(name)
            elif parsed.kind == "log":
                self._names.setdefault(partition, []).append(parsed)

    def _open_log(self, spec: LogSpec, state: LogCheckpoint | None, trimmed: int) -> Log:
        """The log as the checkpoint left it, or empty, or (without a checkpoint) as its indexes have it.

        If the journal has it begin at `trimmed`, in a later segment: as it was when that segment was begun. Those
        before it may have been deleted already, and their part of the journal means nothing any more.
        """
        bases = sorted(name.base_offset for name in self._names.get(spec.partition, ()))
        if state is None:
            state = LogCheckpoint(0, 0, 0, 0, 0)
            if self._report.checkpoint_damaged and bases:
                state = self._state_by_index(spec, bases)
        reached = max([base for base in bases if base <= trimmed], default=0)
        if reached > state.base_offset:
            state = LogCheckpoint(trimmed, reached, reached, 0, state.last_append_ms, state.producers)
        if state.base_offset not in bases:
            create_segment(self._opened, spec, state.base_offset)
            bases = sorted([*bases, state.base_offset])
        bases = bases[: bases.index(state.base_offset) + 1]  # those behind were begun later, the journal has them
        first = max(0, bisect_right(bases, state.log_start_offset) - 1)
        segments = tuple([self._open_segment(spec, base) for base in bases[first:]])
        end = Entry(state.end_offset, state.end_position, state.last_append_ms, 0)
        log_start_offset = max(state.log_start_offset, segments[0].base_offset)
        log = Log(self._files, self._opened, spec, LogState(segments, log_start_offset, segments[-1].origin()))
        log.producers.load(state.producers)
        self._check_sealed(log, end.timestamp_ms)
        self._check_last(log, end)
        return log

    def _state_by_index(self, spec: LogSpec, bases: list[int]) -> LogCheckpoint:
        """The end up to which indexes vouch for the log: they are written when its bytes are durable."""
        for base, following in zip(bases, [*bases[1:], -1], strict=True):
            segment = self._open_segment(spec, base)
            entries = [entry for entry in segment.index.salvage() if entry is not None]
            end = max([segment.origin(), *entries], key=lambda entry: entry.position)
            if end.offset != following:
                break
        return LogCheckpoint(bases[0], base, end.offset, end.position, end.timestamp_ms)

    def _open_segment(self, spec: LogSpec, base_offset: int) -> Segment:
        name = index_name(spec.partition, base_offset)
        if name not in self._sizes:
            self._opened.create(name)
        return Segment(self._opened, spec.partition, base_offset, Index.count_in(self._sizes.get(name, 0)))

    def _check_sealed(self, log: Log, timestamp_ms: int) -> None:
        """Make sure that each sealed segment's index reaches to where the next segment begins.

        When lost entries were committed is not known, but it was not after `timestamp_ms`. A time that is too late
        hides no record from a search, and lets none expire too early.
        """
        for segment, following in zip(log.segments, log.segments[1:], strict=False):
            size = self._sizes.get(segment.name, 0)
            log.sealed_size += size
            last = _last_entry(segment)
            if last is None or last.offset != following.base_offset:
                self._repair(log, segment, Entry(following.base_offset, size, timestamp_ms, 0))
            elif last.position > size:
                self._report.damaged.append(DamagedRange(log.spec.partition, segment.base_offset, last.offset))

    def _check_last(self, log: Log, end: Entry) -> None:
        """Begin the last segment's tail at the checkpointed end, which is its index's last boundary."""
        segment = log.segments[-1]
        index = segment.index
        last = _last_entry(segment)
        while len(index) and (last is None or last.position > end.position):
            index.cut(len(index) - 1)  # mostly written by a checkpoint that a crash cut off; the journal has it again
            last = _last_entry(segment)
        if end.position and (last is None or last.position != end.position):
            self._repair(log, segment, end)
        if self._sizes.get(segment.name, 0) < end.position:
            self._report.damaged.append(DamagedRange(log.spec.partition, segment.base_offset, end.offset))
            segment.file.truncate(end.position)  # never append over committed offsets, even where the bytes are lost
            log.dirty[segment] = segment.file
        log.tail = Tail(index, end)
        log.last_append_ms = end.timestamp_ms

    def _repair(self, log: Log, segment: Segment, end: Entry) -> None:
        repair_index(segment, log.codec, end)
        log.dirty[segment] = segment.file
        self._report.repaired_indexes.append(segment.index.name)

    # -- following the journal ---------------------------------------------------------------------------------------

    def _replay(self, chain: Chain) -> int:
        """Carry out the chain's commits; returns the last one that counts."""
        last_commit = chain.after_commit
        self._report.missing_commits = chain.missing
        self._report.mended_journals = chain.mended
        for number, chained in enumerate(chain.records):
            record = chained.record
            contents = [self._content(part, data) for part, data in _inline(chained)]
            if None in contents and record.commit > chain.synced:
                self._report.undone_commits = len(chain.records) - number
                break
            for part, content in zip(record.parts, contents, strict=True):
                self._apply(part, content, record.timestamp_ms)
            self._report.replayed_commits += 1
            last_commit = record.commit
        return last_commit

    def _content(self, part: Part, inline: bytes) -> bytes | None:
        """The bytes of a part, from the journal or from the log, wherever they are true; None if nowhere."""
        log = self._by_id.get(part.log_id)
        if log is None or part.kind is Kind.TRIM or part.base_offset < log.segments[0].base_offset:
            return inline
        if part.kind is Kind.INLINE and crc32c(inline) == part.crc:
            return inline
        name = log_name(log.spec.partition, part.base_offset)
        try:
            file = self._opened.get(name)
        except FileNotFoundError:
            return None
        file.sync()
        file.forget_cached()
        data = file.read_at(part.position, part.size)
        return data if len(data) == part.size and crc32c(data) == part.crc else None

    def _apply(self, part: Part, content: bytes | None, timestamp_ms: int) -> None:
        log = self._by_id.get(part.log_id)
        if log is None:
            return  # dropped since
        if part.kind is Kind.TRIM:
            log.log_start_offset = max(log.log_start_offset, part.first_offset)
            return
        if part.base_offset < log.segments[0].base_offset:
            log.last_append_ms = timestamp_ms
            return  # trimmed since
        if part.base_offset > log.tail.index.base_offset:
            self._roll(log, part.base_offset, timestamp_ms)
        if part.first_offset + part.offset_count <= log.tail.offset:
            return  # in the log already: there was no checkpoint to tell where to begin
        segment = log.segments[-1]
        log.dirty[segment] = segment.file
        self._skip_gap(log, part, timestamp_ms)
        end = Entry(part.first_offset + part.offset_count, part.position + part.size, timestamp_ms, 0)
        if content is None:
            self._report.damaged.append(DamagedRange(log.spec.partition, part.first_offset, end.offset))
            skip_damaged(segment.file, log.tail, end)
            return
        segment.file.write_at(part.position, [content])
        found = log.codec.walk(content)
        if log.spec.format is Format.BATCH:
            latest_ms = max([header.max_timestamp_ms for _, header in batches.headers(content)], default=0)
            timestamp_ms = max(log.last_append_ms, latest_ms)
        log.tail.add(content, found.starts, found.offsets, part.offset_count, timestamp_ms)
        log.last_append_ms = timestamp_ms
        if log.spec.format is Format.BATCH:
            for _, header in batches.headers(content):
                if header.producer_id >= 0:
                    batch = ProducerBatch(*header[9:])
                    log.producers.add(batch, Appended(header.base_offset, header.next_offset, timestamp_ms))

    def _roll(self, log: Log, base_offset: int, timestamp_ms: int) -> None:
        """Go on in a later segment; segments between are there if commits are missing, and are lost with them."""
        names = self._names.get(log.spec.partition, ())
        between = [name.base_offset for name in names if log.tail.offset <= name.base_offset < base_offset]
        for base in sorted({*between, base_offset} - {log.tail.index.base_offset}):
            self._close_segment(log, base, timestamp_ms)
            log.roll(timestamp_ms)

    def _close_segment(self, log: Log, end_offset: int, timestamp_ms: int) -> None:
        segment = log.segments[-1]
        size = segment.file.size()
        if log.tail.offset < end_offset:  # its end is among the missing commits
            self._lose(log, Entry(end_offset, max(size, log.tail.position), timestamp_ms, 0))
        elif size > log.tail.position:  # an append that failed was cut off again, and the cut itself was lost
            self._cut_off(segment, log.tail.position, size)

    def _skip_gap(self, log: Log, part: Part, timestamp_ms: int) -> None:
        if log.tail.position < part.position:
            self._lose(log, Entry(part.first_offset, part.position, timestamp_ms, 0))

    def _lose(self, log: Log, stop: Entry) -> None:
        """Enter what lies before `stop` as damaged: commits that can no longer be read had written it."""
        self._report.damaged.append(DamagedRange(log.spec.partition, log.tail.offset, stop.offset))
        skip_damaged(log.segments[-1].file, log.tail, stop)

    # -- finishing ---------------------------------------------------------------------------------------------------

    def _delete_unused(self, log: Log) -> None:
        """Delete segments before the log start, and files of segments that nothing was committed to."""
        last = log.segments[-1].base_offset
        later = [base for _, base, _ in self._names.get(log.spec.partition, ()) if base > last]
        if later and (self._report.missing_commits or self._report.checkpoint_damaged):
            self._roll(log, max(later), log.last_append_ms)
        log.trim(min(log.log_start_offset, log.tail.offset))
        kept = {segment.base_offset for segment in log.segments}
        for _, base_offset, _ in self._names.get(log.spec.partition, ()):
            if base_offset in kept:
                continue
            for name in (log_name(log.spec.partition, base_offset), index_name(log.spec.partition, base_offset)):
                self._opened.forget(name)
                self._files.unlink(name)
                if base_offset > last and self._sizes.get(name):
                    self._report.cut_bytes[name] = self._sizes[name]

    def _cut(self, log: Log) -> None:
        """Cut the last segment at the committed end: what lies behind was never acknowledged.

        Unless commits are missing: then it may have been, and stays as damaged.
        """
        segment = log.segments[-1]
        size = segment.file.size() if segment in log.dirty else self._sizes.get(segment.name, 0)
        surplus = size - log.tail.position
        if surplus <= 0:
            return
        log.dirty[segment] = segment.file
        if self._report.missing_commits:
            data = segment.file.read_at(log.tail.position, surplus)
            count = surplus if log.spec.format is Format.PLAIN else max(1, log.codec.walk(data).offset_count)
            self._lose(log, Entry(log.tail.offset + count, size, log.last_append_ms, 0))
        else:
            self._cut_off(segment, log.tail.position, size)

    def _cut_off(self, segment: Segment, position: int, size: int) -> None:
        segment.file.truncate(position)
        self._report.cut_bytes[segment.name] = size - position


def _trims(chain: Chain) -> dict[int, int]:
    """Where logs begin by the trims in the chain, by log id. All of them count: everything before a trim is durable."""
    trims: dict[int, int] = {}
    for chained in chain.records:
        for part in chained.record.parts:
            if part.kind is Kind.TRIM:
                trims[part.log_id] = max(part.first_offset, trims.get(part.log_id, 0))
    return trims


def _inline(chained: ChainedRecord) -> Iterable[tuple[Part, bytes]]:
    """Each part of a record with its inline bytes (none for spans and trims)."""
    position = chained.record.data_position
    for part in chained.record.parts:
        size = part.size if part.kind is Kind.INLINE else 0
        yield part, chained.data[position : position + size]
        position += size


def _last_entry(segment: Segment) -> Entry | None:
    """The index's last entry, None if it has none or a damaged one."""
    try:
        return segment.index[len(segment.index) - 1] if len(segment.index) else None
    except IndexDamaged:
        return None
