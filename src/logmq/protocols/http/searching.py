"""Finding records that hold a text: pure functions on chunks, quick where there is nothing to be found.

A text that is not in the bytes of a batch is in none of its fields, so that most batches are passed over as a whole
(compressed ones once they are decompressed); only those with a hit are taken apart.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import NamedTuple

from logmq.errors import LogMQError
from logmq.limits import HTTP_DECOMPRESSED_SIZE_MAX
from logmq.model import Format, Topic
from logmq.protocols.http.problems import UnreadableBatch
from logmq.protocols.http.stored_records import NO_TIME
from logmq.records import batches, frames
from logmq.records.compression import decompress
from logmq.records.records import Record, decode
from logmq.storage.engine import Chunk

FIELDS = ("key", "value", "headers")


class Scanned(NamedTuple):
    """What was found in a chunk, and how much was looked at, up to `next_offset`."""

    matches: list[Record]
    record_count: int
    next_offset: int


class Text:
    """What is searched for, and in which fields."""

    def __init__(self, text: str, fields: Collection[str], *, ignore_case: bool) -> None:
        self._fields = frozenset(fields)
        self._is_in: Callable[[bytes], bool]
        self.may_be_in: Callable[[bytes], bool]
        """Whether any field within these bytes could hold the text."""
        if not ignore_case:
            sought = text.encode()
            self._is_in = self.may_be_in = lambda data: sought in data
        elif text.isascii():
            lowered = text.lower().encode()
            self._is_in = self.may_be_in = lambda data: lowered in data.lower()
        else:  # other letters have cases too, but not byte by byte
            folded = text.casefold()
            self._is_in = lambda data: folded in data.decode("utf-8", "replace").casefold()
            self.may_be_in = lambda _: True

    def matches(self, record: Record) -> bool:
        """Whether one of the fields holds it."""
        return any(self._is_in(field) for field in self._given(record) if field)

    def _given(self, record: Record) -> Iterator[bytes | None]:
        if "value" in self._fields:
            yield record.value
        if "key" in self._fields:
            yield record.key
        if "headers" in self._fields:
            for name, value in record.headers:
                yield name.encode()
                yield value


def search(topic: Topic, chunk: Chunk, offset: int, until: int, text: Text, matches_max: int) -> Scanned:
    """The records of a chunk in `[offset, until)` that hold the text, at most so many.

    Raises: UnreadableBatch, when the batch at `offset` is one; a later one ends what is looked at before it.
    """
    look = _frames if topic.format is Format.PLAIN else _batches
    found: list[Record] = []
    count, next_offset = 0, offset
    try:
        for records, passed_count, next_offset in look(chunk, offset, text):  # noqa: B007 - it is read below
            count += passed_count
            for record in records:
                if record.offset < offset or record.offset >= until:
                    continue
                if text.matches(record):
                    found.append(record)
                    if len(found) == matches_max:
                        return Scanned(found, count, record.offset + 1)
    except UnreadableBatch:
        if next_offset == offset:
            raise
    return Scanned(found, count, next_offset)


def _frames(chunk: Chunk, offset: int, text: Text) -> Iterator[tuple[list[Record], int, int]]:
    """All frames that are to be looked at, how many there are, and the offset behind them."""
    starts, end = frames.walk(chunk.data)
    if not text.may_be_in(chunk.data):
        yield [], len(starts), chunk.next_offset
        return
    payloads = frames.cut(chunk.data, starts, end)
    records = [
        Record(chunk.first_offset + start, NO_TIME, None, payload)
        for start, payload in zip(starts, payloads, strict=True)
        if text.may_be_in(payload)
    ]
    yield records, len(starts), chunk.next_offset


def _batches(chunk: Chunk, offset: int, text: Text) -> Iterator[tuple[list[Record], int, int]]:
    """As `_frames`, batch by batch."""
    for position, header in batches.headers(chunk.data):
        if header.next_offset <= offset:
            continue
        if header.attributes & batches.CONTROL:
            yield [], 0, header.next_offset
            continue
        data = chunk.data[position : position + header.size]
        try:
            body = decompress(header.compression, data[batches.HEADER_SIZE :], HTTP_DECOMPRESSED_SIZE_MAX)
            records = list(decode(data, HTTP_DECOMPRESSED_SIZE_MAX)) if text.may_be_in(body) else []
        except LogMQError as error:
            raise UnreadableBatch(header.base_offset, header.next_offset, str(error)) from error
        yield records, header.record_count, header.next_offset
