"""The sparse index of one segment: where records start, when they were committed, and what their bytes sum up to.

An index file is a header and entries of 32 bytes, numbers little-endian:

    header   magic "LMQINDEX" | version u32 | reserved u32 | base offset u64 | reserved u32 | crc32c u32 of all before
    entry    offset u64 | position u64 | timestamp ms u64 | crc32c u32 of the log bytes since the last entry
             | crc32c u32 of the 28 bytes before

An entry stands for a boundary: the record at `offset` starts at `position` of the segment's file, which is also where
the one before it ends. The first boundary, the segment's beginning, has no entry. There is one entry about every
INDEX_INTERVAL bytes and one at each checkpoint, so that look-ups by offset and time end in a short scan and every
byte behind a checkpoint is covered by a checksum (plain frames have none of their own). An entry for bytes known to be
damaged holds the complement of their checksum, so that they can never pass.

Entries are kept in memory until a checkpoint writes them. The file can always be rebuilt from the log.
"""

from __future__ import annotations

import struct
from bisect import bisect_right
from typing import NamedTuple

from crc32c import crc32c

from logmq.errors import LogMQError
from logmq.storage.local.opened import OpenFiles

_HEADER = struct.Struct("<8sIIQI")
_HEADER_SIZE = _HEADER.size + 4
_MAGIC = b"LMQINDEX"
_VERSION = 1
_ENTRY = struct.Struct("<QQQII")
_ENTRY_BODY = struct.Struct("<QQQI")
assert _HEADER_SIZE == _ENTRY.size == 32


class IndexDamaged(LogMQError):
    """An index file does not hold what was written to it; it must be rebuilt from the log."""


class Entry(NamedTuple):
    """One boundary; `crc` covers the log bytes from the entry before it to `position`."""

    offset: int
    position: int
    timestamp_ms: int
    crc: int


def encode_header(base_offset: int) -> bytes:
    """The first 32 bytes of an index file."""
    body = _HEADER.pack(_MAGIC, _VERSION, 0, base_offset, 0)
    return body + struct.pack("<I", crc32c(body))


def encode_entry(entry: Entry) -> bytes:
    """The 32 bytes of an entry."""
    body = _ENTRY_BODY.pack(*entry)
    return body + struct.pack("<I", crc32c(body))


def decode_entries(data: bytes) -> list[Entry]:
    """Entries back to back. Raises: IndexDamaged, at the first whose checksum is wrong."""
    entries = []
    for start, (offset, position, timestamp_ms, crc, check) in enumerate(_ENTRY.iter_unpack(data)):
        if crc32c(data[start * 32 : start * 32 + 28]) != check:
            raise IndexDamaged(f"entry {start} has a wrong checksum")
        entries.append(Entry(offset, position, timestamp_ms, crc))
    return entries


def salvage_entries(data: bytes) -> list[Entry | None]:
    """The entries in the bytes of an index file, with None for each that has a wrong checksum."""
    entries: list[Entry | None] = []
    for start in range(_HEADER_SIZE, len(data) - _ENTRY.size + 1, _ENTRY.size):
        try:
            entries += decode_entries(data[start : start + _ENTRY.size])
        except IndexDamaged:
            entries.append(None)
    return entries


class Index:
    """The entries of one segment, in their file up to the last checkpoint and in memory from there on.

    One thread appends and flushes; others may read meanwhile: what they see is published in one tuple.
    """

    __slots__ = ("_opened", "_parts", "base_offset", "hint", "name")

    def __init__(self, opened: OpenFiles, name: str, base_offset: int, stored_count: int) -> None:
        self._opened = opened
        self._parts: tuple[int, list[Entry]] = (stored_count, [])
        self.hint = 0  # the entry at which the last reader ended; the next one mostly goes on there
        self.name = name
        self.base_offset = base_offset

    @staticmethod
    def count_in(size: int) -> int:
        """How many whole entries a file of `size` bytes holds."""
        return max(0, size - _HEADER_SIZE) // _ENTRY.size

    def salvage(self) -> list[Entry | None]:
        """What can still be made out: all entries, in the file and in memory, with None for each damaged one."""
        stored_count, recent = self._parts
        file = self._opened.get(self.name)
        return [*salvage_entries(file.read_at(0, file.size()))[:stored_count], *recent]

    def __len__(self) -> int:
        stored_count, recent = self._parts
        return stored_count + len(recent)

    def __getitem__(self, number: int) -> Entry:
        return self.slice(number, number + 1)[0]

    def slice(self, start: int, stop: int) -> list[Entry]:
        """The entries numbered `[start, stop)`, fewer at the end. Raises: IndexDamaged, OSError."""
        stored_count, recent = self._parts
        entries: list[Entry] = []
        if start < stored_count:
            count = min(stop, stored_count) - start
            data = self._opened.get(self.name).read_at(_HEADER_SIZE + start * _ENTRY.size, count * _ENTRY.size)
            if len(data) != count * _ENTRY.size:
                raise IndexDamaged(f"{self.name} is shorter than it was")
            entries = decode_entries(data)
        if stop > stored_count:
            entries += recent[max(0, start - stored_count) : stop - stored_count]
        return entries

    def find(self, offset: int) -> int:
        """How many entries have an offset at or below `offset`: the number of the first entry beyond it."""
        around = self.slice(self.hint, self.hint + 2)
        if len(around) == 2 and around[0].offset <= offset < around[1].offset:
            return self.hint + 1
        return bisect_right(self, offset, key=lambda entry: entry.offset)

    def find_timestamp(self, timestamp_ms: int) -> int:
        """The number of the first entry that was committed at or after `timestamp_ms`."""
        return bisect_right(self, timestamp_ms - 1, key=lambda entry: entry.timestamp_ms)

    def append(self, entry: Entry) -> None:
        """Add a boundary behind all others, in memory."""
        self._parts[1].append(entry)

    def cut(self, count: int) -> None:
        """Forget all but the first `count` entries (the file keeps them until the next flush)."""
        stored_count, recent = self._parts
        self._parts = (min(stored_count, count), recent[: max(0, count - stored_count)])
        self.hint = 0

    def write(self, count: int) -> None:
        """Write the first `count` entries to the file and sync it. Safe beside the appending thread.

        Durability: when it returns, these entries survive a power cut, and the file holds nothing else.
        Raises: OSError, SyncFailed.
        """
        stored_count, recent = self._parts
        file = self._opened.get(self.name)
        file.write_at(0, [encode_header(self.base_offset)])  # every time: nothing else mends a damaged one
        position = _HEADER_SIZE + stored_count * _ENTRY.size
        fresh = recent[: max(0, count - stored_count)]
        if fresh:
            file.write_at(position, [b"".join(map(encode_entry, fresh))])
        end = position + len(fresh) * _ENTRY.size
        if file.size() > end:
            file.truncate(end)
        file.sync()

    def written(self, count: int) -> None:
        """Take note that `write(count)` was done: from now on these entries are read from the file."""
        stored_count, recent = self._parts
        fresh = max(0, count - stored_count)
        self._parts = (stored_count + fresh, recent[fresh:])
