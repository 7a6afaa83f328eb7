"""Checking everything at rest against its checksums, without changing anything.

Behind the checkpoint each byte of a log is covered by its index; what came later is covered by the journal.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise

from crc32c import crc32c

from logmq.limits import OPEN_FILES_MAX
from logmq.records.codec import CODECS
from logmq.storage.engine import LogSpec
from logmq.storage.local import checkpoint
from logmq.storage.local.chain import open_journal_files, read_chain
from logmq.storage.local.checkpoint import LogCheckpoint
from logmq.storage.local.files import Files
from logmq.storage.local.index import Entry, Index, encode_header
from logmq.storage.local.journal import Kind, Part
from logmq.storage.local.names import log_name, parse_segment, stored_partition
from logmq.storage.local.opened import OpenFiles
from logmq.storage.local.segment import Segment


@dataclass(frozen=True, slots=True)
class Progress:
    """So many bytes of logs are checked."""

    checked_bytes: int
    total_bytes: int


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as it was written. Offsets are there where records are concerned."""

    file: str
    problem: str
    first_offset: int | None = None
    next_offset: int | None = None

    def __str__(self) -> str:
        where = "" if self.first_offset is None else f" offsets {self.first_offset} to {self.next_offset}:"
        return f"{self.file}:{where} {self.problem}"


def verify(files: Files, specs: Iterable[LogSpec]) -> Iterator[Progress | Finding]:
    """Check checkpoint, journal, indexes and logs. Raises: OSError."""
    start = checkpoint.read(files)
    if start is None:
        yield Finding("checkpoint", "has a wrong checksum; the next start makes it anew from indexes and journal")
    after_commit = None if start is None else start.commit
    chain = read_chain(open_journal_files(files), after_commit)
    for name in chain.mended:
        yield Finding(name, "has a flipped bit in its header; the next start mends it")
    for commit in chain.missing:
        yield Finding("journal", f"commit {commit} was acknowledged and cannot be read any more")
    sizes = files.sizes()
    run = _Verification(files, sizes)
    states = {} if start is None else start.logs
    by_id = {spec.log_id: spec for spec in specs}
    for spec in by_id.values():
        yield from run.check_log(spec, states.get(spec.log_id))
    for chained in chain.records:
        record = chained.record
        position = record.data_position
        for part in record.parts:
            size = part.size if part.kind is Kind.INLINE else 0
            inline = chained.data[position : position + size]
            position += size
            if part.log_id in by_id and record.commit <= chain.synced:
                yield from run.check_part(by_id[part.log_id], part, inline, record.commit)


class _Verification:
    def __init__(self, files: Files, sizes: dict[str, int]) -> None:
        self._sizes = sizes
        self._opened = OpenFiles(files, OPEN_FILES_MAX)
        self._checked = 0
        self._total = sum(size for name, size in sizes.items() if name.endswith(".log"))

    def check_log(self, spec: LogSpec, state: LogCheckpoint | None) -> Iterator[Progress | Finding]:
        """All segments of one partition up to its checkpoint."""
        bases = sorted(
            name.base_offset
            for name in map(parse_segment, self._sizes)
            if name is not None and name.stored == stored_partition(spec.partition) and name.kind == "log"
        )
        for base_offset in bases:
            last = state is not None and base_offset == state.base_offset
            yield from self._check_segment(spec, base_offset, state if last else None)

    def _check_segment(
        self, spec: LogSpec, base_offset: int, state: LogCheckpoint | None
    ) -> Iterator[Progress | Finding]:
        segment = Segment(self._opened, spec.partition, base_offset, 0)
        size = self._sizes[segment.name]
        index_size = self._sizes.get(segment.index.name, 0)
        if index_size:
            header = self._opened.get(segment.index.name).read_at(0, 32)
            if header != encode_header(base_offset):
                yield Finding(segment.index.name, "has a wrong header; the index can be made anew")
        entries = _salvage(self._opened, segment, index_size)
        if state is not None:
            entries = [entry for entry in entries if entry is None or entry.position <= state.end_position]
            if size < state.end_position:
                problem = f"is {state.end_position - size} bytes shorter than what was committed"
                yield Finding(segment.name, problem, base_offset, state.end_offset)
        for number, entry in enumerate(entries):
            if entry is None:
                yield Finding(segment.index.name, f"entry {number} has a wrong checksum; it can be made anew")
        for before, entry in pairwise([segment.origin(), *entries]):
            if before is None or entry is None:
                continue
            yield from self._check_interval(spec, segment, before, entry)

    def _check_interval(
        self, spec: LogSpec, segment: Segment, before: Entry, entry: Entry
    ) -> Iterator[Progress | Finding]:
        data = segment.file.read_at(before.position, entry.position - before.position)
        self._checked += len(data)
        if len(data) != entry.position - before.position or crc32c(data) != entry.crc:
            yield Finding(segment.name, "the bytes do not match their checksum", before.offset, entry.offset)
        elif CODECS[spec.format].walk(data).end != len(data):
            yield Finding(segment.name, "the bytes are no whole records", before.offset, entry.offset)
        yield Progress(self._checked, self._total)

    def check_part(self, spec: LogSpec, part: Part, inline: bytes, commit: int) -> Iterator[Progress | Finding]:
        """One log's part of a commit that only the journal covers so far."""
        self._checked += part.size
        yield Progress(self._checked, self._total)
        if part.kind is Kind.TRIM or (part.kind is Kind.INLINE and crc32c(inline) == part.crc):
            return
        name = log_name(spec.partition, part.base_offset)
        try:
            data = self._opened.get(name).read_at(part.position, part.size)
        except FileNotFoundError:
            data = b""
        if len(data) != part.size or crc32c(data) != part.crc:
            end = part.first_offset + part.offset_count
            yield Finding(name, f"the bytes of commit {commit} do not match the journal", part.first_offset, end)


def _salvage(opened: OpenFiles, segment: Segment, index_size: int) -> list[Entry | None]:
    if not index_size:
        return []
    index = Index(opened, segment.index.name, segment.base_offset, Index.count_in(index_size))
    return index.salvage()
