"""Reading from a partition: which offset is meant, and the chunk there."""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, datetime

from logmq.limits import HTTP_LAST_SIZE_MAX, HTTP_READ_COUNT_MAX, READ_SIZE
from logmq.model import Format, Topic, TopicPartition
from logmq.protocols.http.context import Context
from logmq.protocols.http.problems import InvalidInput, UnreadableBatch
from logmq.protocols.http.stored_records import Found, records_in, size_of
from logmq.records import batches, frames
from logmq.records.batches import Compression
from logmq.records.records import Record
from logmq.storage.engine import Chunk

EARLIEST = "earliest"
LATEST = "latest"
_OFFSET_MAX = 2**63 - 1
_FIRST_STEP_SIZE = 16 * 1024
_FEW = 500
"""Records that take a millisecond or two to be cut out."""


async def read(context: Context, partition: TopicPartition, offset: int, size_max: int) -> Chunk:
    """See `LogStore.read`; from the page cache at once, if it is there."""
    chunk = context.broker.read_nowait(partition, offset, size_max)
    return await context.broker.read(partition, offset, size_max) if chunk is None else chunk


async def find_records(
    context: Context, partition: TopicPartition, offset: int, count_max: int, size_max: int
) -> Found:
    """The records from `offset` on that are there: at most `count_max`, and about `size_max` bytes of them.

    At least one, if there is one. Raises: OffsetOutOfRange, Damaged, UnreadableBatch, UnknownTopic, UnknownPartition.
    """
    topic = context.broker.check_partition(partition)
    found: list[Record] = []
    size = 0
    while (chunk := await read(context, partition, offset, min(READ_SIZE, size_max))).data:
        try:
            more = await _records_in(topic, chunk, offset, count_max - len(found), max(1, size_max - size))
        except UnreadableBatch as error:
            if not found:
                raise
            return Found(found, max(offset, error.first_offset))
        found += more.records
        size += sum(map(size_of, more.records))
        offset = more.next_offset
        if len(found) >= count_max or size >= size_max or offset < chunk.next_offset:
            break
    return Found(found, offset)


async def _records_in(topic: Topic, chunk: Chunk, offset: int, count_max: int, size_max: int) -> Found:
    """`records_in`, in a thread if it would hold up everybody else."""
    if count_max <= _FEW and not _is_compressed(topic, chunk):
        return records_in(topic, chunk, offset, count_max=count_max, size_max=size_max)
    return await asyncio.to_thread(records_in, topic, chunk, offset, count_max=count_max, size_max=size_max)


def _is_compressed(topic: Topic, chunk: Chunk) -> bool:
    """Whether any batch has to be decompressed."""
    if topic.format is Format.PLAIN:
        return False
    return any(header.compression != Compression.NONE for _, header in batches.headers(chunk.data))


async def resolve_offset(context: Context, partition: TopicPartition, text: str) -> int:
    """The offset that is meant: a number, `earliest`, `latest`, `-10` (the last ten), `@<ms>` or an ISO 8601 time.

    A number is not checked against what is there. Raises: InvalidInput, UnknownTopic, UnknownPartition.
    """
    bounds = context.broker.bounds(partition)
    if text == EARLIEST:
        return bounds.log_start_offset
    if text == LATEST:
        return bounds.high_watermark
    if re.fullmatch(r"-[0-9]{1,19}", text):
        return await _last(context, partition, min(int(text[1:]), HTTP_READ_COUNT_MAX))
    if re.fullmatch(r"[0-9]{1,19}", text):
        return min(int(text), _OFFSET_MAX)
    offset, _ = await context.broker.find_timestamp(partition, _time_of(text))
    return context.broker.bounds(partition).high_watermark if offset < 0 else offset


def _time_of(text: str) -> int:
    if re.fullmatch(r"@[0-9]{1,19}", text):
        return min(int(text[1:]), _OFFSET_MAX)
    try:
        # The plus sign of a time zone is a space in a URL, unless it was written as %2B.
        time = datetime.fromisoformat(text.replace(" ", "+") if "T" in text else text)
        return int((time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp() * 1000)
    except (ValueError, OverflowError):
        raise InvalidInput(
            f"{text[:40]!r} is no offset: use a number, earliest, latest, -10 for the last ten, @ and milliseconds"
            " since 1970, or a time such as 2026-01-31T12:00:00Z",
            "offset",
        ) from None


async def _last(context: Context, partition: TopicPartition, count: int) -> int:
    """The offset of the record that has `count` - 1 behind it; of the first one if there are not as many, or
    not within HTTP_LAST_SIZE_MAX of a plain topic."""
    bounds = context.broker.bounds(partition)
    start, end = bounds.log_start_offset, bounds.high_watermark
    if context.broker.topic(partition.topic).format is Format.BATCH:
        return max(start, end - count)
    if count == 0:
        return end
    step = _FIRST_STEP_SIZE
    while True:
        offset = max(start, end - step)
        offsets = await _frame_offsets(context, partition, offset, end)
        if len(offsets) >= count:
            return offsets[-count]
        if offset == start or (offsets and step >= HTTP_LAST_SIZE_MAX):
            return offsets[0] if offsets else end
        step *= 4


async def _frame_offsets(context: Context, partition: TopicPartition, offset: int, end: int) -> list[int]:
    """The offsets of all frames from the first one at or after `offset` on."""
    found: list[int] = []
    while offset < end and (chunk := await read(context, partition, offset, READ_SIZE)).data:
        starts, _ = frames.walk(chunk.data)
        found += [chunk.first_offset + start for start in starts if chunk.first_offset + start >= offset]
        offset = chunk.next_offset
        await asyncio.sleep(0)  # others get their turn
    return found
