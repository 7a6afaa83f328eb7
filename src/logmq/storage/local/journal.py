"""The journal: one record a commit, one fdatasync a commit, whatever the number of logs in it.

A journal file is preallocated with zeros and used again and again, so that a sync has no metadata to write.
Numbers are little-endian, records begin at multiples of 8 bytes:

    file     magic "LMQJRNL1" | salt u64 | first commit u64 | reserved u32 | crc32c u32 of the 28 bytes before
             then records, back to back; behind the last one lies whatever was there before
    record   magic "LMQR" | crc32c u32 of the file's salt and all that follows up to the end of the parts
             | size u32 of the whole record | part count u32 | commit u64 | synced u64 | timestamp ms u64
             then the parts, then the bytes of the inline parts in the same order
    part     log id u64 | segment base offset u64 | position u64 | first offset u64 | offset count u64 | size u64
             | crc32c u32 of the bytes | kind u32

    kind     0 inline: the bytes are here, and recovery writes them to the log again
             1 span: the bytes are in the log only, whose own file is synced along with the journal
             2 trim: the log now begins at `first offset`

`commit` counts up by one, so the chain ends where the next number, or its checksum, is missing. The salt is drawn
anew each time a file is begun: what a client sent, or an older record, can never pass for the next record. `synced`
is the last commit known to be durable when this one was written: a record behind it may be torn by a power cut and is
then undone; one at or before it was acknowledged, so if it does not check out it is rot, and is reported.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

from crc32c import crc32c

from logmq.model import Octets
from logmq.storage.local.files import File, Files
from logmq.storage.local.names import journal_name

_FILE_HEADER = struct.Struct("<8sQQI")
_FILE_MAGIC = b"LMQJRNL1"
HEADER_SIZE = _FILE_HEADER.size + 4
RECORD_MAGIC = b"LMQR"
_RECORD = struct.Struct("<IIQQQ")
_RECORD_HEAD_SIZE = 8 + _RECORD.size
_PART = struct.Struct("<QQQQQQII")
_U32 = struct.Struct("<I")
assert HEADER_SIZE == 32
assert _RECORD_HEAD_SIZE == 40
assert _PART.size == 56
_ALIGNMENT = 8
_ZEROS = bytes(1 << 20)


class Kind(IntEnum):
    """What a part of a commit is."""

    INLINE = 0
    SPAN = 1
    TRIM = 2


class Part(NamedTuple):
    """What a commit did to one log."""

    log_id: int
    base_offset: int
    position: int
    first_offset: int
    offset_count: int
    size: int
    crc: int
    kind: Kind


class Record(NamedTuple):
    """A commit as read from a journal file; `data_position` is where its inline bytes begin in the file."""

    commit: int
    synced: int
    timestamp_ms: int
    parts: tuple[Part, ...]
    position: int
    data_position: int
    end: int


class FileHeader(NamedTuple):
    """What identifies one use of a journal file."""

    salt: int
    first_commit: int


def encode_header(header: FileHeader) -> bytes:
    """The first 32 bytes of a journal file."""
    body = _FILE_HEADER.pack(_FILE_MAGIC, header.salt, header.first_commit, 0)
    return body + _U32.pack(crc32c(body))


def decode_header(data: bytes) -> FileHeader | None:
    """The header of a journal file; None if it has none or a damaged one."""
    if len(data) < HEADER_SIZE or data[:8] != _FILE_MAGIC:
        return None
    if crc32c(data[: HEADER_SIZE - 4]) != _U32.unpack_from(data, HEADER_SIZE - 4)[0]:
        return None
    _, salt, first_commit, _ = _FILE_HEADER.unpack_from(data)
    return FileHeader(salt, first_commit)


def mend_header(data: bytes) -> FileHeader | None:
    """The header that differs in one bit from what is there; None if there is no such header.

    None of a file's records can be believed without its salt, so that one flipped bit would lose them all.
    """
    flipped = bytearray(data[:HEADER_SIZE])
    for bit in range(8 * len(flipped)):
        flipped[bit // 8] ^= 1 << bit % 8
        header = decode_header(bytes(flipped))
        if header is not None:
            return header
        flipped[bit // 8] ^= 1 << bit % 8
    return None


def _draw_salt() -> int:
    return int.from_bytes(os.urandom(8), "little")


def _salted(salt: int) -> int:
    return crc32c(salt.to_bytes(8, "little"))


def encode_record(
    salt: int, commit: int, synced: int, timestamp_ms: int, parts: Sequence[Part], data_size: int
) -> bytes:
    """A record up to its inline bytes, of which `data_size` follow."""
    table = b"".join([_PART.pack(*part) for part in parts])
    size = _RECORD_HEAD_SIZE + len(table) + data_size
    body = _RECORD.pack(size, len(parts), commit, synced, timestamp_ms) + table
    return RECORD_MAGIC + _U32.pack(crc32c(body, _salted(salt))) + body


def decode_record(data: bytes, position: int, salt: int) -> Record | None:
    """The record at `position` of a journal file's bytes; None if there is no whole and true one.

    The inline bytes are not checked here.
    """
    if data[position : position + 4] != RECORD_MAGIC or position + _RECORD_HEAD_SIZE > len(data):
        return None
    size, part_count, commit, synced, timestamp_ms = _RECORD.unpack_from(data, position + 8)
    data_position = position + _RECORD_HEAD_SIZE + part_count * _PART.size
    if data_position > position + size or position + size > len(data):
        return None
    check = crc32c(memoryview(data)[position + 8 : data_position], _salted(salt))
    if check != _U32.unpack_from(data, position + 4)[0]:
        return None
    table = memoryview(data)[position + _RECORD_HEAD_SIZE : data_position]
    parts = tuple([Part._make((*fields[:7], Kind(fields[7]))) for fields in _PART.iter_unpack(table)])
    return Record(commit, synced, timestamp_ms, parts, position, data_position, _aligned(position + size))


def find_record(data: bytes, position: int, salt: int) -> Record | None:
    """The first true record at or after `position`: how the chain is taken up again behind a damaged record."""
    while (position := data.find(RECORD_MAGIC, position)) >= 0:
        if position % _ALIGNMENT == 0 and (record := decode_record(data, position, salt)) is not None:
            return record
        position += 1
    return None


def _aligned(position: int) -> int:
    return -(-position // _ALIGNMENT) * _ALIGNMENT


@dataclass(slots=True)
class JournalFile:
    """A preallocated file and the use that is made of it."""

    number: int
    file: File
    size: int
    last_commit: int = 0


def create_journal_file(files: Files, number: int, size: int) -> JournalFile:
    """Make a journal file of zeros. Durability: content and name survive a power cut when it returns.

    Raises: OSError (nothing is left of the file), SyncFailed.
    """
    name = journal_name(number)
    file = files.create(name)
    try:
        file.truncate(0)
        for position in range(0, size, len(_ZEROS)):
            file.write_at(position, [_ZEROS[: size - position]])
    except OSError:
        file.truncate(0)
        files.unlink(name)
        raise
    file.sync()
    files.sync_names()
    return JournalFile(number, file, size)


class Journal:
    """The journal file in use, those that wait for a checkpoint, and those that are free.

    The committing thread appends and syncs; the checkpointing thread frees files. Lists are only appended to and
    popped from, which the interpreter does in one step.
    """

    def __init__(self, free: Iterable[JournalFile], last_commit: int) -> None:
        """Know the files; nothing is written before `begin`. `last_commit` is the last one that counts."""
        self.free = list(free)
        self.retired: list[JournalFile] = []
        self.commit = last_commit
        self.synced = last_commit

    def begin(self) -> None:
        """Go on in the first free file. Allowed only when a durable checkpoint covers all commits. Raises: OSError."""
        self._begin(self.free[0])
        self.free.pop(0)

    def _begin(self, file: JournalFile) -> None:
        salt = _draw_salt()
        # The header becomes durable with the first record's sync; without either the file counts for nothing.
        # It comes first: should it fail, no record may follow in this file.
        file.file.write_at(0, [encode_header(FileHeader(salt, self.commit + 1))])
        self._active, self._salt, self._position = file, salt, HEADER_SIZE

    def has_room(self, part_count: int, data_size: int) -> bool:
        """Whether a record of this size fits into the file in use."""
        return self._position + _RECORD_HEAD_SIZE + part_count * _PART.size + data_size <= self._active.size

    def append(self, timestamp_ms: int, parts: Sequence[Part], data: Sequence[Octets]) -> None:
        """Write the next commit's record. Durability: none before `sync`.

        There must be room for it. Raises: OSError, after which the record counts for nothing.
        """
        data_size = sum(map(len, data))
        head = encode_record(self._salt, self.commit + 1, self.synced, timestamp_ms, parts, data_size)
        assert self.has_room(len(parts), data_size)
        try:
            self._active.file.write_at(self._position, [head, *data])
        except OSError:
            # What is missing may be what was there before: the record must not be whole by chance.
            self._active.file.write_at(self._position, [bytes(len(RECORD_MAGIC))])
            raise
        self._position = _aligned(self._position + len(head) + data_size)
        self.commit += 1
        self._active.last_commit = self.commit

    def sync(self) -> None:
        """Make all records durable. Raises: SyncFailed, which is final."""
        if self.synced < self.commit:
            self._active.file.sync()
            self.synced = self.commit

    def roll(self) -> bool:
        """Go on in a free file; False if there is none. Durability: the old file is synced.

        Raises: SyncFailed, OSError.
        """
        if not self.free:
            return False
        self.sync()
        full = self._active
        self._begin(self.free[0])
        self.free.pop(0)
        self.retired.append(full)
        return True

    def restart(self) -> None:
        """Begin the file in use anew. Allowed only when a checkpoint covers all commits. Raises: OSError."""
        assert not self.retired
        self._position = self._active.size  # full, until there is a whole new header
        self._begin(self._active)

    def release(self, checkpoint_commit: int) -> None:
        """Free the files whose last commit a durable checkpoint covers."""
        while self.retired and self.retired[0].last_commit <= checkpoint_commit:
            self.free.append(self.retired.pop(0))

    @property
    def used_size(self) -> int:
        """Bytes written to the file in use."""
        return self._position

    @property
    def active_size(self) -> int:
        """The size of the file in use."""
        return self._active.size

    @property
    def size(self) -> int:
        """Bytes of all its files."""
        return sum([file.size for file in (*self.free, *self.retired, self._active)])

    @property
    def file_count(self) -> int:
        """How many files there are."""
        return 1 + len(self.free) + len(self.retired)

    @property
    def next_number(self) -> int:
        """A number that no journal file has."""
        return 1 + max(file.number for file in (*self.free, *self.retired, self._active))
