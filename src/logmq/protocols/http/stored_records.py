"""Records as clients read them: stored bytes in, JSON out, whatever the topic's format."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from typing import Any, Literal, NamedTuple, TypeAlias

import msgspec
from msgspec import Raw

from logmq.errors import LogMQError
from logmq.limits import HTTP_DECOMPRESSED_SIZE_MAX
from logmq.model import Format, Topic
from logmq.protocols.http.new_records import Base64
from logmq.protocols.http.problems import UnreadableBatch
from logmq.records import batches, frames
from logmq.records.records import Record, decode
from logmq.storage.engine import Chunk

Values: TypeAlias = Literal["text", "json"]
"""How values are given: as strings, or as JSON where they are JSON."""


class HeaderAnswer(msgspec.Struct, frozen=True):
    """One header of a record."""

    name: str
    value: str | Base64 | None


class RecordAnswer(msgspec.Struct, frozen=True):
    """A record as read: strings where the bytes are UTF-8, else base64."""

    partition: int
    offset: int
    timestamp_ms: int | None
    """None where records have no time of their own: in plain topics."""
    key: str | Base64 | None
    value: Any
    headers: list[HeaderAnswer]
    size_bytes: int
    """Of key, value and headers."""


class Found(NamedTuple):
    """Some records of a partition, and the offset at which the following ones are read."""

    records: list[Record]
    next_offset: int


def records_in(
    topic: Topic, chunk: Chunk, offset: int, *, count_max: int | None = None, size_max: int | None = None
) -> Found:
    """The records of a chunk from `offset` on, as bytes: at most `count_max`, and about `size_max` bytes of them.

    The broker's own marks (control batches) are left out. A batch that cannot be read ends what is found before it.
    Times of records of a plain topic are -1. Raises: UnreadableBatch, when that is the first one asked for.
    """
    found: list[Record] = []
    count_left = len(chunk.data) if count_max is None else count_max
    size_left = size_max
    walk = _frames(chunk, offset) if topic.format is Format.PLAIN else _batches(chunk, offset)
    try:
        for record in walk:
            if count_left == 0 or (size_left is not None and size_left <= 0 and found):
                return Found(found, record.offset)
            found.append(record)
            count_left -= 1
            if size_left is not None:
                size_left -= size_of(record)
    except UnreadableBatch as error:
        if not found:
            raise
        return Found(found, error.first_offset)
    return Found(found, max(chunk.next_offset, offset))


def _frames(chunk: Chunk, offset: int) -> Iterator[Record]:
    starts, end = frames.walk(chunk.data)
    index = bisect_left(starts, offset - chunk.first_offset)
    starts.append(end)
    for start, stop in zip(starts[index:], starts[index + 1 :], strict=False):
        yield Record(chunk.first_offset + start, NO_TIME, None, chunk.data[start + frames.HEADER_SIZE : stop])


def _batches(chunk: Chunk, offset: int) -> Iterator[Record]:
    for position, header in batches.headers(chunk.data):
        if header.next_offset <= offset or header.attributes & batches.CONTROL:
            continue
        try:
            for record in decode(chunk.data[position : position + header.size], HTTP_DECOMPRESSED_SIZE_MAX):
                if record.offset >= offset:
                    yield record
        except LogMQError as error:
            raise UnreadableBatch(header.base_offset, header.next_offset, str(error)) from error


NO_TIME = -1


def size_of(record: Record) -> int:
    """Bytes of key, value and headers."""
    size = len(record.key or b"") + len(record.value or b"")
    for name, value in record.headers:
        size += len(name.encode()) + len(value or b"")
    return size


def answer_of(partition: int, record: Record, values: Values = "text") -> RecordAnswer:
    """A record as JSON can say it."""
    value = _given(record.value)
    return RecordAnswer(
        partition,
        record.offset,
        None if record.timestamp_ms == NO_TIME else record.timestamp_ms,
        _given(record.key),
        _as_json(record.value, value) if values == "json" and isinstance(value, str) else value,
        [HeaderAnswer(name, _given(field)) for name, field in record.headers],
        size_of(record),
    )


def _given(field: bytes | None) -> str | Base64 | None:
    if field is None:
        return None
    try:
        return field.decode()
    except UnicodeDecodeError:
        return Base64(field)


def _as_json(field: bytes | None, text: str) -> Any:
    """The value itself where its text is JSON, on one line."""
    assert field is not None
    try:
        return Raw(msgspec.json.format(field, indent=-1))
    except (msgspec.DecodeError, RecursionError):
        return text
