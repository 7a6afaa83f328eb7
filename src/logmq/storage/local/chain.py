"""Reading the journal back: which commits came after the checkpoint, and which of them can be believed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from logmq.storage.local.files import Files
from logmq.storage.local.journal import (
    HEADER_SIZE,
    FileHeader,
    JournalFile,
    Record,
    decode_header,
    decode_record,
    find_record,
    mend_header,
)
from logmq.storage.local.names import journal_name, parse_journal


@dataclass(slots=True)
class ChainedRecord:
    """A record whose head and parts are true, and the bytes of the file it stands in."""

    record: Record
    data: bytes


@dataclass(slots=True)
class Chain:
    """Commits in order, from the first behind the checkpoint on.

    `synced` is the last commit that was certainly acknowledged as durable; of those behind it, only those before the
    first that is torn count. `missing` are commits at or before `synced` that cannot be read any more; `mended` are the
    files whose header had a flipped bit.
    """

    after_commit: int
    records: list[ChainedRecord] = field(default_factory=list)
    missing: list[int] = field(default_factory=list)
    synced: int = 0
    mended: list[str] = field(default_factory=list)


def read_chain(journal_files: list[JournalFile], after_commit: int | None) -> Chain:
    """Follow the journal from the commit behind `after_commit` on, or from the oldest there is.

    What is read has been synced first, and then comes from the disk itself: after a failed sync the page cache may
    hold bytes that the disk does not.

    Raises: SyncFailed, OSError.
    """
    mended: list[str] = []
    found = list(_records(_headed(journal_files, mended), after_commit or 0))
    if after_commit is None:
        after_commit = found[0].record.commit - 1 if found else 0
    synced = max((one.record.synced for one in found), default=after_commit)
    chain = Chain(after_commit, synced=synced, mended=mended)
    expected = after_commit + 1
    for one in found:
        if one.record.commit > expected:
            missing = range(expected, one.record.commit)
            if missing[-1] > chain.synced:
                break
            chain.missing += missing
        chain.records.append(one)
        expected = one.record.commit + 1
    return chain


def _headed(journal_files: list[JournalFile], mended: list[str]) -> list[tuple[FileHeader, JournalFile]]:
    """The files that were begun, in that order."""
    headed = []
    for journal_file in journal_files:
        journal_file.file.sync()
        journal_file.file.forget_cached()
        data = journal_file.file.read_at(0, HEADER_SIZE)
        header = decode_header(data)
        if header is None and (header := mend_header(data)) is not None:
            mended.append(journal_file.file.name)
        if header is not None:
            headed.append((header, journal_file))
    return sorted(headed, key=lambda pair: pair[0].first_commit)


def _records(headed: list[tuple[FileHeader, JournalFile]], after_commit: int) -> Iterator[ChainedRecord]:
    """All true records behind `after_commit`. Older uses of a file cannot show up: their salt is another."""
    for number, (header, journal_file) in enumerate(headed):
        # Where the next file begins this one ends: what may stand behind that was undone by an earlier recovery.
        stop = headed[number + 1][0].first_commit if number + 1 < len(headed) else None
        if stop is not None and stop <= after_commit + 1:
            continue
        data = journal_file.file.read_at(0, journal_file.file.size())
        position, last_commit = HEADER_SIZE, header.first_commit - 1
        while (record := _next_record(data, position, header.salt)) is not None and record.commit > last_commit:
            if stop is not None and record.commit >= stop:
                break
            if record.commit > after_commit:
                yield ChainedRecord(record, data)
            position, last_commit = record.end, record.commit


def _next_record(data: bytes, position: int, salt: int) -> Record | None:
    return decode_record(data, position, salt) or find_record(data, position, salt)


def disown(journal_files: list[JournalFile], last_commit: int) -> None:
    """Wipe the headers of files that were begun behind the last commit that counts.

    None of their records counts, and the next file will begin at the same commit: were both left, a later recovery
    could not tell which of them goes on. Durability: they are gone for good when it returns.

    Raises: SyncFailed, OSError.
    """
    for journal_file in journal_files:
        data = journal_file.file.read_at(0, HEADER_SIZE)
        header = decode_header(data) or mend_header(data)
        if header is not None and header.first_commit > last_commit:
            journal_file.file.write_at(0, [bytes(HEADER_SIZE)])
            journal_file.file.sync()


def open_journal_files(files: Files) -> list[JournalFile]:
    """The journal files of the directory, by number. Raises: OSError."""
    numbers = sorted(number for number in map(parse_journal, files.sizes()) if number is not None)
    opened = [(number, files.open(journal_name(number))) for number in numbers]
    return [JournalFile(number, file, file.size()) for number, file in opened]
